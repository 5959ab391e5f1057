//! When the hub forgets: as each time of backups ends. Pure.

use jiff::{SignedDuration, Timestamp};
use tenantry_schema::window::Window;

/// After a failure it is tried again this much later, or at the next time of backups, whichever comes first.
const AGAIN: SignedDuration = SignedDuration::from_hours(1);

/// What is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Last {
    /// When it was done last.
    pub(crate) at: Timestamp,
    /// Whether every repository was looked after.
    pub(crate) good: bool,
}

/// When it is to be done next. `None` is remembered by a hub that is new here: it waits for the next time, so that one that is started again and
/// again does not do it again and again.
pub(crate) fn due(window: Window, last: Option<Last>, now: Timestamp) -> Timestamp {
    let length = SignedDuration::from_mins(i64::from(window.minutes()));
    let ends = |opens: Timestamp| opens.checked_add(length).unwrap_or(Timestamp::MAX);
    let running = ends(window.opened(now));
    // The newest end that is over, and the next one.
    let (newest, next) = if running > now {
        (None, running)
    } else {
        (Some(running), ends(window.next_open(now)))
    };
    let Some(last) = last else {
        return next;
    };
    if newest.is_some_and(|newest| last.at < newest) {
        now
    } else if last.good {
        next
    } else {
        let again = last.at.checked_add(AGAIN).unwrap_or(Timestamp::MAX);
        again.clamp(now.min(next), next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> Timestamp {
        format!("2026-11-{text}:00Z").parse().unwrap()
    }

    fn night() -> Window {
        Window::try_from("daily 01:00-05:00".to_owned()).unwrap()
    }

    #[test]
    fn it_is_due_when_backups_were_made() {
        let good = |day: &str| {
            Some(Last {
                at: at(day),
                good: true,
            })
        };
        assert_eq!(due(night(), None, at("20T12:00")), at("21T05:00"));
        assert_eq!(due(night(), None, at("20T03:00")), at("20T05:00"));
        assert_eq!(
            due(night(), good("20T05:01"), at("20T12:00")),
            at("21T05:00")
        );
        // A hub that was not there at the time does it when it comes.
        assert_eq!(
            due(night(), good("19T05:01"), at("20T12:00")),
            at("20T12:00")
        );
        // While backups are made it waits for their end.
        assert_eq!(
            due(night(), good("19T05:01"), at("20T02:00")),
            at("20T05:00")
        );
    }

    #[test]
    fn a_failure_is_tried_again_in_an_hour_or_at_once_where_that_is_over() {
        let failed = |day: &str| {
            Some(Last {
                at: at(day),
                good: false,
            })
        };
        assert_eq!(
            due(night(), failed("20T05:10"), at("20T05:20")),
            at("20T06:10")
        );
        assert_eq!(
            due(night(), failed("20T05:10"), at("20T09:00")),
            at("20T09:00")
        );
        assert_eq!(
            due(night(), failed("21T04:50"), at("21T04:55")),
            at("21T05:00")
        );
    }

    proptest! {
        #[test]
        fn what_was_done_well_is_not_due_again_before_the_next_end(now in 0i64..4_000_000, since in 0i64..90_000) {
            let now = Timestamp::from_second(1_763_700_000 + now).unwrap();
            let last = Last { at: now - SignedDuration::from_secs(since), good: true };
            let next = due(night(), Some(last), now);
            prop_assert!(next >= now);
            prop_assert!(next <= now + SignedDuration::from_hours(24));
            // Done when it is due, it is due a day later.
            let again = due(night(), Some(Last { at: next, good: true }), next);
            prop_assert!(again > next);
        }
    }
}
