//! Who holds which domain. The first order keeps it; nobody gets a name above or below another customer's.

use crate::desired::CustomerDesired;
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use tenantry_schema::id::OrderKey;
use tenantry_schema::name::DomainName;

/// Who holds, and who asks for, which domain. Built once a commit.
#[derive(Debug, Clone, Default)]
pub struct DomainIndex {
    /// By the labels in reverse order (`example.acme.`), so that everything below a name is one range.
    held: BTreeMap<String, OrderKey>,
    /// Of those who ask for a free name, the one who gets it.
    asking: HashMap<DomainName, OrderKey>,
}

/// Whether an order may have its domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It holds it already.
    Holds,
    /// It is free and this order is first in line: a decision is to be committed.
    Free,
    /// Somebody else holds it, or a name above or below it.
    Taken {
        /// The name in the way.
        domain: String,
        /// Who holds it.
        holder: OrderKey,
    },
}

impl DomainIndex {
    /// Gathers the claims of all customers. A claim counts as long as its order exists and still wants that domain.
    pub fn build<'c>(customers: impl IntoIterator<Item = &'c CustomerDesired>) -> Self {
        let mut index = Self::default();
        for customer in customers {
            for (id, order) in &customer.orders {
                let domain = &order.document.domain;
                let key = OrderKey { customer: customer.id.clone(), order: id.clone() };
                if order.claim.as_ref() == Some(domain) {
                    index.held.entry(reversed(domain.as_str())).or_insert(key);
                } else {
                    let first = index.asking.entry(domain.clone()).or_insert_with(|| key.clone());
                    if key < *first {
                        *first = key;
                    }
                }
            }
        }
        index
    }

    /// Whether `order` may have `domain`.
    pub fn verdict(&self, order: &OrderKey, domain: &DomainName) -> Verdict {
        if let Some(holder) = self.held.get(&reversed(domain.as_str())) {
            return if holder == order { Verdict::Holds } else { taken(domain.as_str(), holder) };
        }
        for above in domain.ancestors().skip(1) {
            match self.held.get(&reversed(above)) {
                Some(holder) if holder.customer != order.customer => return taken(above, holder),
                _ => {}
            }
        }
        let from = reversed(domain.as_str());
        let below = (Bound::Excluded(from.as_str()), Bound::Unbounded);
        for (name, holder) in self.held.range::<str, _>(below) {
            if !name.starts_with(&from) {
                break;
            }
            if holder.customer != order.customer {
                return taken(&straight(name), holder);
            }
        }
        match self.asking.get(domain) {
            Some(first) if first != order => taken(domain.as_str(), first),
            _ => Verdict::Free,
        }
    }
}

fn taken(domain: &str, holder: &OrderKey) -> Verdict {
    Verdict::Taken { domain: domain.to_owned(), holder: holder.clone() }
}

fn reversed(domain: &str) -> String {
    let mut out = String::with_capacity(domain.len() + 1);
    for label in domain.rsplit('.') {
        out.push_str(label);
        out.push('.');
    }
    out
}

fn straight(reversed: &str) -> String {
    let mut labels: Vec<&str> = reversed.trim_end_matches('.').split('.').collect();
    labels.reverse();
    labels.join(".")
}
