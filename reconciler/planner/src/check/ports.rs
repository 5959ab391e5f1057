//! Ports: what is decided now collides with nothing that was decided before.

use crate::decision::Choice;
use crate::desired::CustomerDesired;
use crate::plan::CustomerPlan;
use std::collections::{BTreeMap, BTreeSet};
use tenantry_schema::id::{OrderId, ServerId};

/// Who has which port on which server.
#[derive(Default)]
struct Owners<'p> {
    on: BTreeMap<(&'p ServerId, u16), String>,
    /// Of orders whose server is not decided: they may come to any.
    anywhere: BTreeMap<u16, String>,
}

impl<'p> Owners<'p> {
    /// A port that was decided before is not given away now: only what is on that server is in its way.
    fn take(
        &mut self,
        (server, port): (&'p ServerId, u16),
        owner: String,
        is_new: bool,
        wrong: &mut Vec<String>,
    ) {
        let elsewhere = self.anywhere.get(&port).filter(|_| is_new);
        let before = self.on.get(&(server, port)).or(elsewhere);
        if let Some(other) = before.filter(|other| **other != owner) {
            wrong.push(format!(
                "port {port} of {server} belongs to {other} and {owner}"
            ));
        }
        self.on.insert((server, port), owner);
    }
}

/// A port that is decided now belongs to nobody else on its server, removed tools and orders included, and an order comes to no server where one of its ports
/// is somebody else's. What was committed before is not the plan's doing.
pub(super) fn never_collide(
    part: &CustomerPlan,
    customer: &CustomerDesired,
    wrong: &mut Vec<String>,
) {
    let mut assigned: BTreeMap<&OrderId, &ServerId> = BTreeMap::new();
    let mut tools = Vec::new();
    for decision in &part.decisions {
        match &decision.choice {
            Choice::Server(decided) => {
                assigned.insert(&decision.order.order, &decided.server);
            }
            Choice::Tool(name, document) => tools.push((&decision.order, name, document)),
            _ => {}
        }
    }
    if assigned.is_empty() && tools.is_empty() {
        return;
    }
    let mut owners = before(customer, &assigned);
    for (id, server) in &assigned {
        for (port, owner) in ports_of(id, customer) {
            owners.take((server, port), owner, false, wrong);
        }
    }
    for (order, name, document) in tools {
        let decided = customer.orders.get(&order.order);
        let decided = decided.and_then(|order| order.server.as_ref());
        let Some(server) = decided.or_else(|| assigned.get(&order.order).copied()) else {
            wrong.push(format!("{order}: ports are decided without a server"));
            continue;
        };
        for (site, port) in &document.ports {
            let owner = format!("{}/{name}/{site}", order.order);
            owners.take((server, *port), owner, true, wrong);
        }
    }
}

/// Who has what before anything is decided.
fn before<'p>(
    customer: &'p CustomerDesired,
    assigned: &BTreeMap<&'p OrderId, &'p ServerId>,
) -> Owners<'p> {
    let mut owners = Owners::default();
    let removed = || "a removed order".to_owned();
    let nowhere = customer.unplaced_ports.iter();
    owners
        .anywhere
        .extend(nowhere.map(|port| (*port, removed())));
    for (server, ports) in &customer.retired_ports {
        let ports = ports.iter().map(|port| ((server, *port), removed()));
        owners.on.extend(ports);
    }
    for (id, server) in &customer.servers {
        for port in [server.web.http, server.web.https] {
            owners.on.insert((id, port), "the web server".into());
        }
    }
    for (id, order) in &customer.orders {
        let ports = ports_of(id, customer);
        match &order.server {
            Some(server) => {
                let ports = ports.into_iter();
                let ports = ports.map(|(port, owner)| ((server, port), owner));
                owners.on.extend(ports);
            }
            None if assigned.contains_key(id) => {}
            None => owners.anywhere.extend(ports),
        }
    }
    owners
}

/// Ports that an order has, each once, with what they are for.
fn ports_of(id: &OrderId, customer: &CustomerDesired) -> Vec<(u16, String)> {
    let Some(order) = customer.orders.get(id) else {
        return Vec::new();
    };
    let mut seen = BTreeSet::new();
    let mut ports = Vec::new();
    for (name, tool) in &order.tools {
        for (site, port) in &tool.ports {
            ports.push((*port, format!("{id}/{name}/{site}")));
        }
    }
    let removed = order.retired_ports.iter();
    ports.extend(removed.map(|port| (*port, format!("{id}: a removed tool"))));
    ports.retain(|(port, _)| seen.insert(*port));
    ports
}
