//! When a failed action is tried again: after 1, 5 and 15 minutes, then never by itself. Pure.

use super::types::Attempt;
use jiff::{SignedDuration, Timestamp};

/// The pauses after the first, second and third failure, in minutes.
pub const RETRIES: [i64; 3] = [1, 5, 15];
/// How much longer or shorter than said a pause may be, so that a thousand actions that failed together do not return together.
pub const LONGEST_JITTER: f64 = 0.15;

/// The journal's entry after another failure. `jitter` is random, from −1 to 1.
pub fn next_attempt(
    before: Option<&Attempt>,
    error: String,
    now: Timestamp,
    jitter: f64,
) -> Attempt {
    let count = before.map_or(0, |b| b.count).saturating_add(1);
    let pause = RETRIES.get(count as usize - 1).map(|minutes| {
        let jitter = if jitter.is_finite() {
            jitter.clamp(-1.0, 1.0)
        } else {
            0.0
        };
        let millis = (minutes * 60_000) as f64 * (1.0 + LONGEST_JITTER * jitter);
        SignedDuration::from_millis(millis.round() as i64)
    });
    let next = pause.map(|pause| now.checked_add(pause).unwrap_or(Timestamp::MAX));
    Attempt {
        count,
        error,
        failed_at: now,
        next,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn three_retries_and_then_none() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        let mut attempt = None;
        let mut pauses = Vec::new();
        for _ in 0..5 {
            let next = next_attempt(attempt.as_ref(), "no".into(), now, 0.0);
            pauses.push(next.next.map(|at| at.duration_since(now).as_secs() / 60));
            attempt = Some(next);
        }
        assert_eq!(pauses, [Some(1), Some(5), Some(15), None, None]);
        assert_eq!(attempt.unwrap().count, 5);
    }

    proptest! {
        #[test]
        fn jitter_stays_small(jitter in prop::num::f64::ANY, count in 0u32..6) {
            let now = Timestamp::from_second(1_000_000).unwrap();
            let before = Attempt { count, error: String::new(), failed_at: now, next: None };
            let next = next_attempt(Some(&before), String::new(), now, jitter).next;
            if let Some(minutes) = RETRIES.get(count as usize) {
                let seconds = next.unwrap().duration_since(now).as_millis() as f64 / 1000.0;
                prop_assert!((seconds / (60 * minutes) as f64 - 1.0).abs() <= LONGEST_JITTER + 1e-6);
            } else {
                prop_assert_eq!(next, None);
            }
        }
    }
}
