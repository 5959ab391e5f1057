//! Follows the logs of containers that rules apply to, a task each.

use super::lines::{Line, Lines};
use super::positions::{Position, Positions, Resume};
use super::rules::{Found, Rules, Scanner};
use crate::containers::{Engine, Piece, follow_log};
use crate::files::{FilesError, Root};
use crate::redact::Redactor;
use crate::report::add_match;
use futures_util::StreamExt as _;
use jiff::{SignedDuration, Timestamp};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;
use tenantry_schema::id::InstanceName;
use tenantry_schema::wire::LogMatch;
use tokio::sync::Notify;
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::Instant;

/// Logs that are followed at once; each is a connection to the engine.
const MOST_LOGS: usize = 120;
/// A found line waits no longer than this for those that follow it.
const CONTEXT_PATIENCE: Duration = Duration::from_secs(2);
/// Before a log is opened again that ended or could not be read.
const REOPEN: Duration = Duration::from_secs(10);
/// A log that says more is read this fast, in bytes a second; what waits stays in the engine's files.
const PACE: usize = 2 << 20;
/// Of a container that nobody looked at before, what is older than this is history.
const HISTORY: SignedDuration = SignedDuration::from_mins(10);
/// Longest line that is told, in bytes.
const LONGEST: usize = 600;
/// Found lines that wait for the next report; others are counted.
const MOST_FOUND: usize = 200;

/// A container whose log is read.
#[derive(Debug, Clone)]
pub struct Target {
    /// Whose it is.
    pub instance: InstanceName,
    /// Its service.
    pub service: String,
    /// Its id.
    pub id: String,
    /// When it was made.
    pub made: Option<Timestamp>,
    /// Whether it has a process now. One that has none is read once more, to its end.
    pub up: bool,
    /// When it ended last.
    pub ended: Option<Timestamp>,
    /// What is looked for.
    pub rules: Rc<Rules>,
    /// Cuts the instance's secrets out.
    pub redactor: Rc<Redactor>,
}

/// Everything about logs.
#[derive(Debug)]
pub struct Scan {
    engine: Engine,
    shared: Rc<Shared>,
    tasks: BTreeMap<String, Task>,
    /// Whether there were more logs than are read at once.
    too_many: bool,
}

#[derive(Debug)]
struct Task {
    rules: Rc<Rules>,
    redactor: Rc<RefCell<Rc<Redactor>>>,
    work: JoinHandle<()>,
    begun: Instant,
}

#[derive(Debug)]
struct Shared {
    positions: RefCell<Positions>,
    /// Containers that are down and were read to the end, with the time at which they had ended.
    read: RefCell<BTreeMap<String, Option<Timestamp>>>,
    found: RefCell<Vec<LogMatch>>,
    news: Notify,
}

impl Scan {
    /// What was read before is kept in `root`.
    pub fn open(engine: Engine, root: Root) -> Result<Self, FilesError> {
        let shared = Shared {
            positions: RefCell::new(Positions::open(root)?),
            read: RefCell::default(),
            found: RefCell::default(),
            news: Notify::new(),
        };
        Ok(Self {
            engine,
            shared: Rc::new(shared),
            tasks: BTreeMap::new(),
            too_many: false,
        })
    }

    /// Reads these logs from now on. Called often; does something only where something changed. `all`: every container on the engine.
    /// Must be called inside a `LocalSet`.
    pub fn aim(&mut self, targets: Vec<Target>, all: &BTreeSet<&str>) {
        self.shared.positions.borrow_mut().retain(all);
        let gone = |id: &String| !all.contains(id.as_str());
        self.shared.read.borrow_mut().retain(|id, _| !gone(id));
        let targets = self.chosen(targets);
        let wanted: BTreeSet<_> = targets.iter().map(|target| target.id.clone()).collect();
        // The log of a container that is gone ends by itself; one that is not looked at any more is given up.
        self.tasks.retain(|id, task| {
            let keep = !task.work.is_finished() && (wanted.contains(id) || gone(id));
            keep || {
                task.work.abort();
                wanted.contains(id) && task.begun.elapsed() < REOPEN
            }
        });
        for target in targets {
            if let Some(task) = self.tasks.get_mut(&target.id) {
                task.redactor.replace(target.redactor.clone());
                if Rc::ptr_eq(&task.rules, &target.rules) || task.rules == target.rules {
                    task.rules = target.rules;
                    continue;
                }
                task.work.abort();
            }
            let (id, rules) = (target.id.clone(), target.rules.clone());
            let redactor = Rc::new(RefCell::new(target.redactor.clone()));
            let (engine, shared) = (self.engine.clone(), self.shared.clone());
            let task = Task {
                rules,
                redactor: redactor.clone(),
                work: spawn_local(follow(engine, shared, target, redactor)),
                begun: Instant::now(),
            };
            self.tasks.insert(id, task);
        }
    }

