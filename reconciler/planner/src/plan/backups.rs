//! Backups of one customer: the secrets that they need, what each server keeps, and which backups are missing.

use super::customer::{Customer, Placed};
use crate::decision::{Choice, Decision};
use crate::slice_input::{BackupsInput, InstanceInput};
use crate::waiting::WaitingOn;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use tenantry_schema::document::{Backup, Backups, SecretSpec, State};
use tenantry_schema::id::{CustomerId, InstanceName, OrderId, ServerId, ServerKey};
use tenantry_schema::name::VariableName;
use tenantry_schema::wire::{
    APPEND_PASSWORD, BackupItem, BackupsSpec, DatabaseEngine, REPOSITORY_KEY, Report,
};

/// Characters of each secret.
const LENGTH: u16 = 40;

/// The secrets that are still to be drawn, as a decision of the first order that has something to back up.
///
/// Where an agent has made backups already and the file is gone, nothing is drawn: a new key would open none of them.
pub(super) fn decide(customer: &Customer<'_>) -> (Option<Decision>, Option<WaitingOn>) {
    let Some(order) = first_order(customer).filter(|_| settings(customer).is_some()) else {
        return (None, None);
    };
    let have = customer.desired.backup_secrets.as_ref();
    let missing: BTreeMap<VariableName, SecretSpec> = [REPOSITORY_KEY, APPEND_PASSWORD]
        .into_iter()
        .filter(|name| !have.is_some_and(|have| have.names.contains(*name)))
        .filter_map(|name| {
            let spec = SecretSpec {
                length: Some(LENGTH),
                ..SecretSpec::default()
            };
            Some((VariableName::try_from(name).ok()?, spec))
        })
        .collect();
    if missing.is_empty() {
        return (None, None);
    }
    let made = customer.desired.servers.keys().any(|server| {
        customer
            .seen(server)
            .is_some_and(|seen| has_backups(&seen.report))
    });
    if made {
        let what = format!(
            "the secrets of its backups are gone from fleet/decisions/{}; take them back from Git's history: without them no backup can be read, so they are not made anew",
            customer.desired.id
        );
        return (None, Some(WaitingOn::Decision { what }));
    }
    let decision = Decision {
        order: customer.order_key(&order),
        choice: Choice::BackupSecrets(missing),
    };
    let rules = &customer.fleet.rules;
    if have.is_none()
        && let Some(problem) = rules.problem(&decision.path())
    {
        return (None, Some(WaitingOn::SealingRules { problem }));
    }
    (Some(decision), None)
}

fn settings<'a>(customer: &Customer<'a>) -> Option<&'a Backups> {
    customer.fleet.head.hub.backups.as_ref()
}

/// Whether the customer's servers make backups.
pub(super) fn are_made(customer: &Customer<'_>) -> bool {
    settings(customer).is_some() && complete(customer)
}

/// Whether something of an instance is kept.
pub(super) fn keeps(instance: &InstanceInput) -> bool {
    let declared = instance.stack.document.backup.as_ref();
    instance.document.backup != Some(false) && declared.is_some_and(|backup| !backup.is_empty())
}

/// Whether every secret that backups need was drawn.
fn complete(customer: &Customer<'_>) -> bool {
    let secrets = customer.desired.backup_secrets.as_ref();
    [REPOSITORY_KEY, APPEND_PASSWORD]
        .iter()
        .all(|name| secrets.is_some_and(|secrets| secrets.names.contains(*name)))
}

fn has_backups(report: &Report) -> bool {
    let backups = report.backups.as_ref();
    backups.is_some_and(|backups| backups.instances.values().any(|one| one.last.is_some()))
}

/// The first order that is settled and has a tool with something to keep.
fn first_order(customer: &Customer<'_>) -> Option<OrderId> {
    let keeps = |(_, order): &(&OrderId, &crate::desired::OrderDesired)| {
        order.server.is_some()
            && order.tools.values().any(|tool| {
                let stack = tool
                    .stack
                    .as_ref()
                    .and_then(|stack| stack.document.backup.as_ref());
                tool.document.backup != Some(false)
                    && stack.is_some_and(|backup| !backup.is_empty())
            })
    };
    customer
        .desired
        .orders
        .iter()
        .find(keeps)
        .map(|(id, _)| id.clone())
}

/// What a server backs up; none where nothing of it is to be, or the secrets are not decided yet.
pub(super) fn input(
    customer: &Customer<'_>,
    server: &ServerKey,
    placed: &Placed,
) -> Option<BackupsInput> {
    let settings = settings(customer)?;
    let secrets = customer.desired.backup_secrets.as_ref()?;
    let kept: BTreeMap<InstanceName, Vec<BackupItem>> = placed
        .instances
        .iter()
        .filter(|(_, instance)| instance.document.backup != Some(false))
        .filter_map(|(name, instance)| {
            let items = items(instance.stack.document.backup.as_ref()?);
            (!items.is_empty()).then(|| (name.clone(), items))
        })
        .collect();
    if !complete(customer) || kept.is_empty() {
        return None;
    }
    let fleet = &customer.fleet.head.hub.fleet_id;
    let user = user(fleet.as_str(), &server.customer);
    let spec = BackupsSpec {
        place: format!("{}/{user}", settings.repository),
        user,
        window: settings.window,
        offset: offset(fleet.as_str(), server, settings.window.minutes()),
        check_every: settings.check.every,
        check_share: settings.check.share,
        drill_every: settings.drill,
        warn_after: settings.warn_after,
        instances: kept,
    };
    Some(BackupsInput {
        spec,
        secrets: secrets.blob,
        restores: placed.restores.clone(),
    })
}

