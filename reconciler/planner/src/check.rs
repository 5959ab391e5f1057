//! Invariants of a plan, checked by code that shares nothing with the planner but the types. Run in tests on every plan, and by the hub before it acts.

use crate::decision::Choice;
use crate::desired::Desired;
use crate::inventory::Inventory;
use crate::plan::Plan;
use std::collections::{BTreeMap, BTreeSet};
use tenantry_schema::id::{OrderKey, ServerKey};

/// What is wrong with `plan`; empty where it keeps every promise.
pub fn check(plan: &Plan, desired: &Desired, inventory: &Inventory) -> Vec<String> {
    let mut wrong = Vec::new();
    decisions_are_write_once(plan, desired, &mut wrong);
    ports_never_collide(plan, desired, &mut wrong);
    domains_have_one_holder(plan, desired, &mut wrong);
    slices_stay_within_their_customer(plan, desired, &mut wrong);
    nothing_published_twice(plan, inventory, &mut wrong);
    wrong
}

/// What was decided stays decided: a server, a port and a generated secret are never chosen again.
fn decisions_are_write_once(plan: &Plan, desired: &Desired, wrong: &mut Vec<String>) {
    let mut paths = BTreeSet::new();
    for decision in plan.decisions() {
        let OrderKey { customer, order: id } = &decision.order;
        if !paths.insert(decision.path()) {
            wrong.push(format!("{} is decided twice in one plan", decision.path()));
        }
        let Some(order) = desired.customers.get(customer).and_then(|customer| customer.orders.get(id)) else {
            wrong.push(format!("a decision for {}, which is not desired", decision.order));
            continue;
        };
        match &decision.choice {
            Choice::Server(_) if order.server.is_some() => wrong.push(format!("{}: its server would be chosen again", decision.order)),
            Choice::Tool(name, document) => {
                let before = order.tools.get(name).map(|tool| &tool.ports);
                for (site, port) in before.into_iter().flatten() {
                    if document.ports.get(site) != Some(port) {
                        wrong.push(format!("{}: the port of {name}/{site} would move", decision.order));
                    }
                }
            }
            Choice::Secrets(name, names) => {
                let have = order.tools.get(name).and_then(|tool| tool.secrets.as_ref());
                for secret in names.keys().filter(|secret| have.is_some_and(|have| have.names.contains(secret.as_str()))) {
                    wrong.push(format!("{}: the secret {secret} of {name} would be generated again", decision.order));
                }
            }
            Choice::Fulfilled(record) => {
                for (tool, at) in order.fulfilled.iter().flat_map(|record| &record.tools) {
                    if record.tools.get(tool) != Some(at) {
                        wrong.push(format!("{}: the record of {tool} would be rewritten", decision.order));
                    }
                }
            }
            _ => {}
        }
    }
}

fn ports_never_collide(plan: &Plan, desired: &Desired, wrong: &mut Vec<String>) {
    let mut owners: BTreeMap<(ServerKey, u16), String> = BTreeMap::new();
    let mut own = |wrong: &mut Vec<String>, server: ServerKey, port: u16, owner: String| {
        if let Some(other) = owners.insert((server.clone(), port), owner.clone()).filter(|other| *other != owner) {
            wrong.push(format!("port {port} of {server} belongs to {other} and {owner}"));
        }
    };
    let mut servers: BTreeMap<OrderKey, ServerKey> = BTreeMap::new();
    for (customer_id, customer) in &desired.customers {
        for (id, order) in &customer.orders {
            let Some(server) = &order.server else { continue };
            let key = OrderKey { customer: customer_id.clone(), order: id.clone() };
            let server = ServerKey { customer: customer_id.clone(), server: server.clone() };
            for (name, tool) in &order.tools {
                for (site, port) in &tool.ports {
                    own(wrong, server.clone(), *port, format!("{key}/{name}/{site}"));
                }
            }
            for port in &order.retired_ports {
                own(wrong, server.clone(), *port, format!("{key}: a removed tool, port {port}"));
            }
            servers.insert(key, server);
        }
    }
    for decision in plan.decisions() {
        if let Choice::Server(assignment) = &decision.choice {
            let server = ServerKey { customer: decision.order.customer.clone(), server: assignment.server.clone() };
            servers.insert(decision.order.clone(), server);
        }
    }
    for decision in plan.decisions() {
        if let Choice::Tool(name, document) = &decision.choice {
            let Some(server) = servers.get(&decision.order) else {
                wrong.push(format!("{}: ports are decided without a server", decision.order));
                continue;
            };
            for (site, port) in &document.ports {
                own(wrong, server.clone(), *port, format!("{}/{name}/{site}", decision.order));
            }
        }
    }
}

fn domains_have_one_holder(plan: &Plan, desired: &Desired, wrong: &mut Vec<String>) {
    let mut holders: BTreeMap<String, OrderKey> = BTreeMap::new();
    for (customer_id, customer) in &desired.customers {
        for (id, order) in &customer.orders {
            if order.claim.as_ref() == Some(&order.document.domain) {
                let key = OrderKey { customer: customer_id.clone(), order: id.clone() };
                holders.insert(order.document.domain.to_string(), key);
            }
        }
    }
    for decision in plan.decisions() {
        if let Choice::Domain(claim) = &decision.choice
            && let Some(other) = holders.insert(claim.domain.to_string(), decision.order.clone())
        {
            wrong.push(format!("{} would go to {} and {other}", claim.domain, decision.order));
        }
    }
}

/// Law 9: a slice holds its own customer and nothing else.
fn slices_stay_within_their_customer(plan: &Plan, desired: &Desired, wrong: &mut Vec<String>) {
    for (id, customer_plan) in &plan.customers {
        let Some(customer) = desired.customers.get(id) else { continue };
        for input in &customer_plan.desired_slices {
            if input.server.customer != *id || !customer.servers.contains_key(&input.server.server) {
                wrong.push(format!("a slice for {}, planned for customer {id}", input.server));
            }
            let mut hosts = BTreeSet::new();
            for (name, instance) in &input.instances {
                let order = customer.orders.get(&instance.order);
                if order.and_then(|order| order.server.as_ref()) != Some(&input.server.server) {
                    wrong.push(format!("{name} is in the slice of {}, which is not its server", input.server));
                }
                if order.is_none_or(|order| order.claim.as_ref() != Some(&instance.domain)) {
                    wrong.push(format!("{name} runs under {}, which its order does not hold", instance.domain));
                }
                for host in instance.hosts.values().filter(|host| !hosts.insert((*host).clone())) {
                    wrong.push(format!("{host} stands twice in the slice of {}", input.server));
                }
            }
        }
    }
}

fn nothing_published_twice(plan: &Plan, inventory: &Inventory, wrong: &mut Vec<String>) {
    for task in plan.slices() {
        if inventory.published.get(&task.server).is_some_and(|published| published.inputs == task.inputs) {
            wrong.push(format!("the slice of {} would be published again", task.server));
        }
    }
}
