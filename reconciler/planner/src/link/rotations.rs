//! Secrets that operations replace: whether the stack of the tool has them. A warning, because operations stay in the fleet when their day is past,
//! and stacks change.

use super::{Context, hint};
use crate::codes;
use crate::desired::OrderDesired;
use crate::documents::CustomerDocuments;
use crate::input::locate;
use crate::operations;
use std::collections::BTreeMap;
use tenantry_schema::Diagnostic;
use tenantry_schema::document::Operation;
use tenantry_schema::id::{OperationId, OrderId};

/// What the operations of a customer rotate that is not there.
pub(super) fn check(
    context: Context<'_>,
    documents: &CustomerDocuments,
    orders: &BTreeMap<OrderId, OrderDesired>,
) -> Vec<Diagnostic> {
    let operations = documents.operations.iter();
    operations
        .flat_map(|(id, operation)| rotation(context, documents, orders, id, operation))
        .collect()
}

fn rotation(
    context: Context<'_>,
    documents: &CustomerDocuments,
    orders: &BTreeMap<OrderId, OrderDesired>,
    id: &OperationId,
    operation: &Operation,
) -> Vec<Diagnostic> {
    let stack = operation.rotate.as_ref().and_then(|target| {
        let first = documents.written_orders.iter();
        let first = first.clone().find(|(_, now)| **now == target.order);
        let order = orders.get(first.map_or(&target.order, |(first, _)| first))?;
        order.tools.get(&target.tool)?.stack.as_ref()
    });
    let Some(stack) = stack else {
        return Vec::new();
    };
    let declared = &stack.document.secrets;
    let unknown = operation.secrets.iter();
    let unknown = unknown.filter(|name| !declared.contains_key(*name));
    let path = operations::path(&documents.id, id);
    unknown
        .map(|name| {
            let place = locate(context.text_of, &path, &["secrets", name.as_str()], false);
            let known = declared.keys().map(ToString::to_string);
            let message = format!("the tool has no secret `{name}`");
            Diagnostic::warning(codes::UNKNOWN_SECRET, place, message)
                .label("not declared by its stack")
                .note(hint(name.as_str(), known, "its stack declares no secrets"))
        })
        .collect()
}