/// Who a customer's agents are where backups are kept, and the folder that is theirs there. Ids have no dots, so no two meet.
pub fn user(fleet: &str, customer: &CustomerId) -> String {
    format!("{fleet}.{customer}")
}

/// A moment of its own for each server, always the same, within the first three quarters of the window.
fn offset(fleet: &str, server: &ServerKey, minutes: u32) -> u32 {
    let digest = Sha256::digest(format!("{fleet}/{server}"));
    let number = digest
        .iter()
        .take(8)
        .fold(0u64, |number, byte| (number << 8) | u64::from(*byte));
    let span = (u64::from(minutes) * 45).max(1);
    u32::try_from(number % span).unwrap_or_default()
}

/// What a stack declares, one item after the other.
fn items(backup: &Backup) -> Vec<BackupItem> {
    let databases = backup
        .databases()
        .map(|(key, database)| BackupItem::Database {
            engine: match key {
                "mysql" => DatabaseEngine::Mysql,
                "mongodb" => DatabaseEngine::Mongodb,
                _ => DatabaseEngine::Postgres,
            },
            service: database.service.clone(),
            databases: database.databases.clone(),
            user: database.user.clone(),
            password: database.password.clone(),
        });
    let sqlite = backup.sqlite.iter().map(|file| BackupItem::Sqlite {
        volume: file.volume.clone(),
        path: file.path.clone(),
    });
    let volumes = backup.volumes.iter().map(|volume| BackupItem::Volume {
        volume: volume.name.clone(),
        during: volume.during,
    });
    let files = backup
        .files
        .iter()
        .map(|path| BackupItem::Files { path: path.clone() });
    databases
        .chain(sqlite)
        .chain(volumes)
        .chain(files)
        .collect()
}

/// What the last check of a server's repository found, where it found something.
pub(super) fn damaged(
    customer: &Customer<'_>,
    server: &ServerId,
    report: &Report,
) -> Option<WaitingOn> {
    settings(customer)?;
    let check = report.backups.as_ref()?.check.as_ref()?;
    Some(WaitingOn::BackupCheckFailed {
        server: server.clone(),
        at: check.at,
        problem: check.problem.clone()?,
    })
}

/// Why an instance counts as badly backed up, if it does. Looks again when it would be.
pub(super) fn missing(
    customer: &Customer<'_>,
    server: &ServerId,
    instance: &InstanceName,
    state: State,
) -> Option<WaitingOn> {
    let settings = settings(customer)?;
    let seen = customer.seen(server)?;
    let backups = seen.report.backups.as_ref()?.instances.get(instance)?;
    let too_old = |at: Timestamp| {
        let span = SignedDuration::from_mins(i64::from(settings.warn_after.minutes));
        at.checked_add(span).unwrap_or(Timestamp::MAX)
    };
    let drill = backups
        .drill
        .as_ref()
        .and_then(|drill| drill.problem.clone());
    if let Some(problem) = drill {
        return Some(WaitingOn::DrillFailed {
            instance: instance.clone(),
            problem,
        });
    }
    let since = match &backups.last {
        // What is stopped does not change: its last backup stays as good as it was.
        Some(_) if state == State::Stopped => None,
        Some(last) => {
            let deadline = too_old(last.at);
            customer.wake_at(deadline);
            (customer.observed.now >= deadline).then_some(last.at)
        }
        None => backups.overdue_since,
    };
    let since = since?;
    Some(WaitingOn::BackupOverdue {
        instance: instance.clone(),
        since,
        problem: backups
            .failure
            .as_ref()
            .map(|failure| failure.message.clone()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_server_begins_within_its_window(name in "[a-z]{1,9}", minutes in 1u32..1440) {
            let server = ServerKey { customer: "acme".try_into().unwrap(), server: name.as_str().try_into().unwrap() };
            let begin = offset("fleet", &server, minutes);
            prop_assert!(begin < minutes * 60);
            prop_assert_eq!(begin, offset("fleet", &server, minutes));
        }
    }

    #[test]
    fn servers_are_spread_over_the_window() {
        let begins = (0..400).map(|number| {
            let server = ServerKey {
                customer: "acme".try_into().unwrap(),
                server: format!("acme-{number}").try_into().unwrap(),
            };
            offset("fleet", &server, 240) / 60 / 45
        });
        let mut quarters = [0; 4];
        for quarter in begins {
            quarters[quarter as usize] += 1;
        }
        assert!(quarters.iter().all(|count| *count > 60), "{quarters:?}");
    }
}
