//! The loop: something wakes it, it looks, decides, and has the steps taken beside it. Nothing in here waits for a step, for the hub,
//! or for a container to become healthy.

mod engine;
mod files;
mod hub;
mod meters;
mod own;

pub use own::Trial;

use crate::agent::{Agent, AgentError, Look, PATIENCE};
use crate::backups::restore::mend;
use crate::containers::{self, Concern, Wake};
use crate::diagnose::Answerer;
use crate::execute::sentence;
use crate::lanes::{self, LaneResult};
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
use futures_util::FutureExt as _;
use jiff::Timestamp;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;
use tenantry_schema::wire::{Event, Report, SliceRef};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::Instant;

/// Look so closely (every container inspected) at least so often.
const INSPECTION: Duration = Duration::from_mins(10);
/// Wake-ups that come together are one.
const DEBOUNCE: Duration = Duration::from_millis(15);
/// A report without news while the hub is away.
const LONELY_HEARTBEAT: Duration = Duration::from_mins(15);
/// What could not be told is asked again after so long.
const AGAIN: Duration = Duration::from_secs(30);
/// Between two reports.
const REPORT_PAUSE: Duration = Duration::from_millis(200);
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

/// What is being done in a lane.
struct Work {
    number: u64,
    /// Digest of what it works towards.
    of: String,
    task: JoinHandle<()>,
}

