//! The plan of one customer: orders first, which yields decisions and what is ready to run, then servers.

use super::machine;
use super::missing::{missing, missing_records};
use super::order::plan_order;
use super::ports;
use super::server::plan_server;
use super::{CustomerPlan, SILENCE};
use super::{backups, restores};
use crate::decision::What;
use crate::desired::{CustomerDesired, Desired, OrderDesired};
use crate::domains::Verdict;
use crate::inventory::{Observed, Published, ServerObservation, slice_key};
use crate::render::of_customer;
use crate::slice_input::{InstanceInput, RENDERER, SliceInput};
use crate::status::{Health, Totals};
use crate::waiting::WaitingOn;
use jiff::Timestamp;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tenantry_schema::document::EnvValue;
use tenantry_schema::id::{InstanceName, OperationId, OrderId, OrderKey, ServerId, ServerKey};
use tenantry_schema::name::DomainName;
use tenantry_schema::wire::RestoreSpec;

/// One customer while it is being planned.
pub(super) struct Customer<'a> {
    pub(super) fleet: &'a Desired,
    pub(super) desired: &'a CustomerDesired,
    pub(super) observed: Observed<'a>,
    /// Ports taken on each server.
    pub(super) ports: RefCell<BTreeMap<ServerId, BTreeSet<u16>>>,
    /// Servers that are decided in this pass.
    assigned: RefCell<BTreeMap<OrderId, ServerId>>,
    /// Memory that the orders on each server ask for.
    memory: RefCell<BTreeMap<ServerId, u64>>,
    valid_until: Cell<Option<Timestamp>>,
}

/// What is ready to run on a server, and whether its slice has to stay as it is for now.
#[derive(Default)]
pub(super) struct Placed {
    pub(super) instances: BTreeMap<InstanceName, InstanceInput>,
    /// Why something that runs cannot be rendered at the moment. Leaving it out would take it down (law 7), so the whole slice waits.
    pub(super) held: Option<String>,
    /// Data that is to be put back there.
    pub(super) restores: BTreeMap<OperationId, RestoreSpec>,
    hosts: BTreeSet<DomainName>,
}

impl Placed {
    /// The slice stays as it is; the first reason is kept.
    pub(super) fn hold(&mut self, because: impl FnOnce() -> String) {
        self.held.get_or_insert_with(because);
    }

    /// Puts an instance there. False where another one answers at one of its names already.
    pub(super) fn put(&mut self, name: InstanceName, instance: InstanceInput) -> bool {
        if instance
            .hosts
            .values()
            .any(|host| self.hosts.contains(host))
        {
            return false;
        }
        self.hosts.extend(instance.hosts.values().cloned());
        self.instances.insert(name, instance);
        true
    }
}

/// The slice that a server should have.
pub(super) struct Slice {
    /// Digest of what it is made from; none while there is no such slice.
    pub(super) inputs: Option<String>,
    /// Why it is not published, where it is not.
    pub(super) blocked: Option<WaitingOn>,
}

