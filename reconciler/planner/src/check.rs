//! Invariants of a plan, checked by code that shares nothing with the planner but the types. Run in tests on every plan, and by the hub before it acts.

mod operations;
mod ports;

use crate::decision::{Choice, Decision};
use crate::desired::{CustomerDesired, Desired, OrderDesired};
use crate::inventory::Inventory;
use crate::lost::LostDecisions;
use crate::plan::{CustomerPlan, Plan};
use crate::slice_input::SliceInput;
use std::collections::{BTreeMap, BTreeSet};
use tenantry_schema::id::{CustomerId, InstanceName, OrderKey};

/// What is wrong with `plan`; empty where it keeps every promise.
pub fn check(plan: &Plan, desired: &Desired, inventory: &Inventory) -> Vec<String> {
    check_by_customer(plan, desired, inventory)
        .into_values()
        .flatten()
        .collect()
}

/// What is wrong with `plan`, by the customer whose part is wrong: the others' parts can be carried out (law 11).
///
/// Only customers for whom something is to be done are looked at.
pub fn check_by_customer(
    plan: &Plan,
    desired: &Desired,
    inventory: &Inventory,
) -> BTreeMap<CustomerId, Vec<String>> {
    let mut wrong: BTreeMap<CustomerId, Vec<String>> = BTreeMap::new();
    for (id, part) in plan
        .customers
        .iter()
        .filter(|(_, part)| !part.decisions.is_empty() || !part.slices.is_empty())
    {
        let found = wrong.entry(id.clone()).or_default();
        let Some(customer) = desired.customers.get(id) else {
            found.push(format!("a plan for customer {id}, who is not desired"));
            continue;
        };
        decisions_are_write_once(id, part, customer, &desired.lost, found);
        ports::never_collide(part, customer, found);
        slices_stay_within_their_customer(id, part, customer, found);
        nothing_that_runs_vanishes(part, customer, found);
        nothing_published_twice(part, inventory, found);
        operations::agents_are_told_what_was_started(part, customer, found);
    }
    domains_have_one_holder(plan, desired, &mut wrong);
    wrong.retain(|_, found| !found.is_empty());
    wrong
}

/// What was decided stays decided: a server, a port and a generated secret are never chosen again.
fn decisions_are_write_once(
    id: &CustomerId,
    part: &CustomerPlan,
    customer: &CustomerDesired,
    lost: &LostDecisions,
    wrong: &mut Vec<String>,
) {
    let mut paths = BTreeSet::new();
    for decision in &part.decisions {
        if !paths.insert(decision.path()) {
            wrong.push(format!("{} is decided twice in one plan", decision.path()));
        }
        let lost = lost.of_order(id, &decision.order.order);
        if lost.iter().any(|lost| lost.path == decision.path()) {
            wrong.push(format!(
                "{} would be decided anew, and was taken away by hand",
                decision.path()
            ));
        }
        let order = customer
            .orders
            .get(&decision.order.order)
            .filter(|_| decision.order.customer == *id);
        let Some(order) = order else {
            wrong.push(format!(
                "a decision for {}, which is not an order of customer {id}",
                decision.order
            ));
            continue;
        };
        match &decision.choice {
            Choice::Server(_) if order.server.is_some() => wrong.push(format!(
                "{}: its server would be chosen again",
                decision.order
            )),
            Choice::Server(assignment) if !customer.servers.contains_key(&assignment.server) => {
                wrong.push(format!(
                    "{}: {} is not a server of the customer",
                    decision.order, assignment.server
                ));
            }
            Choice::Tool(name, document) => {
                let before = order.tools.get(name).map(|tool| &tool.ports);
                for (site, port) in before.into_iter().flatten() {
                    if document.ports.get(site) != Some(port) {
                        wrong.push(format!(
                            "{}: the port of {name}/{site} would move",
                            decision.order
                        ));
                    }
                }
            }
            Choice::Secrets(name, names) => {
                let have = order.tools.get(name).and_then(|tool| tool.secrets.as_ref());
                for secret in names
                    .keys()
                    .filter(|secret| have.is_some_and(|have| have.names.contains(secret.as_str())))
                {
                    wrong.push(format!(
                        "{}: the secret {secret} of {name} would be generated again",
                        decision.order
                    ));
                }
            }
            Choice::BackupSecrets(names) => {
                let have = customer.backup_secrets.as_ref();
                for secret in names
                    .keys()
                    .filter(|secret| have.is_some_and(|have| have.names.contains(secret.as_str())))
                {
                    wrong.push(format!(
                        "{id}: the secret {secret} of backups would be generated again"
                    ));
                }
            }
            Choice::Operation(operation, record) => {
                wrong.extend(operations::record(customer, operation, record));
            }
            Choice::Fulfilled(record) => {
                let before = order.fulfilled.as_ref();
                for (tool, at) in before.iter().flat_map(|record| &record.tools) {
                    if record.tools.get(tool) != Some(at) {
                        wrong.push(format!(
                            "{}: the record of {tool} would be rewritten",
                            decision.order
                        ));
                    }
                }
                if before
                    .is_some_and(|before| before.order.is_some() && before.order != record.order)
                {
                    wrong.push(format!(
                        "{}: the record of its first fulfilment would be rewritten",
                        decision.order
                    ));
                }
            }
            _ => {}
        }
    }
}

