//! Since when an instance runs without anybody having to say that it is well. Pure.

use crate::containers::EngineState;
use crate::desired::Instance;
use jiff::{SignedDuration, Timestamp};
use tenantry_schema::id::InstanceName;
use tenantry_schema::wire::ContainerHealth;

/// A container without a health check counts as healthy after so many seconds, or a quarter of the time that the version has. Until
/// then it can end again and again and look well in between.
const STEADY: i64 = 15;

/// When every container without a health check has run for long enough. `None`: there is none, or nobody knows when it was started.
pub(super) fn steady_at(
    engine: &EngineState,
    name: &InstanceName,
    instance: &Instance,
) -> Option<Timestamp> {
    let quarter = SignedDuration::from_secs(i64::from(instance.spec.upgrade.timeout) / 4);
    let steady = quarter.min(SignedDuration::from_secs(STEADY));
    let mine = engine.containers.iter().filter(|container| {
        container.owner.project.as_deref() == Some(name.as_str())
            && !container.owner.one_off
            && container.health == ContainerHealth::None
    });
    let times = mine.filter_map(|container| container.started?.checked_add(steady).ok());
    times.max()
}
