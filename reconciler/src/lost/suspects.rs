//! Who may have lost something: customers of whom something was taken away that is not there now. For those who look at a fleet and plan nothing for
//! most of it.

use super::parts::parts;
use super::taken::{Event, decisions};
use super::{History, hold};
use crate::git::{Entry, GitError, Objects, Oid};
use crate::load::{Loaded, Revision};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use tenantry_planner::decision::What;
use tenantry_planner::desired::CustomerDesired;
use tenantry_planner::lost::{LostDecisions, Missing};
use tenantry_planner::plan::{WHOLE_ORDER, plan_customer};
use tenantry_planner::{Desired, Inventory, Observed};
use tenantry_schema::id::{CustomerId, OrderKey};

/// Events about one customer, by the path below their folder.
type Below<'e> = BTreeMap<&'e str, Vec<&'e Event>>;

impl History {
    /// Customers of whom something was taken away, and is not back, at `at`.
    ///
    /// # Errors
    /// Where the history cannot be read.
    pub fn suspects(
        &mut self,
        objects: &Objects,
        at: Revision,
    ) -> Result<BTreeSet<CustomerId>, GitError> {
        self.follow(objects, at.commit)?;
        let uncommitted = self.uncommitted(objects, at)?;
        let committed = self.taken.events.iter();
        let committed = committed.map(|(path, events)| (path, events.as_slice()));
        let fresh = uncommitted
            .iter()
            .map(|(path, event)| (path, std::slice::from_ref(event)));
        let mut customers: BTreeMap<&str, Below<'_>> = BTreeMap::new();
        for (path, events) in committed.chain(fresh) {
            let below = path.strip_prefix("fleet/decisions/");
            if let Some((customer, below)) = below.and_then(|below| below.split_once('/')) {
                let list = customers.entry(customer).or_default();
                list.entry(below).or_default().extend(events);
            }
        }
        let names: Vec<&str> = customers.keys().copied().collect();
        let folders = objects.entries_in(decisions(objects, at.tree)?, &names)?;
        let mut found = BTreeSet::new();
        for ((name, below), folder) in customers.into_iter().zip(folders) {
            let folder = folder.as_ref().and_then(Entry::folder);
            if let Ok(id) = CustomerId::try_from(name)
                && any_missing(objects, folder, &below)?
            {
                found.insert(id);
            }
        }
        Ok(found)
    }

    /// What those who were loaded lost at `at`, whether or not something is to be done for them now.
    ///
    /// # Errors
    /// Where the history cannot be read.
    pub fn losses(
        &mut self,
        objects: &Objects,
        at: Revision,
        loaded: &Loaded,
        suspects: &BTreeSet<CustomerId>,
    ) -> Result<LostDecisions, GitError> {
        let mut lost = LostDecisions::default();
        let Some(desired) = &loaded.desired else {
            return Ok(lost);
        };
        let suspects = suspects.iter();
        let suspects: Vec<_> = suspects
            .filter_map(|id| desired.customers.get(id))
            .collect();
        if suspects.is_empty() {
            return Ok(lost);
        }
        let mut desired = desired.clone();
        // A claim that is lost keeps its domain, which another order may be about to get: so that is asked first.
        for _ in 0..2 {
            let missing: Vec<Missing> = suspects
                .iter()
                .flat_map(|customer| all_missing(&desired, customer))
                .collect();
            for (order, one) in self.ask(objects, at, &missing)? {
                lost.add(&order, one);
            }
            hold(&mut desired, &lost, &loaded.kept, &[]);
        }
        Ok(lost)
    }
}

/// Whether something of what was taken away is not there.
fn any_missing(
    objects: &Objects,
    folder: Option<Oid>,
    below: &Below<'_>,
) -> Result<bool, GitError> {
    let Some(folder) = folder else {
        return Ok(!below.is_empty());
    };
    for (path, events) in below {
        let entry = objects.lookup(folder, path)?;
        let Some(file) = entry.and_then(|entry| entry.file()) else {
            return Ok(true);
        };
        // Put back as it was.
        if events.iter().all(|event| event.old == file) {
            continue;
        }
        let named = parts(objects, path, file)?.unwrap_or_default();
        if events.iter().any(|event| !event.parts.is_subset(&named)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Everything that a customer's orders need, or had, and that is not there. A record of fulfilment is among it although nothing waits for it.
fn all_missing(desired: &Desired, customer: &CustomerDesired) -> Vec<Missing> {
    let inventory = Inventory::default();
    let attempts = HashMap::new();
    let observed = Observed {
        inventory: &inventory,
        attempts: &attempts,
        attempts_revision: 0,
        // Nothing that is missing depends on the time.
        now: Timestamp::UNIX_EPOCH,
    };
    if desired.held.contains(&customer.id) {
        return Vec::new();
    }
    let mut missing = plan_customer(desired, customer, observed).missing;
    for (id, order) in &customer.orders {
        let record = order.fulfilled.as_deref();
        let mut lacks: BTreeSet<String> = BTreeSet::new();
        if let Some(record) = record {
            let tools = order.tools.keys();
            let tools = tools.filter(|tool| !record.tools.contains_key(*tool));
            lacks.extend(tools.map(ToString::to_string));
            if record.order.is_none() {
                lacks.insert(WHOLE_ORDER.to_owned());
            }
        }
        if record.is_none() || !lacks.is_empty() {
            missing.push(Missing {
                order: OrderKey {
                    customer: customer.id.clone(),
                    order: id.clone(),
                },
                what: What::Fulfilled,
                parts: lacks,
                suspicious: false,
            });
        }
    }
    missing
}
