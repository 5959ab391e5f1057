//! The page of one order.

use super::backups::{self, BackupsView};
use super::operations::{OperationRow, rows};
use super::rows::{InstanceRow, ToolRow};
use super::words::{self, Badge, Moment};
use jiff::Timestamp;
use serde::Serialize;
use tenantry_planner::status::{FleetStatus, OrderStatus};
use tenantry_schema::id::InstanceName;

#[derive(Serialize)]
pub(super) struct OrderPage {
    customer: String,
    order: String,
    plan: String,
    domain: String,
    server: Option<String>,
    phase: Badge,
    steps: u8,
    health: Badge,
    reasons: Vec<String>,
    fulfilled: Option<Moment>,
    frozen: bool,
    tools: Vec<ToolRow>,
    instances: Vec<InstanceRow>,
    backups: Option<BackupsView>,
    operations: Vec<OperationRow>,
    /// The server's last report, which the instances are from.
    seen: Option<Moment>,
}

/// The page of `order`.
pub(super) fn view(status: &FleetStatus, order: &OrderStatus, now: Timestamp) -> OrderPage {
    let (phase, steps) = words::phase(order.phase);
    let server = status.servers.iter().find(|server| {
        server.customer == order.customer && Some(&server.server) == order.server.as_ref()
    });
    let ours: Vec<InstanceName> = order
        .tools
        .iter()
        .map(|tool| InstanceName::new(&order.order, &tool.tool))
        .collect();
    let instances = server
        .into_iter()
        .flat_map(|server| &server.instances)
        .filter(|instance| ours.contains(&instance.name));
    OrderPage {
        customer: order.customer.to_string(),
        order: order.order.to_string(),
        plan: order.plan.clone(),
        domain: order.domain.clone(),
        server: order.server.as_ref().map(ToString::to_string),
        phase,
        steps,
        health: words::health(order.health),
        reasons: order.waiting.iter().map(ToString::to_string).collect(),
        fulfilled: order.fulfilled_at.map(|at| Moment::new(at, now)),
        frozen: status.frozen.iter().any(|scope| {
            scope
                .customer
                .as_ref()
                .is_none_or(|customer| *customer == order.customer)
        }),
        tools: order
            .tools
            .iter()
            .map(|tool| ToolRow::new(tool, now))
            .collect(),
        instances: instances
            .map(|instance| InstanceRow::new(instance, None))
            .collect(),
        backups: backups::view(
            server.and_then(|server| server.backups.as_ref()),
            |name| ours.contains(name),
            now,
        ),
        operations: rows(status, &order.customer, |target| {
            ours.contains(&target.instance) && Some(&target.server) == order.server.as_ref()
        }),
        seen: server
            .and_then(|server| server.last_seen)
            .map(|at| Moment::new(at, now)),
    }
}
