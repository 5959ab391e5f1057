//! What people took by editing decisions: an order that was decided to run on another server, a tool whose version was pinned by hand.
//!
//! The hub decides no server twice, and the versions that it moves tools to are judged by what they follow (`pending`). So only what somebody else
//! wrote counts: a file that stands as a commit of the hub left it does not, whatever the line that commit is on.

use super::super::folder;
use super::{DECISIONS, Pair, files, reads};
use crate::git::{EntryKind, GitError, Objects, Oid};
use crate::lost::by_hub;
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use tenantry_planner::decision::What;
use tenantry_planner::documents;
use tenantry_planner::input::SourceFile;
use tenantry_planner::removal::{Loss, Losses};
use tenantry_schema::document::{Kind, ServerAssignment, ToolDecision, classify};
use tenantry_schema::id::{OrderKey, ServerId, ServerKey, ToolName};

/// A decision that a person can take something by.
enum Decided {
    Server(OrderKey),
    Tool(OrderKey, ToolName),
}

impl Decided {
    fn at(path: &str) -> Option<Self> {
        match classify(path) {
            Kind::ServerAssignment(customer, order) => {
                Some(Self::Server(OrderKey { customer, order }))
            }
            Kind::ToolDecision(customer, order, tool) => {
                Some(Self::Tool(OrderKey { customer, order }, tool))
            }
            _ => None,
        }
    }
}

/// Decisions by path, each with its file.
type Files = BTreeMap<String, Oid>;

/// What commits of the hub decided, by commit. None: it is somebody else's. A commit never changes, so none is looked at twice.
#[derive(Default)]
pub(super) struct ByHub(HashMap<Oid, Option<Arc<Files>>>);

/// So many commits are kept.
const MOST: usize = 100_000;

impl ByHub {
    fn of(&mut self, objects: &Objects, commit: Oid) -> Result<Option<Arc<Files>>, GitError> {
        if let Some(known) = self.0.get(&commit) {
            return Ok(known.clone());
        }
        let lineage = objects.lineage(commit)?;
        let files = match lineage.parents.as_slice() {
            [parent] if by_hub(&lineage) => {
                let before = folder(objects, objects.root_tree(*parent)?, DECISIONS)?;
                let after = folder(objects, lineage.tree, DECISIONS)?;
                Some(Arc::new(match (before, after) {
                    (Some(before), Some(after)) => changed(objects, before, after)?,
                    // The first decisions of all: nothing was there to be lost.
                    _ => Files::new(),
                }))
            }
            _ => None,
        };
        if self.0.len() >= MOST {
            self.0.clear();
        }
        self.0.insert(commit, files.clone());
        Ok(files)
    }
}

/// Decisions of one tree of decisions that are not as in another.
fn changed(objects: &Objects, before: Oid, after: Oid) -> Result<Files, GitError> {
    let files = objects.changed_files(before, after)?.into_iter();
    let files = files.filter_map(|(name, file)| Some((format!("{DECISIONS}/{name}"), file?)));
    Ok(files
        .filter(|(path, _)| Decided::at(path).is_some())
        .collect())
}

