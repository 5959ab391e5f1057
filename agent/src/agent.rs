//! The agent as a whole: its parts put together, and what is done in one pass. When passes happen is decided in
//! [`crate::looping`].

mod backups;
mod in_force;
mod open;
mod settled;

pub use open::AgentError;

use crate::accept::{Gate, OfferError, Offered, Slice};
use crate::backups::Desk;
use crate::ballast::Ballast;
use crate::clock::Clock;
use crate::config::Config;
use crate::containers::{Action, Lookout};
use crate::converge::{self, Input, Plan};
use crate::desired::{Desired, Instance, Surroundings};
use crate::diagnose::Answerer;
use crate::execute::{Hands, sentence};
use crate::files::{FilesError, Root};
use crate::history::History;
use crate::host_state::{Eyes, HostState};
use crate::keys::Keys;
use crate::lanes::{self, LaneResult};
use crate::ledger::Origin;
use crate::link::Link;
use crate::link::troubles::Troubles;
use crate::outbox::Outbox;
use crate::outbox::aside::Aside;
use crate::pause::PauseFile;
use crate::report::{self, News};
use crate::scan::Scan;
use crate::slices::Slices;
use crate::step::{Lane, Mark, Step};
use crate::web_server::WebServer;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tenantry_schema::id::InstanceName;
use tenantry_schema::wire::{Event, EventKind, Report, SliceRef};

/// How long the container engine may take to tell what is on it.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// The agent and all that it remembers.
#[derive(Debug)]
pub struct Agent<W> {
    config: Config,
    gate: Gate,
    slices: Slices,
    surroundings: Surroundings,
    keys: Arc<Keys>,
    eyes: Eyes,
    /// What was tried before.
    pub history: History,
    /// What happened since the last report.
    pub news: News,
    desired: Option<Desired>,
    /// Last good versions, and what is in force because of them.
    in_force: in_force::InForce,
    /// Instances as they were when everything of them was last as it should be.
    settled: BTreeMap<InstanceName, Instance>,
    ballast: Ballast,
    clock: Clock,
    /// The maintenance switch.
    pub pause: PauseFile,
    hands: Rc<Hands<W>>,
    /// What is remembered about backups.
    pub desk: Rc<Desk>,
    _lock: Option<open::Lock>,
}

/// One look at the server, and what is to be done.
#[derive(Debug)]
pub struct Look {
    /// What is there.
    pub state: HostState,
    /// What to do.
    pub plan: Plan,
}

impl<W: WebServer> Agent<W> {
    /// Goes on from the slice that the ledger names.
    fn remember(&mut self, origin: &Origin) {
        let now = Timestamp::now();
        self.event(
            EventKind::Started,
            None,
            format!("tenantry-agent {} started", env!("CARGO_PKG_VERSION")),
            now,
        );
        if let Origin::Damaged(why) = origin {
            self.event(
                EventKind::Failed,
                None,
                format!("the ledger is damaged and counts as none: {why}"),
                now,
            );
        }
        let accepted = self
            .gate
            .accepted(&self.hands.ledger.borrow(), &self.slices);
        match accepted {
            Ok(Some(slice)) => self.desired = Some(Desired::new(slice, &self.surroundings)),
            Ok(None) => {}
            Err(error) => self.not_accepted(error, now),
        }
        self.refresh_in_force();
        self.settled = self.last_settled();
    }

    /// A link to the hub that is configured.
    pub fn link(&self) -> Result<Link, AgentError> {
        let trusted = self.gate.trusted.clone();
        Ok(Link::new(
            &self.config.hub,
            self.config.server.clone(),
            trusted,
            self.keys.clone(),
        )?)
    }

    /// What the agent works with.
    pub fn hands(&self) -> &Rc<Hands<W>> {
        &self.hands
    }

    /// How it is configured.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What the server is made to be, if that is known: the slice, with the last good version of what was rolled back.
    pub fn desired(&self) -> Option<&Desired> {
        self.in_force.replaced().or(self.desired.as_ref())
    }

