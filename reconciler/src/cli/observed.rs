//! What a hub says of its servers, as planning reads it: so that a plan foresees what that hub would decide. Pure.
//!
//! # Caveats
//! What was published for whom is not told by a hub, so records of what was delivered (first fulfilment) are not foreseen.

use std::collections::BTreeMap;
use std::sync::Arc;
use tenantry_planner::Inventory;
use tenantry_planner::inventory::ServerObservation;
use tenantry_planner::status::{FleetStatus, InstanceStatus, ServerStatus};
use tenantry_schema::id::{InstanceName, ServerKey, ToolName};
use tenantry_schema::wire::{HostFacts, InstanceReport, Report};

/// The servers of which the hub has a report. The others are not in it: nobody knows what runs there.
pub(super) fn inventory(status: &FleetStatus) -> Inventory {
    let servers = status.servers.iter().filter_map(|server| {
        let key = ServerKey {
            customer: server.customer.clone(),
            server: server.server.clone(),
        };
        Some((key, observation(server)?))
    });
    Inventory {
        servers: servers.collect(),
        ..Inventory::default()
    }
}

/// None where its agent never reported.
fn observation(server: &ServerStatus) -> Option<ServerObservation> {
    let received_at = server.last_seen?;
    let report = Report {
        sequence: 1,
        since: None,
        taken_at: received_at,
        release: server.agent.clone().unwrap_or_default(),
        slice: None,
        converged: None,
        stale_since: None,
        instances: instances(&server.instances),
        sites: server.sites.iter().map(pair).collect(),
        unmanaged: server.unmanaged.clone(),
        refusals: Vec::new(),
        events: Vec::new(),
        host: HostFacts {
            memory: server.memory.unwrap_or_default(),
            paused_until: server.paused_until,
            ..HostFacts::default()
        },
        backups: server.backups.clone(),
        areas: server.areas.iter().map(pair).collect(),
        agent_update: None,
        matches: Vec::new(),
        usage: Vec::new(),
    };
    Some(ServerObservation {
        revision: 1,
        report: Arc::new(report),
        received_at,
        refusals: server.refusals.clone(),
        events: server.events.clone(),
        matches: server.matches.clone(),
    })
}

fn instances(told: &[InstanceStatus]) -> BTreeMap<InstanceName, InstanceReport> {
    let each = told.iter().filter_map(|instance| {
        let report = InstanceReport {
            tool: tool_of(&instance.name)?,
            phase: instance.phase,
            waiting: instance.waiting.clone(),
            message: instance.message.clone(),
            smoke: instance.smoke.clone(),
            rollout: instance.rollout.clone(),
            containers: instance.containers.clone(),
        };
        Some((instance.name.clone(), report))
    });
    each.collect()
}

/// An end of `order-tool` that can be a tool's name; of a real instance there is one. Planning looks instances up by their whole name, and at this
/// for nothing.
fn tool_of(instance: &InstanceName) -> Option<ToolName> {
    let name = instance.as_str();
    let mut ends = name
        .match_indices('-')
        .filter_map(|(at, dash)| name.get(at + dash.len()..));
    ends.find_map(|end| ToolName::try_from(end).ok())
}

fn pair<K: Clone, V: Clone>((key, value): (&K, &V)) -> (K, V) {
    (key.clone(), value.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tenantry_schema::id::OrderId;

    proptest! {
        /// Whatever runs is known to run, also where names have dashes and figures in them.
        #[test]
        fn every_instance_has_a_tool(order in "[a-z][a-z0-9]{0,4}(-[a-z0-9]{1,4}){0,2}", tool in "[a-z][a-z0-9]{0,4}(-[a-z0-9]{1,4}){0,2}") {
            let (Ok(order), Ok(tool)) = (OrderId::try_from(order), ToolName::try_from(tool)) else {
                return Ok(());
            };
            prop_assert!(tool_of(&InstanceName::new(&order, &tool)).is_some());
        }
    }
}
