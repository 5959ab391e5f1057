//! Servers before and after: which come, go, or differ.

use super::instance::{self, Side};
use super::settings::settings;
use super::{Marks, Presence, ServerChange};
use crate::plan::Plan;
use crate::slice_input::SliceInput;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tenantry_schema::document::Manage;
use tenantry_schema::id::{CustomerId, ServerKey};

/// Compares what two plans say that servers should be; `marks` stands in for secrets. Customers whose plans are the same are not looked at.
///
/// # Errors
/// Those of `marks`.
pub fn compare<E>(
    before: &Plan,
    after: &Plan,
    marks: &Marks<'_, E>,
) -> Result<Vec<ServerChange>, E> {
    let customers: BTreeSet<&CustomerId> = before
        .customers
        .keys()
        .chain(after.customers.keys())
        .collect();
    let mut changes = Vec::new();
    for id in customers {
        let (old, new) = (before.customers.get(id), after.customers.get(id));
        if let (Some(old), Some(new)) = (old, new)
            && Arc::ptr_eq(old, new)
        {
            continue;
        }
        let slices = |plan: Option<&Arc<crate::plan::CustomerPlan>>| {
            let slices = plan
                .into_iter()
                .flat_map(|plan| plan.desired_slices.clone());
            slices
                .map(|slice| (slice.server.clone(), slice))
                .collect::<BTreeMap<ServerKey, Arc<SliceInput>>>()
        };
        let (old, new) = (slices(old), slices(new));
        let servers: BTreeSet<&ServerKey> = old.keys().chain(new.keys()).collect();
        for server in servers {
            let change = server_change(
                server,
                old.get(server).map(AsRef::as_ref),
                new.get(server).map(AsRef::as_ref),
                marks,
            )?;
            if !change.is_empty() {
                changes.push(change);
            }
        }
    }
    Ok(changes)
}

fn observes(slice: &SliceInput) -> bool {
    slice.manage == Manage::Observe
}

fn server_change<E>(
    server: &ServerKey,
    old: Option<&SliceInput>,
    new: Option<&SliceInput>,
    marks: &Marks<'_, E>,
) -> Result<ServerChange, E> {
    let presence = match (old, new) {
        (None, _) => Presence::Added,
        (_, None) => Presence::Removed,
        _ => Presence::Kept,
    };
    let mut names = BTreeSet::new();
    for slice in old.iter().chain(&new) {
        names.extend(slice.instances.keys());
    }
    let side = |slice: Option<&SliceInput>, name| {
        let both = slice.and_then(|slice| Some((slice, slice.instances.get(name)?)));
        both.map(|(slice, input)| Side::render(slice, name, input, marks))
            .transpose()
    };
    let mut instances = BTreeMap::new();
    for name in names {
        let same = |old: &SliceInput, new: &SliceInput| {
            let parts = |slice: &SliceInput| serde_json::to_vec(&slice.instances.get(name)).ok();
            old.web == new.web
                // Browsers are told to insist on certificates only where somebody issues them.
                && old.certificates.is_some() == new.certificates.is_some()
                && old.customer_secrets == new.customer_secrets
                && parts(old).is_some_and(|old| Some(old) == parts(new))
        };
        if let (Some(old), Some(new)) = (old, new)
            && same(old, new)
        {
            continue;
        }
        let change = instance::change(side(old, name)?, side(new, name)?);
        instances.extend(change.map(|change| (name.clone(), change)));
    }
    Ok(ServerChange {
        server: server.clone(),
        presence,
        settings: match (old, new) {
            (Some(old), Some(new)) => settings(old, new, marks)?,
            _ => Vec::new(),
        },
        window: new
            .and_then(|slice| slice.window)
            .map(|window| window.to_string()),
        observed_only: new.is_some_and(observes),
        begins: old.is_some_and(observes) && new.is_some_and(|slice| !observes(slice)),
        instances,
    })
}
