//! `moved_from:` that names an id which was never there: a slip of the pen, with which everything is created anew.
//!
//! Where something is decided for the id, it was there. Else commits are walked along first parents, until the id is found. Where that takes too
//! long, or the line is as old as the history, nothing is said.

use super::super::{Revision, files};
use crate::git::{Entry, GitError, Objects, Oid};
use std::collections::BTreeSet;
use std::sync::Arc;
use tenantry_planner::codes;
use tenantry_planner::documents::CustomerDocuments;
use tenantry_planner::input::{TextOf, locate};
use tenantry_schema::Diagnostic;

/// How many commits are looked at.
const MOST: usize = 500;

/// An id whose place in the history is looked for.
struct Wanted {
    what: &'static str,
    id: String,
    /// The folder of its documents; of a tool, the files of its order.
    folder: &'static str,
    orders: Vec<String>,
    /// Where `moved_from:` stands: the file, and the keys.
    file: String,
    keys: Vec<String>,
    /// Other ids that were there once.
    others: BTreeSet<String>,
    /// Whether the oldest state that was looked at names the id: what was before it is not known then.
    from_the_first: bool,
}

/// Warnings about ids that were never there. None where there is nothing to look for, which costs nothing: nothing was renamed, or decisions say that it
/// was there.
pub(super) fn unknown(
    objects: &Objects,
    revision: Revision,
    documents: &CustomerDocuments,
    text_of: &TextOf<'_>,
) -> Result<Option<Vec<Diagnostic>>, GitError> {
    let mut wanted = wanted(objects, revision, documents)?;
    if wanted.is_empty() {
        return Ok(None);
    }
    let (mut at, mut before) = (Some(revision.commit), None);
    for _ in 0..MOST {
        let (Some(commit), false) = (at, wanted.is_empty()) else {
            break;
        };
        let tree = objects.root_tree(commit)?;
        let folder = objects.lookup(tree, &format!("fleet/customers/{}", documents.id))?;
        if let Some(folder) = folder.map(|entry| entry.oid)
            && before.replace(folder) != Some(folder)
        {
            let mut open = Vec::new();
            for mut each in wanted {
                if !each.is_in(objects, folder)? {
                    open.push(each);
                }
            }
            wanted = open;
        }
        at = objects.commit_info(commit)?.parents.first().copied();
    }
    if at.is_some() {
        return Ok(Some(Vec::new()));
    }
    let wanted = wanted.into_iter().filter(|each| !each.from_the_first);
    let warnings = wanted.map(|each| each.warn(documents, text_of));
    Ok(Some(warnings.collect()))
}

fn wanted(
    objects: &Objects,
    revision: Revision,
    documents: &CustomerDocuments,
) -> Result<Vec<Wanted>, GitError> {
    let mut wanted = Vec::new();
    for (id, order) in &documents.orders {
        let decisions = documents.decisions.get(id);
        if documents.written_orders.contains_key(id) && decisions.is_none() {
            wanted.push(Wanted {
                what: "order",
                id: id.to_string(),
                folder: "orders",
                orders: Vec::new(),
                file: documents.order_file(id),
                keys: vec!["moved_from".to_owned()],
                others: BTreeSet::new(),
                from_the_first: false,
            });
        }
        for (tool, document) in &order.tools {
            let decided = decisions.is_some_and(|decisions| decisions.tools.contains_key(tool));
            let Some(written) = document.written.as_ref().filter(|_| !decided) else {
                continue;
            };
            let now = documents.written_orders.get(id).unwrap_or(id);
            wanted.push(Wanted {
                what: "tool",
                id: tool.to_string(),
                folder: "orders",
                orders: vec![format!("{id}.yaml"), format!("{now}.yaml")],
                file: documents.order_file(id),
                keys: ["tools", written.as_str(), "moved_from"]
                    .map(Into::into)
                    .into(),
                others: BTreeSet::new(),
                from_the_first: false,
            });
        }
    }
    for (id, server) in &documents.servers {
        let mut decisions = documents.decisions.values();
        let decided = |server: &_| server == id;
        let decided =
            decisions.any(|all| all.server.as_ref().is_some_and(|one| decided(&one.server)));
        if server.moved_from.as_ref() == Some(id)
            && !decided
            && let Some(file) = file_of(objects, revision, documents, id.as_str())?
        {
            wanted.push(Wanted {
                what: "server",
                id: id.to_string(),
                folder: "servers",
                orders: Vec::new(),
                file,
                keys: vec!["moved_from".to_owned()],
                others: BTreeSet::new(),
                from_the_first: false,
            });
        }
    }
    Ok(wanted)
}

