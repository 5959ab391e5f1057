//! What happens to a version that is given up, and what is told about it. Pure.

use crate::containers::{EngineState, InstanceInput};
use crate::converge::Input;
use crate::desired::Instance;
use crate::rollout::{Outcome, Version};
use crate::step::Rejection;
use std::collections::BTreeMap;
use tenantry_schema::document::UpgradeRollback;
use tenantry_schema::id::InstanceName;
use tenantry_schema::wire::{ContainerEvidence, Evidence, SmokeResult};

/// What was seen of a version.
pub(super) struct Seen<'a> {
    /// What is on the engine, if anything of it can be there.
    pub(super) engine: Option<&'a EngineState>,
    /// What was wrong, in a sentence.
    pub(super) why: Option<String>,
}

/// Gives a version up.
pub(super) fn reject(
    input: &Input<'_>,
    name: &InstanceName,
    instance: &Instance,
    seen: &Seen<'_>,
) -> Rejection {
    let (outcome, then) = outcome(input, name, instance);
    let why = seen.why.as_deref().unwrap_or("it did not become healthy");
    let reason = match seen.engine {
        Some(_) => format!(
            "not healthy after {} seconds: {why}; {then}",
            instance.spec.upgrade.timeout
        ),
        None => format!("{why}; the last good version goes on"),
    };
    let containers = seen
        .engine
        .map(|engine| witnesses(input, name, instance, engine));
    let (ids, witnesses) = containers.unwrap_or_default();
    let smoke = input.ledger.smoke.get(name).map(|record| &record.result);
    Rejection {
        outcome,
        evidence: Evidence {
            at: input.now,
            reason,
            smoke: smoke.and_then(|result| match result {
                SmokeResult::Failed { reason } => Some(reason.clone()),
                SmokeResult::Passed | SmokeResult::NotRun => None,
            }),
            containers: witnesses,
        },
        containers: ids,
        secrets: secrets(input, name),
    }
}

/// The rule: what keeps no data goes back. Where another image has opened data, the stack says.
fn outcome(input: &Input<'_>, name: &InstanceName, instance: &Instance) -> (Outcome, &'static str) {
    let Some(version) = input.versions.get(name) else {
        return (
            Outcome::Held,
            "it stays, for there is no earlier version that was good",
        );
    };
    let data = instance.spec.has_data || version.instance.spec.has_data;
    let opened = instance
        .containers
        .as_ref()
        .is_ok_and(|containers| other_image(version, containers));
    let back = (Outcome::Back, "the last good version takes over");
    if !data || !opened {
        return back;
    }
    match instance.spec.upgrade.rollback {
        UpgradeRollback::Image => back,
        UpgradeRollback::Hold => (
            Outcome::Held,
            "it stays, for another image has opened the data and `upgrade.rollback` is `hold`; commit another version, or the one before",
        ),
        UpgradeRollback::ImageAndData => (
            Outcome::Held,
            "it stays until the backup from before is restored; commit a restore operation and the version before",
        ),
    }
}

/// Whether a service of both versions has another image.
pub(super) fn other_image(before: &Version, wanted: &InstanceInput) -> bool {
    let Ok(before) = &before.instance.containers else {
        return true;
    };
    wanted.services.iter().any(|(name, service)| {
        let before = before.services.get(name);
        before.is_none_or(|before| before.container.image != service.container.image)
    })
}

/// How its containers stand, and their ids.
fn witnesses(
    input: &Input<'_>,
    name: &InstanceName,
    instance: &Instance,
    engine: &EngineState,
) -> (BTreeMap<String, String>, Vec<ContainerEvidence>) {
    let mut ids = BTreeMap::new();
    let Ok(containers) = &instance.containers else {
        return (ids, Vec::new());
    };
    let keeper = &input.desired.keeper;
    let seen = containers.services.iter().map(|(service, spec)| {
        let (title, image) = (&spec.container.name, &spec.container.image);
        let found = engine.container_of(keeper, name.as_str(), service, title);
        if let Some(found) = found {
            ids.insert(service.clone(), found.id.clone());
        }
        let report = engine.report(keeper, name.as_str(), service, title, image);
        ContainerEvidence {
            service: service.clone(),
            image: image.clone(),
            state: report.state,
            health: report.health,
            restarts: report.restarts,
            exit_code: report.exit_code,
            out_of_memory: false,
            health_output: None,
            log: Vec::new(),
        }
    });
    let seen = seen.collect();
    (ids, seen)
}

/// Everything secret of the instance.
fn secrets(input: &Input<'_>, name: &InstanceName) -> Vec<tenantry_schema::Secret> {
    let prefix = format!("{name}/");
    let mine = input.wanted.secrets.iter();
    mine.filter(|(path, _)| path.as_str().starts_with(&prefix))
        .map(|(_, file)| file.value.clone())
        .collect()
}
