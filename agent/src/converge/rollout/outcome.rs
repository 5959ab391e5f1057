//! What happens to a version that is given up, and what is told about it. Pure.

use super::opens::{opens_data, other_image};
use crate::containers::EngineState;
use crate::converge::Input;
use crate::desired::Instance;
use crate::rollout::{Outcome, PutBack, Standing};
use crate::step::Rejection;
use std::collections::BTreeMap;
use tenantry_schema::document::UpgradeRollback;
use tenantry_schema::id::{InstanceName, OperationId};
use tenantry_schema::wire::{BackupItem, ContainerEvidence, Evidence, SmokeResult};

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
    let Fate {
        outcome,
        put_back,
        then,
    } = fate(input, name, instance);
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
        put_back,
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

/// What becomes of it.
struct Fate {
    outcome: Outcome,
    put_back: Option<PutBack>,
    /// The same in words, after what was seen.
    then: &'static str,
}

impl Fate {
    fn held(then: &'static str) -> Self {
        Self {
            outcome: Outcome::Held,
            put_back: None,
            then,
        }
    }
}

/// The rule: what keeps no data goes back. Where another image has opened data, the stack says.
fn fate(input: &Input<'_>, name: &InstanceName, instance: &Instance) -> Fate {
    if !input.versions.contains_key(name) {
        return Fate::held("it stays, for there is no earlier version that was good");
    }
    let rule = instance.spec.upgrade.rollback;
    if !opens_data(input, name, instance) || rule == UpgradeRollback::Image {
        return Fate {
            outcome: Outcome::Back,
            put_back: None,
            then: "the last good version takes over",
        };
    }
    if rule == UpgradeRollback::Hold {
        return Fate::held(
            "it stays, for another image has opened the data and `upgrade.rollback` is `hold`; commit another version, or the one before",
        );
    }
    match put_back(input, name, instance) {
        Ok(put_back) => Fate {
            outcome: Outcome::Held,
            put_back: Some(put_back),
            then: "the data of before is put back, then the last good version takes over",
        },
        Err(why) => Fate::held(why),
    }
}

/// The data of before, where it can be put back without a person.
fn put_back(
    input: &Input<'_>,
    name: &InstanceName,
    instance: &Instance,
) -> Result<PutBack, &'static str> {
    let items = input
        .wanted
        .backups
        .as_ref()
        .and_then(|backups| backups.spec.instances.get(name));
    let items = items.ok_or(
        "it stays, for nothing of it is backed up that could be put back (`upgrade.rollback: image+data`); a person decides",
    )?;
    let rollout = input.ledger.rollouts.get(name);
    let since = rollout.and_then(|rollout| rollout.tried_since(&instance.digest));
    let verified = match input.state.backups.get(name) {
        Some(Standing::Verified(_)) => since,
        _ => None,
    };
    let before = verified.ok_or(
        "it stays, for there is no verified backup from before; commit another version, or the one before",
    )?;
    if rollout.and_then(|rollout| rollout.opened) != Some(before) {
        return Err(
            "it stays, for another version had opened the data before it, and nobody knows which backup is meant; commit another version, or the one before",
        );
    }
    // A server of databases that another version of it has opened can often not be opened by the one before. Only its dump could be loaded,
    // into an empty one, and emptying it is for a person to decide.
    let same = items.iter().all(|item| match item {
        BackupItem::Database { service, .. } => !other_image(input, name, instance, service),
        BackupItem::Sqlite { .. } | BackupItem::Volume { .. } | BackupItem::Files { .. } => true,
    });
    if !same {
        return Err(
            "it stays, for its database server itself has another image, which has opened the data; put the backup from before into the version before by hand",
        );
    }
    // Names are short: the end of the digest and the moment are enough to be the only ones.
    let end = instance.digest.len().saturating_sub(12);
    let digest = instance.digest.get(end..).unwrap_or_default();
    let id = format!("rollback-{digest}-{}", input.now.as_second());
    let id = OperationId::try_from(id.as_str())
        .map_err(|_| "it stays, for putting its data back cannot be named; a person decides")?;
    Ok(PutBack { id, before })
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
