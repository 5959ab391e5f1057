//! The page of one server.

use super::backups::{self, BackupsView};
use super::charts::UsageView;
use super::operations::{OperationRow, rows};
use super::rows::{
    AreaRow, EventRow, InstanceRow, MatchRow, RefusalRow, events, matches, refusals,
};
use super::sites::SiteRow;
use super::words::{self, Badge, Moment};
use jiff::Timestamp;
use serde::Serialize;
use tenantry_planner::status::{FleetStatus, ServerStatus};
use tenantry_schema::id::InstanceName;

/// Events, refusals and names of strange containers on the page.
const SHOWN: usize = 100;

#[derive(Serialize)]
pub(super) struct ServerPage {
    customer: String,
    server: String,
    address: String,
    manage: String,
    health: Badge,
    seen: Option<Moment>,
    agent: Option<String>,
    published: Option<u64>,
    accepted: Option<u64>,
    in_sync: bool,
    paused: Option<String>,
    reasons: Vec<String>,
    instances: Vec<InstanceRow>,
    areas: Vec<AreaRow>,
    sites: Vec<SiteRow>,
    refusals: Vec<RefusalRow>,
    events: Vec<EventRow>,
    unmanaged: Vec<String>,
    unmanaged_more: usize,
    backups: Option<BackupsView>,
    usage: Option<UsageView>,
    /// Why nothing of it is shown.
    usage_unknown: Option<&'static str>,
    matches: Vec<MatchRow>,
    operations: Vec<OperationRow>,
}

/// The page of `server`.
pub(super) fn view(
    status: &FleetStatus,
    server: &ServerStatus,
    usage: Result<Option<UsageView>, &'static str>,
    now: Timestamp,
) -> ServerPage {
    let here: Vec<(InstanceName, String)> = status
        .orders
        .iter()
        .filter(|order| {
            order.customer == server.customer && order.server.as_ref() == Some(&server.server)
        })
        .flat_map(|order| {
            order.tools.iter().map(|tool| {
                (
                    InstanceName::new(&order.order, &tool.tool),
                    order.order.to_string(),
                )
            })
        })
        .collect();
    let order_of = |name: &InstanceName| {
        here.iter()
            .find(|(known, _)| known == name)
            .map(|(_, order)| order.clone())
    };
    ServerPage {
        customer: server.customer.to_string(),
        server: server.server.to_string(),
        address: server.address.clone(),
        manage: words::spoken(&server.manage),
        health: words::health(server.health),
        seen: server.last_seen.map(|at| Moment::new(at, now)),
        agent: server.agent.clone(),
        published: server.published,
        accepted: server.accepted,
        in_sync: server.in_sync,
        paused: server.paused_until.map(|until| format!("{until:.0}")),
        reasons: server.waiting.iter().map(ToString::to_string).collect(),
        instances: server
            .instances
            .iter()
            .map(|instance| InstanceRow::new(instance, order_of(&instance.name)))
            .collect(),
        areas: server.areas.iter().map(AreaRow::new).collect(),
        sites: server
            .sites
            .iter()
            .map(|(host, site)| SiteRow::new(host, site, now))
            .collect(),
        refusals: refusals(server, SHOWN, now),
        events: events(server, SHOWN, now),
        unmanaged: server.unmanaged.iter().take(SHOWN).cloned().collect(),
        unmanaged_more: server.unmanaged.len().saturating_sub(SHOWN),
        usage_unknown: usage.as_ref().err().copied(),
        usage: usage.ok().flatten(),
        matches: matches(server, SHOWN, now),
        backups: backups::view(server.backups.as_ref(), |_| true, now),
        operations: rows(status, &server.customer, |target| {
            target.server == server.server
        }),
    }
}
