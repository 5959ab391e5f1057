//! Follows the logs of containers that rules apply to, a task each.

use super::lines::{Line, Lines};
use super::positions::{Position, Positions, Resume};
use super::rules::{Found, Rules, Scanner};
use crate::containers::{Engine, Piece, follow_log};
use crate::files::{FilesError, Root};
use crate::redact::Redactor;
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
/// Found lines that wait for the next report.
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
    /// Whether it has a process now.
    pub up: bool,
    /// What is looked for.
    pub rules: Rules,
    /// Cuts the instance's secrets out.
    pub redactor: Rc<Redactor>,
}

/// Everything about logs.
#[derive(Debug)]
pub struct Scan {
    engine: Engine,
    shared: Rc<Shared>,
    tasks: BTreeMap<String, Task>,
}

#[derive(Debug)]
struct Task {
    rules: Rules,
    work: JoinHandle<()>,
    begun: Instant,
}

#[derive(Debug)]
struct Shared {
    positions: RefCell<Positions>,
    found: RefCell<Vec<LogMatch>>,
    news: Notify,
}

impl Scan {
    /// What was read before is kept in `root`.
    pub fn open(engine: Engine, root: Root) -> Result<Self, FilesError> {
        let shared = Shared {
            positions: RefCell::new(Positions::open(root)?),
            found: RefCell::default(),
            news: Notify::new(),
        };
        Ok(Self {
            engine,
            shared: Rc::new(shared),
            tasks: BTreeMap::new(),
        })
    }

    /// Reads these logs from now on. Called often; does something only where something changed. `all`: every container on the engine.
    /// Must be called inside a `LocalSet`.
    pub fn aim(&mut self, targets: Vec<Target>, all: &BTreeSet<&str>) {
        self.shared.positions.borrow_mut().retain(all);
        let wanted: BTreeSet<_> = targets.iter().map(|target| target.id.clone()).collect();
        // The log of a container that is gone ends by itself; one that is not looked at any more is given up.
        self.tasks.retain(|id, task| {
            let keep =
                !task.work.is_finished() && (wanted.contains(id) || !all.contains(id.as_str()));
            keep || {
                task.work.abort();
                wanted.contains(id) && task.begun.elapsed() < REOPEN
            }
        });
        for target in targets.into_iter().take(MOST_LOGS) {
            if let Some(task) = self.tasks.get(&target.id) {
                if task.rules == target.rules {
                    continue;
                }
                task.work.abort();
            }
            if !target.up {
                continue;
            }
            let (id, rules) = (target.id.clone(), target.rules.clone());
            let work = spawn_local(follow(self.engine.clone(), self.shared.clone(), target));
            let begun = Instant::now();
            self.tasks.insert(id, Task { rules, work, begun });
        }
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
    fn tell(&self, target: &Target, found: Found) {
        let mut all = self.found.borrow_mut();
        if all.len() >= MOST_FOUND {
            return;
        }
        let clean = |text: &str| shortened(&target.redactor.clean(text)).to_owned();
        let many = |lines: &[String]| lines.iter().map(|line| clean(line)).collect();
        all.push(LogMatch {
            at: found.at,
            rule: found.rule,
            instance: target.instance.clone(),
            service: target.service.clone(),
            line: clean(&found.line),
            before: many(&found.before),
            after: many(&found.after),
            untold: found.untold,
        });
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

/// Reads one log until it ends.
async fn follow(engine: Engine, shared: Rc<Shared>, target: Target) {
    let known = shared.positions.borrow().get(&target.id);
    let mut position = known.unwrap_or_else(|| {
        let now = Timestamp::now();
        let young = target
            .made
            .filter(|made| now.duration_since(*made) < HISTORY);
        Position::before(young.unwrap_or(now))
    });
    shared.positions.borrow_mut().set(&target.id, position);
    let mut resume = Resume::at(position);
    let (mut outs, mut errs, mut scanner) =
        (Lines::default(), Lines::default(), Scanner::default());
    let Ok(stream) = follow_log(&engine, &target.id, position.at).await else {
        return;
    };
    let mut stream = Box::pin(stream);
    let mut tell = |found: Found| shared.tell(&target, found);
    let (mut read, mut since) = (0usize, Instant::now());
    let mut deadline = Instant::now();
    loop {
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
        let Some(Ok(piece)) = piece else {
            break;
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
    }
    scanner.flush(&mut tell);
    shared.positions.borrow_mut().set(&target.id, position);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_cut_between_characters() {
        assert_eq!(shortened("short"), "short");
        let long = "ä".repeat(LONGEST);
        assert_eq!(shortened(&long).len(), LONGEST);
        let odd = format!("x{long}");
        assert_eq!(shortened(&odd).len(), LONGEST - 1);
    }
}