/// A domain that is given away now, and everything above and below it, belongs to nobody else.
fn domains_have_one_holder(
    plan: &Plan,
    desired: &Desired,
    wrong: &mut BTreeMap<CustomerId, Vec<String>>,
) {
    let given: Vec<(&Decision, Vec<&str>)> = plan
        .decisions()
        .filter_map(|decision| match &decision.choice {
            Choice::Domain(claim) => {
                Some((decision, claim.domain.as_str().split('.').rev().collect()))
            }
            _ => None,
        })
        .collect();
    if given.is_empty() {
        return;
    }
    let mut holders: BTreeMap<Vec<&str>, OrderKey> = BTreeMap::new();
    for (customer_id, customer) in &desired.customers {
        for (id, order) in &customer.orders {
            if let Some(claim) = &order.claim {
                let key = OrderKey {
                    customer: customer_id.clone(),
                    order: id.clone(),
                };
                holders
                    .entry(claim.as_str().split('.').rev().collect())
                    .or_insert(key);
            }
        }
    }
    for (decision, labels) in given {
        let mut report = |other: &OrderKey| {
            let found = wrong.entry(decision.order.customer.clone()).or_default();
            found.push(format!(
                "{} would go to {}, against {other}",
                straight(&labels),
                decision.order
            ));
        };
        if let Some(other) = holders
            .get(&labels)
            .filter(|other| **other != decision.order)
        {
            report(other);
        }
        let above = (2..labels.len()).filter_map(|depth| holders.get(&labels[..depth]));
        let below = holders
            .range(labels.clone()..)
            .take_while(|(name, _)| name.starts_with(&labels));
        let below = below
            .filter(|(name, _)| name.len() > labels.len())
            .map(|(_, holder)| holder);
        if let Some(other) = above
            .chain(below)
            .find(|other| other.customer != decision.order.customer)
        {
            report(other);
        }
        holders.insert(labels, decision.order.clone());
    }
}

fn straight(labels: &[&str]) -> String {
    labels.iter().rev().copied().collect::<Vec<_>>().join(".")
}

/// Law 9: a slice holds its own customer and nothing else.
fn slices_stay_within_their_customer(
    id: &CustomerId,
    part: &CustomerPlan,
    customer: &CustomerDesired,
    wrong: &mut Vec<String>,
) {
    let tasks = part.slices.iter().map(|task| &task.input);
    for input in part.desired_slices.iter().chain(tasks) {
        if input.server.customer != *id || !customer.servers.contains_key(&input.server.server) {
            wrong.push(format!(
                "a slice for {}, planned for customer {id}",
                input.server
            ));
        }
        if customer
            .servers
            .get(&input.server.server)
            .is_some_and(|server| server.agent.as_ref() != Some(&input.agent))
        {
            wrong.push(format!(
                "the slice of {} would be encrypted to another agent",
                input.server
            ));
        }
        let own = customer.secrets.as_ref().map(|file| file.blob);
        if input.customer_secrets.is_some() && input.customer_secrets != own {
            wrong.push(format!(
                "the slice of {} would open secrets that are not the customer's",
                input.server
            ));
        }
        instances_belong(input, customer, wrong);
    }
}

fn instances_belong(input: &SliceInput, customer: &CustomerDesired, wrong: &mut Vec<String>) {
    let mut hosts = BTreeSet::new();
    let mut ports = BTreeSet::new();
    for (name, instance) in &input.instances {
        let order = customer.orders.get(&instance.order);
        if order.and_then(|order| order.server.as_ref()) != Some(&input.server.server) {
            wrong.push(format!(
                "{name} is in the slice of {}, which is not its server",
                input.server
            ));
        }
        if order.is_none_or(|order| order.claim.as_ref() != Some(&instance.domain)) {
            wrong.push(format!(
                "{name} runs under {}, which its order does not hold",
                instance.domain
            ));
        }
        let decided = order
            .and_then(|order| order.tools.get(&instance.tool))
            .and_then(|tool| tool.pin);
        if decided.is_none_or(|pin| (pin.stack, pin.nginx) != (instance.tree, instance.nginx)) {
            wrong.push(format!("{name} would run a version that was not decided"));
        }
        for host in instance.hosts.values() {
            if !hosts.insert(host) {
                wrong.push(format!(
                    "{host} stands twice in the slice of {}",
                    input.server
                ));
            }
            let below = host.as_str().strip_suffix(instance.domain.as_str());
            if below.is_none_or(|below| !below.is_empty() && !below.ends_with('.')) {
                wrong.push(format!(
                    "{name} would answer at {host}, which is not below {}",
                    instance.domain
                ));
            }
        }
        for port in instance.ports.values().filter(|port| !ports.insert(**port)) {
            wrong.push(format!(
                "port {port} stands twice in the slice of {}",
                input.server
            ));
        }
    }
}

/// Law 7: whatever has a pin and is ordered may run, so a slice without it would take it down.
fn nothing_that_runs_vanishes(
    part: &CustomerPlan,
    customer: &CustomerDesired,
    wrong: &mut Vec<String>,
) {
    for task in &part.slices {
        // What was decided for a server that is not there may run on any other one.
        let may_run_there = |order: &OrderDesired| {
            order.server.as_ref().is_some_and(|server| {
                *server == task.server.server || !customer.servers.contains_key(server)
            })
        };
        for (id, order) in customer
            .orders
            .iter()
            .filter(|(_, order)| may_run_there(order))
        {
            for (name, _) in order.tools.iter().filter(|(_, tool)| tool.pin.is_some()) {
                let instance = InstanceName::new(id, name);
                if !task.input.instances.contains_key(&instance) {
                    wrong.push(format!(
                        "{instance} would vanish from the slice of {}",
                        task.server
                    ));
                }
            }
        }
    }
}

fn nothing_published_twice(part: &CustomerPlan, inventory: &Inventory, wrong: &mut Vec<String>) {
    for task in &part.slices {
        if inventory
            .published
            .get(&task.server)
            .is_some_and(|published| published.inputs == task.inputs)
        {
            wrong.push(format!(
                "the slice of {} would be published again",
                task.server
            ));
        }
    }
}