    /// Those that there is something to read of, no more than can be read at once; what is read already comes first.
    fn chosen(&mut self, targets: Vec<Target>) -> Vec<Target> {
        let mut targets = targets;
        let read = self.shared.read.borrow();
        targets.retain(|target| target.up || read.get(&target.id) != Some(&target.ended));
        targets.sort_by_key(|target| !self.tasks.contains_key(&target.id));
        let too_many = targets.len().saturating_sub(MOST_LOGS);
        if too_many > 0 && !self.too_many {
            let first = targets[MOST_LOGS..].iter().take(3);
            let first: Vec<_> = first
                .map(|it| format!("{}/{}", it.instance, it.service))
                .collect();
            tracing::warn!(
                many = too_many,
                first = first.join(", "),
                "logs are not looked at: {MOST_LOGS} are at once"
            );
        }
        self.too_many = too_many > 0;
        targets.truncate(MOST_LOGS);
        targets
    }

    /// Completes when something was found.
    pub fn news(&self) -> impl Future<Output = ()> + use<> {
        let shared = self.shared.clone();
        async move { shared.news.notified().await }
    }

    /// What was found since this was called last.
    pub fn take(&self) -> Vec<LogMatch> {
        self.shared.found.take()
    }

    /// What was taken is on disk: it need not be found again.
    pub fn keep(&self) -> Result<(), FilesError> {
        self.shared.positions.borrow_mut().keep()
    }
}

impl Drop for Scan {
    fn drop(&mut self) {
        for task in self.tasks.values() {
            task.work.abort();
        }
    }
}

impl Shared {
    fn tell(&self, target: &Target, redactor: &Redactor, found: Found) {
        let clean = |text: &str| shortened(&redactor.clean(text)).to_owned();
        let many = |lines: &[String]| lines.iter().map(|line| clean(line)).collect();
        let found = LogMatch {
            at: found.at,
            rule: found.rule,
            instance: target.instance.clone(),
            service: target.service.clone(),
            line: clean(&found.line),
            before: many(&found.before),
            after: many(&found.after),
            untold: found.untold,
        };
        add_match(&mut self.found.borrow_mut(), found, MOST_FOUND);
        self.news.notify_one();
    }
}

