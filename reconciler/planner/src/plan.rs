//! What has to be done now, and why the rest waits. Pure: a function of what should be, what was observed, and the time (law 4).
//!
//! The work is split by customer: everything but the claim to a domain concerns one customer alone. A customer's plan is kept and used again
//! as long as nothing it was made from has changed and the time has not reached its `valid_until`.

mod allocate;
mod backups;
mod choose;
mod customer;
mod health;
mod machine;
mod missing;
mod order;
mod ports;
mod restores;
mod server;
mod sites;

use crate::decision::{Choice, Decision};
use crate::desired::{CustomerDesired, Desired};
use crate::documents::HeadDocuments;
use crate::domains::{DomainIndex, Verdict};
use crate::inventory::{Attempt, Observed, Published};
use crate::lost::{Lost, Missing};
use crate::operations::OperationStatus;
use crate::sealing::SealingRules;
use crate::slice_input::SliceInput;
use crate::status::{OrderStatus, ServerStatus, Totals};
use jiff::Timestamp;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use tenantry_schema::id::{CustomerId, OrderId, OrderKey, ServerId, ServerKey};

pub use backups::user as backup_user;
pub use customer::plan_customer;
pub use machine::{host as host_of, user_on};
pub use missing::ORDER as WHOLE_ORDER;

/// How long an agent may be silent before that is said. Agents report at least once a minute.
pub const SILENCE: jiff::SignedDuration = jiff::SignedDuration::from_secs(180);

/// What has to be done for the whole fleet.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// By customer.
    pub customers: BTreeMap<CustomerId, Arc<CustomerPlan>>,
    /// Customers by the time until which their plan holds.
    wakes: BTreeSet<(Timestamp, CustomerId)>,
    /// Customers for whom a domain is claimed: a claim names the generation that it is decided on.
    claiming: BTreeSet<CustomerId>,
    /// The generation of the fleet.
    generation: u64,
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
    /// State of each operation.
    pub operations: Vec<Arc<OperationStatus>>,
    /// Totals of this customer.
    pub totals: Totals,
    /// Until when this plan holds if nothing changes but the time.
    pub valid_until: Option<Timestamp>,
    /// Decisions that are not there, whether they are to be made now or not.
    pub missing: Vec<Missing>,
    /// Keys of the attempts that were looked up.
    attempt_keys: Vec<String>,
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
        self.wakes.first().map(|(at, _)| *at)
    }

    fn insert(&mut self, id: &CustomerId, plan: Arc<CustomerPlan>) {
        let until = plan.valid_until;
        if plan.claims_domain() {
            self.claiming.insert(id.clone());
        } else {
            self.claiming.remove(id);
        }
        let before = self
            .customers
            .insert(id.clone(), plan)
            .and_then(|plan| plan.valid_until);
        if before != until {
            if let Some(at) = before {
                self.wakes.remove(&(at, id.clone()));
            }
            self.wakes.extend(until.map(|at| (at, id.clone())));
        }
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.decisions().next().is_none() && self.slices().next().is_none()
    }
}

