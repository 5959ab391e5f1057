//! Notices that the server's clock was set: what is measured with it says nothing then.

use jiff::{SignedDuration, Timestamp};
use std::time::Instant;

/// A clock may differ from the time that went by as much as this.
const LEEWAY: SignedDuration = SignedDuration::from_secs(5);

/// Compares the server's clock with the time that went by.
#[derive(Debug, Default)]
pub struct Clock(Option<(Instant, Timestamp)>);

impl Clock {
    /// Whether the clock was set since this was asked last.
    pub fn jumped(&mut self, now: Timestamp) -> bool {
        self.jumped_at(Instant::now(), now)
    }

    fn jumped_at(&mut self, instant: Instant, now: Timestamp) -> bool {
        let Some((then, before)) = self.0.replace((instant, now)) else {
            return false;
        };
        let went_by = SignedDuration::try_from(instant.duration_since(then));
        let went_by = went_by.unwrap_or(SignedDuration::MAX);
        let shown = now.duration_since(before);
        (shown - went_by).abs() > LEEWAY
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_clock_that_is_set_is_noticed_and_time_that_goes_by_is_not() {
        let at = |second: i64| Timestamp::from_second(1_000_000 + second).unwrap();
        let begun = Instant::now();
        let after = |seconds| begun + Duration::from_secs(seconds);
        let mut clock = Clock::default();
        assert!(!clock.jumped_at(begun, at(0)));
        assert!(!clock.jumped_at(after(60), at(60)));
        assert!(clock.jumped_at(after(60), at(3660)));
        assert!(!clock.jumped_at(after(61), at(3661)));
        assert!(clock.jumped_at(after(61), at(0)));
    }
}