/// Plans one customer.
pub fn plan_customer(
    fleet: &Desired,
    desired: &CustomerDesired,
    observed: Observed<'_>,
) -> CustomerPlan {
    let customer = Customer::new(fleet, desired, observed);
    let mut plan = CustomerPlan::default();
    let mut placed: BTreeMap<ServerId, Placed> = desired
        .servers
        .keys()
        .map(|id| (id.clone(), Placed::default()))
        .collect();
    let mut drafts = Vec::new();
    for (id, order) in &desired.orders {
        missing(&customer, id, order, &mut plan.missing);
        drafts.push((
            id,
            order,
            plan_order(&customer, id, order, &mut placed, &mut plan.decisions),
        ));
    }
    let (decision, lost) = backups::decide(&customer);
    match decision {
        Some(decision) if customer.has_lost(&decision.order.order, &What::BackupSecrets) => {
            let because = || "the secrets of its backups were taken away".to_owned();
            for placed in placed.values_mut() {
                placed.hold(because);
            }
        }
        decision => plan.decisions.extend(decision),
    }
    plan.operations = restores::plan(&customer, &mut placed, &mut plan.decisions);
    let mut slices = BTreeMap::new();
    for (id, document) in &desired.servers {
        let placed = placed.remove(id).unwrap_or_default();
        let held = placed.held.clone();
        let input = customer
            .slice_input(id, placed)
            .map(|input| (input.digest(), Arc::new(input)));
        let (status, task, slice) = plan_server(&customer, id, document, input.as_ref(), held);
        let mut status = status;
        status.waiting.extend(lost.clone());
        plan.servers.push(Arc::new(status));
        plan.slices.extend(task);
        if let Some((inputs, input)) = input {
            plan.attempt_keys.push(slice_key(&input.server, &inputs));
            plan.desired_slices.push(input);
        }
        slices.insert(id.clone(), slice);
    }
    for (id, order, draft) in drafts {
        let status = draft.finish(&customer, id, order, &slices, &mut plan.decisions);
        plan.orders.push(Arc::new(status));
    }
    if fleet.held.contains(&desired.id) {
        plan.decisions.clear();
        plan.missing.clear();
    }
    if customer.order_with_losses().is_some() {
        plan.decisions
            .retain(|decision| decision.choice.is_record());
    }
    missing_records(desired, &plan.decisions, &mut plan.missing);
    plan.totals = totals(&plan);
    plan.valid_until = customer.valid_until.get();
    plan
}

impl<'a> Customer<'a> {
    fn new(fleet: &'a Desired, desired: &'a CustomerDesired, observed: Observed<'a>) -> Self {
        let mut memory: BTreeMap<ServerId, u64> = BTreeMap::new();
        for order in desired.orders.values() {
            if let Some(server) = &order.server {
                let asked = memory.entry(server.clone()).or_default();
                *asked = asked.saturating_add(memory_needed(order));
            }
        }
        Self {
            fleet,
            desired,
            observed,
            ports: RefCell::new(ports::taken(desired)),
            assigned: RefCell::default(),
            memory: RefCell::new(memory),
            valid_until: Cell::new(None),
        }
    }

    pub(super) fn order_key(&self, order: &OrderId) -> OrderKey {
        OrderKey {
            customer: self.desired.id.clone(),
            order: order.clone(),
        }
    }

    pub(super) fn server_key(&self, server: &ServerId) -> ServerKey {
        ServerKey {
            customer: self.desired.id.clone(),
            server: server.clone(),
        }
    }

    pub(super) fn verdict(&self, id: &OrderId, order: &OrderDesired) -> Verdict {
        self.fleet
            .domains
            .verdict(&self.order_key(id), &order.document.domain)
    }

