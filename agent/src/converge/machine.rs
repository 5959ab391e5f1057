//! The machine beneath the tools: areas are decided on in [`crate::host::plan`], and each has a lane of its own. Pure.

use super::{Input, Plan};
use crate::host::plan::{AreaPlan, HostInput, plan as plan_areas};
use crate::step::{Lane, Step};
use std::collections::BTreeSet;
use tenantry_schema::document::{HostArea, Manage};
use tenantry_schema::wire::{AgentWait, AreaReport, AreaState};

pub(super) fn plan(input: &Input<'_>, whole: &mut Plan) {
    let spec = &input.desired.host;
    let (Some(host), Some(found)) = (&spec.host, &input.state.host) else {
        return;
    };
    let instances = spec.instances.values();
    let tools: BTreeSet<_> = instances.map(|instance| instance.tool.clone()).collect();
    let sites = spec.instances.values().flat_map(|it| it.sites.values());
    let sites: BTreeSet<_> = sites.map(|site| site.port).collect();
    let areas = plan_areas(&HostInput {
        host,
        users: &spec.users,
        web: spec.web,
        tools: &tools,
        sites: &sites,
        published: input
            .state
            .engine
            .as_ref()
            .ok()
            .map(|engine| &engine.published),
        window: spec.window,
        found,
        observe: spec.manage == Manage::Observe,
        now: input.now,
    });
    for (area, planned) in areas {
        add(input, whole, area, planned);
    }
}

fn add(input: &Input<'_>, whole: &mut Plan, area: HostArea, planned: AreaPlan) {
    let lane = Lane::Host(area);
    let mut report = planned.report;
    whole.wake(planned.next);
    if !planned.steps.is_empty() {
        let failure = input.history.failure(&lane, &planned.of);
        if let Some(failure) = failure {
            report.state = AreaState::Failed;
            report.message = Some(failure.message.clone());
        }
        match failure.filter(|failure| failure.waits(input.now)) {
            Some(failure) => {
                whole.wake(Some(failure.retry));
                report.waiting = Some(AgentWait::Retry {
                    at: failure.retry,
                    attempts: failure.attempts,
                });
            }
            None => {
                let steps = planned.steps.into_iter();
                let steps = steps.map(|step| Step::Host(Box::new(step))).collect();
                whole.add(lane, &planned.of, steps);
            }
        }
    }
    whole.areas.insert(area, report);
}

/// Nothing is changed now, and this is why.
pub(super) fn hold(plan: &mut Plan, why: &AgentWait) {
    for (area, report) in &mut plan.areas {
        if report.state != AreaState::Changing {
            continue;
        }
        let would = plan.would.get(&Lane::Host(*area)).into_iter().flatten();
        let would: Vec<_> = would
            .filter(|step| step.is_news())
            .map(ToString::to_string)
            .collect();
        let would = (!would.is_empty()).then(|| format!("would {}", would.join("; ")));
        let told: Vec<_> = would.into_iter().chain(report.message.take()).collect();
        *report = AreaReport {
            state: AreaState::Waiting,
            message: (!told.is_empty()).then(|| told.join("; ")),
            waiting: Some(why.clone()),
        };
    }
}
