//! Starting and stopping: opens everything, runs the loop on its thread and the web server beside it.

use super::data::{Claim, DIARY, DataDirectory, MIRROR, SLICES};
use super::inventory::{RECENT, ReportDoor, Reports, Wake};
use super::upkeep;
use super::{Done, Hub, HubError};
use crate::cache::file::HELD;
use crate::git::{Fleet, Location, Oid};
use crate::keys::HubIdentity;
use crate::load::{Keep, Loader};
use crate::lost::History;
use crate::slices::SliceStore;
use crate::store::{SqliteStore, StateStore};
use crate::verdicts::{self, VerdictBoard};
use crate::web::{self, AgentDirectory, CurrentSlice, SliceBoard, SliceSource, WebState};
use axum::body::Bytes;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tenantry_planner::inventory::{Attempt, Published};
use tenantry_planner::plan::PlanCache;
use tenantry_planner::status::{FleetStatus, Mode, Totals};
use tenantry_planner::{Inventory, Plan};
use tenantry_schema::id::ServerKey;
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc, watch};

/// After a failed pass the loop tries again this soon.
const BREATH: Duration = Duration::from_secs(5);
/// The data directory is looked at this often while nothing happens.
const LOOK_AFTER: Duration = Duration::from_secs(10);
/// The first answer of a remote is waited for this long.
const FIRST_ANSWER: Duration = Duration::from_secs(10);
/// Shortest time between two passes that only take in reports: many reports are planned together.
const GATHER: Duration = Duration::from_millis(20);

/// Between two looks for servers that went silent for good.
const A_DAY: Duration = Duration::from_hours(24);

/// How a hub is started.
#[derive(Debug, Clone)]
pub struct Options {
    /// The fleet.
    pub location: Location,
    /// Its branch.
    pub branch: String,
    /// The data directory.
    pub data: PathBuf,
    /// The age identity file.
    pub key: Option<PathBuf>,
    /// Do everything but act.
    pub observe: bool,
    /// How often a remote is asked.
    pub poll: Duration,
    /// The program restic, with which repositories of backups are looked after.
    pub restic: PathBuf,
    /// A commit that is known to be good, for fleets with `trust: signed`. None: the key file may name one.
    pub trust_root: Option<Oid>,
    /// The folder of programs for agents, each named by its SHA-256.
    pub programs: Option<PathBuf>,
}

/// What is found out about so many new commits is worth writing down.
const WORTH_KEEPING: usize = 100;

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
    let slices = SliceStore::open(&options.data.join(SLICES))
        .map_err(|error| HubError::Slices(Box::new(error)))?;
    let identity = options.key.as_deref().map(HubIdentity::read).transpose()?;
    let loader = Loader::new(fleet.objects().clone()).looking_far_back();
    let loader = loader.remembering(held(&options.data, WORTH_KEEPING));
    let parts: &[&str] = match &options.location {
        Location::Direct(_) => &[DIARY, SLICES],
        Location::Remote { .. } => &[DIARY, SLICES, MIRROR],
    };
    let mut hub = Hub {
        data: DataDirectory::opened(&options.data, parts, claim)?,
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
        store: store.clone(),
        slices: Arc::new(slices),
        board: Arc::new(SliceBoard::new()),
        inventory: Inventory::default(),
        attempts: attempts(store.attempts().await?),
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
    };
    hub.restore(
        store.latest_reports().await?,
        store.recent_history(RECENT).await?,
    );
    for (server, current) in hub
        .slices
        .index()
        .map_err(|error| HubError::Slices(Box::new(error)))?
    {
        let head = CurrentSlice {
            generation: current.generation,
            content: Arc::from(current.content.as_str()),
            commit: Arc::from(current.commit.as_str()),
        };
        hub.board.publish(&server, head);
        let published = Published {
            inputs: current.inputs,
            generation: current.generation,
            content: current.content,
            at: current.at,
        };
        hub.inventory.published.insert(server, published);
    }
    Ok(hub)
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
    FleetStatus {
        fleet_id: String::new(),
        release: crate::RELEASE.to_owned(),
        mode: Mode::Observing {
            reason: "starting".into(),
        },
        commit: None,
        source_problem: None,
        forge_problem: None,
        upkeep: None,
        at: Timestamp::now(),
        totals: Totals::default(),
        orders: Vec::new(),
        servers: Vec::new(),
        operations: Vec::new(),
        frozen: Vec::new(),
        diagnostics: Arc::default(),
    }
}

