//! Where nothing may be changed, it is said what would be: servers that are only observed, agents that are paused, drift that is only
//! reported. Pure.

use super::{Input, InstancePlan, Plan, Verdict};
use crate::desired::Instance;
use crate::step::Step;
use jiff::Timestamp;
use std::collections::BTreeMap;
use tenantry_schema::document::Drift;
use tenantry_schema::id::InstanceName;
use tenantry_schema::wire::{AgentWait, InstancePhase};

/// Takes nothing, and says what would be taken.
pub(super) fn observe_only(plan: &mut Plan) {
    plan.would = std::mem::take(&mut plan.steps);
    let mut told = BTreeMap::new();
    for (lane, steps) in &plan.would {
        let Some(name) = lane.instance() else {
            continue;
        };
        let Some(verdict) = plan.verdicts.get_mut(name) else {
            continue;
        };
        verdict.phase = InstancePhase::Waiting;
        verdict.waiting = Some(AgentWait::ObserveOnly);
        if let Some(would) = sentence(steps) {
            let told: &mut Vec<String> = told.entry(name).or_default();
            told.push(would);
            verdict.message = Some(format!("would {}", told.join("; ")));
        }
    }
}

/// Takes nothing until then.
pub(super) fn pause(plan: &mut Plan, until: Timestamp) {
    plan.steps.clear();
    plan.wake(Some(until));
    let waits = |verdict: &&mut Verdict| {
        !matches!(
            verdict.phase,
            InstancePhase::Healthy | InstancePhase::Stopped
        )
    };
    for verdict in plan.verdicts.values_mut().filter(waits) {
        verdict.waiting = Some(AgentWait::Paused { until });
    }
}

/// Leaves drift as it is where the slice wants that: what differs from a version that had been right.
pub(super) fn leave_drift(
    input: &Input<'_>,
    name: &InstanceName,
    instance: &Instance,
    plan: &mut InstancePlan,
) {
    if instance.spec.drift == Drift::Repair || !had_been_right(input, name, instance) {
        return;
    }
    // What another version needs is no drift of this one.
    let other = instance.digest != input.desired.instances[name].digest;
    let kept = |step: &Step| {
        matches!(step, Step::Rollout(_) | Step::Smoke(_)) || other && step.fetched().is_some()
    };
    let (stay, drift): (Vec<_>, Vec<_>) =
        std::mem::take(&mut plan.steps).into_iter().partition(kept);
    plan.steps = stay;
    if let Some(drift) = sentence(&drift) {
        plan.verdict.phase = InstancePhase::Degraded;
        plan.verdict.waiting = Some(AgentWait::DriftReported);
        plan.verdict.message = Some(format!("drifted; a repair would {drift}"));
    }
}

/// Whether this version was once as it should be, so that what differs now is drift and no change.
fn had_been_right(input: &Input<'_>, name: &InstanceName, instance: &Instance) -> bool {
    let good = input.ledger.rollouts.get(name);
    let settled = input.settled.get(name);
    good.is_some_and(|it| it.is_good(&instance.digest))
        || settled.is_some_and(|before| before.instance.digest == instance.digest)
}

fn sentence(steps: &[Step]) -> Option<String> {
    let steps = steps.iter().filter(|step| step.is_news());
    let all: Vec<_> = steps.map(ToString::to_string).collect();
    (!all.is_empty()).then(|| all.join("; "))
}
