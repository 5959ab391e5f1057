//! An instance whose data changes places, or is mixed: database servers go on, everything else stands still. Pure.

use crate::containers::{Action, EngineState, Pass, Target, Why};
use crate::containers::{Step as ContainerStep, state::Container};
use crate::converge::{InstancePlan, Verdict};
use crate::desired::Instance;
use crate::rollout::Standstill;
use crate::step::Step;
use tenantry_schema::id::InstanceName;
use tenantry_schema::wire::InstancePhase;

/// What is left of the steps that were planned, and how it stands.
pub(super) fn plan(
    name: &InstanceName,
    instance: &Instance,
    files: Vec<Step>,
    pass: Pass,
    engine: &EngineState,
    still: &Standstill,
) -> InstancePlan {
    let mut steps = Vec::new();
    if let (Some(servers), Ok(wanted)) = (&still.servers, &instance.containers) {
        let server = |service: Option<&String>| {
            let spec = service.map(|service| wanted.services.get(service));
            // What belongs to no service are networks and volumes.
            spec.is_none_or(|spec| spec.is_some_and(|it| servers.contains(&it.container.name)))
        };
        let kept = pass.steps.into_iter();
        let kept = kept.filter(|step| server(step.service.as_ref()));
        steps.extend(files);
        steps.extend(kept.map(|step| Step::Container(Box::new(step))));
        let runs = |container: &&Container| {
            let owner = &container.owner;
            let service = owner.service.as_deref();
            let ours =
                owner.made_by(&wanted.keeper) && owner.project.as_deref() == Some(name.as_str());
            // As well what was taken over from others, and has no mark yet.
            let taken = service.is_some_and(|it| owner.serves(&wanted.keeper, name.as_str(), it));
            let spec = service.and_then(|it| wanted.services.get(it));
            let is_server = servers.contains(&container.name)
                || !ours && spec.is_some_and(|it| servers.contains(&it.container.name));
            (ours || taken) && !is_server && container.state.is_up()
        };
        let up = engine.containers.iter().filter(runs);
        steps.extend(up.map(|container| stop(name, container)));
    }
    let phase = if still.failed {
        InstancePhase::Failed
    } else {
        InstancePhase::Progressing
    };
    InstancePlan {
        steps,
        verdict: Verdict {
            phase,
            message: Some(still.message.clone()),
            ..Verdict::default()
        },
        ..InstancePlan::default()
    }
}

fn stop(name: &InstanceName, container: &Container) -> Step {
    Step::Container(Box::new(ContainerStep {
        project: name.to_string(),
        service: container.owner.service.clone(),
        action: Action::Stop {
            container: Target::of(container),
        },
        why: Why::Stopped,
        disruptive: false,
    }))
}