impl Pair<'_> {
    /// Adds what edited decisions take. `heads` are the commits whose history leads to the tree.
    pub(super) fn decided(
        &self,
        heads: &[Oid],
        by_hub: &mut ByHub,
        losses: &mut Losses,
    ) -> Result<(), GitError> {
        let Some(now) = self.folder(self.root_after, DECISIONS)? else {
            return Ok(());
        };
        let then = match self.objects.lookup(self.root_before, DECISIONS)? {
            Some(entry) if entry.kind == EntryKind::Tree => Some(entry.oid),
            _ => self.last_folder(DECISIONS)?,
        };
        let Some(then) = then.filter(|then| *then != now) else {
            return Ok(());
        };
        let mut edited = changed(self.objects, then, now)?;
        self.leave_out_own(heads, by_hub, &mut edited)?;
        for path in edited.keys() {
            match Decided::at(path) {
                Some(Decided::Server(key)) => self.other_server(path, &key, losses)?,
                Some(Decided::Tool(key, tool)) => {
                    let (old, new) = self.both::<ToolDecision>(path)?;
                    if let (Some(old), Some(new)) = (old, new)
                        && old.pin.tree != new.pin.tree
                        && let Some(server) = self.ran_on(&key)?
                    {
                        let version = Loss::Version(tool, new.pin.tree.as_str().to_owned());
                        losses.add_decided(version, on(&key, server));
                    }
                }
                None => {}
            }
        }
        Ok(())
    }

    fn other_server(
        &self,
        path: &str,
        order: &OrderKey,
        losses: &mut Losses,
    ) -> Result<(), GitError> {
        let (old, new) = self.both::<ServerAssignment>(path)?;
        if let (Some(old), Some(new)) = (old, new)
            && old.server != new.server
        {
            let goes = Loss::Order(order.customer.clone(), order.order.clone());
            losses.add_decided(goes, on(order, old.server));
        }
        Ok(())
    }

    /// A decision as it could be read last at the earlier commit, and as it is now.
    fn both<T: DeserializeOwned>(&self, path: &str) -> Result<(Option<T>, Option<T>), GitError> {
        let read = |file: Option<SourceFile>| documents::read::<T>(&file?, &mut Vec::new());
        let new = read(self.file(self.root_after, path)?);
        if new.is_none() {
            return Ok((None, None));
        }
        Ok((read(self.good_then(path)?), new))
    }

    /// The server that an order was decided to run on at the earlier commit.
    fn ran_on(&self, order: &OrderKey) -> Result<Option<ServerId>, GitError> {
        let file = self.good_then(&What::Server.path(order))?;
        let read =
            file.and_then(|file| documents::read::<ServerAssignment>(&file, &mut Vec::new()));
        Ok(read.map(|decided| decided.server))
    }

    /// A decision of the earlier commit. One that was not there, or could not be read, as it was last.
    fn good_then(&self, path: &str) -> Result<Option<SourceFile>, GitError> {
        match self.file(self.root_before, path)?.filter(reads) {
            Some(file) => Ok(Some(file)),
            None => self.last_good(path),
        }
    }

    fn file(&self, root: Oid, path: &str) -> Result<Option<SourceFile>, GitError> {
        let entry = self.objects.lookup(root, path)?;
        let entry = entry.filter(|entry| entry.kind != EntryKind::Tree);
        entry
            .map(|entry| files::source(self.objects, path.to_owned(), &entry))
            .transpose()
    }

    /// Leaves out files that stand as a commit of the hub's left them since the earlier commit; all of them where whatever came since is the hub's.
    fn leave_out_own(
        &self,
        heads: &[Oid],
        by_hub: &mut ByHub,
        edited: &mut Files,
    ) -> Result<(), GitError> {
        if edited.is_empty() {
            return Ok(());
        }
        // Files on top of a commit are somebody's.
        let mut only_hub = false;
        for head in heads {
            only_hub |= self.objects.root_tree(*head)? == self.root_after;
        }
        for head in heads {
            for commit in self.objects.commits_after(Some(self.before), *head)? {
                let Some(own) = by_hub.of(self.objects, commit)? else {
                    only_hub = false;
                    continue;
                };
                edited.retain(|path, file| own.get(path) != Some(file));
                if edited.is_empty() {
                    return Ok(());
                }
            }
        }
        if only_hub {
            edited.clear();
        }
        Ok(())
    }
}

fn on(order: &OrderKey, server: ServerId) -> ServerKey {
    ServerKey {
        customer: order.customer.clone(),
        server,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::tests::put;
    use crate::load::tests::held::Graph;

    #[test]
    fn commits_are_looked_at_once_and_only_where_somebody_edited() {
        let graph = Graph::new();
        let base = graph.four();
        let server = |name: &str, server: &str| {
            let text = format!("server: {server}\nbecause: x\n");
            put(&format!("fleet/decisions/{name}/web/server.yaml"), &text)
        };
        let mut by_hub = ByHub::default();
        let lost = |at: Oid, by_hub: &mut ByHub| {
            let pair = Pair::new(&graph.objects, base, graph.root(at)).unwrap();
            let mut losses = Losses::default();
            pair.decided(&[at], by_hub, &mut losses).unwrap();
            losses.servers.len()
        };
        let record = |at, number: usize| {
            let text = format!("order: null\ntools: {{}}\n# {number}\n");
            graph.decided(at, put("fleet/decisions/acme/web/fulfilled.yaml", &text))
        };
        let mut at = graph.commit(&[base], &[put("fleet/decisions/README", "x")]);
        for number in 0..4 {
            at = record(at, number);
            assert_eq!((lost(at, &mut by_hub), by_hub.0.len()), (0, 0));
        }
        // The hub moves one; whoever moves another takes it.
        at = graph.decided(at, server("globex", "two"));
        let moved = at;
        at = graph.commit(&[at], &[server("acme", "two")]);
        assert_eq!((lost(at, &mut by_hub), by_hub.0.len()), (1, 7));
        for number in 0..4 {
            at = record(at, number);
            assert_eq!((lost(at, &mut by_hub), by_hub.0.len()), (1, 8 + number));
        }
        // What is known of a commit is not found out again.
        by_hub.0.insert(moved, None);
        assert_eq!(lost(at, &mut by_hub), 2);
    }
}
