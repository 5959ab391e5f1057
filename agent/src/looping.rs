//! The loop: something wakes it, it looks, decides, and has the steps taken beside it. Nothing in here waits for a step, for the hub,
//! or for a container to become healthy.

mod backups;
mod engine;
mod files;
mod hub;
mod meters;
mod own;
mod reports;
mod work;

pub use own::Trial;

use crate::agent::{Agent, AgentError, PATIENCE};
use crate::containers::{self, Concern, Wake};
use crate::diagnose::Answerer;
use crate::execute::sentence;
use crate::link::deliver::deliver;
use crate::link::poll::{FromHub, poll};
use crate::link::troubles::Troubles;
use crate::link::unsaved::{Unsaved, deliver_unsaved};
use crate::outbox::Outbox;
use crate::scan::Scan;
use crate::step::Lane;
use crate::update::Candidate;
use crate::usage::Meter;
use crate::wake::FileWatch;
use crate::web_server::WebServer;
use jiff::Timestamp;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;
use tenantry_schema::wire::{Event, Report, SliceRef};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::Instant;
use work::{Finished, Work};

/// Look so closely (every container inspected) at least so often.
const INSPECTION: Duration = Duration::from_mins(10);
/// Wake-ups that come together are one.
const DEBOUNCE: Duration = Duration::from_millis(15);
/// What could not be told is asked again after so long.
const AGAIN: Duration = Duration::from_secs(30);
/// Without a believed answer for so long, the slice counts as stale.
const STALE: Duration = Duration::from_hours(24);

/// Why the loop ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// It was asked to.
    Stopped,
    /// Another program for the agent is to be tried.
    Update(Candidate),
}

/// Runs until `stop` completes, or another program is to be tried. Must be called inside a `LocalSet`.
pub async fn run<W: WebServer + 'static>(
    agent: Agent<W>,
    stop: impl Future<Output = ()>,
) -> Result<Ended, AgentError> {
    run_as(agent, None, stop).await
}

/// The same for a program that is on trial, if it is.
pub async fn run_as<W: WebServer + 'static>(
    agent: Agent<W>,
    trial: Option<Trial>,
    stop: impl Future<Output = ()>,
) -> Result<Ended, AgentError> {
    let mut looping = Loop::start(agent, trial)?;
    tokio::pin!(stop);
    let ended = loop {
        tokio::select! {
            biased;
            () = &mut stop => break Ended::Stopped,
            () = looping.turn() => {}
        }
        if let Some(candidate) = looping.own.candidate.take() {
            break Ended::Update(candidate);
        }
    };
    looping.finish_up();
    Ok(ended)
}

struct Loop<W> {
    agent: Agent<W>,
    lanes: BTreeMap<Lane, Work>,
    /// Number of the last work that was begun.
    begun: u64,
    done: (mpsc::Sender<Finished>, mpsc::Receiver<Finished>),
    hub: mpsc::Receiver<FromHub>,
    have: watch::Sender<Option<SliceRef>>,
    engine: mpsc::Receiver<Wake>,
    /// What of that makes a difference here.
    concern: Concern,
    files: Option<FileWatch>,
    outbox: Rc<RefCell<Outbox>>,
    troubles: Rc<RefCell<Troubles>>,
    posted: Rc<Notify>,
    /// Reports that could not be kept.
    unsaved: Rc<RefCell<Unsaved>>,
    heard: (Instant, Timestamp),
    inspected: Instant,
    reported: Option<(Report, Instant)>,
    /// The job of backups that is at work.
    backup: Option<JoinHandle<Vec<Event>>>,
    /// The agent's own program.
    own: own::Own,
    /// Whether the hub did not answer when it was last asked.
    away: bool,
    /// What is used.
    meter: Rc<Meter>,
    /// What is looked for in logs.
    scan: Scan,
    watched: meters::Watched,
    answerer: Rc<Answerer>,
    /// When to look again although nothing happens.
    next: Instant,
}

