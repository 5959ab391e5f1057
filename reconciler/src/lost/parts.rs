//! What a decision names beside itself: sites with ports, secrets, tools that were fulfilled.

use crate::git::{GitError, Objects, Oid};
use crate::load::{document, text};
use std::collections::BTreeSet;
use tenantry_planner::plan::WHOLE_ORDER;
use tenantry_schema::document::{Fulfilled, Kind, ToolDecision, classify};

/// The names in a file at `path`. None where it has errors.
pub(super) fn parts(
    objects: &Objects,
    path: &str,
    file: Oid,
) -> Result<Option<BTreeSet<String>>, GitError> {
    Ok(match classify(path) {
        Kind::ToolSecrets(..) | Kind::BackupSecrets(_) => {
            let text = text(objects, file)?;
            text.and_then(|text| sealed(&text))
        }
        Kind::ToolDecision(..) => {
            let decision = document::<ToolDecision>(objects, path, file)?;
            let sites = |decision: ToolDecision| {
                let sites = decision.ports.keys();
                sites.map(ToString::to_string).collect()
            };
            decision.map(sites)
        }
        Kind::Fulfilled(..) => document(objects, path, file)?.map(fulfilled),
        _ => Some(BTreeSet::new()),
    })
}

fn sealed(text: &str) -> Option<BTreeSet<String>> {
    let names = tenantry_sops::sealed_keys(text).ok()?;
    Some(names.into_iter().map(Into::into).collect())
}

fn fulfilled(record: Fulfilled) -> BTreeSet<String> {
    let tools = record.tools.keys().map(ToString::to_string);
    let order = record.order.map(|_| WHOLE_ORDER.to_owned());
    tools.chain(order).collect()
}
