//! One server: whether its slice has to be published, and how it is.

use super::SliceTask;
use super::customer::{Customer, Slice};
use super::health::health_of;
use super::machine;
use crate::inventory::{Attempt, slice_key};
use crate::slice_input::SliceInput;
use crate::status::{Health, InstanceStatus, ServerStatus};
use crate::waiting::WaitingOn;
use std::sync::Arc;
use tenantry_schema::document::{Manage, Server};
use tenantry_schema::id::ServerId;
use tenantry_schema::wire::{InstancePhase, Report};

/// Plans one server.
pub(super) fn plan_server(
    customer: &Customer<'_>,
    id: &ServerId,
    document: &Server,
    input: Option<&(String, Arc<SliceInput>)>,
    held: Option<String>,
) -> (ServerStatus, Option<SliceTask>, Slice) {
    let published = customer.published(id);
    let mut waiting = Vec::new();
    let mut task = None;
    let mut slice = Slice {
        inputs: input.map(|(inputs, _)| inputs.clone()),
        blocked: None,
    };
    if document.agent.is_none() {
        slice.blocked = Some(WaitingOn::AgentKeys { server: id.clone() });
    } else if let Some(because) = held {
        slice.blocked = Some(WaitingOn::SliceHeld {
            server: id.clone(),
            because,
        });
    }
    let current =
        published.is_some_and(|published| slice.inputs.as_ref() == Some(&published.inputs));
    if let Some((inputs, input)) = input.filter(|_| !current) {
        slice.blocked = blocked(customer, id, inputs);
        if slice.blocked.is_none() {
            let because = if published.is_none() {
                "none was published yet"
            } else {
                "what it is made from changed"
            };
            task = Some(SliceTask {
                server: customer.server_key(id),
                input: input.clone(),
                inputs: inputs.clone(),
                because,
            });
        }
    }
    waiting.extend(slice.blocked.clone());
    waiting.extend(customer.desired.waiting.iter().cloned());
    let seen = customer.seen(id);
    let report = seen.map(|seen| seen.report.as_ref());
    let silent = seen.and_then(|seen| customer.silent_since(seen));
    match (seen, silent) {
        (None, _) if document.agent.is_some() => {
            waiting.push(WaitingOn::FirstContact { server: id.clone() });
        }
        (_, Some(since)) => waiting.push(WaitingOn::AgentSilent {
            server: id.clone(),
            since,
        }),
        _ => {}
    }
    if document.manage == Manage::Observe {
        waiting.push(WaitingOn::ObserveOnly { server: id.clone() });
    }
    let paused_until = report.and_then(|report| report.host.paused_until);
    if let Some(until) = paused_until.filter(|_| silent.is_none()) {
        waiting.push(WaitingOn::AgentPaused { until });
    }
    if let Some(report) = report.filter(|_| silent.is_none()) {
        machine::waiting(id, report, &mut waiting);
        waiting.extend(super::backups::damaged(customer, id, report));
    }
    let accepted = report.and_then(|report| report.slice.as_ref());
    let in_sync = current
        && published.is_some_and(|published| {
            report.is_some_and(|report| report.converged.as_ref() == Some(&published.content))
        });
    let health = match (report, silent) {
        (None, _) | (_, Some(_)) => Health::Unknown,
        (Some(report), None) => overall(report),
    };
    let status = ServerStatus {
        customer: customer.desired.id.clone(),
        server: id.clone(),
        address: document.address.to_string(),
        manage: document.manage,
        health,
        last_seen: seen.map(|seen| seen.received_at),
        agent: report.map(|report| report.release.clone()),
        memory: report
            .map(|report| report.host.memory)
            .filter(|memory| *memory > 0),
        published: published.map(|published| published.generation),
        accepted: accepted.map(|slice| slice.generation),
        in_sync,
        instances: report.map(instances).unwrap_or_default(),
        sites: report
            .map(|report| report.sites.clone().into())
            .unwrap_or_default(),
        areas: report
            .map(|report| report.areas.clone().into())
            .unwrap_or_default(),
        waiting,
        refusals: seen.map(|seen| seen.refusals.clone()).unwrap_or_default(),
        events: seen.map(|seen| seen.events.clone()).unwrap_or_default(),
        matches: seen.map(|seen| seen.matches.clone()).unwrap_or_default(),
        backups: report.and_then(|report| report.backups.clone()),
        unmanaged: report
            .map(|report| report.unmanaged.clone())
            .unwrap_or_default(),
        paused_until,
    };
    (status, task, slice)
}

/// Why publishing has to wait after failures, if it has.
fn blocked(customer: &Customer<'_>, id: &ServerId, inputs: &str) -> Option<WaitingOn> {
    let Attempt { error, next, .. } = customer
        .observed
        .attempts
        .get(&slice_key(&customer.server_key(id), inputs))?;
    let error = error.clone();
    match next {
        None => Some(WaitingOn::Dead { error }),
        Some(at) if *at > customer.observed.now => {
            customer.wake_at(*at);
            Some(WaitingOn::Retry { at: *at, error })
        }
        Some(_) => None,
    }
}

fn overall(report: &Report) -> Health {
    if !report.host.engine_reachable {
        return Health::Degraded;
    }
    let worst = |a: Health, b: Health| match (a, b) {
        (Health::Failed, _) | (_, Health::Failed) => Health::Failed,
        (Health::Degraded, _) | (_, Health::Degraded) => Health::Degraded,
        (Health::Progressing, _) | (_, Health::Progressing) => Health::Progressing,
        _ => Health::Healthy,
    };
    let sites = report.sites.values().any(|site| !site.live);
    let start = if machine::ails(report) {
        Health::Degraded
    } else if sites {
        Health::Progressing
    } else {
        Health::Healthy
    };
    report
        .instances
        .values()
        .map(|instance| health_of(instance.phase))
        .fold(start, worst)
}

fn instances(report: &Report) -> Vec<InstanceStatus> {
    report
        .instances
        .iter()
        .map(|(name, instance)| InstanceStatus {
            name: name.clone(),
            phase: instance.phase,
            waiting: instance.waiting.clone(),
            message: instance
                .message
                .clone()
                .filter(|_| instance.phase != InstancePhase::Healthy),
            smoke: instance.smoke.clone(),
            rollout: instance.rollout.clone(),
            containers: instance.containers.clone(),
        })
        .collect()
}
