//! One instance: its secret files, its files, its containers, its smoke check. Pure.

mod standstill;
mod verdict;

use super::rollout::{Change, Hold};
use super::{Input, InstancePlan, Verdict};
use super::{fetching, hands_off};
use crate::containers::{
    self, EngineState, Facts, ImageFacts, InstanceInput, Pass, Version, WaitingOn,
};
use crate::desired::Instance;
use crate::secrets;
use crate::step::{Lane, SmokeStep, Step};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeSet;
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
    let secrets = match secret_steps(input, name) {
        Ok(steps) => steps,
        Err(problem) => return failed(format!("secret files cannot be seen: {problem}")),
    };
    let engine = match &input.state.engine {
        Ok(engine) => engine,
        Err(problem) => return without_engine(input, name, instance, secrets, problem),
    };
    let (pass, hold) = containers_pass(input, &change, wanted, engine);
    let held = hold.is_some();
    if let Some(still) = input.state.standstills.get(name) {
        return standstill::plan(name, instance, secrets, pass, engine, still);
    }
    let mut steps = secrets;
    // What a running container sees is not changed while disruptive steps are held: it is kept as it was.
    let shown = if held {
        in_force(input, name, instance, engine)
    } else {
        Some(instance)
    };
    match shown
        .map(|shown| write_steps(input, shown, held))
        .transpose()
    {
        Ok(writes) => steps.extend(writes.into_iter().flatten()),
        Err(problem) => return failed(format!("files cannot be seen: {problem}")),
    }
    steps.extend(
        pass.steps
            .iter()
            .cloned()
            .map(|step| Step::Container(Box::new(step))),
    );
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
        ..InstancePlan::default()
    };
    plan.verdict = verdict::verdict(input, name, instance, &pass, &steps, smoke.is_some());
    plan.verdict.smoke_of = smoke_of;
    steps.extend(smoke.map(Step::Smoke));
    plan.next = next(input, &pass);
    plan.steps = steps;
    fetching::judge(input, engine, &mut plan);
    hands_off::leave_drift(input, name, instance, &mut plan);
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

/// The engine does not answer: files are still put right, nothing is said about containers.
fn without_engine(
    input: &Input<'_>,
    name: &InstanceName,
    instance: &Instance,
    mut steps: Vec<Step>,
    problem: &str,
) -> InstancePlan {
    let writes = write_steps(input, instance, false).unwrap_or_default();
    steps.extend(
        writes
            .into_iter()
            .filter(|step| safe_unseen(input, name, step)),
    );
    let verdict = Verdict {
        phase: InstancePhase::Degraded,
        message: Some(problem.to_owned()),
        ..Verdict::default()
    };
    let mut plan = InstancePlan {
        steps,
        verdict,
        blind: true,
        ..InstancePlan::default()
    };
    hands_off::leave_drift(input, name, instance, &mut plan);
    hold_after_failure(input, &Lane::Files(name.clone()), instance, &mut plan);
    plan
}

/// Whether a file may be written although nobody knows which version of it the containers show: not where a change of it may have to
/// wait for the window.
fn safe_unseen(input: &Input<'_>, name: &InstanceName, step: &Step) -> bool {
    let (Step::WriteFile { path, data, .. }, true) = (step, shut(input)) else {
        return true;
    };
    input.settled.get(name).is_none_or(|before| {
        let file = before.files.get(path);
        file.is_some_and(|file| file.data == *data)
    })
}

/// Whether disruptive steps must wait for the maintenance window.
fn shut(input: &Input<'_>) -> bool {
    let window = input.desired.host.window;
    window.is_some_and(|window| !window.is_open(input.now))
}

/// What the engine needs, and why disruptive steps are held back, if they are.
fn containers_pass(
    input: &Input<'_>,
    change: &Change<'_>,
    wanted: &InstanceInput,
    engine: &EngineState,
) -> (Pass, Option<Hold>) {
    let facts = |hold_disruptive| Facts {
        now: input.now,
        hold_disruptive,
        pace: &input.history.pace,
        key: input.key,
        images: Some(ImageFacts {
            pins: change.pins(),
            logins: &input.desired.logins,
        }),
    };
    let pass = containers::converge(wanted, engine, &facts(false));
    // Going back is not a change that can wait: what runs does not work.
    let hold = if shut(input) && !change.is_back() {
        Some(Hold::Window)
    } else {
        change.hold(input, &pass)
    };
    let Some(hold) = hold else {
        return (pass, None);
    };
    let mut kept = containers::converge(wanted, engine, &facts(true));
    let mut waiting = kept.waiting.iter();
    // What waits for something else as well would be disruptive later.
    let held = waiting.any(|waiting| waiting.on == WaitingOn::Window)
        || pass.steps.iter().any(|step| step.disruptive)
        // Until it is here nobody knows whether a container is made from another image.
        || hold == Hold::Images && change.runs(engine);
    if !held {
        return (pass, None);
    }
    if hold != Hold::Window {
        kept.waiting
            .retain(|waiting| waiting.on != WaitingOn::Window);
    }
    (kept, Some(hold))
}

