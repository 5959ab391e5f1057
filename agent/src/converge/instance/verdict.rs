//! How an instance stands, in the hub's words. Pure.

use crate::containers::{Pass, Waiting, WaitingOn};
use crate::converge::{Input, Verdict};
use crate::desired::Instance;
use crate::step::Step;
use tenantry_schema::document::State;
use tenantry_schema::id::InstanceName;
use tenantry_schema::wire::{AgentWait, InstancePhase, SmokeResult};

pub(super) fn verdict(
    input: &Input<'_>,
    name: &InstanceName,
    instance: &Instance,
    pass: &Pass,
    steps: &[Step],
    smoke_due: bool,
) -> Verdict {
    if !steps.is_empty() {
        let repair = steps.iter().any(Step::is_repair);
        let phase = if repair {
            InstancePhase::Degraded
        } else {
            InstancePhase::Progressing
        };
        let waiting = pass
            .waiting
            .first()
            .and_then(|waiting| wait(input, waiting));
        return Verdict {
            phase,
            waiting,
            ..Verdict::default()
        };
    }
    // The worst of what is waited for says how the instance stands.
    if let Some(worst) = pass
        .waiting
        .iter()
        .max_by_key(|waiting| severity(&waiting.on))
    {
        let phase = match severity(&worst.on) {
            0 => InstancePhase::Progressing,
            1 => InstancePhase::Waiting,
            2 => InstancePhase::Degraded,
            _ => InstancePhase::Failed,
        };
        return Verdict {
            phase,
            waiting: wait(input, worst),
            message: Some(worst.to_string()),
            ..Verdict::default()
        };
    }
    if instance.spec.state == State::Stopped {
        return Verdict {
            phase: InstancePhase::Stopped,
            ..Verdict::default()
        };
    }
    let phase = if smoke_due {
        InstancePhase::Progressing
    } else {
        InstancePhase::Healthy
    };
    let last = input.ledger.smoke.get(name).filter(|_| smoke_due);
    match last.map(|record| &record.result) {
        Some(SmokeResult::Failed { reason }) => Verdict {
            phase: InstancePhase::Degraded,
            message: Some(reason.clone()),
            ..Verdict::default()
        },
        _ => Verdict {
            phase,
            ..Verdict::default()
        },
    }
}

fn severity(on: &WaitingOn) -> u8 {
    match on {
        WaitingOn::Dependency { .. } | WaitingOn::Healthy | WaitingOn::Removing => 0,
        WaitingOn::Window => 1,
        WaitingOn::Unhealthy | WaitingOn::Restarting | WaitingOn::Pace { .. } => 2,
        WaitingOn::Image { .. } | WaitingOn::External { .. } | WaitingOn::NameTaken { .. } => 3,
    }
}

fn wait(input: &Input<'_>, waiting: &Waiting) -> Option<AgentWait> {
    match &waiting.on {
        WaitingOn::Dependency { service, .. } => Some(AgentWait::Healthy {
            service: service.clone(),
        }),
        WaitingOn::Healthy | WaitingOn::Unhealthy => Some(AgentWait::Healthy {
            service: waiting.service.clone(),
        }),
        WaitingOn::Window => input.desired.host.window.map(|window| AgentWait::Window {
            opens: window.next_open(input.now),
        }),
        WaitingOn::Pace { at, attempts } => Some(AgentWait::Retry {
            at: *at,
            attempts: *attempts,
        }),
        _ => None,
    }
}
