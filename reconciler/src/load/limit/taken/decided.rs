//! What people took by editing decisions: an order that was decided to run on another server, a tool whose version was pinned by hand.
//!
//! The hub decides no server twice, and the versions that it moves tools to are judged by what they follow (`pending`). So only what somebody else
//! wrote counts: a file that stands as a commit of the hub left it does not, whatever the line that commit is on.

use super::{DECISIONS, Pair, files, reads};
use crate::git::{EntryKind, GitError, Oid};
use crate::lost::by_hub;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use tenantry_planner::decision::What;
use tenantry_planner::documents;
use tenantry_planner::input::SourceFile;
use tenantry_planner::removal::{Loss, Losses};
use tenantry_schema::document::{Kind, ServerAssignment, ToolDecision, classify};
use tenantry_schema::id::{OrderKey, ServerId, ServerKey};

impl Pair<'_> {
    /// Adds what edited decisions take. `heads` are the commits whose history leads to the tree.
    pub(super) fn decided(&self, heads: &[Oid], losses: &mut Losses) -> Result<(), GitError> {
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
        let Some(by_hub) = self.written_by_hub(heads)? else {
            return Ok(());
        };
        for (name, oid) in self.objects.changed_files(then, now)? {
            let path = format!("{DECISIONS}/{name}");
            if oid.is_none() || by_hub.get(&path).is_some_and(|own| own.contains(&oid)) {
                continue;
            }
            match classify(&path) {
                Kind::ServerAssignment(customer, order) => {
                    let key = OrderKey { customer, order };
                    self.other_server(&path, &key, losses)?;
                }
                Kind::ToolDecision(customer, order, tool) => {
                    let key = OrderKey { customer, order };
                    let (old, new) = self.both::<ToolDecision>(&path)?;
                    if let (Some(old), Some(new)) = (old, new)
                        && old.pin.tree != new.pin.tree
                        && let Some(server) = self.ran_on(&key)?
                    {
                        let version = Loss::Version(tool, new.pin.tree.as_str().to_owned());
                        losses.add_decided(version, on(&key, server));
                    }
                }
                _ => {}
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

    /// Decisions that the hub wrote since the earlier commit, as it left them. None where all that came since is the hub's.
    fn written_by_hub(&self, heads: &[Oid]) -> Result<Option<Written>, GitError> {
        let mut written = Written::new();
        // Files on top of a commit are somebody's.
        let mut only_hub = false;
        for head in heads {
            only_hub |= self.objects.root_tree(*head)? == self.root_after;
        }
        for head in heads {
            for commit in self.objects.commits_after(Some(self.before), *head)? {
                let lineage = self.objects.lineage(commit)?;
                let [parent] = lineage.parents.as_slice() else {
                    only_hub = false;
                    continue;
                };
                if !by_hub(&lineage) {
                    only_hub = false;
                    continue;
                }
                let parent = self.objects.root_tree(*parent)?;
                let trees = (
                    self.folder(parent, DECISIONS)?,
                    self.folder(lineage.tree, DECISIONS)?,
                );
                let changed = match trees {
                    (Some(old), Some(new)) => self.objects.changed_files(old, new)?,
                    // The first decisions of all: nothing was there to be lost.
                    _ => continue,
                };
                for (name, oid) in changed {
                    let path = format!("{DECISIONS}/{name}");
                    written.entry(path).or_default().push(oid);
                }
            }
        }
        Ok((!only_hub).then_some(written))
    }
}

/// By path, what the hub wrote there.
type Written = BTreeMap<String, Vec<Option<Oid>>>;

fn on(order: &OrderKey, server: ServerId) -> ServerKey {
    ServerKey {
        customer: order.customer.clone(),
        server,
    }
}
