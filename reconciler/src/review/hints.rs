//! What a plan shows nothing of, or not what was meant: something goes and something comes that is much the same, a renaming that is not written as
//! one; and a stack changes that everybody stays away from. Pure.

use tenantry_planner::Desired;
use tenantry_planner::catalogue::Catalogue;
use tenantry_planner::desired::{CustomerDesired, OrderDesired};
use tenantry_schema::id::CustomerId;

/// A sentence for each, with what makes a renaming of it.
pub(crate) fn renamings(before: &Desired, after: &Desired) -> Vec<String> {
    let mut hints = Vec::new();
    for (id, new) in &after.customers {
        if let Some(old) = before.customers.get(id) {
            orders(id, old, new, &mut hints);
            servers(id, old, new, &mut hints);
        }
    }
    hints
}

/// A sentence for each stack that is not what it was: the plan may show nothing, because versions are decided.
pub(crate) fn stacks(before: &Catalogue, after: &Catalogue) -> Vec<String> {
    let changed = after.branch.iter().filter(|(tool, stack)| {
        let old = before.branch.get(*tool);
        old.is_some_and(|old| old.tree != stack.tree)
    });
    changed
        .map(|(tool, _)| {
            format!(
                "stack {tool} changes: tools that run it stay at the version that was decided for them, unless their order says `revision: main`"
            )
        })
        .collect()
}

fn hint(customer: &CustomerId, what: &str, gone: &str, new: &str, alike: &str) -> String {
    format!(
        "{customer}: {what} `{gone}` goes and `{new}` comes, with {alike}. If that is a new name for it: `moved_from: {gone}` keeps its data"
    )
}

fn orders(
    customer: &CustomerId,
    old: &CustomerDesired,
    new: &CustomerDesired,
    hints: &mut Vec<String>,
) {
    for (id, comes) in &new.orders {
        if let Some(before) = old.orders.get(id) {
            tools(customer, id.as_str(), before, comes, hints);
            continue;
        }
        let gone = old
            .orders
            .iter()
            .filter(|(id, _)| !new.orders.contains_key(*id));
        let alike = gone.filter_map(|(gone, order)| Some((gone, alike(order, comes)?)));
        if let Some((gone, alike)) = alike.min_by_key(|(_, alike)| *alike) {
            hints.push(hint(
                customer,
                "order",
                gone.as_str(),
                id.as_str(),
                alike.words(),
            ));
        }
    }
}

/// What two orders have in common, the most telling first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Alike {
    Domain,
    ServerAndTools,
}

impl Alike {
    fn words(self) -> &'static str {
        match self {
            Self::Domain => "the same domain",
            Self::ServerAndTools => "the same tools on the same server",
        }
    }
}

fn alike(gone: &OrderDesired, comes: &OrderDesired) -> Option<Alike> {
    if gone.document.domain == comes.document.domain {
        return Some(Alike::Domain);
    }
    let server = |order: &OrderDesired| order.server.clone().or(order.document.server.clone());
    let same_server = server(gone).is_some() && server(gone) == server(comes);
    let same_tools = gone.tools.keys().eq(comes.tools.keys()) && !gone.tools.is_empty();
    (same_server && same_tools).then_some(Alike::ServerAndTools)
}

/// A tool under a new name, where its stack's folder was renamed.
fn tools(
    customer: &CustomerId,
    order: &str,
    old: &OrderDesired,
    new: &OrderDesired,
    hints: &mut Vec<String>,
) {
    for (name, comes) in new
        .tools
        .iter()
        .filter(|(name, _)| !old.tools.contains_key(*name))
    {
        let Some(stack) = &comes.stack else {
            continue;
        };
        let mut gone = old
            .tools
            .iter()
            .filter(|(name, _)| !new.tools.contains_key(*name));
        let same = gone.find(|(_, gone)| {
            gone.stack
                .as_ref()
                .is_some_and(|gone| gone.tree == stack.tree)
        });
        if let Some((gone, _)) = same {
            let what = format!("tool of order {order}");
            let alike = "the very same stack";
            hints.push(hint(customer, &what, gone.as_str(), name.as_str(), alike));
        }
    }
}

fn servers(
    customer: &CustomerId,
    old: &CustomerDesired,
    new: &CustomerDesired,
    hints: &mut Vec<String>,
) {
    for (id, comes) in new
        .servers
        .iter()
        .filter(|(id, _)| !old.servers.contains_key(*id))
    {
        let mut gone = old
            .servers
            .iter()
            .filter(|(id, _)| !new.servers.contains_key(*id));
        let same = gone.find(|(_, gone)| gone.address == comes.address);
        if let Some((gone, _)) = same {
            hints.push(hint(
                customer,
                "server",
                gone.as_str(),
                id.as_str(),
                "the same address",
            ));
        }
    }
}
