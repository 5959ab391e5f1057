//! What one commit takes from another, in documents: what goes, and what is something else now.
//!
//! What could not be read at the earlier one is compared with how it was when it could be read last: a mistake in one commit and a repair with other
//! content in the next one is a change like any other. What cannot be read at the later one is not gone (law 7).

mod decided;

use super::super::customers::{Broken, Trees, read};
use super::super::{MAX_HISTORY, files};
use crate::git::{EntryKind, GitError, Objects, Oid};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use tenantry_planner::decision::What;
use tenantry_planner::documents::{self, CustomerDocuments};
use tenantry_planner::input::{CustomerFiles, SourceFile};
use tenantry_planner::link::order_path;
use tenantry_planner::removal::Losses;
use tenantry_schema::document::{Kind, Order, Server, ServerAssignment, ToolDecision, classify};
use tenantry_schema::id::{CustomerId, OrderId, OrderKey};

pub(super) const CUSTOMERS: &str = "fleet/customers";
const DECISIONS: &str = "fleet/decisions";
/// So many comparisons are kept.
const KEPT: usize = 256;

/// Compares commits, and keeps what came out.
#[derive(Default)]
pub(super) struct Comparisons {
    known: HashMap<(Oid, Option<Oid>), Arc<Losses>>,
    /// By the earlier commit, the decisions of the later one and the commits that lead there.
    decided: HashMap<(Oid, Option<Oid>, Vec<Oid>), Arc<Losses>>,
    by_hub: decided::ByHub,
}

impl Comparisons {
    /// What the root tree `after` takes from the commit `before`. `heads` are the commits whose history leads to that tree; `stay` are customers who were
    /// kept back at `before`: what was edited of their decisions there was never followed.
    pub(super) fn losses(
        &mut self,
        objects: &Objects,
        before: Oid,
        after: Oid,
        heads: &[Oid],
        stay: &BTreeSet<CustomerId>,
    ) -> Result<Arc<Losses>, GitError> {
        let documents = self.of_documents(objects, before, after)?;
        let decisions = self.of_decisions(objects, before, after, heads)?;
        if decisions.what.is_empty() {
            return Ok(documents);
        }
        let mut all = (*documents).clone();
        all.extend(&decisions.without_customers(stay));
        Ok(Arc::new(all))
    }

    fn of_decisions(
        &mut self,
        objects: &Objects,
        before: Oid,
        after: Oid,
        heads: &[Oid],
    ) -> Result<Arc<Losses>, GitError> {
        let now = objects.lookup(after, DECISIONS)?.map(|entry| entry.oid);
        let key = (before, now, heads.to_vec());
        if let Some(known) = self.decided.get(&key) {
            return Ok(known.clone());
        }
        let mut losses = Losses::default();
        Pair::new(objects, before, after)?.decided(heads, &mut self.by_hub, &mut losses)?;
        let losses = Arc::new(losses);
        if self.decided.len() >= KEPT {
            self.decided.clear();
        }
        self.decided.insert(key, losses.clone());
        Ok(losses)
    }

    fn of_documents(
        &mut self,
        objects: &Objects,
        before: Oid,
        after: Oid,
    ) -> Result<Arc<Losses>, GitError> {
        let now = objects.lookup(after, CUSTOMERS)?;
        let key = (before, now.as_ref().map(|entry| entry.oid));
        if let Some(known) = self.known.get(&key) {
            return Ok(known.clone());
        }
        let losses = match now {
            Some(entry) if entry.kind != EntryKind::Tree => Losses::default(),
            _ => Pair::new(objects, before, after)?.losses(key.1)?,
        };
        let losses = Arc::new(losses);
        if self.known.len() >= KEPT {
            self.known.clear();
        }
        self.known.insert(key, losses.clone());
        Ok(losses)
    }
}

struct Pair<'o> {
    objects: &'o Objects,
    before: Oid,
    root_before: Oid,
    root_after: Oid,
}

impl<'o> Pair<'o> {
    fn new(objects: &'o Objects, before: Oid, root_after: Oid) -> Result<Self, GitError> {
        Ok(Self {
            objects,
            before,
            root_before: objects.root_tree(before)?,
            root_after,
        })
    }

    fn losses(&self, now: Option<Oid>) -> Result<Losses, GitError> {
        let mut losses = Losses::default();
        let then = match self.objects.lookup(self.root_before, CUSTOMERS)? {
            Some(entry) if entry.kind != EntryKind::Tree => self.last_folder(CUSTOMERS)?,
            entry => entry.map(|entry| entry.oid),
        };
        if then == now {
            return Ok(losses);
        }
        // Folders and what is none come as two differences.
        let mut differing: BTreeMap<CustomerId, (bool, Option<(EntryKind, Oid)>)> = BTreeMap::new();
        for difference in self.objects.compare(then, now)? {
            if let Some(old) = difference.old
                && let Ok(id) = CustomerId::try_from(old.name.as_str())
            {
                differing.entry(id).or_default().0 = true;
            }
            if let Some(new) = difference.new
                && let Ok(id) = CustomerId::try_from(new.name.as_str())
            {
                differing.entry(id).or_default().1 = Some((new.kind, new.oid));
            }
        }
        for (id, (was_there, now)) in differing {
            if was_there {
                self.customer(&id, now, &mut losses)?;
            }
        }
        Ok(losses)
    }

