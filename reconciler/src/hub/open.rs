//! Opens all that a hub works with, and reads its diary.

use super::data::{Claim, DIARY, DataDirectory, MIRROR, SLICES};
use super::inventory::RECENT;
use super::{Hub, HubError, Options};
use crate::cache::file::HELD;
use crate::git::{Fleet, Location};
use crate::keys::HubIdentity;
use crate::load::{Keep, Loader};
use crate::lost::History;
use crate::slices::{SliceError, SliceStore};
use crate::store::{SqliteStore, StateStore};
use crate::web::{AgentDirectory, CurrentSlice, SliceBoard};
use jiff::Timestamp;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use tenantry_planner::inventory::{Attempt, Published};
use tenantry_planner::plan::PlanCache;
use tenantry_planner::status::{FleetStatus, Mode};
use tenantry_planner::{Inventory, Plan};
use tokio::sync::watch;

/// What is found out about so many new commits is worth writing down.
const WORTH_KEEPING: usize = 100;

/// Opens everything and reads the diary. Nothing of the fleet is known until the first [`Hub::pass`].
pub async fn open(options: &Options) -> Result<Hub, HubError> {
    super::refuse::check(options)?;
    std::fs::create_dir_all(&options.data)
        .map_err(|error| HubError::Data(options.data.clone(), error))?;
    let claim = Claim::take(&options.data)?;
    let fleet = Arc::new(Fleet::open(
        options.location.clone(),
        &options.branch,
        &options.data,
    )?);
    let store: Arc<dyn StateStore> = Arc::new(SqliteStore::open(&options.data.join(DIARY))?);
    let slices = SliceStore::open(&options.data.join(SLICES)).map_err(of_slices)?;
    let parts: &[&str] = match &options.location {
        Location::Direct(_) => &[DIARY, SLICES],
        Location::Remote { .. } => &[DIARY, SLICES, MIRROR],
    };
    let data = DataDirectory::opened(&options.data, parts, claim)?;
    let mut hub = knowing_nothing(options, data, fleet, store.clone(), slices)?;
    hub.attempts = attempts(store.attempts().await?);
    hub.restore(
        store.latest_reports().await?,
        store.recent_history(RECENT).await?,
    );
    hub.restore_slices()?;
    Ok(hub)
}

/// A hub before it has read anything.
fn knowing_nothing(
    options: &Options,
    data: DataDirectory,
    fleet: Arc<Fleet>,
    store: Arc<dyn StateStore>,
    slices: SliceStore,
) -> Result<Hub, HubError> {
    let identity = options.key.as_deref().map(HubIdentity::read).transpose()?;
    let loader = Loader::new(fleet.objects().clone()).looking_far_back();
    let loader = loader.remembering(held(&options.data, WORTH_KEEPING));
    Ok(Hub {
        data,
        source: super::source::Source::new(
            options
                .trust_root
                .or_else(|| identity.as_ref()?.trust_root()),
        ),
        loader,
        loaded: None,
        identity,
        signer: watch::Sender::new(None),
        observe_only: options.observe,
        store,
        slices: Arc::new(slices),
        board: Arc::new(SliceBoard::new()),
        inventory: Inventory::default(),
        attempts: HashMap::new(),
        attempts_revision: 0,
        cache: PlanCache::default(),
        plan: Plan::default(),
        said: None,
        history: taken(&options.data),
        given_up: None,
        departed: Vec::new(),
        lost: tenantry_planner::lost::LostDecisions::default(),
        losses_untold: false,
        dirty: Vec::new(),
        replan_all: true,
        full_pass_due: Timestamp::MIN,
        agents: watch::Sender::new(Arc::new(AgentDirectory::default())),
        staff: watch::Sender::default(),
        status: watch::Sender::new(Arc::new(nothing_known())),
        followed: watch::Sender::default(),
        forge_problem: watch::Sender::default(),
        pushes: super::push::Pushes::default(),
        waker: None,
        looked_at: Timestamp::now(),
        upkeep_window: watch::Sender::default(),
        upkeep_shown: watch::Sender::default(),
        problem: None,
        fleet,
    })
}

impl Hub {
    /// Takes over what was published before.
    fn restore_slices(&mut self) -> Result<(), HubError> {
        for (server, current) in self.slices.index().map_err(of_slices)? {
            let head = CurrentSlice::new(current.generation, &current.content, &current.commit);
            self.board.publish(&server, head);
            let published = Published {
                inputs: current.inputs,
                generation: current.generation,
                content: current.content,
                at: current.at,
            };
            self.inventory.published.insert(server, published);
        }
        Ok(())
    }
}

/// Why the repository of slices cannot be used.
fn of_slices(error: SliceError) -> HubError {
    HubError::Slices(Box::new(error))
}

fn attempts(stored: BTreeMap<String, crate::store::Attempt>) -> HashMap<String, Attempt> {
    let known = |attempt: crate::store::Attempt| Attempt {
        count: attempt.count,
        error: attempt.error,
        next: attempt.next,
    };
    stored
        .into_iter()
        .map(|(key, attempt)| (key, known(attempt)))
        .collect()
}

/// The status before anything was read.
fn nothing_known() -> FleetStatus {
    let mode = Mode::Observing {
        reason: "starting".into(),
    };
    let release = crate::RELEASE.to_owned();
    FleetStatus::nothing(String::new(), release, mode, Timestamp::now())
}

/// Where a hub keeps what it found out about removals that are held back.
pub(crate) fn held(data: &std::path::Path, after: usize) -> Option<Keep> {
    Some(Keep {
        places: vec![data.join(HELD)],
        program: crate::config::program()?,
        after,
    })
}

/// What the history says of decisions that were taken away, as far as it was found out in this data directory.
pub(crate) fn taken(data: &std::path::Path) -> History {
    let places = vec![data.join(crate::lost::keep::NAME)];
    let program = crate::config::program();
    program.map_or_else(History::default, |program| {
        History::kept_in(places, program)
    })
}
