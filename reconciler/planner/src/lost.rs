//! Decisions that were made once and are gone: what a plan finds missing, and what the history says about it.
//!
//! The planner names what is missing wherever it would decide or render without it. Whoever reads the history answers with what was there and
//! was taken away by hand. Such a thing is not decided anew: a second server, port or secret would part an order from its data, and a second
//! first fulfilment would be mailed again.

use crate::decision::What;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tenantry_schema::id::{CustomerId, OrderId, OrderKey};
use tenantry_schema::name::DomainName;

/// A decision, or a part of one, that is not there. Most often it was never made.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Missing {
    /// The order.
    pub order: OrderKey,
    /// Which decision.
    pub what: What,
    /// Sites, secrets or tools that the file does not name. Empty: there is no file.
    pub parts: BTreeSet<String>,
    /// Set where others of the order's decisions are there that come after it. The history has to be asked even if nothing is to be done.
    pub suspicious: bool,
}

impl Missing {
    /// The file that it would be in.
    pub fn path(&self) -> String {
        self.what.path(&self.order)
    }
}

/// A decision that was there and was taken away while its order stayed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// Which decision.
    pub what: What,
    /// Its file.
    pub path: String,
    /// The commit that took it away. None: that is not committed yet.
    pub commit: Option<String>,
    /// The domain that a lost claim names: it stays the order's.
    pub domain: Option<DomainName>,
}

/// Everything lost, by customer and order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LostDecisions(BTreeMap<CustomerId, Arc<BTreeMap<OrderId, Vec<Lost>>>>);

impl LostDecisions {
    /// Adds something. What is known already stays as it is.
    pub fn add(&mut self, order: &OrderKey, lost: Lost) {
        let customer = Arc::make_mut(self.0.entry(order.customer.clone()).or_default());
        let list = customer.entry(order.order.clone()).or_default();
        if !list.iter().any(|known| known.path == lost.path) {
            list.push(lost);
            list.sort_by(|a, b| a.path.cmp(&b.path));
        }
    }

    /// What a customer lost.
    pub fn of(&self, customer: &CustomerId) -> Option<&Arc<BTreeMap<OrderId, Vec<Lost>>>> {
        self.0.get(customer)
    }

    /// What an order lost.
    pub fn of_order(&self, customer: &CustomerId, order: &OrderId) -> &[Lost] {
        let list = self.0.get(customer).and_then(|orders| orders.get(order));
        list.map_or(&[], Vec::as_slice)
    }

    /// Forgets what a customer lost.
    pub fn forget(&mut self, customer: &CustomerId) {
        self.0.remove(customer);
    }

    /// Whether nothing is lost.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Domains that orders hold whose claims are lost.
    pub fn domains(&self) -> impl Iterator<Item = (OrderKey, DomainName)> + '_ {
        self.0.iter().flat_map(|(customer, orders)| {
            orders.iter().flat_map(move |(order, list)| {
                let key = OrderKey {
                    customer: customer.clone(),
                    order: order.clone(),
                };
                list.iter()
                    .filter_map(move |lost| Some((key.clone(), lost.domain.clone()?)))
            })
        })
    }
}
