//! Which version of an instance holds its data now, and whether it runs so that a backup of it is taken by time. Pure.
//!
//! An instance is written to also while a change of it waits, while its drift is only told, and after a version of it was held: what is asked
//! here is whether it can be saved, not whether it is as it should be.

use crate::containers::state::{Container, State as Running};
use crate::containers::{EngineState, InputsKey, InstanceInput, Version, in_force};
use crate::converge::Verdict;
use crate::desired::Instance;
use tenantry_schema::document::State;
use tenantry_schema::wire::{AgentWait, BackupItem, InstancePhase, RolloutState};

/// What has to be up for a backup of an instance that stands as it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Needs {
    /// Nothing that is not known already: it is well.
    Nothing,
    /// The servers of its databases, and something that runs.
    Servers,
    /// All of it: a person may be at work on the rest.
    All,
    /// It is not saved now: it may be about to change, or was never in order.
    Patience,
}

/// The version that the containers are of: the wanted one, or the one before, where the change waits.
pub fn running<'a>(
    wanted: &'a Instance,
    before: Option<&'a Instance>,
    engine: &EngineState,
    key: &InputsKey,
) -> &'a Instance {
    let Some(before) = before.filter(|before| before.digest != wanted.digest) else {
        return wanted;
    };
    let Ok(old) = &before.containers else {
        return wanted;
    };
    match &wanted.containers {
        // What cannot be told apart is the one before: nothing of the other is there yet.
        Ok(new) if in_force(new, &[old], false, engine, key) == Some(Version::Wanted) => wanted,
        _ => before,
    }
}

/// Whether a backup of an instance is taken by time. `instance`: the version that its containers are of; `items`: what is kept of it.
pub fn ready(
    verdict: &Verdict,
    instance: &Instance,
    items: &[BackupItem],
    engine: &EngineState,
) -> bool {
    let (State::Running, Ok(input)) = (instance.spec.state, &instance.containers) else {
        // What is well and cannot be understood says so in its backup.
        return needs(verdict) == Needs::Nothing;
    };
    match needs(verdict) {
        Needs::Nothing => true,
        Needs::Servers => servers_are_up(input, items, engine),
        Needs::All => all_is_up(input, engine),
        Needs::Patience => false,
    }
}

fn needs(verdict: &Verdict) -> Needs {
    if verdict.phase == InstancePhase::Healthy {
        return Needs::Nothing;
    }
    let rollout = verdict.rollout.as_ref();
    // It comes to an end, and may be changing its data until then.
    let is_tried = rollout.is_some_and(|rollout| rollout.state == RolloutState::Trying);
    match &verdict.waiting {
        None => match verdict.phase {
            InstancePhase::Healthy => Needs::Nothing,
            // A smoke check fails, a name is taken, ...
            InstancePhase::Degraded | InstancePhase::Failed | InstancePhase::Waiting
                if !is_tried =>
            {
                Needs::Servers
            }
            InstancePhase::Progressing
            | InstancePhase::Degraded
            | InstancePhase::Failed
            | InstancePhase::Waiting
            | InstancePhase::Stopped => Needs::Patience,
        },
        Some(AgentWait::Retry { .. } | AgentWait::Healthy { .. }) if is_tried => Needs::Patience,
        Some(
            AgentWait::Retry { .. }
            | AgentWait::Healthy { .. }
            // The version before runs, and takes data.
            | AgentWait::Window { .. }
            | AgentWait::Backup { .. }
            | AgentWait::Image { .. }
            | AgentWait::Disk { .. }
            | AgentWait::RolledBack { .. }
            // It runs otherwise than it should, and takes data as well.
            | AgentWait::DriftReported
            | AgentWait::Held { .. },
        ) => Needs::Servers,
        Some(AgentWait::Paused { .. }) => Needs::All,
        // It is another one's to save.
        Some(AgentWait::ObserveOnly) => Needs::Patience,
    }
}

fn container_of<'a>(
    input: &InstanceInput,
    service: &str,
    engine: &'a EngineState,
) -> Option<&'a Container> {
    let name = &input.services.get(service)?.container.name;
    engine.container_of(&input.keeper, &input.project, service, name)
}

/// Databases of services that this version does not have are none yet.
fn servers_are_up(input: &InstanceInput, items: &[BackupItem], engine: &EngineState) -> bool {
    let runs = |service: &String| {
        let found = container_of(input, service, engine);
        found.is_some_and(|container| container.state == Running::Running)
    };
    let servers = items.iter().filter_map(|item| match item {
        BackupItem::Database { service, .. } => Some(service),
        BackupItem::Sqlite { .. } | BackupItem::Volume { .. } | BackupItem::Files { .. } => None,
    });
    let has = |service: &&String| input.services.contains_key(*service);
    input.services.keys().any(runs) && servers.filter(has).all(runs)
}

fn all_is_up(input: &InstanceInput, engine: &EngineState) -> bool {
    input.services.iter().all(|(service, spec)| {
        container_of(input, service, engine).is_some_and(|container| match container.state {
            Running::Running => true,
            Running::Exited => spec.job && container.exit_code == Some(0),
            Running::Created
            | Running::Paused
            | Running::Restarting
            | Running::Removing
            | Running::Dead => false,
        })
    })
}

#[cfg(test)]
mod tests;
