//! What is remembered of a customer who was read and is good.

use crate::cache::{self, Facts};
use crate::load::catalogue::Catalogues;
use crate::load::customers::Known;
use std::collections::{BTreeMap, BTreeSet};
use tenantry_planner::ObjectId;
use tenantry_planner::addresses;
use tenantry_planner::change::paid;
use tenantry_planner::desired::CustomerDesired;
use tenantry_planner::documents::HeadDocuments;
use tenantry_planner::domains::reversed;
use tenantry_planner::link;

/// What there is to remember, and the trees that it rests on. None where the customer has errors, or rests on something that has no key: a
/// revision that was found, or one day may be, a pinned tree that is not there, and commits that had something under another name.
pub(super) fn facts(
    known: &Known,
    head: &HeadDocuments,
    catalogues: &Catalogues,
    limited: bool,
) -> Option<(Facts, BTreeSet<ObjectId>)> {
    let documents = known.read.documents.as_deref()?;
    let (_, linked) = known.linked.as_ref()?;
    let desired = linked
        .desired
        .as_deref()
        .filter(|_| linked.frozen.is_none())?;
    let catalogue = catalogues.catalogue();
    let needed = link::needed_trees(documents);
    let there = needed.revisions.is_empty()
        && needed
            .stacks
            .iter()
            .all(|(_, tree)| catalogue.trees.contains_key(tree))
        && needed
            .nginx
            .iter()
            .all(|tree| catalogue.nginx_trees.contains_key(tree));
    // Whether an operation may be started depends on the day, and versions that too many move to at once on everybody who follows.
    let by_day = !documents.operations.is_empty();
    let with_others = limited && link::may_move(documents);
    if !there
        || by_day
        || linked.by_history
        || with_others
        || linked
            .found
            .iter()
            .any(tenantry_schema::Diagnostic::is_error)
    {
        return None;
    }
    let (domains, mut marks) = (domains(desired), all_marks(desired));
    let all = marks.len();
    marks.sort_unstable();
    marks.dedup();
    if marks.len() != all || own_orders_collide(desired) {
        return None;
    }
    let mut monthly = BTreeMap::new();
    paid(&head.hub, desired, &mut monthly);
    let facts = Facts {
        domains,
        marks,
        servers: u32::try_from(desired.servers.len()).unwrap_or(u32::MAX),
        monthly,
        warnings: linked.found.clone(),
        settled: false,
    };
    let trees = needed
        .stacks
        .iter()
        .map(|(_, tree)| *tree)
        .chain(needed.nginx);
    Some((facts, trees.collect()))
}

/// Every name that the orders of a customer hold or want, once.
pub(super) fn domains(desired: &CustomerDesired) -> Vec<String> {
    let names = desired.orders.values().flat_map(|order| {
        let wanted = std::iter::once(&order.document.domain);
        wanted
            .chain(&order.claim)
            .map(|name| reversed(name.as_str()))
    });
    names.collect::<BTreeSet<_>>().into_iter().collect()
}

/// Whether two orders of one customer are after the same name.
fn own_orders_collide(desired: &CustomerDesired) -> bool {
    let mut all = BTreeSet::new();
    desired.orders.values().any(|order| {
        let wanted = &order.document.domain;
        let other = order.claim.as_ref().filter(|claim| *claim != wanted);
        !all.insert(wanted) || other.is_some_and(|claim| !all.insert(claim))
    })
}

/// What only one server may have, each once.
pub(super) fn marks(desired: &CustomerDesired) -> Vec<[u8; 16]> {
    let marks: BTreeSet<_> = all_marks(desired).into_iter().collect();
    marks.into_iter().collect()
}

/// As often as it is there.
fn all_marks(desired: &CustomerDesired) -> Vec<[u8; 16]> {
    let agents = desired
        .servers
        .values()
        .filter_map(|server| server.agent.as_ref());
    let keys = agents.map(|agent| cache::mark(agent.sign.as_str()));
    let addresses = addresses::of(desired).map(|(_, address)| cache::mark(&address.to_string()));
    keys.chain(addresses).collect()
}
