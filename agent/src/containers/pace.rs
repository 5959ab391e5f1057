//! The flap guard: how soon a service that keeps ending may be started again. Pure; the time comes in.

use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

/// So many starts in a row are not held back at all: repairs must be quick.
const FREE: u32 = 3;
/// A service that was not started for so long counts as calm.
const CALM: SignedDuration = SignedDuration::from_mins(10);
/// The longest pause between two starts.
const LONGEST: SignedDuration = SignedDuration::from_mins(5);

/// Starts of services, by project and service. Kept in memory: forgetting it costs a few quick starts.
#[derive(Debug, Clone, Default)]
pub struct Pace(BTreeMap<(String, String), Starts>);

#[derive(Debug, Clone, Copy)]
struct Starts {
    count: u32,
    last: Timestamp,
    /// The engine went away since: what ended with it did not end by itself.
    excused: bool,
}

impl Pace {
    /// Counts a start. To be called when a step that starts a service is taken.
    pub fn started(&mut self, project: &str, service: &str, now: Timestamp) {
        let starts = self
            .0
            .entry((project.to_owned(), service.to_owned()))
            .or_insert(Starts {
                count: 0,
                last: now,
                excused: false,
            });
        let calm = now.duration_since(starts.last) > CALM;
        *starts = Starts {
            count: if calm {
                1
            } else {
                starts.count.saturating_add(u32::from(!starts.excused))
            },
            last: now,
            excused: false,
        };
    }

    /// The container engine went away. The next start of each service does not count: whatever runs may have ended with the engine.
    pub fn engine_went(&mut self) {
        for starts in self.0.values_mut() {
            starts.excused = true;
        }
    }

    /// Forgets the starts of a project: what it is made from changed, so what went wrong may be mended.
    pub fn forget(&mut self, project: &str) {
        self.0.retain(|(known, _), _| known != project);
    }

    /// When the service may be started next and how often it was started, if it must wait.
    pub fn hold(&self, project: &str, service: &str, now: Timestamp) -> Option<(Timestamp, u32)> {
        let starts = self.0.get(&(project.to_owned(), service.to_owned()))?;
        let late = starts.count.checked_sub(FREE)?;
        let pause = SignedDuration::from_secs(1i64 << late.min(10)).min(LONGEST);
        let next = starts.last.checked_add(pause).ok()?;
        (next > now && next.duration_since(now) <= LONGEST).then_some((next, starts.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + second).unwrap()
    }

    #[test]
    fn what_ends_with_the_engine_is_not_held_back() {
        let mut pace = Pace::default();
        for engine in 0..20 {
            pace.engine_went();
            pace.started("p", "s", at(engine * 3));
            assert_eq!(pace.hold("p", "s", at(engine * 3)), None);
        }
        // What ends by itself is, whatever the engine did before.
        for second in 60..64 {
            pace.started("p", "s", at(second));
        }
        let (next, _) = pace.hold("p", "s", at(63)).unwrap();
        pace.engine_went();
        assert_eq!(pace.hold("p", "s", at(63)).unwrap().0, next);
    }

    #[test]
    fn three_starts_are_free_then_the_pause_doubles_up_to_five_minutes() {
        let mut pace = Pace::default();
        for _ in 0..2 {
            pace.started("p", "s", at(0));
        }
        assert_eq!(pace.hold("p", "s", at(0)), None);
        let mut pauses = vec![];
        for _ in 0..11 {
            pace.started("p", "s", at(0));
            pauses.push(
                pace.hold("p", "s", at(0))
                    .unwrap()
                    .0
                    .duration_since(at(0))
                    .as_secs(),
            );
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(pace.hold("p", "other", at(0)), None);
        assert_eq!(pace.hold("p", "s", at(301)), None);
    }

    #[test]
    fn ten_calm_minutes_are_a_new_beginning() {
        let mut pace = Pace::default();
        for _ in 0..9 {
            pace.started("p", "s", at(0));
        }
        pace.started("p", "s", at(601));
        assert_eq!(pace.hold("p", "s", at(601)), None);
    }
}
