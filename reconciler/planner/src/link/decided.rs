//! What was decided for orders, seen together: a decision that cannot be followed is an error of its own line, whoever wrote it.

use super::checks::has_server;
use super::findings::Findings;
use super::{Context, hint};
use crate::codes;
use crate::decision::What;
use crate::documents::{CustomerDocuments, OrderDecisions};
use crate::input::locate;
use std::collections::{BTreeMap, BTreeSet};
use tenantry_schema::Diagnostic;
use tenantry_schema::document::{Kind, WebPorts};
use tenantry_schema::id::{OrderId, OrderKey, ServerId, SiteName, ToolName};

/// The server that an order runs on has a document. Otherwise what runs there would belong to no order any more, and go (law 7).
pub(super) fn servers_are_there(
    context: Context<'_>,
    documents: &CustomerDocuments,
    findings: &mut Findings,
) {
    for (id, decisions) in ordered(documents) {
        let Some(server) = decisions.server.as_ref().map(|decided| &decided.server) else {
            continue;
        };
        if has_server(documents, server) || findings.full() {
            continue;
        }
        let path = What::Server.path(&key(documents, id));
        let known = documents.all_servers().into_iter().map(ToString::to_string);
        let message = format!(
            "order {id} was decided to run on `{server}`, which is no server of the customer"
        );
        findings.push(
            Diagnostic::error(
                codes::UNKNOWN_SERVER,
                locate(context.text_of, &path, &["server"], false),
                message,
            )
            .label("not among this customer's servers")
            .note(hint(
                server.as_str(),
                known,
                "the customer has no server; add one under servers/",
            ))
            .note(format!(
                "put back what was edited or removed: this decision, or fleet/customers/{}/servers/{server}.yaml; a server goes after its orders, or with them",
                documents.id
            )),
        );
    }
}

/// Where a port is: on a server, or wherever an order comes to.
type Home<'d> = Result<&'d ServerId, &'d OrderId>;

/// No two tools that are ordered have one port on one server. What first ran first was there first: the other one is the newcomer.
pub(super) fn ports_are_distinct(
    context: Context<'_>,
    documents: &CustomerDocuments,
    findings: &mut Findings,
) {
    let mut decided = Vec::new();
    for (id, order) in &documents.orders {
        let Some(decisions) = documents.decisions.get(id) else {
            continue;
        };
        let home: Home<'_> = match &decisions.server {
            Some(assignment) => Ok(&assignment.server),
            None => Err(id),
        };
        let ran = decisions.fulfilled.as_deref().map(|record| &record.tools);
        let tools = decisions.tools.iter();
        for (name, tool) in tools.filter(|(name, _)| order.tools.contains_key(*name)) {
            let since = ran.and_then(|tools| tools.get(name));
            let ports = tool.ports.iter();
            decided.extend(ports.map(|(site, port)| (since, (home, *port), (id, name, site))));
        }
    }
    decided.sort_by_key(|(since, ..)| (since.is_none(), *since));
    let mut owners = BTreeMap::new();
    for (_, place, owner) in decided {
        let other = *owners.entry(place).or_insert(owner);
        if other != owner && !findings.full() {
            findings.push(port_twice(context, documents, place, (owner, other)));
        }
    }
}

/// A site of a tool of an order.
type Owner<'d> = (&'d OrderId, &'d ToolName, &'d SiteName);

fn port_twice(
    context: Context<'_>,
    documents: &CustomerDocuments,
    (home, port): (Home<'_>, u16),
    (owner, other): (Owner<'_>, Owner<'_>),
) -> Diagnostic {
    let locate = |(order, tool, site): Owner<'_>| {
        let path = What::Tool(tool.clone()).path(&key(documents, order));
        locate(context.text_of, &path, &["ports", site.as_str()], false)
    };
    let on = home.map_or_else(|_| String::new(), |server| format!(" of {server}"));
    let message = format!(
        "port {port}{on} was decided for {} of order {} and for {} of order {}",
        owner.1, owner.0, other.1, other.0
    );
    let server = home.ok().and_then(|server| documents.servers.get(server));
    let first = server.map_or_else(|| WebPorts::default().sites, |server| server.web.sites);
    let every = documents
        .decisions
        .values()
        .flat_map(|one| one.tools.values());
    let taken: BTreeSet<u16> = every
        .flat_map(|tool| tool.ports.values().copied())
        .collect();
    let free = (first..=u16::MAX).find(|port| !taken.contains(port));
    let free = free.map_or_else(String::new, |free| format!(", such as {free}"));
    Diagnostic::error(codes::PORT_TWICE, locate(owner), message)
        .label("decided twice")
        .related(locate(other), "the other one")
        .note(format!(
            "put back what the file said before, or write a port that is free{free}, into one of the two"
        ))
}

/// Decisions of orders that have a document, be it one with errors. Those of removed orders may name what was removed with them.
fn ordered(documents: &CustomerDocuments) -> impl Iterator<Item = (&OrderId, &OrderDecisions)> {
    let there = |id: &OrderId| {
        let unread = || Kind::Order(documents.id.clone(), id.clone());
        documents.orders.contains_key(id) || documents.unread.contains(&unread())
    };
    documents.decisions.iter().filter(move |(id, _)| there(id))
}

fn key(documents: &CustomerDocuments, order: &OrderId) -> OrderKey {
    OrderKey {
        customer: documents.id.clone(),
        order: order.clone(),
    }
}
