//! Which verdicts are due: what was judged against which state of the fleet, what stands at the forge, and when the forge is tried again. Pure.

use super::Verdict;
use crate::forge::{CommitStatus, ForgeError};
use crate::git::Oid;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// First and longest pause after a failure.
const FIRST: Duration = Duration::from_secs(2);
const LONGEST: Duration = Duration::from_mins(10);
/// Branches that were judged before are judged again, against a branch that has moved, this often at most.
const AGAIN: Duration = Duration::from_mins(1);
/// Branches that are judged in one go.
const AT_ONCE: usize = 20;

/// What is known of one commit.
#[derive(Debug, Default)]
struct Entry {
    verdict: Option<Verdict>,
    /// The state of the fleet that it was judged against. None: not as a branch.
    against: Option<Oid>,
    /// How often it could not be judged in a row, and when that is tried again.
    later: Option<(u32, Instant)>,
    /// What stands at the forge, as far as is known.
    stands: Option<CommitStatus>,
    /// The forge does not take it, or not yet.
    failed: Option<(u32, Instant)>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    entries: BTreeMap<Oid, Entry>,
    judged_again: Option<Instant>,
    /// How often the forge failed in a row, and until when it is left alone.
    pause: Option<(u32, Instant)>,
}

impl Ledger {
    /// Forgets commits that nobody offers any more.
    pub(super) fn keep(&mut self, offered: &BTreeSet<Oid>) {
        self.entries.retain(|commit, _| offered.contains(commit));
    }

    /// Forgets what stands at the forge: it is another one, or asked with another token.
    pub(super) fn another_forge(&mut self) {
        for entry in self.entries.values_mut() {
            entry.stands = None;
            entry.failed = None;
        }
        self.pause = None;
    }

    /// Branches to be judged now against the state `against`, those that never were first.
    pub(super) fn judge_now(&mut self, offered: &[Oid], against: Oid, now: Instant) -> Vec<Oid> {
        let judged = |commit: &Oid| self.entries.get(commit).and_then(|entry| entry.against);
        let offered: Vec<Oid> = offered
            .iter()
            .copied()
            .filter(|commit| self.later(commit).is_none_or(|until| until <= now))
            .collect();
        let mut due: Vec<Oid> = offered
            .iter()
            .copied()
            .filter(|commit| judged(commit).is_none())
            .take(AT_ONCE)
            .collect();
        let rested = self
            .judged_again
            .is_none_or(|last| now.duration_since(last) >= AGAIN);
        if due.is_empty() && rested {
            due = offered
                .iter()
                .copied()
                .filter(|commit| judged(commit).is_some_and(|before| before != against))
                .take(AT_ONCE)
                .collect();
            if !due.is_empty() {
                self.judged_again = Some(now);
            }
        }
        due
    }

    /// When a branch is to be judged again that is not judged now.
    pub(super) fn judge_next(
        &self,
        offered: &[Oid],
        against: Oid,
        now: Instant,
    ) -> Option<Instant> {
        let left = offered.iter().filter_map(|commit| {
            let before = self.entries.get(commit).and_then(|entry| entry.against);
            let due = match before {
                Some(before) if before == against => return None,
                None => now,
                Some(_) => self.judged_again.map_or(now, |last| last + AGAIN),
            };
            Some(self.later(commit).map_or(due, |until| until.max(due)))
        });
        left.min()
    }

    fn later(&self, commit: &Oid) -> Option<Instant> {
        let entry = self.entries.get(commit)?;
        entry.later.map(|(_, until)| until)
    }

    /// Notes that a branch could not be judged. `jitter` is between 0 and 1.
    pub(super) fn later_again(&mut self, commit: Oid, now: Instant, jitter: f64) {
        let entry = self.entries.entry(commit).or_default();
        let times = entry.later.map_or(0, |(times, _)| times);
        entry.later = Some((times.saturating_add(1), now + backoff(times, jitter)));
    }

    /// Notes what a branch is worth. None: there is nothing to say about it.
    pub(super) fn judged(&mut self, commit: Oid, against: Oid, verdict: Option<Verdict>) {
        let entry = self.entries.entry(commit).or_default();
        entry.against = Some(against);
        entry.later = None;
        entry.verdict = verdict;
    }

