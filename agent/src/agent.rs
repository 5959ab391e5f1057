//! The agent as a whole: its parts put together, and what is done in one pass. When passes happen is decided in
//! [`crate::looping`].
//!
//! A pass: `take_in` (a slice, if one came), [`Agent::look`], `absorb` (what came of the steps), `tell` (the report).

mod absorb;
mod backups;
mod beside;
mod in_force;
mod open;
mod settled;
mod take_in;
mod tell;

pub use open::AgentError;

use crate::accept::Gate;
use crate::backups::Desk;
use crate::ballast::Ballast;
use crate::clock::Clock;
use crate::config::Config;
use crate::containers::Lookout;
use crate::converge::{self, Input, Plan};
use crate::desired::{Desired, Surroundings};
use crate::execute::Hands;
use crate::history::History;
use crate::host_state::{Eyes, HostState};
use crate::keys::Keys;
use crate::pause::PauseFile;
use crate::report::News;
use crate::rollout::Versions;
use crate::slices::Slices;
use crate::web_server::WebServer;
use jiff::Timestamp;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tenantry_schema::wire::SliceRef;

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
    settled: Versions,
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

    /// Sets room aside for the day on which the disk is full, where there is plenty.
    pub fn keep_ballast(&mut self) {
        self.ballast.keep();
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
        if self.history.sighted.is_some() && state.engine.is_err() {
            self.history.pace.engine_went();
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
}
