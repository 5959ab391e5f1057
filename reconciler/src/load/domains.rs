//! The index of domains: made again only where an order's domain or claim changed, so that plans made with it stay valid.

use super::customers::Changed;
use std::collections::BTreeMap;
use std::sync::Arc;
use tenantry_planner::desired::CustomerDesired;
use tenantry_planner::domains::DomainIndex;
use tenantry_schema::document::Automation;
use tenantry_schema::id::{CustomerId, OrderId, OrderKey};
use tenantry_schema::name::DomainName;

/// Keeps the index of the load before.
#[derive(Default)]
pub(super) struct Domains {
    index: Option<Arc<DomainIndex>>,
    /// Claims of broken customers that it was made with.
    kept: Vec<(OrderKey, DomainName)>,
}

impl Domains {
    /// The index, and whether it is the very one of last time. `kept`: domains that customers hold who are not among `customers`.
    pub(super) fn index(
        &mut self,
        customers: &BTreeMap<CustomerId, Arc<CustomerDesired>>,
        changed: &[Changed],
        kept: Vec<(OrderKey, DomainName)>,
    ) -> (Arc<DomainIndex>, bool) {
        let same = self.kept == kept
            && changed
                .iter()
                .all(|changed| domains(changed.old.as_deref()).eq(domains(changed.new.as_deref())));
        if let (true, Some(index)) = (same, &self.index) {
            return (index.clone(), true);
        }
        let index = Arc::new(DomainIndex::build_with(
            customers.values().map(AsRef::as_ref),
            kept.clone(),
        ));
        self.kept = kept;
        self.index = Some(index.clone());
        (index, false)
    }

    /// What the index of last time was made with beside customers.
    pub(super) fn kept(&self) -> &[(OrderKey, DomainName)] {
        &self.kept
    }
}

/// All of a customer that the index of domains is made from.
fn domains(
    customer: Option<&CustomerDesired>,
) -> impl Iterator<Item = (&OrderId, &DomainName, Automation, Option<&DomainName>, u64)> {
    let orders = customer.into_iter().flat_map(|customer| &customer.orders);
    orders.map(|(id, order)| {
        (
            id,
            &order.document.domain,
            order.document.automation,
            order.claim.as_ref(),
            order.claim_generation,
        )
    })
}