    /// Notes what the loop thinks of the followed branch.
    pub(super) fn told(&mut self, verdict: Verdict) {
        let entry = self.entries.entry(verdict.commit).or_default();
        if entry.verdict.as_ref() != Some(&verdict) {
            entry.verdict = Some(verdict);
            entry.failed = None;
        }
    }

    /// Verdicts that do not stand at the forge. With each, what stands there in their place, as far as is known.
    pub(super) fn post_now(&self, hub: &str, now: Instant) -> Vec<(Oid, CommitStatus, bool)> {
        if self.pause.is_some_and(|(_, until)| until > now) {
            return Vec::new();
        }
        let due = self.entries.iter().filter_map(|(commit, entry)| {
            let status = entry.verdict.as_ref()?.status(hub);
            let waits = entry.failed.is_some_and(|(_, until)| until > now);
            let stands = entry.stands.as_ref() == Some(&status);
            (!stands && !waits).then(|| (*commit, status, entry.stands.is_some()))
        });
        due.collect()
    }

    /// When something is to be posted that cannot be posted now.
    pub(super) fn post_next(&self, hub: &str) -> Option<Instant> {
        let due = self.entries.values().filter_map(|entry| {
            let status = entry.verdict.as_ref()?.status(hub);
            (entry.stands.as_ref() != Some(&status)).then(|| entry.failed.map(|(_, until)| until))
        });
        let pause = self.pause.map(|(_, until)| until);
        due.map(|until| until.max(pause)).min()?
    }

    /// Notes that a status stands at the forge.
    pub(super) fn stands(&mut self, commit: Oid, status: CommitStatus) {
        self.pause = None;
        if let Some(entry) = self.entries.get_mut(&commit) {
            entry.stands = Some(status);
            entry.failed = None;
        }
    }

    /// Notes a failure: of one commit, or of the forge as a whole. `jitter` is between 0 and 1.
    pub(super) fn failed(&mut self, commit: Oid, error: &ForgeError, now: Instant, jitter: f64) {
        if error.is_about_a_commit() {
            self.pause = None;
            if let Some(entry) = self.entries.get_mut(&commit) {
                let times = entry.failed.map_or(0, |(times, _)| times);
                // It may be that the forge has not seen the push yet.
                entry.failed = Some((times + 1, now + backoff(times, jitter)));
            }
            return;
        }
        let times = self.pause.map_or(0, |(times, _)| times);
        let pause = match error {
            ForgeError::Busy(_, asked) => *asked,
            // A person has to change something first.
            ForgeError::Token(_) | ForgeError::Redirected(_) | ForgeError::BadToken => {
                backoff(times + 5, jitter)
            }
            _ => backoff(times, jitter),
        };
        self.pause = Some((times + 1, now + pause));
    }
}