/// Does what is due, once. Returns what was done and the state afterwards.
pub async fn apply_once(options: &Options) -> Result<(Done, Arc<FleetStatus>), HubError> {
    let mut hub = open(options).await?;
    let done = tokio::task::block_in_place(|| {
        // What it says is said by the pass.
        drop(hub.fleet.ask());
        let mut done = hub.pass(true)?;
        while hub.pushes.wait() {
            done.add(hub.pass(false)?);
        }
        Ok::<_, HubError>(done)
    })?;
    Ok((done, hub.status()))
}

/// Runs a hub until `shutdown` ends. `listening` is told the address once requests are served.
pub async fn serve(
    options: Options,
    listen: SocketAddr,
    listening: impl FnOnce(SocketAddr),
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), HubError> {
    let listener = TcpListener::bind(listen)
        .await
        .map_err(|error| HubError::Listen(listen.to_string(), error))?;
    let address = listener
        .local_addr()
        .map_err(|error| HubError::Listen(listen.to_string(), error))?;
    let mut hub = open(&options).await?;
    let (wake, wakes) = mpsc::unbounded_channel();
    let landed = wake.clone();
    hub.waker = Some(Arc::new(move || drop(landed.send(Wake::Pushed))));
    // The first look, so that agents that connect are known from the start. A remote that takes its time is not waited for.
    let asked = tokio::time::timeout(FIRST_ANSWER, ask(&hub.fleet)).await;
    tokio::task::block_in_place(|| {
        if let Err(error) = hub.follow_branch() {
            tracing::error!("{}", super::chain(&error));
        }
    });
    let (pushed, hints) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let board = Arc::new(VerdictBoard::default());
    let hook = watch::Sender::default();
    let state = WebState {
        forge: web::ForgeDoors {
            verdicts: board.clone(),
            hook: hook.subscribe(),
            pushed: wake_on_push(&hints, &pushed),
        },
        status: hub.status.subscribe(),
        agents: hub.agents.subscribe(),
        slices: Arc::new(Slices {
            board: hub.board.clone(),
            store: hub.slices.clone(),
        }),
        reports: Arc::new(ReportDoor::new(hub.store.clone(), wake.clone())),
        servers: web::ServerDoors {
            diary: Arc::new(super::diary::Door(hub.store.clone())),
            staff: hub.staff.subscribe(),
        },
        signer: hub.signer.subscribe(),
        clock: Timestamp::now,
        metrics: web::metrics::install(),
        limits: web::Limits::default(),
        programs: options.programs.clone(),
    };
    let mut watcher = hub
        .fleet
        .watch(options.poll)
        .map_err(|error| HubError::Listen("the repository".into(), std::io::Error::other(error)))?;
    let told = wake.clone();
    let verdicts = tokio::spawn(verdicts::run(verdicts::Parts {
        followed: hub.followed.subscribe(),
        pushed: pushed.clone(),
        fleet: hub.fleet.clone(),
        data: options.data.clone(),
        identity: hub.identity.clone(),
        poll: options.poll,
        board,
        hook,
        problem: hub.forge_problem.clone(),
        wake: Box::new(move || drop(told.send(Wake::Told))),
    }));
    let forgets = tokio::spawn(forget_silent_servers(hub.store.clone()));
    let looking_after = tokio::spawn(upkeep::run(upkeep::Parts {
        wake: wake.clone(),
        window: hub.upkeep_window.subscribe(),
        shown: hub.upkeep_shown.clone(),
        objects: hub.fleet.objects().clone(),
        identity: hub.identity.clone(),
        data: options.data.clone(),
        restic: options.restic.clone(),
    }));
    let watching = wake.clone();
    let local = options.location.watchable().is_some();
    let fleet = hub.fleet.clone();
    let watch_task = tokio::spawn(async move {
        if asked.is_err() {
            hints.notify_one();
        }
        loop {
            tokio::select! {
                () = watcher.wait() => {}
                () = hints.notified() => {}
            }
            // Something was written in a repository on this machine: another branch, perhaps.
            if local {
                pushed.notify_one();
            }
            ask(&fleet).await;
            if watching.send(Wake::Branch).is_err() {
                break;
            }
        }
    });
    let _ = wake.send(Wake::Branch);
    let handle = tokio::runtime::Handle::current();
    // Dropped when the loop ends, also by a panic: a hub that serves pages and does nothing else would be worse than none.
    let (alive, ended) = tokio::sync::oneshot::channel::<()>();
    let worker = std::thread::Builder::new()
        .name("hub".into())
        .spawn(move || {
            let _alive = alive;
            run_loop(&mut hub, wakes, &handle)
        })
        .map_err(|error| HubError::Listen("a thread".into(), error))?;
    listening(address);
    let stop = async {
        tokio::select! {
            () = shutdown => {}
            _ = ended => {}
        }
    };
    web::serve(listener, web::router(state), stop).await;
    watch_task.abort();
    verdicts.abort();
    forgets.abort();
    looking_after.abort();
    let _ = wake.send(Wake::Stop);
    match tokio::task::spawn_blocking(move || worker.join()).await {
        Ok(Ok(outcome)) => outcome,
        _ => Err(HubError::LoopEnded),
    }
}

