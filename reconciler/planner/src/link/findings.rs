//! What was found so far about one customer, bounded, and what only shows when all orders are seen together.

use super::Context;
use crate::codes;
use crate::documents::CustomerDocuments;
use crate::input::locate;
use crate::waiting::WaitingOn;
use std::collections::BTreeMap;
use tenantry_schema::Diagnostic;
use tenantry_schema::diagnostic::Place;
use tenantry_schema::id::{InstanceName, OrderId, ToolName};
use tenantry_schema::name::DomainName;

/// What was found so far. Bounded: a file of a stranger can hold a hundred thousand mistakes.
#[derive(Default)]
pub(super) struct Findings {
    pub(super) list: Vec<Diagnostic>,
    /// Every name that the customer's sites want.
    pub(super) hosts: Vec<(DomainName, OrderId, ToolName)>,
    /// Why the customer as a whole does not go on.
    pub(super) waiting: Vec<WaitingOn>,
}

const MAX_FINDINGS: usize = 100;

impl Findings {
    pub(super) fn full(&self) -> bool {
        self.list.len() > MAX_FINDINGS
    }

    pub(super) fn good(&self) -> bool {
        !self.list.iter().any(Diagnostic::is_error)
    }

    pub(super) fn push(&mut self, diagnostic: Diagnostic) {
        match self.list.len() {
            0..MAX_FINDINGS => self.list.push(diagnostic),
            MAX_FINDINGS => {
                let place = Place::file(diagnostic.place.file);
                self.list.push(Diagnostic::error(
                    codes::MORE,
                    place,
                    format!("more is wrong; the first {MAX_FINDINGS} findings are listed"),
                ));
            }
            _ => {}
        }
    }
}

/// Two sites of one customer under one name cannot both be served, nor two Compose projects under one name run.
pub(super) fn names_are_distinct(
    context: Context<'_>,
    documents: &CustomerDocuments,
    findings: &mut Findings,
) {
    let mut owners: BTreeMap<DomainName, (OrderId, ToolName)> = BTreeMap::new();
    let mut hosts = std::mem::take(&mut findings.hosts);
    // What runs was there first: the newcomer is what is to be changed.
    hosts.sort_by_key(|(_, id, _)| !is_decided(documents, id));
    for (host, id, name) in hosts {
        if findings.full() {
            return;
        }
        let place = || {
            locate(
                context.text_of,
                &documents.order_file(&id),
                &["tools", written(documents, &id, &name)],
                true,
            )
        };
        if let Some((other_order, other_tool)) = owners.get(&host) {
            let message = format!(
                "{name} and {other_tool} of order {other_order} would both answer at {host}"
            );
            findings.push(
                Diagnostic::error(codes::SAME_HOST, place(), message)
                    .label("second site of that name")
                    .related(
                        locate(
                            context.text_of,
                            &documents.order_file(other_order),
                            &["tools", written(documents, other_order, other_tool)],
                            true,
                        ),
                        "the other one",
                    )
                    .note("give one of the orders another domain"),
            );
        }
        owners.insert(host, (id, name));
    }
    let mut instances: BTreeMap<InstanceName, (&OrderId, &ToolName)> = BTreeMap::new();
    let mut orders: Vec<_> = documents.orders.iter().collect();
    orders.sort_by_key(|(id, _)| !is_decided(documents, id));
    for (id, order) in orders {
        for name in order.tools.keys() {
            let instance = InstanceName::new(id, name);
            if let Some((other_order, other_tool)) = instances.get(&instance) {
                let place = locate(
                    context.text_of,
                    &documents.order_file(id),
                    &["tools", written(documents, id, name)],
                    true,
                );
                let message = format!(
                    "{name} of this order and {other_tool} of order {other_order} would both be called {instance}"
                );
                findings.push(
                    Diagnostic::error(codes::SAME_INSTANCE, place, message)
                        .label("second of that name")
                        .related(
                            locate(
                                context.text_of,
                                &documents.order_file(other_order),
                                &["tools", written(documents, other_order, other_tool)],
                                true,
                            ),
                            "the other one",
                        )
                        .note("give the order another id"),
                );
            }
            instances.insert(instance, (id, name));
        }
    }
}

/// Whether an order has a domain of its own already.
fn is_decided(documents: &CustomerDocuments, order: &OrderId) -> bool {
    let decisions = documents.decisions.get(order);
    decisions.is_some_and(|decisions| decisions.domain.is_some())
}

/// The key that a tool stands under.
fn written<'d>(documents: &'d CustomerDocuments, order: &OrderId, tool: &'d ToolName) -> &'d str {
    let document = documents.orders.get(order);
    let document = document.and_then(|order| order.tools.get(tool));
    document
        .map_or(tool, |document| document.stack(tool))
        .as_str()
}
