//! Who holds which domain. The first order keeps it; nobody gets a name above or below another customer's.

use crate::codes;
use crate::decision::What;
use crate::desired::{CustomerDesired, Desired};
use crate::input::{TextOf, locate};
use crate::link::order_path;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::Bound;
use tenantry_schema::Diagnostic;
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
    standing: Standing,
}

/// What an order has on a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Its claim is committed.
    Claimed,
    /// It is the one that gets it.
    Asking,
    /// Its claim is committed, and a later one of somebody else is in its way. It goes on keeping others away.
    Lapsed,
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
    ///
    /// Two claims can be in each other's way where an order was removed, its domain was given to somebody else, and the order was
    /// restored. Then the later claim keeps the domain, because it was committed when the earlier one had lapsed: whoever has held the
    /// name without a break goes on, and the restored order waits. Claims of the same generation are served by customer and id.
    pub fn build<'c>(customers: impl IntoIterator<Item = &'c CustomerDesired>) -> Self {
        Self::build_with(customers, std::iter::empty())
    }

    /// Like [`DomainIndex::build`], with claims of customers who are not among `customers` because their documents have errors: what they
    /// hold stays theirs, unless it is in the way of a customer who is there.
    pub fn build_with<'c>(
        customers: impl IntoIterator<Item = &'c CustomerDesired>,
        kept: impl IntoIterator<Item = (OrderKey, DomainName)>,
    ) -> Self {
        let mut claims = Vec::new();
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
                    claims.push((Reverse(order.claim_generation), key, claim));
                }
            }
        }
        claims.sort_unstable();
        asking.sort_unstable();
        let mut index = Self::default();
        for (_, order, domain) in claims {
            index.claim(order, domain);
        }
        for (order, domain) in kept {
            index.claim(order, &domain);
        }
        for (order, domain) in asking {
            if index.in_the_way(&order, domain, |_| true).is_none() {
                index.put(order, domain, Standing::Asking);
            }
        }
        index
    }

    fn claim(&mut self, order: OrderKey, domain: &DomainName) {
        let claimed = |holder: &Holder| holder.standing == Standing::Claimed;
        let standing = match self.in_the_way(&order, domain, claimed) {
            None => Standing::Claimed,
            Some(_) => Standing::Lapsed,
        };
        self.put(order, domain, standing);
    }

    fn put(&mut self, order: OrderKey, domain: &DomainName, standing: Standing) {
        self.holders
            .entry(reversed(domain.as_str()))
            .or_insert(Holder { order, standing });
    }

    /// Whether `order` may have `domain`.
    pub fn verdict(&self, order: &OrderKey, domain: &DomainName) -> Verdict {
        let own = self.holders.get(&reversed(domain.as_str()));
        let own = own.filter(|holder| holder.order == *order);
        let against: fn(&Holder) -> bool = match own.map(|holder| holder.standing) {
            Some(Standing::Claimed) => return Verdict::Holds,
            Some(Standing::Asking) => return Verdict::Free,
            Some(Standing::Lapsed) => |holder| holder.standing == Standing::Claimed,
            None => |_| true,
        };
        match self.in_the_way(order, domain, against) {
            Some((domain, holder)) => Verdict::Taken {
                domain,
                holder: holder.order.clone(),
            },
            None => Verdict::Free,
        }
    }

    /// The name that keeps `order` from having `domain`: the very one where anybody else holds it, one above or below where another customer does.
    /// Only those who `count` are looked at.
    fn in_the_way(
        &self,
        order: &OrderKey,
        domain: &DomainName,
        count: impl Fn(&Holder) -> bool,
    ) -> Option<(String, &Holder)> {
        let from = reversed(domain.as_str());
        if let Some(holder) = self
            .holders
            .get(&from)
            .filter(|holder| holder.order != *order && count(holder))
        {
            return Some((domain.to_string(), holder));
        }
        let foreign = |holder: &&Holder| holder.order.customer != order.customer && count(holder);
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

/// A domain with its labels in reverse order (`example.acme.`): everything below a name begins with it.
pub fn reversed(domain: &str) -> String {
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

/// What is said where the holder's customer is not in the fleet any more.
fn left_behind(
    warning: Diagnostic,
    domain: &str,
    holder: &OrderKey,
    text_of: &TextOf<'_>,
) -> Diagnostic {
    let path = What::Domain.path(holder);
    let claim = locate(text_of, &path, &["domain"], false);
    let customer = &holder.customer;
    warning
        .label("not free")
        .note(format!(
            "order {holder} has `{domain}`, and its customer is not in the fleet any more"
        ))
        .note(format!(
            "if fleet/customers/{customer} was renamed, rename it back; if it is gone for good, let go of the domain with `git rm :/{path}` and commit"
        ))
        .related(claim, format!("order {holder}"))
}

/// Orders that will wait because their domain is somebody else's. No mistake of the fleet's: a stranger may order anything.
pub fn contested(desired: &Desired, text_of: &TextOf<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for customer in desired.customers.values() {
        for (id, order) in &customer.orders {
            let key = OrderKey {
                customer: customer.id.clone(),
                order: id.clone(),
            };
            let wanted = &order.document.domain;
            let Verdict::Taken { domain, holder } = desired.domains.verdict(&key, wanted) else {
                continue;
            };
            let place = locate(text_of, &order_path(&customer.id, id), &["domain"], false);
            let message = format!("order {key} waits for its domain `{wanted}`");
            let there = desired.customers.contains_key(&holder.customer)
                || desired.broken.contains(&holder.customer);
            if !there {
                let warning = Diagnostic::warning(codes::DOMAIN_TAKEN, place, message);
                found.push(left_behind(warning, &domain, &holder, text_of));
                continue;
            }
            let reason = if domain == wanted.as_str() {
                format!("order {holder} has it, or comes first")
            } else {
                format!("order {holder} has `{domain}`, or comes first")
            };
            let holders = locate(
                text_of,
                &order_path(&holder.customer, &holder.order),
                &["domain"],
                false,
            );
            found.push(
                Diagnostic::warning(codes::DOMAIN_TAKEN, place, message)
                    .label("not free")
                    .note(reason)
                    .related(holders, format!("order {holder}")),
            );
        }
    }
    found
}
