//! Decisions on their way to the branch. A remote may take a minute, or never answer: a push goes on beside the loop, one at a time, and what comes of
//! it wakes the loop, which then looks at the branch like after anybody's push. Until then nothing of it counts as decided.

use crate::git::{Fleet, GitError, Oid, Outcome, Stop};
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::thread::JoinHandle;

/// Longest pause between attempts to push decisions: two to this power, in seconds.
const LONGEST_PAUSE: u32 = 6;
/// A push that takes longer is told of, and is given up when the branch has moved meanwhile. A quick one finds that out by itself.
const SLOW: SignedDuration = SignedDuration::from_secs(3);

/// Wakes the loop.
pub(super) type Waker = Arc<dyn Fn() + Send + Sync>;

/// What is committed, for the log and the diary.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// A sentence for each decision.
    pub(super) summaries: Vec<String>,
    /// The commit's message.
    pub(super) message: String,
}

/// The push that is under way, and what came of the last one.
#[derive(Default)]
pub(super) struct Pushes {
    under_way: Option<UnderWay>,
    failed: Option<Failed>,
}

/// Why decisions could not be committed.
struct Failed {
    why: String,
    /// When they are tried again.
    again: Timestamp,
    /// How often they failed in a row.
    times: u32,
}

struct UnderWay {
    base: Oid,
    told: Told,
    begun: Timestamp,
    stop: Stop,
    outcome: Receiver<Result<Outcome, GitError>>,
    /// What came of it, where somebody waited for that.
    known: Option<Result<Outcome, GitError>>,
    worker: Option<JoinHandle<()>>,
}

/// Rings also when the push panics: the loop then finds that nothing will come.
struct Ring(Option<Waker>);

impl Drop for Ring {
    fn drop(&mut self) {
        if let Some(wake) = &self.0 {
            wake();
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.stop.now();
        if let Some(worker) = self.worker.take() {
            drop(worker.join());
        }
    }
}

impl Pushes {
    /// Whether decisions may be committed now: one push at a time, and a pause after a failure.
    pub(super) fn may_begin(&self, now: Timestamp) -> bool {
        let paused = self
            .failed
            .as_ref()
            .is_some_and(|failed| failed.again > now);
        self.under_way.is_none() && !paused
    }

    /// Whether a push is under way.
    pub(super) fn is_under_way(&self) -> bool {
        self.under_way.is_some()
    }

    /// Begins to move the branch from `base` to `new`. `wake` is called when it has ended.
    pub(super) fn begin(
        &mut self,
        fleet: &Arc<Fleet>,
        (base, new): (Oid, Oid),
        told: Told,
        now: Timestamp,
        wake: Option<Waker>,
    ) {
        let (tell, outcome) = sync_channel(1);
        let stop = Stop::default();
        let (fleet, asked) = (fleet.clone(), stop.clone());
        let worker = std::thread::spawn(move || {
            let _ring = Ring(wake);
            // Nobody listens any more only while the hub stops.
            drop(tell.send(fleet.land(base, new, &asked)));
        });
        self.under_way = Some(UnderWay {
            base,
            told,
            begun: now,
            stop,
            outcome,
            known: None,
            worker: Some(worker),
        });
    }

    /// What came of the push that was under way, once.
    pub(super) fn ended(&mut self) -> Option<(Told, Result<Outcome, GitError>)> {
        let push = self.under_way.as_mut()?;
        let outcome = match push
            .known
            .take()
            .map_or_else(|| push.outcome.try_recv(), Ok)
        {
            Ok(outcome) => outcome,
            Err(TryRecvError::Empty) => return None,
            Err(TryRecvError::Disconnected) => Err(GitError::Stopped),
        };
        let told = std::mem::take(&mut push.told);
        self.under_way = None;
        Some((told, outcome))
    }

    /// Waits until the push that is under way has ended. `false`: there is none.
    pub(super) fn wait(&mut self) -> bool {
        let Some(push) = &mut self.under_way else {
            return false;
        };
        let outcome = push.outcome.recv();
        push.known = Some(outcome.unwrap_or(Err(GitError::Stopped)));
        true
    }

    /// The branch is at `head`: a push that would begin elsewhere can come to nothing, so a slow one is not waited for.
    pub(super) fn look_at(&self, head: Option<Oid>, now: Timestamp) {
        if let Some(push) = &self.under_way
            && head != Some(push.base)
            && push.is_slow(now)
        {
            push.stop.now();
        }
    }