    pub(super) fn seen(&self, server: &ServerId) -> Option<&'a ServerObservation> {
        self.observed
            .inventory
            .servers
            .get(&self.server_key(server))
    }

    pub(super) fn published(&self, server: &ServerId) -> Option<&'a Published> {
        self.observed
            .inventory
            .published
            .get(&self.server_key(server))
    }

    /// Since when the agent is silent, if it is. Looks again when it would be.
    pub(super) fn silent_since(&self, seen: &ServerObservation) -> Option<Timestamp> {
        let deadline = seen
            .received_at
            .checked_add(SILENCE)
            .unwrap_or(Timestamp::MAX);
        if self.observed.now >= deadline {
            return Some(seen.received_at);
        }
        self.wake_at(deadline);
        None
    }

    /// The plan holds until `at` at most.
    pub(super) fn wake_at(&self, at: Timestamp) {
        if at > self.observed.now {
            self.valid_until.set(Some(
                self.valid_until.get().map_or(at, |until| until.min(at)),
            ));
        }
    }

    /// Whether an instance stands in the slice that the agent of a server reported last.
    pub(super) fn runs(&self, server: &ServerId, instance: &InstanceName) -> bool {
        self.seen(server)
            .is_some_and(|seen| seen.report.instances.contains_key(instance))
    }

    /// Memory of a server: as its document says, else as its agent reports.
    pub(super) fn memory_of(&self, server: &ServerId) -> Option<u64> {
        let written = self.desired.servers.get(server)?.memory.map(|size| size.0);
        written.or_else(|| {
            self.seen(server)
                .map(|seen| seen.report.host.memory)
                .filter(|memory| *memory > 0)
        })
    }

    /// Memory that the orders on a server ask for.
    pub(super) fn memory_taken(&self, server: &ServerId) -> u64 {
        self.memory
            .borrow()
            .get(server)
            .copied()
            .unwrap_or_default()
    }

    /// The server of an order: as decided, else as it is decided in this pass.
    pub(super) fn runs_on(&self, order: &OrderId) -> Option<ServerId> {
        let decided = self.desired.orders.get(order)?.server.clone();
        decided.or_else(|| self.assigned.borrow().get(order).cloned())
    }

    /// Counts an order that is assigned in this pass.
    pub(super) fn assign(&self, order: &OrderId, server: &ServerId, needs: u64) {
        self.assigned
            .borrow_mut()
            .insert(order.clone(), server.clone());
        let mut memory = self.memory.borrow_mut();
        let asked = memory.entry(server.clone()).or_default();
        *asked = asked.saturating_add(needs);
    }

    fn slice_input(&self, id: &ServerId, placed: Placed) -> Option<SliceInput> {
        let server = self.desired.servers.get(id)?;
        if placed.held.is_some() {
            return None;
        }
        // A file that nothing refers to is not opened, so it cannot hold up a slice either.
        let refers = |instance: &InstanceInput| {
            instance
                .document
                .env
                .values()
                .any(|value| matches!(value, EnvValue::Secret { .. }))
        };
        let registries = self.desired.customer.registries.clone();
        let secrets = self
            .desired
            .secrets
            .as_ref()
            .filter(|_| !registries.is_empty() || placed.instances.values().any(refers));
        let host = machine::host(&self.fleet.head.hub, server);
        let backups = backups::input(self, &self.server_key(id), &placed);
        let trusted = &self.fleet.head.hub.policy.trusted_stacks;
        let mut instances = placed.instances;
        for instance in instances.values_mut() {
            instance.trusted = trusted.contains(instance.document.stack(&instance.tool));
            let values = of_customer(&self.desired.customer).into_iter();
            let used = values.filter(|(name, _)| instance.stack.uses(name));
            instance.customer = used.map(|(name, value)| (name.to_owned(), value)).collect();
        }
        Some(SliceInput {
            renderer: RENDERER,
            fleet_id: self.fleet.head.hub.fleet_id.clone(),
            server: self.server_key(id),
            agent: server.agent.clone()?,
            manage: server.manage,
            window: server.window,
            drift: server.drift,
            web: server.web,
            certificates: self.fleet.head.hub.certificates.clone(),
            users: machine::users(&self.fleet.head, host.as_deref()),
            host,
            agent_release: self.fleet.head.hub.agent.clone(),
            registries,
            customer_secrets: secrets.map(|file| file.blob),
            backups,
            error_rules: self.fleet.head.hub.error_rules.clone(),
            instances,
        })
    }
}

/// Memory that the tools of an order ask for.
pub(super) fn memory_needed(order: &OrderDesired) -> u64 {
    let sizes = order
        .tools
        .values()
        .filter_map(|tool| tool.stack.as_ref()?.document.memory);
    sizes.fold(0, |sum, size| sum.saturating_add(size.0))
}

fn totals(plan: &CustomerPlan) -> Totals {
    let tools = || {
        plan.orders
            .iter()
            .flat_map(|order| &order.tools)
            .filter(|tool| tool.wanted == tenantry_schema::document::State::Running)
    };
    Totals {
        customers: 1,
        orders: plan.orders.len(),
        fulfilled: plan
            .orders
            .iter()
            .filter(|order| order.fulfilled_at.is_some())
            .count(),
        servers: plan.servers.len(),
        healthy_servers: plan
            .servers
            .iter()
            .filter(|server| server.health == Health::Healthy)
            .count(),
        instances: tools().count(),
        healthy_instances: tools()
            .filter(|tool| tool.health == Health::Healthy)
            .count(),
    }
}
