//! What was tried before and when it may be tried again. Kept in memory: forgetting it costs a few quick attempts.

use crate::containers::Pace;
use crate::step::Lane;
use crate::web_server::Complaints;
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use tenantry_schema::name::DomainName;

/// Pauses after the first failures; the last one is kept.
const PAUSES: [i64; 4] = [1, 5, 30, 60];

/// Everything about the past that a decision depends on and that is not in the ledger.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// Failures by lane.
    failures: BTreeMap<Lane, Failure>,
    /// Sites that the web server refused.
    refused: BTreeMap<DomainName, Failure>,
    /// Starts of services.
    pub pace: Pace,
    /// Since when the container engine answers and the agent is not paused. Absent: not now.
    pub sighted: Option<Timestamp>,
    /// Lanes whose steps are being taken right now.
    pub busy: BTreeSet<Lane>,
}

/// Something that went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Digest of what was wanted. Something else is wanted: the failure says nothing any more.
    pub of: String,
    /// How often in a row.
    pub attempts: u32,
    /// When it may be tried again.
    pub retry: Timestamp,
    /// What went wrong, in a sentence.
    pub message: String,
}

impl Failure {
    /// Whether it is not to be tried again yet. Where the clock was set back since, nobody knows how long was waited already.
    pub fn waits(&self, now: Timestamp) -> bool {
        let longest = SignedDuration::from_secs(PAUSES[PAUSES.len() - 1]);
        now < self.retry && self.retry.duration_since(now) <= longest
    }

    fn after(before: Option<&Self>, of: &str, message: String, now: Timestamp) -> Self {
        let attempts = before
            .filter(|before| before.of == of)
            .map_or(0, |before| before.attempts)
            + 1;
        let pause = PAUSES[(attempts as usize - 1).min(PAUSES.len() - 1)];
        let retry = now
            .checked_add(SignedDuration::from_secs(pause))
            .unwrap_or(now);
        Self {
            of: of.to_owned(),
            attempts,
            retry,
            message,
        }
    }
}

impl History {
    /// The lane's steps failed.
    pub fn failed(&mut self, lane: Lane, of: &str, message: String, now: Timestamp) {
        let failure = Failure::after(self.failures.get(&lane), of, message, now);
        if let Lane::Fetch(name, _) = &lane {
            // Images that only versions of before needed are never asked for again.
            let other =
                |other: &Lane| matches!(other, Lane::Fetch(instance, _) if instance == name);
            self.failures
                .retain(|lane, failure| !other(lane) || failure.of == of);
        }
        self.failures.insert(lane, failure);
    }

    /// The lane's steps were taken.
    pub fn succeeded(&mut self, lane: &Lane) {
        self.failures.remove(lane);
    }

    /// What last went wrong in the lane while this was wanted.
    pub fn failure(&self, lane: &Lane, of: &str) -> Option<&Failure> {
        self.failures.get(lane).filter(|failure| failure.of == of)
    }

    /// The web server was given these sites, by host and digest, and complained about some.
    pub fn published<'d>(
        &mut self,
        tried: impl IntoIterator<Item = (&'d DomainName, &'d str)>,
        complaints: &Complaints,
        now: Timestamp,
    ) {
        for (host, digest) in tried {
            match complaints.get(host) {
                None => drop(self.refused.remove(host)),
                Some(complaint) => {
                    let failure =
                        Failure::after(self.refused.get(host), digest, complaint.clone(), now);
                    self.refused.insert(host.clone(), failure);
                }
            }
        }
    }

    /// The web server's complaint about this configuration of a site.
    pub fn refused(&self, host: &DomainName, digest: &str) -> Option<&Failure> {
        self.refused
            .get(host)
            .filter(|failure| failure.of == digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_a_new_wish_resets_them() {
        let (mut history, lane) = (History::default(), Lane::Web);
        let now: Timestamp = "2026-11-21T10:00:00Z".parse().unwrap();
        let mut pauses = Vec::new();
        for _ in 0..5 {
            history.failed(lane.clone(), "one", "no".into(), now);
            pauses.push(
                history
                    .failure(&lane, "one")
                    .unwrap()
                    .retry
                    .duration_since(now)
                    .as_secs(),
            );
        }
        assert_eq!(pauses, [1, 5, 30, 60, 60]);
        assert_eq!(history.failure(&lane, "two"), None);
        history.failed(lane.clone(), "two", "no".into(), now);
        assert_eq!(history.failure(&lane, "two").unwrap().attempts, 1);
        history.succeeded(&lane);
        assert_eq!(history.failure(&lane, "two"), None);
    }

    #[test]
    fn no_pause_is_longer_than_pauses_are() {
        let now: Timestamp = "2026-11-21T10:00:00Z".parse().unwrap();
        let failure = Failure::after(None, "one", "no".into(), now);
        let later = |seconds| now + SignedDuration::from_secs(seconds);
        assert!(failure.waits(now) && !failure.waits(later(1)));
        assert!(failure.waits(later(-30)));
        assert!(!failure.waits(later(-3600)), "the clock was set back");
    }

    #[test]
    fn complaints_stay_with_the_text_that_caused_them() {
        let mut history = History::default();
        let now: Timestamp = "2026-11-21T10:00:00Z".parse().unwrap();
        let host: DomainName = "a.example".try_into().unwrap();
        let complaints = Complaints::from([(host.clone(), "unknown directive".to_owned())]);
        history.published([(&host, "bad")], &complaints, now);
        assert_eq!(
            history.refused(&host, "bad").unwrap().message,
            "unknown directive"
        );
        assert_eq!(history.refused(&host, "good"), None);
        history.published([(&host, "good")], &Complaints::new(), now);
        assert_eq!(history.refused(&host, "bad"), None);
    }
}
