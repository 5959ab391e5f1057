//! Where the loop and the job at work meet: what is remembered, who may touch which instance, and what was asked for.

use super::records::{Records, RecordsFile};
use super::requests::Wish;
use super::restore::journal::Journal;
use crate::execute::sentence;
use crate::files::{FilesError, Root};
use crate::rollout::{Backups, PuttingBack, Standing};
use jiff::Timestamp;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tenantry_schema::id::{InstanceName, OperationId};
use tenantry_schema::wire::{BackupsReport, BackupsSpec, RestoreResult};
use tokio::sync::Notify;

/// Shared by the loop and the job at work.
#[derive(Debug)]
pub struct Desk {
    /// `<state>/backups`.
    folder: PathBuf,
    records: RefCell<RecordsFile>,
    /// Restores whose data has not come to one end.
    pub(super) journal: RefCell<Journal>,
    /// Instances that are not to be converged right now, and how many want it so.
    held: RefCell<BTreeMap<InstanceName, u32>>,
    /// Instances whose steps are being taken.
    busy: RefCell<BTreeSet<InstanceName>>,
    /// Digests of the instances of the slice.
    wanted: RefCell<BTreeMap<InstanceName, String>>,
    asked: RefCell<BTreeSet<InstanceName>>,
    overdue: RefCell<BTreeMap<InstanceName, Timestamp>>,
    /// The restore that is being done.
    restoring: RefCell<Option<OperationId>>,
    done: Notify,
}

/// Keeps converging away from an instance until it is dropped.
#[derive(Debug)]
pub struct Held<'a> {
    desk: &'a Desk,
    instance: InstanceName,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let mut held = self.desk.held.borrow_mut();
        match held.get_mut(&self.instance) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(held.remove(&self.instance)),
        }
    }
}

impl Desk {
    /// In `<state>/backups`.
    pub fn open(state: &Path) -> Result<Self, FilesError> {
        let folder = state.join("backups");
        let records = RecordsFile::open(Root::private(&folder)?)?;
        let journal = Journal::open(Root::private(&folder.join("exchanges"))?)?;
        Ok(Self {
            journal: RefCell::new(journal),
            folder,
            records: RefCell::new(records),
            held: RefCell::default(),
            busy: RefCell::default(),
            wanted: RefCell::default(),
            asked: RefCell::default(),
            overdue: RefCell::default(),
            restoring: RefCell::default(),
            done: Notify::new(),
        })
    }

    /// Where dumps are put until they are saved.
    pub fn spool(&self) -> PathBuf {
        self.folder.join("spool")
    }

    /// Where dumps of an instance are kept until a restore of it has ended.
    pub fn kept(&self, instance: &InstanceName) -> PathBuf {
        self.folder.join("kept").join(instance.as_str())
    }

    /// Where backups are put to be tried out.
    pub fn scratch(&self) -> PathBuf {
        self.folder.join("scratch")
    }

    /// Where restic keeps what it need not fetch again.
    pub fn cache(&self) -> PathBuf {
        self.folder.join("cache")
    }

    /// What is remembered now.
    pub fn records(&self) -> Records {
        self.records.borrow().get().clone()
    }

    /// Remembers something. Where that cannot be written it is said, and tried again with the next change.
    pub fn remember(&self, change: impl FnOnce(&mut Records)) -> Result<(), FilesError> {
        let written = self.records.borrow_mut().update(change);
        if let Err(error) = &written {
            tracing::error!(
                error = sentence(error),
                "what was done about backups cannot be written down"
            );
        }
        written
    }

    /// Notes that a restore begins. It must not where that cannot be written: it could be begun a second time.
    pub fn begin_restore(&self, id: &OperationId) -> Result<(), FilesError> {
        let written = self.records.borrow_mut().begin(id);
        match &written {
            Ok(()) => *self.restoring.borrow_mut() = Some(id.clone()),
            Err(error) => tracing::error!(
                error = sentence(error),
                operation = %id,
                "a restore is not begun, for that cannot be written down"
            ),
        }
        written
    }