fn shortened(text: &str) -> &str {
    let mut end = text.len().min(LONGEST);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Where a log is begun that nobody read before. A container that was made later than now was made by a clock that was wrong.
fn beginning(made: Option<Timestamp>, now: Timestamp) -> Timestamp {
    let history = now.checked_sub(HISTORY).unwrap_or(now);
    made.map_or(history, |made| made.clamp(history, now))
}

/// Reads one log until it ends.
async fn follow(
    engine: Engine,
    shared: Rc<Shared>,
    target: Target,
    redactor: Rc<RefCell<Rc<Redactor>>>,
) {
    let known = shared.positions.borrow().get(&target.id);
    let mut position =
        known.unwrap_or_else(|| Position::before(beginning(target.made, Timestamp::now())));
    shared.positions.borrow_mut().set(&target.id, position);
    let mut resume = Resume::at(position);
    let (mut outs, mut errs, mut scanner) =
        (Lines::default(), Lines::default(), Scanner::default());
    let Ok(stream) = follow_log(&engine, &target.id, position.at).await else {
        return;
    };
    let mut stream = Box::pin(stream);
    let mut tell = |found: Found| shared.tell(&target, &redactor.borrow(), found);
    let (mut read, mut since) = (0usize, Instant::now());
    let mut deadline = Instant::now();
    let whole = loop {
        let piece = if scanner.waits() {
            let Ok(piece) = tokio::time::timeout_at(deadline, stream.next()).await else {
                scanner.flush(&mut tell);
                shared.positions.borrow_mut().set(&target.id, position);
                continue;
            };
            piece
        } else {
            stream.next().await
        };
        let piece = match piece {
            Some(Ok(piece)) => piece,
            end => break end.is_none(),
        };
        let (lines, bytes) = match &piece {
            Piece::Out(bytes) => (&mut outs, bytes),
            Piece::Err(bytes) => (&mut errs, bytes),
        };
        read += bytes.len();
        let waited = scanner.waits();
        lines.feed(bytes, |line: Line| {
            if resume.is_new(line.at) {
                scanner.line(&target.rules, &line, &mut tell);
                position.advance(line.at);
            }
        });
        if scanner.waits() && !waited {
            deadline = Instant::now() + CONTEXT_PATIENCE;
        }
        // What waits for its context is not told yet, and is read again after a crash.
        if !scanner.waits() {
            shared.positions.borrow_mut().set(&target.id, position);
        }
        if read > PACE {
            let second = Duration::from_secs(1);
            tokio::time::sleep(second.saturating_sub(since.elapsed())).await;
            (read, since) = (0, Instant::now());
        }
    };
    scanner.flush(&mut tell);
    shared.positions.borrow_mut().set(&target.id, position);
    if whole && !target.up {
        let mut read = shared.read.borrow_mut();
        read.insert(target.id.clone(), target.ended);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(number: usize, up: bool) -> Target {
        let rules = serde_json::from_str(r#"{"a":{"match":"x"}}"#).unwrap();
        let service = "web".to_owned();
        Target {
            instance: InstanceName::try_from("site-html".to_owned()).unwrap(),
            id: format!("{number}"),
            made: None,
            up,
            ended: None,
            rules: Rules::by_service(&rules, [&service]).remove("web").unwrap(),
            service,
            redactor: Rc::default(),
        }
    }

    fn aim(scan: &mut Scan, targets: Vec<Target>) -> usize {
        let ids: Vec<_> = (0..200).map(|number| number.to_string()).collect();
        scan.aim(targets, &ids.iter().map(String::as_str).collect());
        scan.tasks.len()
    }

    #[tokio::test]
    async fn logs_that_are_read_stay_and_the_rest_waits_for_room() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::private(folder.path()).unwrap();
        let mut scan = Scan::open(Engine::at("/nowhere/docker.sock"), root).unwrap();
        let local = tokio::task::LocalSet::new();
        let _entered = local.enter();
        let all = |numbers: std::ops::Range<usize>| numbers.map(|it| target(it, true)).collect();
        assert_eq!((aim(&mut scan, all(10..20)), scan.too_many), (10, false));
        assert_eq!(
            (aim(&mut scan, all(0..200)), scan.too_many),
            (MOST_LOGS, true)
        );
        assert!((10..20).all(|it| scan.tasks.contains_key(&it.to_string())));
        assert!(!scan.tasks.contains_key("150"));
        assert_eq!((aim(&mut scan, all(150..200)), scan.too_many), (50, false));
    }

    #[tokio::test]
    async fn one_that_is_down_is_read_once_each_time_it_ran() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::private(folder.path()).unwrap();
        let mut scan = Scan::open(Engine::at("/nowhere/docker.sock"), root).unwrap();
        let local = tokio::task::LocalSet::new();
        let _entered = local.enter();
        assert_eq!(aim(&mut scan, vec![target(1, false)]), 1);
        // As a reader does at the end.
        scan.shared.read.borrow_mut().insert("1".into(), None);
        assert_eq!(aim(&mut scan, vec![target(1, false)]), 0);
        assert_eq!(aim(&mut scan, vec![target(1, true)]), 1);
        let again = Target {
            ended: Some(Timestamp::UNIX_EPOCH),
            ..target(1, false)
        };
        assert_eq!(aim(&mut scan, vec![again]), 1);
        scan.aim(Vec::new(), &BTreeSet::new());
        assert!(scan.shared.read.borrow().is_empty(), "it is gone");
    }

    #[test]
    fn what_is_older_than_ten_minutes_is_history() {
        let at = |minute: i64| Timestamp::from_second(minute * 60).unwrap();
        assert_eq!(beginning(None, at(100)), at(90));
        assert_eq!(beginning(Some(at(5)), at(100)), at(90));
        assert_eq!(beginning(Some(at(95)), at(100)), at(95));
        assert_eq!(beginning(Some(at(101)), at(100)), at(100));
    }

    #[test]
    fn long_lines_are_cut_between_characters() {
        assert_eq!(shortened("short"), "short");
        let long = "ä".repeat(LONGEST);
        assert_eq!(shortened(&long).len(), LONGEST);
        let odd = format!("x{long}");
        assert_eq!(shortened(&odd).len(), LONGEST - 1);
    }
}
