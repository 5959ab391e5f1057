//! The hub itself: one loop that loads, plans, decides, publishes and tells. Everything else only wakes it (law 4: a wake-up carries no choice).
//!
//! The loop runs on a thread of its own, because reading objects and planning are work for the processor; agents' requests and pages are served
//! beside it. Data flows one way: branch and reports in, decisions, slices and status out.

mod act;
mod branch;
mod data;
mod diary;
mod doors;
mod forge;
mod inventory;
mod looping;
mod lost;
mod mode;
mod open;
mod options;
mod push;
mod refuse;
mod run;
mod source;
mod status;
#[cfg(test)]
mod tests;
mod today;
mod upkeep;

use crate::git::{Fleet, GitError};
use crate::keys::HubIdentity;
use crate::load::{LoadError, Loaded, Loader};
use crate::lost::History;
use crate::slices::SliceStore;
use crate::store::{StateStore, StoreError};
use crate::web::{AgentDirectory, SliceBoard, StaffDirectory};
use jiff::{SignedDuration, Timestamp};
use source::Source;
use std::path::PathBuf;
use std::sync::Arc;
use tenantry_planner::inventory::Attempt;
use tenantry_planner::lost::LostDecisions;
use tenantry_planner::plan::{PlanCache, plan, replan};
use tenantry_planner::status::{FleetStatus, Mode};
use tenantry_planner::{Inventory, Observed, Plan};
use tenantry_schema::id::CustomerId;
use tenantry_wire::SigningKey;
use tokio::sync::watch;

pub use inventory::ReportDoor;
pub use mode::mode_of;
pub use open::open;
pub(crate) use open::{held, taken};
pub use options::Options;
pub use run::{apply_once, serve};

/// The address in the hub's commits.
pub const HUB_EMAIL: &str = "hub@tenantry.invalid";
/// How often a commit is tried on top of a branch that moves before the loop takes a breath.
const ROUNDS: usize = 8;
/// Everything is planned afresh at least this often, and must agree with what was kept.
const FULL_PASS: SignedDuration = SignedDuration::from_secs(600);

