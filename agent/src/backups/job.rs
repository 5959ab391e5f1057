//! A job at work: done beside the loop, and what came of it remembered.

use super::desk::Desk;
use super::drill;
use super::error::BackupError;
use super::files;
use super::manifest::Manifest;
use super::plan::Job;
use super::records::Record;
use super::restore::{self, Ended, Order};
use super::take::{self, Hands, elapsed};
use super::targets::Targets;
use super::tool::{self, BackupTool, Prepared, RECEIPT_FILE};
use crate::containers::Engine;
use crate::execute::sentence;
use jiff::Timestamp;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;
use tenantry_schema::id::InstanceName;
use tenantry_schema::wire::{
    BackupFailure, BackupsSpec, CheckResult, DrillResult, Event, EventKind, RestoreResult,
    SnapshotRef,
};

/// Until a restore is tried to be begun again where that cannot be written down.
const UNWRITABLE: Duration = Duration::from_mins(1);

/// Everything that a job needs, its own while it works.
#[derive(Debug)]
pub struct Work<T> {
    /// What is to be done.
    pub job: Job,
    /// What is wanted.
    pub spec: BackupsSpec,
    /// Where it is remembered.
    pub desk: Rc<Desk>,
    /// The container engine.
    pub engine: Engine,
    /// The repository.
    pub tool: T,
    /// The instance that it is about, or why that cannot be said.
    pub targets: Option<Result<Targets, String>>,
    /// The restore that it is about.
    pub order: Option<Order<T>>,
    /// Marks containers of drills: `<fleet id>/<customer>/<server>`.
    pub keeper: String,
    /// Folder of live files.
    pub live: PathBuf,
}

impl<T: BackupTool> Work<T> {
    /// Does it. What happened is for people to read.
    pub async fn run(self) -> Vec<Event> {
        let begin = Timestamp::now();
        let outcome = match &self.job {
            Job::Look => self.look().await,
            Job::Backup(instance) => self.backup(instance).await,
            Job::Check => self.check().await,
            Job::Drill(instance) => self.drill(instance, begin).await,
            Job::Restore(id) => self.restore(id).await,
        };
        self.desk.ring();
        outcome
    }

    fn hands<'a>(&'a self, spool: &'a std::path::Path) -> Hands<'a, T> {
        Hands {
            engine: &self.engine,
            tool: &self.tool,
            spool,
            desk: &self.desk,
        }
    }

    fn targets(&self) -> Result<&Targets, BackupError> {
        match &self.targets {
            Some(Ok(targets)) => Ok(targets),
            Some(Err(why)) => Err(BackupError::Missing(why.clone())),
            None => Err(BackupError::Missing(
                "nothing is known of the instance".to_owned(),
            )),
        }
    }

    /// What is in the repository already, and what an agent that was killed left behind.
    async fn look(&self) -> Vec<Event> {
        let now = Timestamp::now();
        let mut events = Vec::new();
        let looked = self.look_through(&mut events).await;
        let trouble = looked.err().map(|error| sentence(&error));
        if let Some(message) = &trouble {
            tracing::warn!(message, "backups cannot be made");
        }
        let _ = self.desk.remember(|records| match trouble {
            None => {
                records.looked = Some(self.spec.place.clone());
                records.trouble = None;
            }
            Some(message) => {
                let attempts = records
                    .trouble
                    .as_ref()
                    .map_or(0, |trouble| trouble.attempts)
                    + 1;
                if attempts == 1 {
                    events.push(event(
                        EventKind::Failed,
                        None,
                        format!("backups: {message}"),
                    ));
                }
                records.trouble = Some(BackupFailure {
                    at: now,
                    message,
                    attempts,
                });
            }
        });
        events
    }

