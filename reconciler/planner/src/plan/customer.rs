//! The plan of one customer: orders first, which yields decisions and what is ready to run, then servers.

use super::order::plan_order;
use super::server::plan_server;
use super::{CustomerPlan, SILENCE};
use crate::desired::{CustomerDesired, Desired, OrderDesired};
use crate::domains::Verdict;
use crate::inventory::{Observed, Published, ServerObservation};
use crate::slice_input::{InstanceInput, RENDERER, SliceInput};
use crate::status::{Health, Totals};
use jiff::Timestamp;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tenantry_schema::id::{InstanceName, OrderId, OrderKey, ServerId, ServerKey};

/// One customer while it is being planned.
pub(super) struct Customer<'a> {
    pub(super) fleet: &'a Desired,
    pub(super) desired: &'a CustomerDesired,
    pub(super) observed: Observed<'a>,
    /// Server of each order, decided before or in this pass.
    pub(super) servers: RefCell<BTreeMap<OrderId, ServerId>>,
    /// Ports taken on each server.
    pub(super) ports: RefCell<BTreeMap<ServerId, BTreeSet<u16>>>,
    valid_until: Cell<Option<Timestamp>>,
}

/// What is ready to run on a server, and whether its slice has to stay as it is for now.
#[derive(Default)]
pub(super) struct Placed {
    pub(super) instances: BTreeMap<InstanceName, InstanceInput>,
    /// Something that runs cannot be rendered at the moment. Leaving it out would take it down (law 7), so the whole slice waits.
    pub(super) held: bool,
}

/// Plans one customer.
pub fn plan_customer(fleet: &Desired, desired: &CustomerDesired, observed: Observed<'_>) -> CustomerPlan {
    let customer = Customer::new(fleet, desired, observed);
    let mut plan = CustomerPlan::default();
    let mut placed: BTreeMap<ServerId, Placed> = desired.servers.keys().map(|id| (id.clone(), Placed::default())).collect();
    let mut drafts = Vec::new();
    for (id, order) in &desired.orders {
        drafts.push((id, order, plan_order(&customer, id, order, &mut placed, &mut plan.decisions)));
    }
    let mut slices = BTreeMap::new();
    for (id, document) in &desired.servers {
        let placed = placed.remove(id).unwrap_or_default();
        let input = customer.slice_input(id, &placed).map(Arc::new);
        let (status, task) = plan_server(&customer, id, document, input.as_ref(), placed.held);
        plan.servers.push(Arc::new(status));
        plan.slices.extend(task);
        if let Some(input) = input {
            plan.desired_slices.push(input.clone());
            let digest = input.digest();
            slices.insert(id.clone(), (input, digest));
        }
    }
    for (id, order, draft) in drafts {
        let status = draft.finish(&customer, id, order, &slices, &mut plan.decisions);
        plan.orders.push(Arc::new(status));
    }
    plan.totals = totals(&plan);
    plan.valid_until = customer.valid_until.get();
    plan
}

impl<'a> Customer<'a> {
    fn new(fleet: &'a Desired, desired: &'a CustomerDesired, observed: Observed<'a>) -> Self {
        let mut servers = BTreeMap::new();
        let mut ports: BTreeMap<ServerId, BTreeSet<u16>> = BTreeMap::new();
        for (id, order) in &desired.orders {
            if let Some(server) = &order.server {
                servers.insert(id.clone(), server.clone());
                let taken = ports.entry(server.clone()).or_default();
                taken.extend(order.tools.values().flat_map(|tool| tool.ports.values().copied()));
                taken.extend(order.retired_ports.iter().copied());
            }
        }
        Self { fleet, desired, observed, servers: RefCell::new(servers), ports: RefCell::new(ports), valid_until: Cell::new(None) }
    }

    pub(super) fn order_key(&self, order: &OrderId) -> OrderKey {
        OrderKey { customer: self.desired.id.clone(), order: order.clone() }
    }

    pub(super) fn server_key(&self, server: &ServerId) -> ServerKey {
        ServerKey { customer: self.desired.id.clone(), server: server.clone() }
    }

    pub(super) fn verdict(&self, id: &OrderId, order: &OrderDesired) -> Verdict {
        self.fleet.domains.verdict(&self.order_key(id), &order.document.domain)
    }

    pub(super) fn seen(&self, server: &ServerId) -> Option<&'a ServerObservation> {
        self.observed.inventory.servers.get(&self.server_key(server))
    }

    pub(super) fn published(&self, server: &ServerId) -> Option<&'a Published> {
        self.observed.inventory.published.get(&self.server_key(server))
    }

    /// Since when the agent is silent, if it is. Looks again when it would be.
    pub(super) fn silent_since(&self, seen: &ServerObservation) -> Option<Timestamp> {
        let deadline = seen.received_at.checked_add(SILENCE).unwrap_or(Timestamp::MAX);
        if self.observed.now >= deadline {
            return Some(seen.received_at);
        }
        self.wake_at(deadline);
        None
    }

    /// The plan holds until `at` at most.
    pub(super) fn wake_at(&self, at: Timestamp) {
        if at > self.observed.now {
            self.valid_until.set(Some(self.valid_until.get().map_or(at, |until| until.min(at))));
        }
    }

    /// Memory of a server: as its document says, else as its agent reports.
    pub(super) fn memory_of(&self, server: &ServerId) -> Option<u64> {
        let written = self.desired.servers.get(server)?.memory.map(|size| size.0);
        written.or_else(|| self.seen(server).map(|seen| seen.report.host.memory).filter(|memory| *memory > 0))
    }

    /// Memory that the orders on a server ask for.
    pub(super) fn memory_taken(&self, server: &ServerId) -> u64 {
        let servers = self.servers.borrow();
        let there = self.desired.orders.iter().filter(|(id, _)| servers.get(*id) == Some(server));
        there.map(|(_, order)| memory_needed(order)).sum()
    }

    fn slice_input(&self, id: &ServerId, placed: &Placed) -> Option<SliceInput> {
        let server = self.desired.servers.get(id)?;
        if placed.held {
            return None;
        }
        Some(SliceInput {
            renderer: RENDERER,
            fleet_id: self.fleet.head.hub.fleet_id.clone(),
            server: self.server_key(id),
            agent: server.agent.clone()?,
            manage: server.manage,
            window: server.window,
            web: server.web,
            customer_secrets: self.desired.secrets.as_ref().map(|file| file.blob),
            instances: placed.instances.clone(),
        })
    }
}

/// Memory that the tools of an order ask for.
pub(super) fn memory_needed(order: &OrderDesired) -> u64 {
    order.tools.values().filter_map(|tool| tool.stack.as_ref()?.document.memory).map(|size| size.0).sum()
}

fn totals(plan: &CustomerPlan) -> Totals {
    let tools = || plan.orders.iter().flat_map(|order| &order.tools).filter(|tool| tool.wanted == tenantry_schema::document::State::Running);
    Totals {
        customers: 1,
        orders: plan.orders.len(),
        fulfilled: plan.orders.iter().filter(|order| order.fulfilled_at.is_some()).count(),
        servers: plan.servers.len(),
        healthy_servers: plan.servers.iter().filter(|server| server.health == Health::Healthy).count(),
        instances: tools().count(),
        healthy_instances: tools().filter(|tool| tool.health == Health::Healthy).count(),
    }
}
