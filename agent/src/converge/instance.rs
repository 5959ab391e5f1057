//! One instance: its secret files, its files, its containers, its smoke check. Pure.

mod files;
mod held;
mod standstill;
mod verdict;

use super::rollout::Change;
use super::{Input, InstancePlan, Verdict};
use super::{fetching, hands_off};
use crate::containers::{self, EngineState, Pass, WaitingOn};
use crate::desired::Instance;
use crate::history::Failure;
use crate::step::{Lane, SmokeStep, Step};
use files::{remove_steps, safe_unseen, secret_steps, write_steps};
use held::{Planned, Shown};
use jiff::{SignedDuration, Timestamp};
use tenantry_schema::document::State;
use tenantry_schema::id::InstanceName;
use tenantry_schema::wire::{AgentWait, InstancePhase, SmokeResult};

/// How soon it is looked again whether a name is still taken.
const NAME_TAKEN: SignedDuration = SignedDuration::from_secs(5);

/// What the instance needs, and how it stands.
pub(super) fn plan(input: &Input<'_>, name: &InstanceName, instance: &Instance) -> InstancePlan {
    let change = Change::of(input, name, instance);
    let wanted = match &instance.containers {
        Ok(wanted) => wanted,
        Err(problem) => return unusable(input, &change, problem),
    };
    let engine = match &input.state.engine {
        Ok(engine) => engine,
        Err(problem) => return without_engine(input, &change, name, instance, problem),
    };
    let Planned { pass, hold, shown } = held::plan(input, &change, name, instance, wanted, engine);
    let held = hold.is_some();
    let secrets = match secret_steps(input, name, shown, held) {
        Ok(steps) => steps,
        Err(problem) => return unseen_secrets(&problem),
    };
    // What a running container sees is not changed while its change is held.
    let (shows, files) = match shown {
        Shown::Wanted => (instance, Some(instance)),
        Shown::Before(version) => (&version.instance, Some(&version.instance)),
        Shown::Unknown => (instance, None),
    };
    if let Some(still) = input.state.standstills.get(name) {
        return standstill::plan(name, shows, secrets, pass, engine, still);
    }
    let mut steps = secrets;
    match files
        .map(|files| write_steps(input, files, held))
        .transpose()
    {
        Ok(writes) => steps.extend(writes.into_iter().flatten()),
        Err(problem) => return failed(format!("files cannot be seen: {problem}")),
    }
    let containers = pass.steps.iter().cloned();
    steps.extend(containers.map(|step| Step::Container(Box::new(step))));
    if steps.is_empty() && !held {
        steps.extend(remove_steps(input, name, instance));
    }
    let settled = steps.is_empty() && pass.is_converged() && !held;
    let running = instance.spec.state == State::Running;
    let smoke_of = running.then(|| smoke_of(input, name, instance, engine));
    let smoke = smoke_of
        .clone()
        .filter(|_| settled)
        .and_then(|of| smoke_step(input, name, instance, of));
    let mut plan = InstancePlan {
        ready: settled && running,
        settled,
        fetches: steps.iter().any(|step| step.fetched().is_some()),
        ..InstancePlan::default()
    };
    plan.verdict = verdict::verdict(input, name, instance, &pass, &steps, smoke.is_some());
    plan.verdict.smoke_of = smoke_of;
    steps.extend(smoke.map(Step::Smoke));
    plan.next = next(input, &pass);
    plan.steps = steps;
    fetching::judge(input, engine, &mut plan);
    hands_off::leave_drift(input, name, shows, &mut plan);
    hold_after_failure(input, &Lane::Instance(name.clone()), instance, &mut plan);
    change.decide(input, engine, hold, &mut plan);
    plan
}

/// Nothing can be made of this version. The one before is not disturbed by it.
fn unusable(input: &Input<'_>, change: &Change<'_>, problem: &str) -> InstancePlan {
    let mut plan = failed(problem.to_owned());
    change.give_up_unusable(input, problem, &mut plan);
    plan
}

fn failed(message: String) -> InstancePlan {
    let verdict = Verdict {
        phase: InstancePhase::Failed,
        message: Some(message),
        ..Verdict::default()
    };
    InstancePlan {
        verdict,
        ..InstancePlan::default()
    }
}