    /// What the newest slice asks for.
    pub fn wanted(&self) -> Option<&Desired> {
        self.desired.as_ref()
    }

    /// The slice that is accepted and on disk.
    pub fn have(&self) -> Option<SliceRef> {
        self.desired
            .as_ref()
            .map(|desired| desired.reference.clone())
    }

    /// What looks at the container engine.
    pub fn observer(&mut self) -> &mut Lookout {
        &mut self.eyes.engine
    }

    /// Takes a bundle in. Returns whether it was accepted; a refusal is reported. `fresh`: it came in an answer to our own nonce.
    pub fn offer(&mut self, bundle: &[u8], fresh: bool, now: Timestamp) -> bool {
        let mut offered = self.gate_offer(bundle, fresh);
        let full = matches!(&offered, Err(OfferError::Files(error)) if error.is_full());
        if full && self.ballast.release() {
            tracing::warn!("the disk is full: the ballast is given up for a slice");
            offered = self.gate_offer(bundle, fresh);
        }
        match offered {
            Ok(Offered::New(slice)) => {
                let SliceRef {
                    generation, commit, ..
                } = &slice.reference;
                tracing::info!(generation, commit, "slice accepted");
                let message = format!("generation {generation}, commit {commit}");
                self.event(EventKind::SliceAccepted, None, message, now);
                self.apply(slice);
                true
            }
            Ok(Offered::Same(slice)) => {
                match &mut self.desired {
                    Some(desired) if desired.reference.content == slice.reference.content => {
                        desired.reference = slice.reference;
                    }
                    _ => self.apply(slice),
                }
                self.refresh_in_force();
                true
            }
            Err(error) => {
                self.not_accepted(error, now);
                false
            }
        }
    }

    /// Sets room aside for the day on which the disk is full, where there is plenty.
    pub fn keep_ballast(&mut self) {
        self.ballast.keep();
    }

    fn gate_offer(&self, bundle: &[u8], fresh: bool) -> Result<Offered, OfferError> {
        let mut ledger = self.hands.ledger.borrow_mut();
        self.gate.offer(bundle, fresh, &mut ledger, &self.slices)
    }

    fn apply(&mut self, slice: Slice) {
        let desired = Desired::new(slice, &self.surroundings);
        for (name, instance) in &desired.instances {
            let before = self
                .desired
                .as_ref()
                .and_then(|before| before.instances.get(name));
            if before.is_none_or(|before| before.digest != instance.digest) {
                self.history.pace.forget(name.as_str());
            }
        }
        self.desired = Some(desired);
        self.refresh_in_force();
    }

    fn not_accepted(&mut self, error: OfferError, now: Timestamp) {
        match error {
            OfferError::Refused(refused) => {
                let kind = serde_json::to_value(refused.kind).unwrap_or_default();
                let kind = kind.as_str().unwrap_or_default();
                tracing::warn!(kind, "slice refused: {}", refused.detail);
                self.news.refusal(refused.at(now));
            }
            OfferError::Files(error) => {
                let message = sentence(&error);
                tracing::error!(message, "slice cannot be kept");
                self.event(
                    EventKind::Failed,
                    None,
                    format!("the slice cannot be kept: {message}"),
                    now,
                );
            }
        }
    }

    /// Notes that something happened.
    pub fn event(
        &mut self,
        kind: EventKind,
        instance: Option<InstanceName>,
        message: String,
        at: Timestamp,
    ) {
        self.news.event(Event {
            at,
            kind,
            instance,
            message,
        });
    }

    /// Looks at the server and decides. While it is not known what it should be, there is nothing to do.
    pub async fn look(&mut self, now: Timestamp) -> Look {
        self.look_within(PATIENCE, now).await
    }