    /// Keeps converging away from an instance. Returns when nobody is at work on it.
    pub async fn hold(&self, instance: &InstanceName) -> Held<'_> {
        *self.held.borrow_mut().entry(instance.clone()).or_default() += 1;
        let held = Held {
            desk: self,
            instance: instance.clone(),
        };
        while self.busy.borrow().contains(instance) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        held
    }

    /// Whether an instance must not be converged right now.
    pub fn is_held(&self, instance: &InstanceName) -> bool {
        self.held.borrow().contains_key(instance)
    }

    /// Which version of each instance the slice asks for.
    pub fn set_wanted(&self, wanted: impl Iterator<Item = (InstanceName, String)>) {
        *self.wanted.borrow_mut() = wanted.collect();
    }

    /// Whether this version of an instance is still asked for.
    pub fn is_wanted(&self, instance: &InstanceName, version: &str) -> bool {
        let wanted = self.wanted.borrow();
        wanted.get(instance).is_some_and(|one| one == version)
    }

    /// Whose steps are being taken.
    pub fn set_busy(&self, busy: impl Iterator<Item = InstanceName>) {
        *self.busy.borrow_mut() = busy.collect();
    }

    /// Asks for a backup as soon as one can be taken.
    pub fn ask(&self, instance: &InstanceName) {
        if self.asked.borrow_mut().insert(instance.clone()) {
            self.done.notify_one();
        }
    }

    /// Of which instances a backup was asked for, by a roll-out or by a person at the command line.
    pub fn asked(&self) -> BTreeSet<InstanceName> {
        let mut all = self.asked.borrow().clone();
        all.extend(Wish::Backup.asked(&self.folder));
        all
    }

    /// Of which instances the newest backup is to be tried out now.
    pub fn drills(&self) -> BTreeSet<InstanceName> {
        Wish::Drill.asked(&self.folder)
    }

    /// A drill that was asked for was done, or failed.
    pub fn drilled(&self, instance: &InstanceName) {
        Wish::Drill.answered(&self.folder, instance);
    }

    /// A backup that was asked for was taken, or failed.
    pub fn answered(&self, instance: &InstanceName) {
        self.asked.borrow_mut().remove(instance);
        Wish::Backup.answered(&self.folder, instance);
    }

    /// Whether there is a good backup of `instance` whose data was taken at `since` or later. For roll-outs that want one first.
    pub fn good_since(&self, instance: &InstanceName, since: Timestamp) -> bool {
        let records = self.records.borrow();
        let record = records.get().instances.get(instance);
        record
            .and_then(|record| record.newest(Timestamp::now()))
            .is_some_and(|last| last.at >= since)
    }

    /// How backups stand, for roll-outs that want one first.
    pub fn standings(&self, spec: &BackupsSpec) -> Backups {
        let (records, now) = (self.records.borrow(), Timestamp::now());
        let standing = |name: &InstanceName| {
            let record = records.get().instances.get(name);
            let last = record.and_then(|record| record.newest(now));
            last.map_or(Standing::None, |last| Standing::Verified(last.at))
        };
        spec.instances
            .keys()
            .map(|name| (name.clone(), standing(name)))
            .collect()
    }

    /// Something was done: look again.
    pub fn ring(&self) {
        self.done.notify_one();
    }

    /// Waits until something was done.
    pub async fn rung(&self) {
        self.done.notified().await;
    }

    /// Notes since when backups are overdue.
    pub fn note_overdue(&self, spec: &BackupsSpec, now: Timestamp) {
        let records = self.records.borrow();
        let all = records.get().instances.iter();
        *self.overdue.borrow_mut() = all
            .filter_map(|(name, record)| Some((name.clone(), record.overdue(spec, now)?)))
            .collect();
    }

    /// No restore is being done any more.
    pub fn end_restore(&self) {
        *self.restoring.borrow_mut() = None;
    }

    /// How it stands with data that is put back because a version was given up.
    pub fn putting_back(&self, id: &OperationId) -> PuttingBack {
        let records = self.records.borrow();
        match records.get().restores.get(id) {
            Some(Some(RestoreResult { problem: None, .. })) => PuttingBack::Done,
            Some(Some(RestoreResult {
                problem: Some(problem),
                ..
            })) => PuttingBack::Failed(problem.clone()),
            Some(None) if self.restoring.borrow().as_ref() == Some(id) => PuttingBack::Running,
            Some(None) => PuttingBack::Failed(
                "the agent ended meanwhile, and nobody knows how far it came".to_owned(),
            ),
            None if records.get().was_begun(id) => {
                PuttingBack::Failed("what is written down about restores cannot be read".to_owned())
            }
            None => PuttingBack::Waiting,
        }
    }

    /// As the hub is told.
    pub fn report(&self, kept: &crate::accept::Backups) -> BackupsReport {
        let (wanted, at_work) = (kept.restores.keys(), self.restoring.borrow());
        let mut report = self.records.borrow().get().report(
            &kept.spec,
            &self.overdue.borrow(),
            wanted,
            at_work.as_ref(),
        );
        self.tell_unsettled(&mut report.begun);
        report
    }
}
