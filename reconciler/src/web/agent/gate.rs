//! How much one agent may ask for at a time, so that a runaway one cannot slow the others (law 11). Lock-free: a few atomics an agent.

use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::directory::AgentIdentity;

/// How much one agent may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Requests that may be under way at once.
    pub parallel: u32,
    /// Time that one request costs in the long run; 200 ms allow five a second.
    pub pace: Duration,
    /// Requests that may come at once after a quiet time.
    pub burst: u32,
    /// Bodies that may be on their way at once.
    pub bodies: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            parallel: 8,
            pace: Duration::from_millis(200),
            burst: 100,
            bodies: 2,
        }
    }
}

/// What an agent has used up.
#[derive(Debug, Default)]
pub(super) struct Gate {
    under_way: AtomicU32,
    bodies: AtomicU32,
    /// Generic cell rate algorithm: when, in nanoseconds since the start, everything asked so far will have been paid for.
    paid_at: AtomicU64,
}

/// Room for one request; given back when dropped.
#[derive(Debug)]
pub(super) struct Pass(Arc<AgentIdentity>);

impl Drop for Pass {
    fn drop(&mut self) {
        self.0.gate.under_way.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Room for one body; given back when dropped.
#[derive(Debug)]
pub(super) struct BodyPass(Arc<AgentIdentity>);

impl Drop for BodyPass {
    fn drop(&mut self) {
        self.0.gate.bodies.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Lets `agent` send one more body, or says after how long to come again: room for bodies is shared by all, so one agent has little of it.
pub(super) fn enter_body(
    agent: &Arc<AgentIdentity>,
    limits: &Limits,
) -> Result<BodyPass, Duration> {
    let entered = agent.gate.bodies.fetch_add(1, Ordering::AcqRel) < limits.bodies;
    let pass = BodyPass(Arc::clone(agent));
    entered.then_some(pass).ok_or(Duration::from_secs(1))
}

/// Lets one more request of `agent` in, or says after how long to come again.
pub(super) fn enter(agent: &Arc<AgentIdentity>, limits: &Limits) -> Result<Pass, Duration> {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    let gate = &agent.gate;
    gate.pay(START.elapsed(), limits)?;
    let entered = gate.under_way.fetch_add(1, Ordering::AcqRel) < limits.parallel;
    let pass = Pass(Arc::clone(agent));
    if entered {
        Ok(pass)
    } else {
        Err(Duration::from_secs(1))
    }
}

impl Gate {
    fn pay(&self, now: Duration, limits: &Limits) -> Result<(), Duration> {
        let (now, pace) = (nanos(now), nanos(limits.pace));
        let credit = pace.saturating_mul(u64::from(limits.burst));
        let charge = |paid_at: u64| {
            let next = paid_at.max(now).saturating_add(pace);
            (next <= now.saturating_add(credit)).then_some(next)
        };
        match self
            .paid_at
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, charge)
        {
            Ok(_) => Ok(()),
            Err(paid_at) => Err(Duration::from_nanos(
                paid_at
                    .saturating_add(pace)
                    .saturating_sub(now.saturating_add(credit)),
            )),
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_a_steady_pace() {
        let limits = Limits {
            parallel: 1,
            pace: Duration::from_millis(100),
            burst: 3,
            bodies: 1,
        };
        let gate = Gate::default();
        let at = Duration::from_millis;
        assert_eq!(
            (0..5)
                .filter(|_| gate.pay(at(10_000), &limits).is_ok())
                .count(),
            3
        );
        assert_eq!(gate.pay(at(10_000), &limits), Err(at(100)));
        assert_eq!(gate.pay(at(10_100), &limits), Ok(()));
        assert!(gate.pay(at(10_150), &limits).is_err());
        assert_eq!(
            (0..5)
                .filter(|_| gate.pay(at(20_000), &limits).is_ok())
                .count(),
            3
        );
    }
}