/// Law 7: a folder that cannot be read is not empty.
fn unseen_secrets(problem: &str) -> InstancePlan {
    failed(format!("secret files cannot be seen: {problem}"))
}

/// The engine does not answer: files are still put right, nothing is said about containers.
fn without_engine(
    input: &Input<'_>,
    change: &Change<'_>,
    name: &InstanceName,
    instance: &Instance,
    problem: &str,
) -> InstancePlan {
    let secrets = match secret_steps(input, name, Shown::Wanted, false) {
        Ok(steps) => steps,
        Err(problem) => return unseen_secrets(&problem),
    };
    let writes = write_steps(input, instance, false).unwrap_or_default();
    let steps = secrets.into_iter().chain(writes);
    let steps = steps.filter(|step| safe_unseen(input, change, name, step));
    let verdict = Verdict {
        phase: InstancePhase::Degraded,
        message: Some(problem.to_owned()),
        ..Verdict::default()
    };
    let mut plan = InstancePlan {
        steps: steps.collect(),
        verdict,
        blind: true,
        ..InstancePlan::default()
    };
    hands_off::leave_drift(input, name, instance, &mut plan);
    hold_after_failure(input, &Lane::Files(name.clone()), instance, &mut plan);
    plan
}

/// Changes with the instance and with each of its containers.
fn smoke_of(
    input: &Input<'_>,
    name: &InstanceName,
    instance: &Instance,
    engine: &EngineState,
) -> String {
    let mine = |container: &&containers::state::Container| {
        container.owner.project.as_deref() == Some(name.as_str())
    };
    let mut ids: Vec<_> = engine
        .containers
        .iter()
        .filter(mine)
        .map(|container| container.id.as_str())
        .collect();
    ids.sort_unstable();
    input
        .key
        .file(format!("{} {}", instance.digest, ids.join(" ")).as_bytes())
}

fn smoke_step(
    input: &Input<'_>,
    name: &InstanceName,
    instance: &Instance,
    of: String,
) -> Option<SmokeStep> {
    let smoke = instance.spec.smoke.clone()?;
    let site = instance.spec.sites.values().next()?;
    let passed = input
        .ledger
        .smoke
        .get(name)
        .is_some_and(|record| record.of == of && record.result == SmokeResult::Passed);
    (!passed).then(|| SmokeStep {
        instance: name.clone(),
        of,
        host: site.host.clone(),
        port: site.port,
        smoke,
    })
}

/// After a failure the steps of that lane wait, longer each time, unless something else is wanted now.
fn hold_after_failure(
    input: &Input<'_>,
    lane: &Lane,
    instance: &Instance,
    plan: &mut InstancePlan,
) {
    let lane_of = |step: &Step| match (step.fetched(), lane) {
        (Some(image), Lane::Instance(name)) => Lane::Fetch(name.clone(), image.to_owned()),
        _ => lane.clone(),
    };
    let mut told = false;
    for step in std::mem::take(&mut plan.steps) {
        let failure = input.history.failure(&lane_of(&step), &instance.digest);
        if let Some(failure) = failure.filter(|_| !told) {
            tell_failure(failure, &mut plan.verdict);
            told = true;
        }
        match failure.filter(|failure| failure.waits(input.now)) {
            None => plan.steps.push(step),
            Some(failure) => {
                plan.next = [plan.next, Some(failure.retry)].into_iter().flatten().min();
            }
        }
    }
}

fn tell_failure(failure: &Failure, verdict: &mut Verdict) {
    verdict.phase = if failure.attempts < 3 {
        InstancePhase::Degraded
    } else {
        InstancePhase::Failed
    };
    verdict.message = Some(failure.message.clone());
    verdict.waiting = Some(AgentWait::Retry {
        at: failure.retry,
        attempts: failure.attempts,
    });
}

fn next(input: &Input<'_>, pass: &Pass) -> Option<Timestamp> {
    let times = pass.waiting.iter().filter_map(|waiting| match &waiting.on {
        WaitingOn::Pace { at, .. } => Some(*at),
        WaitingOn::Window => input
            .desired
            .host
            .window
            .map(|window| window.next_open(input.now)),
        // What others do with theirs is not listened to.
        WaitingOn::NameTaken { .. } => input.now.checked_add(NAME_TAKEN).ok(),
        _ => None,
    });
    times.min()
}
