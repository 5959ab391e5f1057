//! Waiting for a condition of the real world with a deadline.

use std::time::{Duration, Instant};

/// The condition did not come true in time.
#[derive(Debug, thiserror::Error)]
#[error("{what} did not happen within {timeout:?}")]
pub struct TimedOut {
    /// What was waited for.
    pub what: String,
    /// How long.
    pub timeout: Duration,
}

const INTERVAL: Duration = Duration::from_millis(20);

/// Asks `condition` every 20 ms until it gives a value. It is asked at least once.
pub async fn wait_until<T>(
    timeout: Duration,
    what: &str,
    mut condition: impl AsyncFnMut() -> Option<T>,
) -> Result<T, TimedOut> {
    let deadline = Instant::now() + timeout;
    loop {
        if let Some(value) = condition().await {
            return Ok(value);
        }
        if Instant::now() >= deadline {
            let what = what.to_owned();
            return Err(TimedOut { what, timeout });
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// As [`wait_until`], for code without a runtime.
pub fn wait_until_blocking<T>(
    timeout: Duration,
    what: &str,
    mut condition: impl FnMut() -> Option<T>,
) -> Result<T, TimedOut> {
    let deadline = Instant::now() + timeout;
    loop {
        if let Some(value) = condition() {
            return Ok(value);
        }
        if Instant::now() >= deadline {
            let what = what.to_owned();
            return Err(TimedOut { what, timeout });
        }
        std::thread::sleep(INTERVAL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn gives_the_first_value() {
        let mut asked = 0;
        let value = wait_until(Duration::from_secs(5), "the third time", async || {
            asked += 1;
            (asked == 3).then_some(asked)
        })
        .await;
        assert_eq!(value.unwrap(), 3);
    }

    #[test]
    fn says_what_did_not_happen() {
        let outcome = wait_until_blocking(Duration::ZERO, "rain", || None::<()>);
        assert_eq!(
            outcome.unwrap_err().to_string(),
            "rain did not happen within 0ns"
        );
    }
}
