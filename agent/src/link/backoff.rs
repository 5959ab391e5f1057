//! How long to wait after failures: longer each time, never in step with others. Nothing waits here.

use rand::Rng;
use std::time::Duration;

/// Doubles from one second up to one minute.
#[derive(Debug, Clone, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// It worked.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// It did not: how long to wait, half of it by chance.
    pub fn next(&mut self, rng: &mut impl Rng) -> Duration {
        let full = Duration::from_secs(1u64 << self.failures.min(6)).min(Duration::from_mins(1));
        self.failures = self.failures.saturating_add(1);
        full.mul_f64(rng.random_range(0.5..=1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_to_a_minute_and_starts_again() {
        let mut backoff = Backoff::default();
        let mut rng = rand::rng();
        for full in [1u64, 2, 4, 8, 16, 32, 60, 60] {
            let pause = backoff.next(&mut rng);
            let full = Duration::from_secs(full);
            assert!(pause >= full / 2 && pause <= full, "{pause:?} of {full:?}");
        }
        backoff.reset();
        assert!(backoff.next(&mut rng) <= Duration::from_secs(1));
    }
}
