//! Override files: which tool each is about, and the stack of that tool with it on top.

use super::findings::Findings;
use super::version::Version;
use super::{Linker, hint};
use crate::catalogue::customise;
use crate::codes;
use crate::documents::{CustomerDocuments, Override};
use std::collections::BTreeSet;
use std::sync::Arc;
use tenantry_schema::Diagnostic;
use tenantry_schema::diagnostic::Place;
use tenantry_schema::document::{Kind, Tool};
use tenantry_schema::id::{OrderId, ToolName};
use tenantry_schema::name::VariableName;

impl Linker<'_, '_> {
    /// The version with the order's override file on top, where there is one.
    pub(super) fn customised(
        &mut self,
        name: &ToolName,
        document: &Tool,
        version: Version,
    ) -> Version {
        if self.documents.overrides.is_empty() {
            return version;
        }
        let Some(over) = overrides_of(self.documents, self.id, name, document).next() else {
            return version;
        };
        let Some(stack) = &version.stack else {
            return version;
        };
        let set: BTreeSet<&str> = document.env.keys().map(VariableName::as_str).collect();
        match customise(stack, over, &set) {
            Ok(stack) => Version {
                stack: Some(Arc::new(stack)),
                ..version
            },
            Err(found) => {
                for finding in found {
                    self.findings.push(finding);
                }
                version
            }
        }
    }
}

/// The override files of a tool: they may name order and tool as the files and keys are called, or by the ids that these keep.
fn overrides_of<'d>(
    documents: &'d CustomerDocuments,
    order: &OrderId,
    tool: &ToolName,
    document: &Tool,
) -> impl Iterator<Item = &'d Arc<Override>> {
    let mut keys = BTreeSet::new();
    let file = documents.written_orders.get(order).unwrap_or(order);
    for order in [order, file] {
        for tool in [tool, document.stack(tool)] {
            keys.insert((order.clone(), tool.clone()));
        }
    }
    keys.into_iter()
        .filter_map(|key| documents.overrides.get(&key))
}

/// Override files that are about nothing, and second ones of a tool.
pub(super) fn check(documents: &CustomerDocuments, findings: &mut Findings) {
    if documents.overrides.is_empty() {
        return;
    }
    let mut known: BTreeSet<&str> = BTreeSet::new();
    for (id, order) in &documents.orders {
        for (tool, document) in &order.tools {
            let mut files = overrides_of(documents, id, tool, document);
            let Some(first) = files.next() else { continue };
            known.insert(&first.path);
            for second in files {
                known.insert(&second.path);
                let message = format!("{tool} of order {id} has another override file already");
                findings.push(
                    Diagnostic::error(codes::OVERRIDE, whole(second), message)
                        .label("second of the same tool")
                        .related(whole(first), "the first")
                        .note("make one file of the two"),
                );
            }
        }
    }
    for ((order, tool), over) in &documents.overrides {
        let kind = Kind::Order(documents.id.clone(), order.clone());
        if known.contains(over.path.as_str()) || documents.unread.contains(&kind) {
            continue;
        }
        findings.push(about_nothing(documents, order, tool, over));
    }
}

fn about_nothing(
    documents: &CustomerDocuments,
    order: &OrderId,
    tool: &ToolName,
    over: &Override,
) -> Diagnostic {
    let Some(document) = documents.order(order) else {
        let orders = documents.orders.keys().map(ToString::to_string);
        let message = format!("this is about the order `{order}`, which is not there");
        return Diagnostic::error(codes::OVERRIDE, whole(over), message)
            .label("not among this customer's orders")
            .note(hint(
                order.as_str(),
                orders,
                "the customer has no orders: remove the file",
            ));
    };
    let tools = document.tools.keys().map(ToString::to_string);
    let message = format!("{tool} is not ordered in `{order}`");
    Diagnostic::error(codes::OVERRIDE, whole(over), message)
        .label("an override of nothing")
        .note(hint(
            tool.as_str(),
            tools,
            "the order has no tools: remove the file",
        ))
}

/// Where a file speaks of a service, or else of a network, volume, secret or configuration of this name. None: it does not.
pub(super) fn named(over: &Override, name: &str) -> Option<Place> {
    const SECTIONS: [&str; 5] = ["services", "networks", "volumes", "secrets", "configs"];
    let text = over.text.clone();
    let root = tenantry_yaml::parse(&text, &tenantry_yaml::Limits::compose()).ok()?;
    let span = SECTIONS
        .iter()
        .find_map(|section| root.key_span_at(&[section, name]))?;
    Some(Place::of(&over.path, &text, span.start, span.end))
}

/// The first line of a file.
fn whole(over: &Override) -> Place {
    let end = over.text.find('\n').unwrap_or(over.text.len());
    Place::of(&over.path, &over.text, 0, end)
}