impl CustomerPlan {
    fn claims_domain(&self) -> bool {
        let claims = |decision: &Decision| matches!(decision.choice, Choice::Domain(_));
        self.decisions.iter().any(claims)
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
    lost: Option<Arc<BTreeMap<OrderId, Vec<Lost>>>>,
    rules: SealingRules,
    generation: u64,
    attempts_revision: u64,
    /// By the plan's `attempt_keys`.
    attempts: Vec<Option<Attempt>>,
}

/// A server, the revision of its observation, and the slice published for it.
#[derive(Debug)]
struct Seen {
    server: ServerKey,
    revision: Option<u64>,
    published: Option<Published>,
}

/// Plans the whole fleet, customers side by side: none sees anything of another's plan, so their order does not matter.
pub fn plan(desired: &Desired, observed: Observed<'_>, cache: &mut PlanCache) -> Plan {
    let mut before = std::mem::take(&mut cache.entries);
    let customers: Vec<(&Arc<CustomerDesired>, Option<Entry>)> = desired
        .customers
        .iter()
        .map(|(id, customer)| (customer, before.remove(id)))
        .collect();
    cache.entries = customers
        .into_par_iter()
        .map(|(customer, before)| {
            let entry = Entry::renew(before, desired, customer, observed);
            (customer.id.clone(), entry)
        })
        .collect();
    let plan_of = |id: &CustomerId| Some((id.clone(), cache.entries.get(id)?.plan.clone()));
    let customers: BTreeMap<_, _> = desired.customers.keys().filter_map(plan_of).collect();
    let wakes = customers
        .iter()
        .filter_map(|(id, plan)| Some((plan.valid_until?, id.clone())))
        .collect();
    let claiming = customers
        .iter()
        .filter(|(_, plan)| plan.claims_domain())
        .map(|(id, _)| id.clone())
        .collect();
    Plan {
        customers,
        wakes,
        claiming,
        generation: desired.generation,
    }
}

/// Plans again for `customers`, and for those whose plans no longer hold at this time, and replaces their part of `plan`: what a report costs.
pub fn replan(
    plan: &mut Plan,
    desired: &Desired,
    observed: Observed<'_>,
    customers: &[CustomerId],
    cache: &mut PlanCache,
) {
    let expired = plan
        .wakes
        .iter()
        .take_while(|(at, _)| *at <= observed.now)
        .map(|(_, id)| id.clone());
    let mut due: BTreeSet<CustomerId> = customers.iter().cloned().chain(expired).collect();
    if plan.generation != desired.generation {
        due.extend(plan.claiming.iter().cloned());
        plan.generation = desired.generation;
    }
    for id in &due {
        if let Some(customer) = desired.customers.get(id) {
            let entry = Entry::renew(cache.entries.remove(id), desired, customer, observed);
            plan.insert(id, entry.plan.clone());
            cache.entries.insert(id.clone(), entry);
        }
    }
}

impl Entry {
    /// The plan that was made before where it still holds, else a new one.
    fn renew(
        before: Option<Self>,
        desired: &Desired,
        customer: &Arc<CustomerDesired>,
        observed: Observed<'_>,
    ) -> Self {
        if let Some(mut entry) = before
            && entry.holds(desired, customer, observed)
        {
            return entry;
        }
        let plan = Arc::new(plan_customer(desired, customer, observed));
        let made_from = MadeFrom {
            customer: customer.clone(),
            head: desired.head.clone(),
            domains: desired.domains.clone(),
            verdicts: verdicts(desired, customer).collect(),
            lost: desired.lost.of(&customer.id).cloned(),
            observations: observations(customer, observed),
            rules: desired.rules.clone(),
            generation: desired.generation,
            attempts_revision: observed.attempts_revision,
            attempts: plan
                .attempt_keys
                .iter()
                .map(|key| observed.attempts.get(key).cloned())
                .collect(),
        };
        Self { made_from, plan }
    }

    /// Whether the plan would come out the same. What was compared and does not matter to it is taken over.
    fn holds(
        &mut self,
        desired: &Desired,
        customer: &Arc<CustomerDesired>,
        observed: Observed<'_>,
    ) -> bool {
        let from = &mut self.made_from;
        let same = Arc::ptr_eq(&from.customer, customer)
            && (from.generation == desired.generation || !self.plan.claims_domain())
            && Arc::ptr_eq(&from.head, &desired.head)
            && from.rules == desired.rules
            && from.lost.as_ref() == desired.lost.of(&customer.id)
            && self
                .plan
                .valid_until
                .is_none_or(|until| observed.now < until)
            && from.observations.iter().all(|seen| seen.holds(observed));
        if !same {
            return false;
        }
        if !Arc::ptr_eq(&from.domains, &desired.domains) {
            if !verdicts(desired, customer).eq(from.verdicts.iter().cloned()) {
                return false;
            }
            from.domains = desired.domains.clone();
        }
        if from.attempts_revision != observed.attempts_revision {
            let now = self
                .plan
                .attempt_keys
                .iter()
                .map(|key| observed.attempts.get(key));
            if !now.eq(from.attempts.iter().map(Option::as_ref)) {
                return false;
            }
            from.attempts_revision = observed.attempts_revision;
        }
        true
    }
}

impl Seen {
    fn holds(&self, observed: Observed<'_>) -> bool {
        let inventory = observed.inventory;
        inventory
            .servers
            .get(&self.server)
            .map(|seen| seen.revision)
            == self.revision
            && inventory.published.get(&self.server) == self.published.as_ref()
    }
}

fn verdicts<'d>(
    desired: &'d Desired,
    customer: &'d CustomerDesired,
) -> impl Iterator<Item = Verdict> + 'd {
    let key = |order: &OrderId| OrderKey {
        customer: customer.id.clone(),
        order: order.clone(),
    };
    customer
        .orders
        .iter()
        .map(move |(id, order)| desired.domains.verdict(&key(id), &order.document.domain))
}

fn observations(customer: &CustomerDesired, observed: Observed<'_>) -> Vec<Seen> {
    let look = |id: &ServerId| {
        let server = ServerKey {
            customer: customer.id.clone(),
            server: id.clone(),
        };
        let revision = observed
            .inventory
            .servers
            .get(&server)
            .map(|seen| seen.revision);
        let published = observed.inventory.published.get(&server).cloned();
        Seen {
            server,
            revision,
            published,
        }
    };
    customer.servers.keys().map(look).collect()
}