    /// Decisions could not be committed: they are tried again after a pause that doubles.
    pub(super) fn fail(&mut self, error: &dyn std::error::Error, now: Timestamp) {
        let times = self.failed.take().map_or(0, |failed| failed.times);
        let pause = SignedDuration::from_secs(1 << times.min(LONGEST_PAUSE));
        let why = format!("decisions cannot be committed: {}", super::chain(error));
        tracing::warn!("{why}");
        self.failed = Some(Failed {
            why,
            again: now.checked_add(pause).unwrap_or(Timestamp::MAX),
            times: times + 1,
        });
    }

    /// Nothing has failed: decisions were committed, or there are none.
    pub(super) fn forget_failures(&mut self) {
        self.failed = None;
    }

    /// What people should know of it at `now`.
    pub(super) fn problem(&self, now: Timestamp) -> Option<String> {
        if let Some(failed) = &self.failed {
            return Some(failed.why.clone());
        }
        let push = self.under_way.as_ref().filter(|push| push.is_slow(now))?;
        let count = push.told.summaries.len();
        let (noun, verb) = if count == 1 {
            ("decision", "waits")
        } else {
            ("decisions", "wait")
        };
        Some(format!(
            "{count} {noun} {verb} for the remote: the push that began at {:.0} has not ended",
            push.begun
        ))
    }

    /// When something is due by time alone, after `now`.
    pub(super) fn next_wake(&self, now: Timestamp) -> Option<Timestamp> {
        let slow = |push: &UnderWay| push.begun.checked_add(SLOW).unwrap_or(Timestamp::MAX);
        let told = self.under_way.as_ref().map(slow);
        let again = self.failed.as_ref().map(|failed| failed.again);
        told.into_iter().chain(again).filter(|at| *at > now).min()
    }
}

impl UnderWay {
    fn is_slow(&self, now: Timestamp) -> bool {
        now.duration_since(self.begun) >= SLOW
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::tests::{World, at, author, put};
    use crate::git::{Layout, Location, Written};
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;
    use std::time::{Duration, Instant};

    /// A repository that answers a push of the hub when `go` is there, seen through a mirror; and a commit for it.
    fn slow(world: &World) -> (Arc<Fleet>, Oid) {
        let hook = world.repo().join("hooks/pre-receive");
        std::fs::create_dir_all(hook.parent().unwrap()).unwrap();
        let go = world.data("go");
        let text = format!(
            "#!/bin/sh\nread old new name\nif git log -1 --format=%ae $new | grep -q hub@; then until test -e {}; do sleep 0.05; done; fi\n",
            go.display()
        );
        std::fs::write(&hook, text).unwrap();
        std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).unwrap();
        let url = format!("file://{}", world.repo().display());
        let fleet = Fleet::open(Location::parse(&url).unwrap(), "main", &world.data("data"));
        let fleet = Arc::new(fleet.unwrap());
        fleet.fetch().unwrap();
        let written = fleet.write(world.first, &[put("x", "1")], &author(), "x", at(2));
        let Written::Commit(new) = written.unwrap() else {
            panic!("nothing was written")
        };
        (fleet, new)
    }

    fn told() -> Told {
        Told {
            summaries: vec!["something".into()],
            message: "decide: something".into(),
        }
    }

    /// A loop of its own that hears when it is woken.
    fn waker() -> (Option<Waker>, Receiver<()>) {
        let (tell, woken) = std::sync::mpsc::channel();
        let wake: Waker = Arc::new(move || tell.send(()).unwrap_or_default());
        (Some(wake), woken)
    }

    const LONG: Duration = Duration::from_secs(30);

