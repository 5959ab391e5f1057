//! Who holds which domain. The first order keeps it; nobody gets a name above or below another customer's.

use crate::desired::CustomerDesired;
use std::collections::BTreeMap;
use std::ops::Bound;
use tenantry_schema::document::Automation;
use tenantry_schema::id::OrderKey;
use tenantry_schema::name::DomainName;

/// Who holds, and who asks for, which domain. Built once a commit.
#[derive(Debug, Clone, Default)]
pub struct DomainIndex {
    /// By the labels in reverse order (`example.acme.`), so that everything below a name is one range.
    holders: BTreeMap<String, Holder>,
}

#[derive(Debug, Clone)]
struct Holder {
    order: OrderKey,
    /// Committed; otherwise this order is the one that gets it.
    claimed: bool,
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
    /// Gathers the claims and wishes of all customers.
    ///
    /// A claim counts as long as its order exists, also while the order wants another domain already: it gives the old one up when it
    /// has the new one. Of those who ask in one commit, orders are served by customer and id, each against everything given before.
    pub fn build<'c>(customers: impl IntoIterator<Item = &'c CustomerDesired>) -> Self {
        Self::build_with(customers, std::iter::empty())
    }

    /// Like [`DomainIndex::build`], with claims of customers who are not among `customers` because their documents have errors: what they
    /// hold stays theirs.
    pub fn build_with<'c>(
        customers: impl IntoIterator<Item = &'c CustomerDesired>,
        kept: impl IntoIterator<Item = (OrderKey, DomainName)>,
    ) -> Self {
        let mut index = Self::default();
        for (order, domain) in kept {
            index
                .holders
                .entry(reversed(domain.as_str()))
                .or_insert(Holder {
                    order,
                    claimed: true,
                });
        }
        let mut asking = Vec::new();
        for customer in customers {
            for (id, order) in &customer.orders {
                let wanted = &order.document.domain;
                let key = OrderKey {
                    customer: customer.id.clone(),
                    order: id.clone(),
                };
                // Nothing new is decided for a paused order, so it keeps nobody waiting.
                if order.claim.as_ref() != Some(wanted)
                    && order.document.automation != Automation::Paused
                {
                    asking.push((key.clone(), wanted));
                }
                if let Some(claim) = &order.claim {
                    index
                        .holders
                        .entry(reversed(claim.as_str()))
                        .or_insert(Holder {
                            order: key,
                            claimed: true,
                        });
                }
            }
        }
        asking.sort_unstable();
        for (order, domain) in asking {
            if index.in_the_way(&order, domain).is_none() {
                index
                    .holders
                    .entry(reversed(domain.as_str()))
                    .or_insert(Holder {
                        order,
                        claimed: false,
                    });
            }
        }
        index
    }

    /// Whether `order` may have `domain`.
    pub fn verdict(&self, order: &OrderKey, domain: &DomainName) -> Verdict {
        match self.holders.get(&reversed(domain.as_str())) {
            Some(holder) if holder.order == *order => {
                return if holder.claimed {
                    Verdict::Holds
                } else {
                    Verdict::Free
                };
            }
            _ => {}
        }
        match self.in_the_way(order, domain) {
            Some((domain, holder)) => Verdict::Taken {
                domain,
                holder: holder.order.clone(),
            },
            None => Verdict::Free,
        }
    }

    /// The name that keeps `order` from having `domain`: the very one where anybody else holds it, one above or below where another customer does.
    fn in_the_way(&self, order: &OrderKey, domain: &DomainName) -> Option<(String, &Holder)> {
        let from = reversed(domain.as_str());
        if let Some(holder) = self
            .holders
            .get(&from)
            .filter(|holder| holder.order != *order)
        {
            return Some((domain.to_string(), holder));
        }
        let foreign = |holder: &&Holder| holder.order.customer != order.customer;
        for above in domain.ancestors().skip(1) {
            if let Some(holder) = self.holders.get(&reversed(above)).filter(foreign) {
                return Some((above.to_owned(), holder));
            }
        }
        let below = self
            .holders
            .range::<str, _>((Bound::Excluded(from.as_str()), Bound::Unbounded));
        let mut below = below.take_while(|(name, _)| name.starts_with(&from));
        below
            .find(|(_, holder)| foreign(holder))
            .map(|(name, holder)| (straight(name), holder))
    }
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