    /// The same; the container engine is waited for no longer than `patience`.
    pub async fn look_within(&mut self, patience: Duration, now: Timestamp) -> Look {
        self.refresh_in_force();
        let ledger = self.hands.ledger.borrow().get().clone();
        let desired = self.in_force.replaced().or(self.desired.as_ref());
        let mut state = self
            .eyes
            .observe(patience, &self.hands, desired, &ledger)
            .await;
        let kept = desired.and_then(|desired| desired.backups.as_ref());
        state.backups = kept.map_or_else(Default::default, |kept| self.desk.standings(&kept.spec));
        state.putting_back = ledger
            .rollouts
            .values()
            .filter_map(|rollout| rollout.rejected.as_ref()?.put_back.as_ref())
            .map(|put_back| (put_back.id.clone(), self.desk.putting_back(&put_back.id)))
            .collect();
        state.standstills = self.desk.standstills();
        state.paused = self.pause.until(now);
        if self.clock.jumped(now) {
            // Whatever was to happen in time gets time anew.
            self.history.sighted = None;
        }
        self.history.sighted = if state.engine.is_ok() && state.paused.is_none() {
            self.history.sighted.or(Some(now))
        } else {
            None
        };
        let (history, key) = (&self.history, &self.surroundings.key);
        let plan = desired.zip(self.desired.as_ref()).map(|(desired, wanted)| {
            converge::converge(&Input {
                desired,
                wanted,
                versions: self.in_force.versions(),
                kept_images: self.in_force.kept_images(),
                state: &state,
                ledger: &ledger,
                settled: &self.settled,
                history,
                key,
                now,
            })
        });
        let mut plan = plan.unwrap_or_default();
        self.in_force.hold_unread(&mut plan);
        self.note_settled(&plan);
        Look { state, plan }
    }

    /// Remembers that the server is as it should be, once it is.
    pub fn note_converged(&mut self, plan: &Plan) -> Result<(), FilesError> {
        let Some(desired) = self
            .desired
            .as_ref()
            .filter(|_| plan.converged && !self.history.busy.iter().any(Lane::decides))
        else {
            return Ok(());
        };
        self.ballast.keep();
        self.hands.ledger.borrow_mut().update(|ledger| {
            ledger.converged = Some(desired.reference.content.clone());
            ledger
                .smoke
                .retain(|instance, _| desired.instances.contains_key(instance));
            ledger
                .rollouts
                .retain(|instance, _| desired.instances.contains_key(instance));
        })
    }

    /// Takes in what came of a lane.
    pub fn absorb(&mut self, result: LaneResult, now: Timestamp) {
        self.history.busy.remove(&result.lane);
        let instance = match &result.lane {
            Lane::Instance(name) | Lane::Files(name) => Some(name.clone()),
            Lane::Leftovers
            | Lane::Images
            | Lane::Web
            | Lane::Certificate(_)
            | Lane::Logs
            | Lane::Host(_) => None,
        };
        for (step, changed) in &result.taken {
            self.count_start(step, now);
            self.note_rejection(step, now);
            if *changed && step.is_news() {
                let kind = if step.is_repair() {
                    EventKind::Repaired
                } else {
                    EventKind::Changed
                };
                tracing::info!(lane = %result.lane, "{step}");
                self.event(kind, instance.clone(), step.to_string(), now);
            }
        }
        self.history.published(
            result
                .tried
                .iter()
                .map(|(host, digest)| (host, digest.as_str())),
            &result.complaints,
            now,
        );
        for (host, complaint) in &result.complaints {
            tracing::warn!(%host, complaint, "site refused by the web server");
            self.event(EventKind::Failed, None, format!("{host}: {complaint}"), now);
        }
        if result.full && self.ballast.release() {
            tracing::warn!("the disk is full: the ballast is given up");
        }
        match result.failed {
            None => self.history.succeeded(&result.lane),
            Some((step, why)) => {
                self.count_start(&step, now);
                tracing::warn!(lane = %result.lane, why, "could not {step}");
                let first = self
                    .history
                    .failure(&result.lane, &result.of)
                    .is_none_or(|failure| failure.message != why);
                if first {
                    self.event(EventKind::Failed, instance, why.clone(), now);
                }
                self.history.failed(result.lane, &result.of, why, now);
            }
        }
    }