    #[test]
    fn nobody_waits_for_a_slow_push_and_its_end_wakes_the_loop() {
        let world = World::new(Layout::Bare);
        let (fleet, new) = slow(&world);
        let (wake, woken) = waker();
        let mut pushes = Pushes::default();
        assert!(pushes.may_begin(at(0)));
        pushes.begin(&fleet, (world.first, new), told(), at(0), wake);
        assert!(!pushes.may_begin(at(1)), "one at a time");
        assert!(pushes.ended().is_none());
        assert_eq!(pushes.problem(at(2)), None, "most are quick");
        assert_eq!(pushes.next_wake(at(2)), Some(at(3)));
        let problem = pushes.problem(at(3)).unwrap();
        assert!(
            problem.starts_with("1 decision waits for the remote"),
            "{problem}"
        );
        assert_eq!(pushes.next_wake(at(3)), None, "its end is what wakes now");
        // Where the branch is can be asked meanwhile.
        fleet.fetch().unwrap();
        assert_eq!(fleet.head().unwrap(), Some(world.first));
        pushes.look_at(fleet.head().unwrap(), at(60));
        std::fs::write(world.data("go"), "").unwrap();
        woken.recv_timeout(LONG).unwrap();
        let (said, outcome) = pushes.ended().unwrap();
        assert_eq!((said, outcome.unwrap()), (told(), Outcome::Committed(new)));
        assert_eq!(fleet.head().unwrap(), Some(new));
        assert!(pushes.may_begin(at(61)) && pushes.ended().is_none());
    }

    #[test]
    fn a_slow_push_to_a_branch_that_moved_is_given_up() {
        let world = World::new(Layout::Bare);
        let (fleet, new) = slow(&world);
        let (wake, woken) = waker();
        let mut pushes = Pushes::default();
        pushes.begin(&fleet, (world.first, new), told(), at(0), wake);
        let person = person_pushes(&world);
        fleet.fetch().unwrap();
        assert_eq!(fleet.head().unwrap(), Some(person));
        pushes.look_at(fleet.head().unwrap(), at(1));
        assert!(
            woken.recv_timeout(Duration::from_millis(300)).is_err(),
            "it may just be ending"
        );
        pushes.look_at(fleet.head().unwrap(), at(4));
        woken.recv_timeout(LONG).unwrap();
        assert_eq!(pushes.ended().unwrap().1.unwrap(), Outcome::Moved);
        assert_eq!(fleet.head().unwrap(), Some(person));
        assert!(!world.repo().join("refs/heads/main.lock").exists());
    }

    #[test]
    fn a_hub_that_stops_waits_for_no_remote() {
        let world = World::new(Layout::Bare);
        let (fleet, new) = slow(&world);
        let mut pushes = Pushes::default();
        pushes.begin(&fleet, (world.first, new), told(), at(0), None);
        std::thread::sleep(Duration::from_millis(200));
        let begun = Instant::now();
        drop(pushes);
        assert!(begun.elapsed() < LONG);
        assert_eq!(world.git(&["rev-parse", "main"]), world.first.to_string());
    }

    #[test]
    fn who_does_one_pass_waits_for_what_comes_of_it() {
        let world = World::new(Layout::Bare);
        let (fleet, new) = slow(&world);
        std::fs::write(world.data("go"), "").unwrap();
        let mut pushes = Pushes::default();
        assert!(!pushes.wait(), "there is none");
        pushes.begin(&fleet, (world.first, new), told(), at(0), None);
        assert!(pushes.wait());
        assert_eq!(pushes.ended().unwrap().1.unwrap(), Outcome::Committed(new));
    }

    #[test]
    fn failures_pause_longer_and_longer_and_are_told_until_they_are_over() {
        let mut pushes = Pushes::default();
        let error = GitError::Refused("main is protected".into());
        let mut pauses = Vec::new();
        for _ in 0..9 {
            pushes.fail(&error, at(0));
            pauses.push(pushes.next_wake(at(0)).unwrap().as_second() - at(0).as_second());
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 64, 64]);
        assert!(!pushes.may_begin(at(63)) && pushes.may_begin(at(64)));
        assert_eq!(
            pushes.next_wake(at(64)),
            None,
            "what is due is no reason to wake at once"
        );
        assert!(
            pushes
                .problem(at(64))
                .unwrap()
                .contains("main is protected")
        );
        pushes.forget_failures();
        assert_eq!(pushes.problem(at(64)), None);
    }

    fn person_pushes(world: &World) -> Oid {
        let clone = world.data("person");
        let clone = clone.to_str().unwrap();
        world.git(&["clone", "-q", ".", clone]);
        let git = |arguments: &[&str]| crate::git::tests::git(Path::new(clone), arguments);
        git(&["commit", "-qm", "note", "--allow-empty"]);
        git(&["push", "-q", "origin", "HEAD:main"]);
        Oid::from_str(&git(&["rev-parse", "HEAD"])).unwrap()
    }
}
