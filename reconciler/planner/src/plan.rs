//! What has to be done now, and why the rest waits. Pure: a function of what should be, what was observed, and the time (law 4).
//!
//! The work is split by customer: everything but the claim to a domain concerns one customer alone. A customer's plan is kept and used again
//! as long as nothing it was made from has changed and the time has not reached its `valid_until`.

mod allocate;
mod customer;
mod health;
mod order;
mod server;

use crate::decision::Decision;
use crate::desired::{CustomerDesired, Desired};
use crate::documents::HeadDocuments;
use crate::domains::{DomainIndex, Verdict};
use crate::inventory::Observed;
use crate::slice_input::SliceInput;
use crate::status::{OrderStatus, ServerStatus, Totals};
use jiff::Timestamp;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use tenantry_schema::id::{CustomerId, OrderId, OrderKey, ServerId, ServerKey};

pub use customer::plan_customer;

/// How long an agent may be silent before that is said. Agents report at least once a minute.
pub const SILENCE: jiff::SignedDuration = jiff::SignedDuration::from_secs(180);

/// What has to be done for the whole fleet.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// By customer.
    pub customers: BTreeMap<CustomerId, Arc<CustomerPlan>>,
}

/// What has to be done for one customer.
#[derive(Debug, Clone, Default)]
pub struct CustomerPlan {
    /// Choices and records to be committed.
    pub decisions: Vec<Decision>,
    /// Slices to be rendered and published.
    pub slices: Vec<SliceTask>,
    /// Every slice that should exist, whether published already or not; for the checker and for `slice show`.
    pub desired_slices: Vec<Arc<SliceInput>>,
    /// State of each order.
    pub orders: Vec<Arc<OrderStatus>>,
    /// State of each server.
    pub servers: Vec<Arc<ServerStatus>>,
    /// Totals of this customer.
    pub totals: Totals,
    /// Until when this plan holds if nothing changes but the time.
    pub valid_until: Option<Timestamp>,
}

/// A slice to be rendered and published.
#[derive(Debug, Clone)]
pub struct SliceTask {
    /// The server.
    pub server: ServerKey,
    /// What it is rendered from.
    pub input: Arc<SliceInput>,
    /// Digest of that.
    pub inputs: String,
    /// Why.
    pub because: &'static str,
}

impl Plan {
    /// All decisions to be committed.
    pub fn decisions(&self) -> impl Iterator<Item = &Decision> {
        self.customers.values().flat_map(|plan| &plan.decisions)
    }

    /// All slices to be published.
    pub fn slices(&self) -> impl Iterator<Item = &SliceTask> {
        self.customers.values().flat_map(|plan| &plan.slices)
    }

    /// When to plan again if nothing happens before.
    pub fn next_wake(&self) -> Option<Timestamp> {
        self.customers.values().filter_map(|plan| plan.valid_until).min()
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.decisions().next().is_none() && self.slices().next().is_none()
    }
}

/// Plans of customers, kept from pass to pass.
#[derive(Debug, Default)]
pub struct PlanCache {
    entries: HashMap<CustomerId, Entry>,
}

#[derive(Debug)]
struct Entry {
    made_from: MadeFrom,
    plan: Arc<CustomerPlan>,
}

/// Everything a customer's plan depends on besides the time, cheap to compare. Values are compared by identity and held, so that an address
/// cannot come to mean something else.
#[derive(Debug)]
struct MadeFrom {
    customer: Arc<CustomerDesired>,
    head: Arc<HeadDocuments>,
    domains: Arc<DomainIndex>,
    verdicts: Vec<Verdict>,
    observations: Vec<Seen>,
    attempts: u64,
}

/// Revision of the observation of a server, and the slice published for it.
type Seen = (Option<u64>, Option<(u64, String)>);

/// Plans the whole fleet.
pub fn plan(desired: &Desired, observed: Observed<'_>, cache: &mut PlanCache) -> Plan {
    cache.entries.retain(|id, _| desired.customers.contains_key(id));
    let customers = desired
        .customers
        .iter()
        .map(|(id, customer)| (id.clone(), cache.plan(desired, customer, observed)))
        .collect();
    Plan { customers }
}

/// Plans again for `customers` alone and replaces their part of `plan`: what a report costs.
pub fn replan(plan: &mut Plan, desired: &Desired, observed: Observed<'_>, customers: &[CustomerId], cache: &mut PlanCache) {
    for id in customers {
        if let Some(customer) = desired.customers.get(id) {
            plan.customers.insert(id.clone(), cache.plan(desired, customer, observed));
        }
    }
}

impl PlanCache {
    fn plan(&mut self, desired: &Desired, customer: &Arc<CustomerDesired>, observed: Observed<'_>) -> Arc<CustomerPlan> {
        let observations = observations(customer, observed);
        let mut verdicts = None;
        if let Some(entry) = self.entries.get_mut(&customer.id) {
            let from = &mut entry.made_from;
            let same = Arc::ptr_eq(&from.customer, customer)
                && Arc::ptr_eq(&from.head, &desired.head)
                && from.observations == observations
                && from.attempts == observed.attempts_revision
                && entry.plan.valid_until.is_none_or(|until| observed.now < until);
            if same && Arc::ptr_eq(&from.domains, &desired.domains) {
                return entry.plan.clone();
            }
            let now = verdicts_of(desired, customer);
            if same && from.verdicts == now {
                from.domains = desired.domains.clone();
                return entry.plan.clone();
            }
            verdicts = Some(now);
        }
        let plan = Arc::new(plan_customer(desired, customer, observed));
        let made_from = MadeFrom {
            customer: customer.clone(),
            head: desired.head.clone(),
            domains: desired.domains.clone(),
            verdicts: verdicts.unwrap_or_else(|| verdicts_of(desired, customer)),
            observations,
            attempts: observed.attempts_revision,
        };
        self.entries.insert(customer.id.clone(), Entry { made_from, plan: plan.clone() });
        plan
    }
}

fn verdicts_of(desired: &Desired, customer: &CustomerDesired) -> Vec<Verdict> {
    let key = |order: &OrderId| OrderKey { customer: customer.id.clone(), order: order.clone() };
    customer.orders.iter().map(|(id, order)| desired.domains.verdict(&key(id), &order.document.domain)).collect()
}

fn observations(customer: &CustomerDesired, observed: Observed<'_>) -> Vec<Seen> {
    let look = |id: &ServerId| {
        let key = ServerKey { customer: customer.id.clone(), server: id.clone() };
        let seen = observed.inventory.servers.get(&key).map(|seen| seen.revision);
        let published = observed.inventory.published.get(&key).map(|slice| (slice.generation, slice.inputs.clone()));
        (seen, published)
    };
    customer.servers.keys().map(look).collect()
}