    fn customer(
        &self,
        id: &CustomerId,
        now: Option<(EntryKind, Oid)>,
        losses: &mut Losses,
    ) -> Result<(), GitError> {
        let now = match now {
            None => None,
            Some((EntryKind::Tree, documents)) => {
                let trees = Trees {
                    documents,
                    decisions: self.folder(self.root_after, &format!("{DECISIONS}/{id}"))?,
                    broken: Broken::No,
                };
                // Of whom nothing can be read, nothing is known.
                let Some(now) = read(self.objects, id, trees)?.documents else {
                    return Ok(());
                };
                Some(now)
            }
            Some(_) => return Ok(()),
        };
        if let Some(then) = self.then(id, now.as_deref())? {
            losses.of_customer(&then, now.as_deref());
        }
        Ok(())
    }

    /// A customer as they were, with what could not be read then and what was decided for what is not there now as these were last.
    fn then(
        &self,
        id: &CustomerId,
        now: Option<&CustomerDocuments>,
    ) -> Result<Option<CustomerDocuments>, GitError> {
        let mut list = Vec::new();
        for folder in [CUSTOMERS, DECISIONS] {
            let path = format!("{folder}/{id}");
            let tree = match self.objects.lookup(self.root_before, &path)? {
                Some(entry) if entry.kind == EntryKind::Tree => Some(entry.oid),
                None if folder == DECISIONS && self.is_folder_then(folder)? => None,
                _ => self.last_folder(&path)?,
            };
            if let Some(tree) = tree {
                files::below(self.objects, tree, &path, &mut list)?;
            }
        }
        for file in &mut list {
            if !reads(file)
                && let Some(good) = self.last_good(&file.path)?
            {
                *file = good;
            }
        }
        let documents = |files: &[SourceFile]| {
            let files = files.to_vec();
            let id = id.clone();
            documents::customer(&CustomerFiles { id, files }).0
        };
        let Some(then) = documents(&list) else {
            return Ok(None);
        };
        let missing = self.undecided(&then, now)?;
        if missing.is_empty() {
            return Ok(Some(then));
        }
        list.extend(missing);
        Ok(documents(&list))
    }

    /// Decisions that are not there about what goes, as they were last: somebody may have taken them away first.
    fn undecided(
        &self,
        then: &CustomerDocuments,
        now: Option<&CustomerDocuments>,
    ) -> Result<Vec<SourceFile>, GitError> {
        let mut found = Vec::new();
        for (id, order) in &then.orders {
            let decided = then.decisions.get(id);
            let after = now.and_then(|now| now.orders.get(id));
            let unread = |kind: &Kind| matches!(kind, Kind::Order(_, order) if order == id);
            if after.is_none() && now.is_some_and(|now| now.unread.iter().any(unread)) {
                continue;
            }
            let gone = order
                .tools
                .keys()
                .filter(|tool| after.is_none_or(|after| !after.tools.contains_key(*tool)));
            let (customer, order) = (then.id.clone(), id.clone());
            let key = OrderKey { customer, order };
            let mut paths = Vec::new();
            for tool in gone {
                if decided.is_none_or(|decided| !decided.tools.contains_key(tool)) {
                    paths.push(What::Tool(tool.clone()).path(&key));
                }
            }
            let goes = after.is_none() || !paths.is_empty();
            if goes && decided.is_none_or(|decided| decided.server.is_none()) {
                paths.push(What::Server.path(&key));
            }
            for path in paths {
                found.extend(self.last_of_order(then, id, &path)?);
            }
        }
        Ok(found)
    }

    /// The newest readable version of a decision, back to where its order was not there.
    fn last_of_order(
        &self,
        then: &CustomerDocuments,
        order: &OrderId,
        path: &str,
    ) -> Result<Option<SourceFile>, GitError> {
        let there: Vec<String> = [Some(order), then.written_orders.get(order)]
            .into_iter()
            .flatten()
            .map(|name| order_path(&then.id, name))
            .collect();
        let goes_on = |root| {
            for path in &there {
                if self.objects.lookup(root, path)?.is_some() {
                    return Ok(true);
                }
            }
            Ok(false)
        };
        self.last(path, goes_on)
    }

    fn last_good(&self, path: &str) -> Result<Option<SourceFile>, GitError> {
        self.last(path, |_| Ok(true))
    }

    fn last(
        &self,
        path: &str,
        goes_on: impl FnMut(Oid) -> Result<bool, GitError>,
    ) -> Result<Option<SourceFile>, GitError> {
        let mut good = None;
        self.objects
            .last_entry(self.before, path, MAX_HISTORY, goes_on, |entry| {
                if entry.kind == EntryKind::Tree {
                    return Ok(false);
                }
                let file = files::source(self.objects, path.to_owned(), entry)?;
                let fits = reads(&file);
                good = fits.then_some(file);
                Ok(fits)
            })?;
        Ok(good)
    }

    fn last_folder(&self, path: &str) -> Result<Option<Oid>, GitError> {
        self.objects.last_folder(self.before, path, MAX_HISTORY)
    }

    fn is_folder_then(&self, path: &str) -> Result<bool, GitError> {
        let entry = self.objects.lookup(self.root_before, path)?;
        Ok(entry.is_none_or(|entry| entry.kind == EntryKind::Tree))
    }

    fn folder(&self, root: Oid, path: &str) -> Result<Option<Oid>, GitError> {
        super::folder(self.objects, root, path)
    }
}

/// Whether a document that counts can be read. Others are good enough as they are.
fn reads(file: &SourceFile) -> bool {
    let found = &mut Vec::new();
    match classify(&file.path) {
        Kind::Server(..) => documents::read::<Server>(file, found).is_some(),
        Kind::Order(..) => documents::read::<Order>(file, found).is_some(),
        Kind::ServerAssignment(..) => documents::read::<ServerAssignment>(file, found).is_some(),
        Kind::ToolDecision(..) => documents::read::<ToolDecision>(file, found).is_some(),
        _ => true,
    }
}