/// The version of the instance whose files its containers see: the wanted one, or the one before.
fn in_force<'a>(
    input: &Input<'a>,
    name: &InstanceName,
    wanted: &'a Instance,
    engine: &EngineState,
) -> Option<&'a Instance> {
    let before = input.settled.get(name);
    let made = |version: &'a Instance| version.containers.as_ref().ok();
    let version = containers::in_force(made(wanted)?, before.and_then(made), engine, input.key)?;
    match version {
        Version::Wanted => Some(wanted),
        Version::Before => before,
    }
}

fn secret_steps(input: &Input<'_>, name: &InstanceName) -> Result<Vec<Step>, String> {
    let found = input.state.secrets.as_ref().map_err(Clone::clone)?;
    let difference = secrets::compare(&input.desired.secrets, found);
    let prefix = format!("{name}/");
    let mine = |path: &&_| is_below(&prefix, path);
    let writes = difference.write.iter().filter(mine).filter_map(|path| {
        let file = input.desired.secrets.get(path)?.clone();
        Some(Step::WriteSecret {
            path: path.clone(),
            file,
        })
    });
    let removes = difference
        .remove
        .iter()
        .filter(mine)
        .map(|path| Step::RemoveSecret { path: path.clone() });
    Ok(writes.chain(removes).collect())
}

fn is_below(prefix: &str, path: &tenantry_schema::name::RelativePath) -> bool {
    path.as_str().starts_with(prefix)
}

/// `settled`: the files had been right before, whatever the server as a whole was.
fn write_steps(input: &Input<'_>, instance: &Instance, settled: bool) -> Result<Vec<Step>, String> {
    let found = input.state.files.as_ref().map_err(Clone::clone)?;
    let repair = settled
        || input.ledger.converged.as_deref() == Some(&input.desired.reference.content)
        || input
            .ledger
            .rollouts
            .values()
            .any(|rollout| rollout.is_good(&instance.digest));
    let wrong: Vec<_> = instance
        .files
        .iter()
        .filter(|(path, file)| found.get(*path) != Some(&Some(file.digest.clone())))
        .collect();
    let new: BTreeSet<_> = wrong
        .iter()
        .map(|(path, _)| (*path).clone())
        .filter(|path| !input.ledger.files.contains(path))
        .collect();
    let own = (!new.is_empty()).then_some(Step::OwnFiles { paths: new });
    let writes = wrong.into_iter().map(|(path, file)| Step::WriteFile {
        path: path.clone(),
        data: file.data.clone(),
        repair,
    });
    Ok(own.into_iter().chain(writes).collect())
}

/// Files of ours that are not wanted any more. Last, so that no container that runs loses them.
fn remove_steps(input: &Input<'_>, name: &InstanceName, instance: &Instance) -> Vec<Step> {
    let prefix = format!("{name}/");
    let old = input
        .ledger
        .files
        .iter()
        .filter(|path| is_below(&prefix, path) && !instance.files.contains_key(*path));
    old.map(|path| Step::RemoveFile { path: path.clone() })
        .collect()
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

/// After a failure the steps wait, longer each time, unless something else is wanted now.
fn hold_after_failure(
    input: &Input<'_>,
    lane: &Lane,
    instance: &Instance,
    plan: &mut InstancePlan,
) {
    let Some(failure) = input.history.failure(lane, &instance.digest) else {
        return;
    };
    if plan.steps.is_empty() {
        return;
    }
    plan.verdict.phase = if failure.attempts < 3 {
        InstancePhase::Degraded
    } else {
        InstancePhase::Failed
    };
    plan.verdict.message = Some(failure.message.clone());
    plan.verdict.waiting = Some(AgentWait::Retry {
        at: failure.retry,
        attempts: failure.attempts,
    });
    if failure.waits(input.now) {
        plan.steps.clear();
        plan.next = [plan.next, Some(failure.retry)].into_iter().flatten().min();
    }
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
