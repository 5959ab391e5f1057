//! What was decided for orders, seen together: a decision that cannot be followed is an error of its own line, whoever wrote it.

use super::checks::{has_server, servers};
use super::findings::Findings;
use super::{Context, hint};
use crate::codes;
use crate::decision::What;
use crate::documents::{CustomerDocuments, OrderDecisions};
use crate::input::locate;
use tenantry_schema::Diagnostic;
use tenantry_schema::document::Kind;
use tenantry_schema::id::{OrderId, OrderKey};

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
        let known = servers(documents).into_iter().map(ToString::to_string);
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