/// What a webhook does: the branch is looked at, and what is offered beside it. What it says is not looked at.
fn wake_on_push(branch: &Arc<Notify>, offers: &Arc<Notify>) -> web::Pushed {
    let (branch, offers) = (branch.clone(), offers.clone());
    Arc::new(move || {
        branch.notify_one();
        offers.notify_one();
    })
}

/// At the start and once a day: what servers used that have been silent for longer than that is kept. Nothing where no commit could be read.
async fn forget_silent_servers(store: Arc<dyn StateStore>) {
    let mut days = tokio::time::interval(A_DAY);
    loop {
        days.tick().await;
        if let Err(error) = store.forget_usage(Timestamp::now()).await {
            tracing::warn!("what silent servers used cannot be forgotten: {error}");
        }
    }
}

/// Asks the remote on a thread of its own: however long it takes, the loop goes on with what it knows.
async fn ask(fleet: &Arc<Fleet>) {
    let fleet = fleet.clone();
    // What it says, or why it does not, is seen by the next look.
    drop(tokio::task::spawn_blocking(move || fleet.ask()).await);
}

/// Passes until it is told to stop, or until its data directory is gone.
fn run_loop(
    hub: &mut Hub,
    mut wakes: mpsc::UnboundedReceiver<Wake>,
    handle: &tokio::runtime::Handle,
) -> Result<(), HubError> {
    let mut look = true;
    loop {
        hub.data.check()?;
        let next = match hub.pass(look) {
            Ok(_) => {
                look = false;
                hub.next_wake()
            }
            // What was to be looked at is looked at again.
            Err(error) => {
                tracing::error!("a pass failed: {}", super::chain(&error));
                Timestamp::now()
                    .checked_add(BREATH)
                    .unwrap_or(Timestamp::MAX)
            }
        };
        let mut batch: Vec<Reports> = Vec::new();
        let mut wake = wait(hub, &mut wakes, handle, next)?;
        if matches!(wake, Some(Wake::Reports(_))) {
            std::thread::sleep(GATHER);
        }
        while let Some(woken) = wake {
            match woken {
                Wake::Branch | Wake::Pushed => look = true,
                Wake::Told => {}
                // Who asked and did not wait is gone.
                Wake::Upkeep(answer) => drop(answer.send(hub.upkeep())),
                Wake::Reports(reports) => batch.push(*reports),
                Wake::Stop => return Ok(()),
            }
            wake = wakes.try_recv().ok();
        }
        for reports in batch {
            hub.observe(reports);
        }
    }
}

/// What wakes the loop first; nothing where it is time for the next pass.
fn wait(
    hub: &Hub,
    wakes: &mut mpsc::UnboundedReceiver<Wake>,
    handle: &tokio::runtime::Handle,
    next: Timestamp,
) -> Result<Option<Wake>, HubError> {
    loop {
        let left = Duration::try_from(Timestamp::now().duration_until(next))
            .unwrap_or(Duration::ZERO)
            .max(Duration::from_millis(1));
        let pause = left.min(LOOK_AFTER);
        match handle.block_on(async { tokio::time::timeout(pause, wakes.recv()).await }) {
            Ok(wake) => return Ok(Some(wake.unwrap_or(Wake::Stop))),
            Err(_) if pause == left => return Ok(None),
            Err(_) => hub.data.check()?,
        }
    }
}

/// The newest slices: heads from memory, bundles from the repository.
struct Slices {
    board: Arc<SliceBoard>,
    store: Arc<SliceStore>,
}

impl SliceSource for Slices {
    fn current(&self, server: &ServerKey) -> Option<CurrentSlice> {
        self.board.current(server)
    }

    fn bundle<'a>(
        &'a self,
        server: &'a ServerKey,
    ) -> BoxFuture<'a, Result<Option<(CurrentSlice, Bytes)>, web::SourceError>> {
        let (store, server) = (self.store.clone(), server.clone());
        Box::pin(async move {
            let found = tokio::task::spawn_blocking(move || store.bundle(&server)).await??;
            Ok(found.map(|(current, bytes)| {
                let head = CurrentSlice {
                    generation: current.generation,
                    content: Arc::from(current.content.as_str()),
                    commit: Arc::from(current.commit.as_str()),
                };
                (head, Bytes::from_owner(bytes))
            }))
        })
    }

    fn changed(&self, server: &ServerKey) -> watch::Receiver<u64> {
        self.board.changed(server)
    }
}
