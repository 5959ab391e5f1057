//! Public names before and after: which records of DNS have to be there, to be changed, or to go. As far as the fleet knows: nothing is looked up.

use crate::desired::Desired;
use crate::plan::{CustomerPlan, Plan};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use tenantry_schema::id::{CustomerId, ServerKey};
use tenantry_schema::name::DomainName;

/// A public name whose server is another one, or none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NameChange {
    /// The name.
    pub name: DomainName,
    /// Where it points before. None: it is not used.
    pub before: Option<Target>,
    /// Where it has to point afterwards. None: it is used no more.
    pub after: Option<Target>,
}

/// What a name points at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Target {
    /// The server.
    pub server: ServerKey,
    /// Its address.
    pub address: IpAddr,
}

impl NameChange {
    /// `shop.acme.example A 192.0.2.7`, with what it was before.
    pub fn words(&self) -> String {
        let kind = |target: &Target| {
            if target.address.is_ipv4() {
                "A"
            } else {
                "AAAA"
            }
        };
        match (&self.before, &self.after) {
            (None, Some(after)) => {
                format!("{} {} {}", self.name, kind(after), after.address)
            }
            (Some(before), Some(after)) => format!(
                "{} {} {} (was {})",
                self.name,
                kind(after),
                after.address,
                before.address
            ),
            (Some(before), None) => {
                format!("{} (was {} {})", self.name, kind(before), before.address)
            }
            (None, None) => self.name.to_string(),
        }
    }
}

/// Names that come, go or point elsewhere, in order.
pub fn names(before: (&Plan, &Desired), after: (&Plan, &Desired)) -> Vec<NameChange> {
    let customers: BTreeSet<&CustomerId> = before
        .0
        .customers
        .keys()
        .chain(after.0.customers.keys())
        .collect();
    let (mut old, mut new) = (BTreeMap::new(), BTreeMap::new());
    for id in customers {
        let (was, is) = (before.0.customers.get(id), after.0.customers.get(id));
        if let (Some(was), Some(is)) = (was, is)
            && Arc::ptr_eq(was, is)
        {
            continue;
        }
        collect(was, before.1, &mut old);
        collect(is, after.1, &mut new);
    }
    let all: BTreeSet<&DomainName> = old.keys().chain(new.keys()).collect();
    let each = all.into_iter().map(|name| NameChange {
        name: name.clone(),
        before: old.get(name).cloned(),
        after: new.get(name).cloned(),
    });
    let address = |target: &Option<Target>| target.as_ref().map(|target| target.address);
    each.filter(|name| address(&name.before) != address(&name.after))
        .collect()
}

fn collect(
    plan: Option<&Arc<CustomerPlan>>,
    desired: &Desired,
    out: &mut BTreeMap<DomainName, Target>,
) {
    let slices = plan.into_iter().flat_map(|plan| &plan.desired_slices);
    for slice in slices {
        let customer = desired.customers.get(&slice.server.customer);
        let server = customer.and_then(|customer| customer.servers.get(&slice.server.server));
        let Some(server) = server else { continue };
        for host in slice
            .instances
            .values()
            .flat_map(|instance| instance.hosts.values())
        {
            let target = Target {
                server: slice.server.clone(),
                address: server.address,
            };
            out.insert(host.clone(), target);
        }
    }
}