/// The number of a work, and what came of it.
type Finished = (u64, LaneResult);

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

    /// What happened since the last report is kept for the next run to deliver.
    fn finish_up(&mut self) {
        self.gather();
        let last = self.reported.take().map(|(report, _)| report);
        if let Some(report) = last.filter(|_| !self.agent.news.is_empty()) {
            let posted = self
                .agent
                .post(report, &mut self.outbox.borrow_mut(), Timestamp::now());
            match posted {
                Ok(()) => self.gathered(),
                Err(error) => {
                    tracing::error!(error = sentence(&error), "the last report cannot be kept");
                }
            }
        }
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

    /// Ends lanes that work towards something that is not wanted any more. Their steps can be cut off anywhere.
    fn abandon_outdated(&mut self) {
        let wanted = |lane: &Lane, of: &str| match lane {
            Lane::Instance(name) | Lane::Files(name) => {
                let desired = self.agent.desired();
                desired
                    .and_then(|desired| desired.instances.get(name))
                    .is_some_and(|instance| instance.digest == of)
            }
            Lane::Certificate(host) => {
                let desired = self.agent.desired();
                desired.is_some_and(|desired| desired.sites.contains_key(host))
            }
            Lane::Leftovers | Lane::Images | Lane::Web | Lane::Logs | Lane::Host(_) => true,
        };
        let outdated: Vec<_> = self
            .lanes
            .iter()
            .filter(|(lane, work)| !wanted(lane, &work.of))
            .map(|(lane, _)| lane.clone())
            .collect();
        for lane in outdated {
            if let Some(work) = self.lanes.remove(&lane) {
                work.task.abort();
                self.agent.history.busy.remove(&lane);
            }
        }
    }

    /// Takes in what came of a work. One that was given up may just have come to its end all the same; then its lane may be another's.
    fn finish(&mut self, (number, result): Finished) {
        self.agent.observer().outdate();
        let lane = result.lane.clone();
        let its = |work: &Work| work.number == number;
        if self.lanes.get(&lane).is_some_and(its) {
            self.lanes.remove(&lane);
        }
        self.agent.absorb(result, Timestamp::now());
        if self.lanes.contains_key(&lane) {
            self.agent.history.busy.insert(lane);
        }
    }

    fn start_lanes(&mut self, look: &Look) {
        for (lane, steps) in &look.plan.steps {
            if self.lanes.contains_key(lane) || self.is_held(lane) {
                continue;
            }
            let of = look.plan.of.get(lane).cloned().unwrap_or_default();
            let work = lanes::run(
                self.agent.hands().clone(),
                lane.clone(),
                of.clone(),
                steps.clone(),
            );
            self.begun += 1;
            let (number, done) = (self.begun, self.done.0.clone());
            let task = spawn_local(async move {
                // Nobody listens only when everything ends.
                let _ = done.send((number, work.await)).await;
            });
            self.lanes.insert(lane.clone(), Work { number, of, task });
            self.agent.history.busy.insert(lane.clone());
        }
    }

    /// Whether a backup keeps the lane from being worked on right now.
    fn is_held(&self, lane: &Lane) -> bool {
        match lane {
            Lane::Instance(name) => self.agent.desk.is_held(name),
            _ => false,
        }
    }

    /// Begins the job of backups that is due, one at a time. Returns when to look again.
    fn attend_backups(&mut self, look: &Look) -> Instant {
        let busy = self.lanes.keys().filter_map(|lane| match lane {
            Lane::Instance(name) => Some(name.clone()),
            _ => None,
        });
        self.agent.desk.set_busy(busy);
        if let Some(desired) = self.agent.desired() {
            let all = desired.instances.iter();
            let wanted = all.map(|(name, instance)| (name.clone(), instance.digest.clone()));
            self.agent.desk.set_wanted(wanted);
        }
        let patrol = self.patrol();
        if let Some(task) = self.backup.take_if(|task| task.is_finished()) {
            // It ended: what it says is there, unless it panicked, which the log has.
            if let Some(Ok(events)) = task.now_or_never() {
                for event in events {
                    self.agent.news.event(event);
                }
            }
        }
        if self.backup.is_some() {
            return patrol;
        }
        let now = Timestamp::now();
        // Before anything else: a tool stands still until its data is in order.
        let (broken_off, again) = self.agent.mend_due(look, now);
        if let Some(instance) = broken_off {
            let (engine, desk) = (self.agent.hands().engine.clone(), self.agent.desk.clone());
            self.backup = Some(spawn_local(mend(engine, desk, instance)));
            return patrol;
        }
        let (work, wake) = self.agent.due(look, now);
        let wake = [wake, again].into_iter().flatten().min();
        if let Some(work) = work {
            self.backup = Some(spawn_local(work.run()));
            return patrol;
        }
        wake.map_or(patrol, |at| patrol.min(instant(at)))
    }

    /// Reports what changed, or that nothing did. Returns when the next report is due.
    fn report(&mut self, look: &Look) -> Instant {
        let mut report = self.agent.report(look);
        report.agent_update.clone_from(&self.own.state);
        self.add_health(&mut report, look);
        self.gather();
        if self.is_stale() {
            report.stale_since = Some(self.heard.1);
        }
        let now = Instant::now();
        if let Some((last, at)) = &self.reported {
            let waiting = !self.outbox.borrow().is_empty();
            let pause = if *last != report || !self.agent.news.is_empty() {
                REPORT_PAUSE
            } else if waiting {
                LONELY_HEARTBEAT
            } else {
                self.agent.config().intervals.report()
            };
            if now < *at + pause {
                return *at + pause;
            }
        }
        let posted = self.agent.post(
            report.clone(),
            &mut self.outbox.borrow_mut(),
            Timestamp::now(),
        );
        match posted {
            Ok(()) => {
                self.gathered();
                self.posted.notify_one();
                self.unsaved.borrow_mut().over();
            }
            Err(error) => self.tell_unsaved(report.clone(), &sentence(&error)),
        }
        self.reported = Some((report, now));
        now + self.agent.config().intervals.report()
    }
}

impl<W: WebServer + 'static> Loop<W> {
    /// The hub is told from memory. What happened is told with it, and nowhere else.
    fn tell_unsaved(&mut self, report: Report, why: &str) {
        tracing::error!(error = why, "a report cannot be kept");
        let news = std::mem::take(&mut self.agent.news);
        let mut unsaved = self.unsaved.borrow_mut();
        unsaved.put(report, &news, why, Timestamp::now());
        drop(unsaved);
        self.gathered();
    }
}

/// That moment, or a little later, so that what is due then is due for certain.
fn instant(at: Timestamp) -> Instant {
    let wait = at
        .duration_since(Timestamp::now())
        .max(jiff::SignedDuration::ZERO);
    Instant::now() + Duration::try_from(wait).unwrap_or(AGAIN) + Duration::from_millis(5)
}