/// Why a hub cannot start, or a pass failed.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// The repository.
    #[error("the fleet's repository")]
    Git(#[from] GitError),
    /// Loading a commit.
    #[error("the fleet cannot be loaded")]
    Load(#[from] LoadError),
    /// People work in the repository itself.
    #[error("{}", .0.advice(.1))]
    WorkFolder(crate::git::WorkFolder, String),
    /// Nothing was ever pushed to the repository.
    #[error(
        "the repository {0} is empty: push a fleet to it (`git push {0} {1}` from its folder; `tenantry init DIR` makes one), then start the hub"
    )]
    Empty(PathBuf, String),
    /// The data directory.
    #[error("the data directory {0} cannot be used")]
    Data(PathBuf, #[source] std::io::Error),
    /// It would lie inside the fleet's own repository.
    #[error(
        "the data directory {0} is inside the fleet's repository, and may be deleted at any time: name another one with --data"
    )]
    DataInFleet(PathBuf),
    /// Another hub uses it.
    #[error("{}", in_use_message(.0, *.1))]
    DataInUse(PathBuf, Option<u32>),
    /// A part of it was deleted, or another put in its place, while the hub ran. [`serve`] can be called again at once.
    #[error("{0} in the data directory was deleted")]
    DataGone(PathBuf),
    /// The diary.
    #[error("the hub's database")]
    Store(#[from] StoreError),
    /// Published slices.
    #[error("the repository of slices")]
    Slices(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Writing decisions.
    #[error("decisions cannot be written")]
    Decide(#[from] crate::decide::DecideError),
    /// The loop ended by itself. The process ends too, so that whoever watches it starts it again.
    #[error("the loop of the hub ended unexpectedly; see the log")]
    LoopEnded,
    /// Listening.
    #[error("cannot listen at {0}")]
    Listen(String, #[source] std::io::Error),
    /// The key.
    #[error(transparent)]
    Key(#[from] crate::keys::KeyError),
}

/// Everything the loop holds.
pub struct Hub {
    data: data::DataDirectory,
    fleet: Arc<Fleet>,
    source: Source,
    loader: Loader,
    loaded: Option<Loaded>,
    identity: Option<HubIdentity>,
    signer: watch::Sender<Option<Arc<SigningKey>>>,
    observe_only: bool,
    store: Arc<dyn StateStore>,
    slices: Arc<SliceStore>,
    board: Arc<SliceBoard>,
    inventory: Inventory,
    attempts: std::collections::HashMap<String, Attempt>,
    attempts_revision: u64,
    cache: PlanCache,
    plan: Plan,
    /// What is said of the loaded commit.
    said: Option<today::Said>,
    history: History,
    /// What the history says was taken away by hand.
    lost: LostDecisions,
    /// Set by a load until the planner knows what is still lost.
    losses_untold: bool,
    /// Domains of customers who are gone that others ask for.
    departed: Vec<(
        tenantry_schema::id::OrderKey,
        tenantry_schema::name::DomainName,
    )>,
    /// What says which of it people gave up.
    given_up: Option<crate::git::Oid>,
    /// Customers whose documents, reports or slices changed since they were planned.
    dirty: Vec<CustomerId>,
    /// Set when a commit was loaded that may change anything for anybody.
    replan_all: bool,
    full_pass_due: Timestamp,
    agents: watch::Sender<Arc<AgentDirectory>>,
    staff: watch::Sender<Arc<StaffDirectory>>,
    status: watch::Sender<Arc<FleetStatus>>,
    /// Tells the task that posts verdicts.
    followed: watch::Sender<crate::verdicts::Followed>,
    /// Why verdicts do not reach the forge.
    forge_problem: watch::Sender<Option<String>>,
    /// Decisions on their way to the branch.
    pushes: push::Pushes,
    /// Wakes the loop, where there is one.
    waker: Option<push::Waker>,
    /// The time of the last round.
    looked_at: Timestamp,
    /// When backups are made, for the task that looks after their repositories.
    upkeep_window: watch::Sender<Option<tenantry_schema::window::Window>>,
    /// How the repositories of backups were looked after.
    upkeep_shown: watch::Sender<Option<tenantry_planner::status::UpkeepStatus>>,
    problem: Option<String>,
}

/// What a pass did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Done {
    /// Decisions committed.
    pub decisions: usize,
    /// Slices published.
    pub slices: usize,
}

impl Done {
    fn add(&mut self, other: Self) {
        self.decisions += other.decisions;
        self.slices += other.slices;
    }
}

impl Hub {
    /// One pass: look at the branch if it may have moved, plan, do what is due, tell. Repeats until nothing is due.
    pub fn pass(&mut self, branch_may_have_moved: bool) -> Result<Done, HubError> {
        let begun = std::time::Instant::now();
        let mut done = Done::default();
        let result = self.rounds(branch_may_have_moved, &mut done);
        let outcome = if result.is_ok() { "ok" } else { "failed" };
        crate::web::metrics::pass_finished(outcome, begun.elapsed());
        self.problem = result.as_ref().err().map(|error| chain(error));
        self.tell();
        result.map(|()| done)
    }

    fn rounds(&mut self, branch_may_have_moved: bool, done: &mut Done) -> Result<(), HubError> {
        let mut look = branch_may_have_moved || self.loaded.is_none();
        for _ in 0..ROUNDS {
            if let Some(count) = self.take_in_push() {
                done.decisions += count;
                look = true;
            }
            if look {
                self.follow_branch()?;
            }
            self.keep_losses()?;
            let now = Timestamp::now();
            self.looked_at = now;
            if self.pushes.is_under_way()
                && let Ok(head) = self.fleet.head()
            {
                self.pushes.look_at(head, now);
            }
            self.make_plan(now);
            self.hold_lost_decisions(now)?;
            if self.mode() != Mode::Active {
                return Ok(());
            }
            let acted = self.act(now)?;
            if acted.did == Done::default() && !acted.again {
                return Ok(());
            }
            done.add(acted.did);
            look = acted.did.decisions > 0 || acted.again;
        }
        Ok(())
    }

    /// Brings the plan up to date: where it is known whom a change concerns, only those customers; else, and now and then, everything.
    fn make_plan(&mut self, now: Timestamp) {
        let Some(desired) = self
            .loaded
            .as_ref()
            .and_then(|loaded| loaded.desired.as_ref())
        else {
            return;
        };
        let observed = Observed {
            inventory: &self.inventory,
            attempts: &self.attempts,
            attempts_revision: self.attempts_revision,
            now,
        };
        if now >= self.full_pass_due {
            self.cache = PlanCache::default();
            self.full_pass_due = now.checked_add(FULL_PASS).unwrap_or(Timestamp::MAX);
            self.replan_all = true;
        }
        if self.replan_all || self.dirty.is_empty() {
            self.plan = plan(desired, observed, &mut self.cache);
        } else {
            replan(
                &mut self.plan,
                desired,
                observed,
                &self.dirty,
                &mut self.cache,
            );
        }
        self.replan_all = false;
        self.dirty.clear();
    }

    /// That nobody works in the repository that is committed to.
    fn check_nobody_works_there(&self) -> Result<(), HubError> {
        match self.fleet.work_folder()? {
            Some(folder) => {
                let branch = self.fleet.branch().to_owned();
                Err(HubError::WorkFolder(folder, branch))
            }
            None => Ok(()),
        }
    }

    /// When the loop must run again if nothing wakes it before.
    pub fn next_wake(&self) -> Timestamp {
        let push = self.pushes.next_wake(self.looked_at);
        [self.plan.next_wake(), push, Some(self.full_pass_due)]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(self.full_pass_due)
    }

    /// The state of the fleet as it is shown.
    pub fn status(&self) -> Arc<FleetStatus> {
        self.status.borrow().clone()
    }
}

fn in_use_message(data: &std::path::Path, holder: Option<u32>) -> String {
    let holder = holder.map_or_else(String::new, |id| format!(" (process {id})"));
    format!(
        "another hub{holder} uses the data directory {}: end it first, or give this one a directory of its own with --data",
        data.display()
    )
}

/// An error with its causes in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