    /// What takes over is not held back by what became of the version before it.
    fn note_rejection(&mut self, step: &Step, now: Timestamp) {
        let Step::Rollout(step) = step else { return };
        if let Mark::Rejected(_) | Mark::Restored = step.mark {
            self.history.pace.forget(step.instance.as_str());
            tracing::warn!(instance = %step.instance, "{step}");
            let instance = Some(step.instance.clone());
            self.event(EventKind::Failed, instance, step.to_string(), now);
        }
    }

    fn count_start(&mut self, step: &Step, now: Timestamp) {
        let Step::Container(step) = step else { return };
        if let (
            Action::Start { .. } | Action::Restart { .. } | Action::Recreate { .. },
            Some(service),
        ) = (&step.action, &step.service)
        {
            self.history.pace.started(&step.project, service, now);
        }
    }

    /// The state of the server as it is reported, without number, time and news.
    pub fn report(&self, look: &Look) -> Report {
        let ledger = self.hands.ledger.borrow();
        let kept = self.desired().and_then(|desired| desired.backups.as_ref());
        Report {
            backups: kept.map(|kept| self.desk.report(kept)),
            ..report::report(self.desired(), look, ledger.get())
        }
    }

    /// Reports that wait for the hub, and those that it will not take.
    pub fn outbox(&self) -> Result<Outbox, FilesError> {
        let root = |name: &str| Root::private(&self.config.state.join(name));
        Outbox::open(root("outbox")?, Aside::open(root("refused-reports")?))
    }

    /// What is looked for in logs, and how far they were read.
    pub fn scan(&self) -> Result<Scan, FilesError> {
        let root = Root::private(&self.config.state.join("logs"))?;
        Scan::open(self.hands.engine.clone(), root)
    }

    /// Answers what operators ask.
    pub fn answerer(&self) -> Result<Answerer, AgentError> {
        let Hands { engine, http, .. } = &*self.hands;
        let logs = self.config.nginx.logs();
        Ok(Answerer::new(
            self.link()?,
            engine.clone(),
            http.clone(),
            logs,
        ))
    }

    /// What stands between this server and its hub.
    pub fn troubles(&self) -> Result<Troubles, FilesError> {
        Troubles::open(Root::private(&self.config.state.join("link"))?)
    }

    /// Numbers a report and puts it into the outbox, with the news.
    pub fn post(
        &mut self,
        mut report: Report,
        outbox: &mut Outbox,
        now: Timestamp,
    ) -> Result<(), FilesError> {
        let mut ledger = self.hands.ledger.borrow_mut();
        report.sequence = ledger
            .get()
            .sequence
            .max(outbox.newest().unwrap_or_default())
            + 1;
        report.taken_at = now;
        ledger.update(|ledger| ledger.sequence = report.sequence)?;
        self.news.tell(&mut report);
        outbox.push(&report)?;
        self.news = News::default();
        Ok(())
    }

    /// Takes all steps of a plan, lanes side by side. Returns whether anything is different now.
    pub async fn take(&mut self, plan: &Plan) -> bool {
        let lanes = plan.steps.iter().map(|(lane, steps)| {
            let of = plan.of.get(lane).cloned().unwrap_or_default();
            lanes::run(self.hands.clone(), lane.clone(), of, steps.clone())
        });
        let results = futures_util::future::join_all(lanes).await;
        let now = Timestamp::now();
        let mut changed = false;
        for result in results {
            changed |= result
                .taken
                .iter()
                .any(|(step, changed)| *changed && step.is_news());
            self.absorb(result, now);
        }
        changed
    }
}
