//! What a decision names beside itself: sites with ports, secrets, tools that were fulfilled.

use crate::git::{GitError, Objects, Oid};
use crate::load::{MAX_FILE, object_id};
use std::collections::BTreeSet;
use std::sync::Arc;
use tenantry_planner::documents;
use tenantry_planner::input::SourceFile;
use tenantry_planner::plan::WHOLE_ORDER;
use tenantry_schema::document::{Fulfilled, ToolDecision};

/// The names in a file at `path`. None where it cannot be read.
pub(super) fn parts(
    objects: &Objects,
    path: &str,
    file: Oid,
) -> Result<Option<BTreeSet<String>>, GitError> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let sealed = name.ends_with(".secrets.yaml");
    let tool = path.contains("/tools/");
    if !(sealed || tool || name == "fulfilled.yaml") {
        return Ok(Some(BTreeSet::new()));
    }
    let text = match objects.blob(file, MAX_FILE) {
        Ok(text) => text,
        // No document of the fleet is that large.
        Err(GitError::TooLarge { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let text = String::from_utf8_lossy(&text);
    Ok(if sealed {
        let names = tenantry_sops::sealed_keys(&text).ok();
        names.map(|names| names.into_iter().map(Into::into).collect())
    } else {
        named(path, file, &text, tool)
    })
}

fn named(path: &str, file: Oid, text: &str, tool: bool) -> Option<BTreeSet<String>> {
    let file = SourceFile {
        path: path.to_owned(),
        id: object_id(file),
        text: Ok(Arc::from(text)),
    };
    let mut ignored = Vec::new();
    if tool {
        let decision = documents::read::<ToolDecision>(&file, &mut ignored)?;
        return Some(decision.ports.keys().map(ToString::to_string).collect());
    }
    let record = documents::read::<Fulfilled>(&file, &mut ignored)?;
    let tools = record.tools.keys().map(ToString::to_string);
    let order = record.order.map(|_| WHOLE_ORDER.to_owned());
    Some(tools.chain(order).collect())
}