impl<W: WebServer + 'static> Loop<W> {
    fn start(agent: Agent<W>, trial: Option<Trial>) -> Result<Self, AgentError> {
        let link = agent.link()?;
        let own = own::Own::open(agent.config(), link.clone(), trial)?;
        let outbox = Rc::new(RefCell::new(agent.outbox()?));
        let posted = Rc::new(Notify::new());
        let (to_hub, hub) = mpsc::channel(8);
        let (to_engine, engine) = mpsc::channel(1024);
        let (have, had) = watch::channel(agent.have());
        let ledger = agent.hands().ledger.borrow().get().id.clone();
        spawn_local(poll(link.clone(), had, to_hub));
        let troubles = Rc::new(RefCell::new(agent.troubles()?));
        spawn_local(deliver(
            link,
            ledger,
            outbox.clone(),
            posted.clone(),
            troubles.clone(),
        ));
        let unsaved = Rc::new(RefCell::new(Unsaved::default()));
        spawn_local(deliver_unsaved(agent.link()?, unsaved.clone()));
        spawn_local(containers::watch(agent.hands().engine.clone(), to_engine));
        let intervals = agent.config().intervals;
        let files = FileWatch::new().inspect_err(|error| {
            let patrol = intervals.patrol();
            tracing::warn!(%error, "managed files are not watched, only looked at every {patrol:?}");
        });
        let meter = Rc::new(Meter::default());
        let measured = agent.hands().engine.clone();
        spawn_local(meter.clone().run(measured, intervals.sample()));
        let scan = agent.scan()?;
        let answerer = Rc::new(agent.answerer()?);
        let now = Instant::now();
        Ok(Self {
            meter,
            scan,
            watched: meters::Watched::default(),
            answerer,
            agent,
            lanes: BTreeMap::new(),
            begun: 0,
            done: mpsc::channel(64),
            hub,
            have,
            engine,
            concern: Concern::default(),
            files: files.ok(),
            outbox,
            troubles,
            posted,
            unsaved,
            heard: (now, Timestamp::now()),
            inspected: now,
            reported: None,
            backup: None,
            own,
            away: false,
            next: now,
        })
    }

    /// Waits for something to happen, and deals with it.
    async fn turn(&mut self) {
        self.wait().await;
        self.drain();
        self.await_engine().await;
        let look = self
            .agent
            .look_within(Duration::ZERO, Timestamp::now())
            .await;
        self.note_concern(&look);
        self.start_lanes(&look);
        if let Err(error) = self.agent.note_converged(&look.plan) {
            tracing::warn!(error = sentence(&error), "the ledger cannot be written");
        }
        self.watch_files();
        self.aim(&look);
        let backups = self.attend_backups(&look);
        let own = self.attend_own(&look).await;
        let due = self.report(&look);
        let next = look.plan.next.map(instant);
        let all = [Some(due), Some(backups), Some(own), next];
        self.next = all.into_iter().flatten().fold(self.patrol(), Instant::min);
        self.own.prove();
    }

    /// When to look again although nothing is due.
    fn patrol(&self) -> Instant {
        Instant::now() + self.agent.config().intervals.patrol()
    }

    /// Waits for something that makes a look worth while.
    async fn wait(&mut self) {
        while !self.woke().await {}
    }

    /// Waits for anything. Whether it makes a look worth while.
    async fn woke(&mut self) -> bool {
        let files = self.files.as_ref();
        let touched = async move {
            match files {
                Some(files) => files.touched().await,
                None => std::future::pending().await,
            }
        };
        let (desk, bell) = (self.agent.desk.clone(), self.own.bell.clone());
        let found = self.scan.news();
        tokio::select! {
            Some(message) = self.hub.recv() => return self.hear(message),
            Some(finished) = self.done.1.recv() => self.finish(finished),
            () = desk.rung() => {}
            () = bell.notified() => {}
            () = found => {}
            // It was waited for, and is heard of now.
            () = self.agent.observer().arrived() => {}
            Some(wake) = self.engine.recv() => {
                if !self.engine_woke(wake) {
                    return false;
                }
                tokio::time::sleep(DEBOUNCE).await;
            }
            () = touched => tokio::time::sleep(DEBOUNCE).await,
            () = tokio::time::sleep_until(self.next) => {}
        }
        true
    }

    /// Gives the container engine time to tell what is on it. The hub is listened to meanwhile; what lanes did is taken in afterwards,
    /// for the engine may have been looked at before.
    async fn await_engine(&mut self) {
        self.agent.observer().begin();
        if self.agent.observer().hangs() {
            return;
        }
        let patience = tokio::time::sleep(PATIENCE);
        tokio::pin!(patience);
        loop {
            tokio::select! {
                () = self.agent.observer().arrived() => return,
                () = &mut patience => return,
                Some(message) = self.hub.recv() => {
                    self.hear(message);
                }
            }
        }
    }

    /// Everything else that has happened by now.
    fn drain(&mut self) {
        while let Ok(wake) = self.engine.try_recv() {
            self.engine_woke(wake);
        }
        while let Ok(finished) = self.done.1.try_recv() {
            self.finish(finished);
        }
        while let Ok(message) = self.hub.try_recv() {
            self.hear(message);
        }
        if self.inspected.elapsed() > INSPECTION {
            self.inspected = Instant::now();
            self.agent.observer().forget_all();
        }
    }
}

/// That moment, or a little later, so that what is due then is due for certain.
fn instant(at: Timestamp) -> Instant {
    let wait = at
        .duration_since(Timestamp::now())
        .max(jiff::SignedDuration::ZERO);
    Instant::now() + Duration::try_from(wait).unwrap_or(AGAIN) + Duration::from_millis(5)
}