    async fn look_through(&self, events: &mut Vec<Event>) -> Result<(), BackupError> {
        files::clear(&self.desk.spool())?;
        drill::remove_leftovers(&self.engine, &self.keeper).await?;
        files::clear(&self.desk.scratch())?;
        if self.tool.prepare().await? == Prepared::Made {
            let place = &self.spec.place;
            events.push(event(
                EventKind::Changed,
                None,
                format!("made a repository for backups at {place}"),
            ));
        }
        let good = tool::good(&self.tool.snapshots().await?);
        for name in self.spec.instances.keys() {
            let now = Timestamp::now();
            let mut mine = good
                .iter()
                .filter(|good| good.instance == *name && good.at <= now);
            let Some(newest) = mine.next() else { continue };
            let text = self
                .tool
                .read(&newest.receipt, &format!("/{RECEIPT_FILE}"))
                .await?;
            let manifest = Manifest::parse(&text).map_err(BackupError::Missing)?;
            let older: Vec<SnapshotRef> = mine
                .map(|good| SnapshotRef {
                    snapshot: good.data.clone(),
                    at: good.at,
                })
                .collect();
            self.desk.remember(|records| {
                let now = Timestamp::now();
                let record = records
                    .instances
                    .entry(name.clone())
                    .or_insert_with(|| Record::new(now));
                record.succeeded(manifest.good());
                record.first = Some(older.last().map_or(manifest.taken, |oldest| oldest.at));
                record.older = older;
            })?;
        }
        Ok(())
    }

    async fn backup(&self, instance: &InstanceName) -> Vec<Event> {
        let spool = self.desk.spool();
        let taken = match self.targets() {
            // Of mixed data no backup counts as good.
            Ok(_) if self.desk.is_mixed(instance) => Err(BackupError::Missing(
                self.desk.unsettled(instance).unwrap_or_default(),
            )),
            Ok(targets) => take::take(&self.hands(&spool), targets).await,
            Err(error) => Err(error),
        };
        self.desk.answered(instance);
        let now = Timestamp::now();
        let mut events = Vec::new();
        let _ = self.desk.remember(|records| {
            let record = records.instances.entry(instance.clone()).or_insert_with(|| Record::new(now));
            match &taken {
                Ok(manifest) => {
                    tracing::info!(%instance, snapshot = manifest.snapshot, bytes = manifest.bytes, "backed up");
                    if record.failure.is_some() || record.last.is_none() {
                        events.push(event(EventKind::Changed, Some(instance), "backed up".to_owned()));
                    }
                    record.succeeded(manifest.good());
                }
                Err(error) => {
                    let message = sentence(error);
                    tracing::warn!(%instance, message, "no backup");
                    let news = record.failure.as_ref().is_none_or(|failure| failure.message != message);
                    if news {
                        events.push(event(EventKind::Failed, Some(instance), format!("no backup: {message}")));
                    }
                    record.failed(message, now);
                }
            }
        });
        events
    }

    async fn check(&self) -> Vec<Event> {
        let share = self.spec.check_share.to_string();
        let problem = match self.tool.check(&share).await {
            Ok(problem) => problem,
            Err(error) => Some(error.to_string()),
        };
        let mut events = Vec::new();
        if let Some(problem) = &problem {
            tracing::warn!(
                problem,
                "the repository of backups is damaged, or cannot be read"
            );
            events.push(event(
                EventKind::Failed,
                None,
                format!("check of the backups: {problem}"),
            ));
        }
        let at = Timestamp::now();
        let _ = self
            .desk
            .remember(|records| records.check = Some(CheckResult { at, problem }));
        events
    }

    async fn drill(&self, instance: &InstanceName, begin: Timestamp) -> Vec<Event> {
        let drilled = self.drilled(instance).await;
        self.desk.drilled(instance);
        let result = DrillResult {
            at: Timestamp::now(),
            seconds: elapsed(begin),
            ..match drilled {
                Ok(drill) => drill,
                Err((snapshot, error)) => DrillResult {
                    at: begin,
                    snapshot,
                    seconds: 0,
                    evidence: Vec::new(),
                    problem: Some(sentence(&error)),
                },
            }
        };
        let mut events = Vec::new();
        match &result.problem {
            Some(problem) => {
                tracing::warn!(%instance, problem, "restore drill failed");
                events.push(event(
                    EventKind::Failed,
                    Some(instance),
                    format!("restore drill: {problem}"),
                ));
            }
            None => tracing::info!(%instance, snapshot = result.snapshot, "restore drill passed"),
        }
        let _ = self.desk.remember(|records| {
            if let Some(record) = records.instances.get_mut(instance) {
                record.drill = Some(result);
            }
        });
        events
    }

