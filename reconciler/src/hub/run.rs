//! Starting and stopping: the loop on its thread, the web server and other tasks beside it.

use super::branch;
use super::doors::{self, Forge};
use super::inventory::Wake;
use super::open::open;
use super::{Done, Hub, HubError, Options, looping, upkeep};
use crate::store::StateStore;
use crate::{verdicts, web};
use jiff::Timestamp;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tenantry_planner::status::FleetStatus;
use tokio::net::TcpListener;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// Between two looks for servers that went silent for good.
const A_DAY: Duration = Duration::from_hours(24);

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
    let unheard = |error| HubError::Listen(listen.to_string(), error);
    let listener = TcpListener::bind(listen).await.map_err(unheard)?;
    let address = listener.local_addr().map_err(unheard)?;
    let mut hub = open(&options).await?;
    let (wake, wakes) = mpsc::unbounded_channel();
    let landed = wake.clone();
    hub.waker = Some(Arc::new(move || drop(landed.send(Wake::Pushed))));
    let answered = branch::first_look(&mut hub).await;
    let forge = Forge::default();
    let state = doors::open(&hub, &options, &forge, &wake);
    if !answered {
        forge.bells.branch.notify_one();
    }
    let mut beside = tasks(&hub, &options, forge, &wake)?;
    let _ = wake.send(Wake::Branch);
    let Running { worker, ended } = start(hub, wakes)?;
    listening(address);
    let stop = async {
        tokio::select! {
            () = shutdown => {}
            _ = ended => {}
        }
    };
    web::serve(listener, web::router(state), stop).await;
    beside.abort_all();
    let _ = wake.send(Wake::Stop);
    match tokio::task::spawn_blocking(move || worker.join()).await {
        Ok(Ok(outcome)) => outcome,
        _ => Err(HubError::LoopEnded),
    }
}

/// What goes on beside the loop. It ends when this is dropped.
fn tasks(
    hub: &Hub,
    options: &Options,
    forge: Forge,
    wake: &UnboundedSender<Wake>,
) -> Result<JoinSet<()>, HubError> {
    let Forge { board, hook, bells } = forge;
    let watcher = hub
        .fleet
        .watch(options.poll)
        .map_err(|error| HubError::Listen("the repository".into(), std::io::Error::other(error)))?;
    let mut tasks = JoinSet::new();
    let told = wake.clone();
    tasks.spawn(verdicts::run(verdicts::Parts {
        followed: hub.followed.subscribe(),
        pushed: bells.offers.clone(),
        fleet: hub.fleet.clone(),
        data: options.data.clone(),
        identity: hub.identity.clone(),
        poll: options.poll,
        board,
        hook,
        problem: hub.forge_problem.clone(),
        wake: Box::new(move || drop(told.send(Wake::Told))),
    }));
    tasks.spawn(forget_silent_servers(hub.store.clone()));
    tasks.spawn(upkeep::run(upkeep::Parts {
        wake: wake.clone(),
        window: hub.upkeep_window.subscribe(),
        shown: hub.upkeep_shown.clone(),
        objects: hub.fleet.objects().clone(),
        identity: hub.identity.clone(),
        data: options.data.clone(),
        restic: options.restic.clone(),
    }));
    let local = options.location.watchable().is_some();
    let fleet = hub.fleet.clone();
    tasks.spawn(branch::watch(fleet, watcher, bells, local, wake.clone()));
    Ok(tasks)
}

/// The loop on its thread.
struct Running {
    worker: JoinHandle<Result<(), HubError>>,
    /// Answers when the loop ends, also by a panic: a hub that serves pages and does nothing else would be worse than none.
    ended: oneshot::Receiver<()>,
}

/// Starts the loop on a thread.
fn start(mut hub: Hub, wakes: UnboundedReceiver<Wake>) -> Result<Running, HubError> {
    let handle = tokio::runtime::Handle::current();
    let (alive, ended) = oneshot::channel::<()>();
    let worker = std::thread::Builder::new()
        .name("hub".into())
        .spawn(move || {
            let _alive = alive;
            looping::run(&mut hub, wakes, &handle)
        })
        .map_err(|error| HubError::Listen("a thread".into(), error))?;
    Ok(Running { worker, ended })
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
