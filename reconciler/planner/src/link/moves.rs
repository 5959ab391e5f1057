//! Which tools would move to another version of their stack: a commit of the catalogue can replace containers everywhere at once.

use super::FOLLOW;
use crate::catalogue::Catalogue;
use crate::documents::CustomerDocuments;
use crate::object::ObjectId;
use crate::waiting::WaitingOn;
use std::collections::BTreeSet;
use tenantry_schema::document::Automation;
use tenantry_schema::id::{OrderId, ServerKey, ToolName};

/// Versions that tools do not move to although they should: too many would at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stays {
    /// Tools, with the tree that they do not move to.
    pub targets: BTreeSet<(ToolName, ObjectId)>,
    /// Why.
    pub why: WaitingOn,
}

/// A tool that is to move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// Which tool.
    pub tool: ToolName,
    /// The tree of its stack that it moves to.
    pub to: ObjectId,
    /// Where it runs.
    pub server: ServerKey,
    /// Which order it is part of.
    pub order: OrderId,
    /// Which version it runs.
    pub pin: ObjectId,
    /// What `revision:` says.
    pub revision: String,
}

/// Whether any tool of these documents can move without the hub's doing.
pub fn may_move(documents: &CustomerDocuments) -> bool {
    let mut tools = documents
        .orders
        .values()
        .flat_map(|order| order.tools.values());
    tools.any(|tool| tool.revision.is_some())
}

/// The tools of a customer that would move now: their pin is another one than what `revision:` names.
pub fn moves(documents: &CustomerDocuments, catalogue: &Catalogue) -> Vec<Move> {
    let mut found = Vec::new();
    for (id, order) in &documents.orders {
        let Some(decisions) = documents.decisions.get(id) else {
            continue;
        };
        let Some(assigned) = &decisions.server else {
            continue;
        };
        if order.automation == Automation::Paused {
            continue;
        }
        for (tool, document) in &order.tools {
            let (Some(revision), Some(decided)) = (&document.revision, decisions.tools.get(tool))
            else {
                continue;
            };
            let stack = document.stack(tool);
            let to = if revision == FOLLOW {
                let branch = catalogue.branch.get(stack);
                branch.and_then(|branch| branch.compiled.as_ref().map(|stack| stack.tree))
            } else {
                let key = (stack.clone(), revision.clone());
                catalogue.revisions.get(&key).copied().flatten()
            };
            let pin = ObjectId::try_from(decided.pin.tree.as_str()).ok();
            if let (Some(to), Some(pin)) = (to, pin)
                && to != pin
            {
                found.push(Move {
                    tool: tool.clone(),
                    to,
                    server: ServerKey {
                        customer: documents.id.clone(),
                        server: assigned.server.clone(),
                    },
                    order: id.clone(),
                    pin,
                    revision: revision.clone(),
                });
            }
        }
    }
    found
}