    async fn drilled(&self, instance: &InstanceName) -> Result<DrillResult, (String, BackupError)> {
        let good = self
            .newest(instance, &self.tool)
            .await
            .map_err(|error| (String::new(), error))?;
        let snapshot = good.snapshot.clone();
        let failed = |error| (snapshot.clone(), error);
        let targets = self.targets().map_err(failed)?;
        let scratch = drill::Scratch {
            engine: &self.engine,
            tool: &self.tool,
            keeper: &self.keeper,
            folder: self.desk.scratch(),
        };
        scratch.drill(targets, &good).await.map_err(failed)
    }

    /// The receipt of the newest good backup.
    async fn newest(&self, instance: &InstanceName, tool: &T) -> Result<Manifest, BackupError> {
        let good = tool::good(&tool.snapshots().await?);
        // As for a restore: what a clock that was ahead has dated is not the newest.
        let now = Timestamp::now();
        let newest = good
            .iter()
            .find(|good| good.instance == *instance && good.at <= now);
        let newest = newest.ok_or_else(|| {
            BackupError::Missing(format!(
                "there is no good backup of {instance}: it is tried out once there is one"
            ))
        })?;
        let text = tool
            .read(&newest.receipt, &format!("/{RECEIPT_FILE}"))
            .await?;
        Manifest::parse(&text).map_err(BackupError::Missing)
    }

    async fn restore(&self, id: &tenantry_schema::id::OperationId) -> Vec<Event> {
        // Written down before anything is touched: whatever happens, it is not begun a second time.
        if self.desk.begin_restore(id).is_err() {
            // It is due at once again, on a disk that takes nothing.
            tokio::time::sleep(UNWRITABLE).await;
            return Vec::new();
        }
        // The hub is told that it is at work.
        self.desk.ring();
        let alone = self.order.as_ref().filter(|order| order.alone);
        let _held = match alone {
            Some(order) => Some(self.desk.hold(&order.instance).await),
            None => None,
        };
        let ended = match (&self.order, self.targets()) {
            (Some(order), Ok(targets)) => {
                let spool = self.desk.spool();
                restore::restore(
                    &self.hands(&spool),
                    id,
                    order,
                    targets,
                    &self.desk.scratch(),
                    &self.live,
                )
                .await
            }
            (None, _) => Ended::early("the operation is not known".to_owned()),
            (_, Err(error)) => Ended::early(sentence(&error)),
        };
        let Ended { result, tidy } = ended;
        let event = match &result.problem {
            None => event(
                EventKind::Changed,
                self.order.as_ref().map(|order| &order.instance),
                format!("restored {}: operation {id}", result.snapshot),
            ),
            Some(problem) => event(
                EventKind::Failed,
                self.order.as_ref().map(|order| &order.instance),
                format!("restore {id}: {problem}"),
            ),
        };
        self.note_before(&result);
        let written = self
            .desk
            .remember(|records| drop(records.restores.insert(id.clone(), Some(result))));
        if let (Ok(()), true, Some(order)) = (written, tidy, &self.order) {
            // Where this fails it is put in order once more, which changes nothing.
            let _ = self.desk.end_exchange(&order.instance);
        }
        self.desk.end_restore();
        vec![event]
    }

    /// The backup that was taken before a restore is a backup like any other.
    fn note_before(&self, result: &RestoreResult) {
        if let Some(before) = &result.before {
            tracing::info!(before, "what was overwritten is in this backup");
        }
    }
}

fn event(kind: EventKind, instance: Option<&InstanceName>, message: String) -> Event {
    Event {
        at: Timestamp::now(),
        kind,
        instance: instance.cloned(),
        message,
    }
}