impl Wanted {
    /// Whether a customer's folder of some commit has it.
    fn is_in(&mut self, objects: &Objects, customer: Oid) -> Result<bool, GitError> {
        let Some(folder) = objects.lookup(customer, self.folder)? else {
            return Ok(false);
        };
        let files: Vec<Entry> = objects.tree(folder.oid)?;
        let name = self.file.rsplit('/').next().unwrap_or_default();
        let own = files.iter().find(|file| file.name == name);
        let text = own.map(|file| text_of_entry(objects, file)).transpose()?;
        self.from_the_first = text.flatten().is_some_and(|text| text.contains(&self.id));
        if self.what == "tool" {
            let files = files.iter().filter(|file| self.orders.contains(&file.name));
            for file in files {
                // What has errors, or says it in other words, is not the slip of a pen.
                let text = text_of_entry(objects, file)?.unwrap_or_default();
                if tools(&text).contains(&self.id) {
                    return Ok(true);
                }
            }
            return Ok(false);
        }
        let mut ids = files
            .iter()
            .filter_map(|file| file.name.strip_suffix(".yaml"));
        if ids.clone().any(|id| id == self.id) {
            return Ok(true);
        }
        let more: Vec<String> = ids.by_ref().map(str::to_owned).collect();
        self.others.extend(more);
        Ok(false)
    }

    fn warn(self, documents: &CustomerDocuments, text_of: &TextOf<'_>) -> Diagnostic {
        let Self { what, id, .. } = &self;
        let keys: Vec<&str> = self.keys.iter().map(String::as_str).collect();
        let place = locate(text_of, &self.file, &keys, false);
        let near = match tenantry_yaml::suggest(id, &self.others) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("name the id that the {what} had first, or remove the line"),
        };
        let whose = if *what == "tool" {
            "the order"
        } else {
            documents.id.as_str()
        };
        Diagnostic::warning(
            codes::MOVED_FROM,
            place,
            format!("no {what} of {whose} was ever called `{id}`"),
        )
        .label("not in the history of the branch")
        .note(near)
        .note(format!(
            "as it stands the {what} is a new one, without the data of another"
        ))
    }
}

/// The text of an entry, where it is a file that can be taken.
fn text_of_entry(objects: &Objects, entry: &Entry) -> Result<Option<Arc<str>>, GitError> {
    let text = entry.file().map(|file| files::text(objects, file));
    Ok(text.transpose()?.flatten())
}

/// The tools that an order names, where it can be read.
fn tools(text: &str) -> BTreeSet<String> {
    let root = tenantry_yaml::parse(text, &tenantry_yaml::Limits::default());
    let Ok(root) = root else {
        return BTreeSet::new();
    };
    let tools = root.get("tools");
    let keys = tools
        .and_then(tenantry_yaml::Node::as_mapping)
        .unwrap_or_default();
    let keys = keys.iter().map(|(key, _)| key);
    let items = tools
        .and_then(tenantry_yaml::Node::as_sequence)
        .unwrap_or_default();
    keys.chain(items)
        .filter_map(|name| name.as_str().map(str::to_owned))
        .collect()
}

/// The file of a server that keeps the id that it had first.
fn file_of(
    objects: &Objects,
    revision: Revision,
    documents: &CustomerDocuments,
    id: &str,
) -> Result<Option<String>, GitError> {
    let folder = format!("fleet/customers/{}/servers", documents.id);
    let Some(servers) = objects.lookup(revision.tree, &folder)? else {
        return Ok(None);
    };
    for file in objects.tree(servers.oid)? {
        let text = text_of_entry(objects, &file)?.unwrap_or_default();
        let root = tenantry_yaml::parse(&text, &tenantry_yaml::Limits::default()).ok();
        let from = root
            .as_ref()
            .and_then(|root| root.get("moved_from")?.as_str());
        if from == Some(id) && file.name != format!("{id}.yaml") {
            return Ok(Some(format!("{folder}/{}", file.name)));
        }
    }
    Ok(None)
}