/// Twice as long after every failure, up to [`LONGEST`], and up to a quarter less by chance.
fn backoff(times: u32, jitter: f64) -> Duration {
    let pause = FIRST.saturating_mul(1 << times.min(16)).min(LONGEST);
    pause.mul_f64(1.0 - jitter.clamp(0.0, 1.0) / 4.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forge::State;

    const HUB: &str = "https://hub.example.com";

    fn id(number: usize) -> Oid {
        Oid::from_str(&format!("{number:040x}")).unwrap()
    }

    fn verdict(commit: Oid, line: &str) -> Verdict {
        Verdict {
            commit,
            state: State::Success,
            line: line.into(),
            text: String::new(),
        }
    }

    fn down() -> ForgeError {
        ForgeError::Unreachable("https://forge".into(), "refused".into())
    }

    #[test]
    fn what_cannot_be_judged_is_looked_at_again_ever_less_often() {
        let (mut ledger, mut now, against) = (Ledger::default(), Instant::now(), id(100));
        let offered = [id(1), id(2)];
        assert_eq!(ledger.judge_now(&offered, against, now), offered);
        ledger.judged(id(2), against, Some(verdict(id(2), "good")));
        let mut last = Duration::ZERO;
        for _ in 0..12 {
            ledger.later_again(id(1), now, 0.0);
            assert!(ledger.judge_now(&offered, against, now).is_empty());
            let next = ledger.judge_next(&offered, against, now).unwrap();
            assert!(next - now >= last && next - now <= LONGEST);
            last = next - now;
            now = next;
            assert_eq!(ledger.judge_now(&offered, against, now), [id(1)]);
        }
        assert_eq!(last, LONGEST);
        ledger.judged(id(1), against, None);
        assert_eq!(ledger.judge_next(&offered, against, now), None);
    }

    #[test]
    fn a_verdict_is_posted_once_until_it_is_another() {
        let (mut ledger, now) = (Ledger::default(), Instant::now());
        ledger.told(verdict(id(1), "accepted"));
        let due = ledger.post_now(HUB, now);
        assert_eq!(due.len(), 1);
        assert!(!due[0].2, "nothing is known of the forge");
        assert_eq!(due[0].1.target_url, format!("{HUB}/verdicts/{}", id(1)));
        ledger.stands(id(1), due[0].1.clone());
        ledger.told(verdict(id(1), "accepted"));
        assert_eq!(ledger.post_now(HUB, now), []);
        ledger.told(verdict(id(1), "accepted; 1 error"));
        assert!(ledger.post_now(HUB, now)[0].2);
        ledger.another_forge();
        assert!(!ledger.post_now(HUB, now)[0].2);
    }

    #[test]
    fn a_forge_that_is_down_is_asked_less_and_less_often() {
        let (mut ledger, mut now) = (Ledger::default(), Instant::now());
        ledger.told(verdict(id(1), "accepted"));
        let mut pauses = Vec::new();
        for _ in 0..12 {
            assert_eq!(ledger.post_now(HUB, now).len(), 1);
            ledger.failed(id(1), &down(), now, 0.0);
            assert_eq!(ledger.post_now(HUB, now), []);
            let next = ledger.post_next(HUB).unwrap();
            pauses.push(next.duration_since(now).as_secs());
            now = next;
        }
        assert_eq!(pauses, [2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600, 600]);
        // Back again: everything at once, and the next failure begins anew.
        let status = ledger.post_now(HUB, now)[0].1.clone();
        ledger.stands(id(1), status);
        assert_eq!(ledger.post_next(HUB), None);
        ledger.told(verdict(id(1), "other"));
        ledger.failed(
            id(1),
            &ForgeError::Busy("x".into(), Duration::from_secs(77)),
            now,
            0.5,
        );
        assert_eq!(
            ledger.post_next(HUB).unwrap().duration_since(now).as_secs(),
            77
        );
    }

    #[test]
    fn a_commit_that_the_forge_does_not_know_holds_up_no_other() {
        let (mut ledger, now) = (Ledger::default(), Instant::now());
        ledger.told(verdict(id(1), "a"));
        ledger.told(verdict(id(2), "b"));
        let unknown = ForgeError::Commit {
            commit: id(1).to_string(),
            why: "404".into(),
        };
        ledger.failed(id(1), &unknown, now, 0.0);
        let due = ledger.post_now(HUB, now);
        assert_eq!((due.len(), due[0].0), (1, id(2)));
    }

    #[test]
    fn branches_are_judged_once_and_again_a_few_at_a_time() {
        let (mut ledger, now) = (Ledger::default(), Instant::now());
        let offered: Vec<Oid> = (0..AT_ONCE + 5).map(id).collect();
        for expected in [AT_ONCE, 5] {
            let due = ledger.judge_now(&offered, id(100), now);
            assert_eq!(due.len(), expected);
            for commit in due {
                ledger.judged(commit, id(100), None);
            }
        }
        assert_eq!(ledger.judge_now(&offered, id(100), now), []);
        assert_eq!(ledger.judge_next(&offered, id(100), now), None);
        // The followed branch moves: again, in portions, a minute apart.
        let due = ledger.judge_now(&offered, id(101), now);
        assert_eq!(due.len(), AT_ONCE);
        for commit in due {
            ledger.judged(commit, id(101), None);
        }
        assert_eq!(ledger.judge_now(&offered, id(101), now), []);
        assert_eq!(ledger.judge_next(&offered, id(101), now), Some(now + AGAIN));
        assert_eq!(ledger.judge_now(&offered, id(101), now + AGAIN).len(), 5);
        ledger.keep(&offered[..1].iter().copied().collect());
        assert_eq!(ledger.entries.len(), 1);
    }
}
