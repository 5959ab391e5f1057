//! Ports on a customer's servers: which are taken, and whether an order may come to a server with those that it has.

use super::customer::Customer;
use crate::desired::{CustomerDesired, OrderDesired};
use crate::waiting::WaitingOn;
use std::collections::{BTreeMap, BTreeSet};
use tenantry_schema::id::{OrderId, ServerId};

/// Ports taken on each server: by its web server, and by whatever was decided, removed tools and orders included. What belongs to an order whose server
/// is not decided is taken on all of them, because it may come to any.
pub(super) fn taken(desired: &CustomerDesired) -> BTreeMap<ServerId, BTreeSet<u16>> {
    let mut anywhere = desired.unplaced_ports.clone();
    let undecided = desired
        .orders
        .values()
        .filter(|order| order.server.is_none());
    anywhere.extend(undecided.flat_map(ports_of));
    let mut taken = desired.retired_ports.clone();
    for (id, server) in &desired.servers {
        let here = taken.entry(id.clone()).or_default();
        here.extend([server.web.http, server.web.https]);
        here.extend(&anywhere);
    }
    for order in desired.orders.values() {
        if let Some(server) = &order.server {
            let here = taken.entry(server.clone()).or_default();
            here.extend(ports_of(order));
        }
    }
    taken
}

/// Ports that were decided for an order, those of removed tools included: they may come back.
fn ports_of(order: &OrderDesired) -> impl Iterator<Item = u16> {
    let tools = order.tools.values();
    let ports = tools.flat_map(|tool| tool.ports.values().copied());
    ports.chain(order.retired_ports.iter().copied())
}

/// What an order without a server waits for where `server` is none for it: one of its ports belongs to something else there.
pub(super) fn in_the_way(
    customer: &Customer<'_>,
    id: &OrderId,
    server: &ServerId,
) -> Option<WaitingOn> {
    let desired = customer.desired;
    let own: BTreeSet<u16> = desired
        .orders
        .get(id)
        .into_iter()
        .flat_map(ports_of)
        .collect();
    if own.is_empty() {
        return None;
    }
    let found = |port: u16, holder: String| WaitingOn::PortTaken {
        server: server.clone(),
        port,
        holder,
    };
    let web = desired.servers.get(server).map(|server| server.web);
    let web = web.into_iter().flat_map(|web| [web.http, web.https]);
    if let Some(port) = web.into_iter().find(|port| own.contains(port)) {
        return Some(found(port, "its web server".into()));
    }
    let mut removed = desired.retired_ports.get(server).into_iter().flatten();
    if let Some(port) = removed.find(|port| own.contains(port)) {
        return Some(found(*port, "an order that was removed".into()));
    }
    let others = desired.orders.iter().filter(|(other, _)| *other != id);
    for (other, order) in others {
        if customer.runs_on(other).as_ref() == Some(server)
            && let Some(port) = ports_of(order).find(|port| own.contains(port))
        {
            return Some(found(port, format!("order {other}")));
        }
    }
    None
}
