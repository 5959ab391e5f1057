//! What the history says about decisions that are missing: were they never made, or taken away by hand?
//!
//! Commits are walked along first parents, from the newest back, until the decision is found or its absence is explained. It is explained where the
//! order, the tool in it, or the customer was not there: what comes back after that is new. It is explained where the hub itself took it away.
//!
//! Only what a plan lacks is looked up, so a fleet whose decisions are there costs nothing, and a new order one or two commits. What was found to be
//! explained is remembered with the commit from which it was looked at, and the next look ends there.

#[cfg(test)]
mod tests;

use crate::git::{Entry, EntryKind, GitError, Objects, Oid};
use crate::hub::HUB_EMAIL;
use crate::load::MAX_FILE;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use tenantry_planner::Desired;
use tenantry_planner::decision::What;
use tenantry_planner::documents;
use tenantry_planner::domains::DomainIndex;
use tenantry_planner::input::SourceFile;
use tenantry_planner::lost::{Lost, LostDecisions, Missing};
use tenantry_planner::plan::{CustomerPlan, WHOLE_ORDER};
use tenantry_schema::document::{DomainClaim, Fulfilled, Order, ToolDecision};
use tenantry_schema::id::{CustomerId, OrderId, OrderKey, ToolName};
use tenantry_schema::name::DomainName;

/// How many commits are looked at. An order that waits for longer was looked at while it was younger.
const MAX_COMMITS: usize = 5_000;

/// Where decisions are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// In the commit itself.
    Commit,
    /// In files, or in a merge, that would be committed on top of it.
    Uncommitted,
}

/// How many answers are remembered.
const MAX_REMEMBERED: usize = 200_000;

/// Asks the history about missing decisions, and remembers the answers.
#[derive(Default)]
pub struct History {
    /// Decisions whose absence is explained, with the commit from which that was seen.
    explained: HashMap<Missing, Oid>,
}

/// The folders of one customer at one commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Folders {
    documents: Option<Oid>,
    decisions: Option<Oid>,
}

/// What is still open about one customer, on the way back.
#[derive(Default)]
struct Open<'m> {
    orders: BTreeMap<&'m OrderId, Vec<&'m Missing>>,
    /// Their folders at the commit looked at before.
    before: Option<Folders>,
}

/// What one commit says about one missing decision.
enum Said {
    /// Nothing: look further back.
    Nothing,
    /// Its absence is explained.
    Explained,
    /// There it is.
    There(Box<Lost>),
}

impl<'m> Open<'m> {
    fn keep(&mut self, wanted: impl Fn(&'m Missing) -> bool) {
        for missing in self.orders.values_mut() {
            missing.retain(|missing| wanted(missing));
        }
        self.orders.retain(|_, missing| !missing.is_empty());
    }
}

impl History {
    /// Which of `missing` were there once, and were taken away by hand. They are missing in the commit `head`, or in what `at` says.
    pub fn ask<'m>(
        &mut self,
        objects: &Objects,
        head: Oid,
        at: At,
        missing: impl IntoIterator<Item = &'m Missing>,
    ) -> Result<Vec<(OrderKey, Lost)>, GitError> {
        let mut open: BTreeMap<&CustomerId, Open<'m>> = BTreeMap::new();
        let mut asked = Vec::new();
        for missing in missing {
            if self.explained.get(missing) == Some(&head) {
                continue;
            }
            asked.push(missing);
            let customer = open.entry(&missing.order.customer).or_default();
            let order = customer.orders.entry(&missing.order.order).or_default();
            order.push(missing);
        }
        let mut found = Vec::new();
        let mut walk = Walk::new(objects, head);
        let mut goes_on = !asked.is_empty() && (at == At::Uncommitted || walk.back()?);
        for _ in 0..MAX_COMMITS {
            if open.is_empty() || !goes_on {
                break;
            }
            // What was explained from here on back stays so.
            let at = walk.at;
            for customer in open.values_mut() {
                customer.keep(|missing| self.explained.get(missing) != Some(&at));
            }
            walk.look(&mut open, &mut found)?;
            goes_on = walk.back()?;
        }
        for missing in asked {
            let path = missing.path();
            if found.iter().any(|(_, lost): &(_, Lost)| lost.path == path) {
                self.explained.remove(missing);
            } else {
                self.explained.insert(missing.clone(), head);
            }
        }
        Ok(found)
    }

    /// Keeps the memory small: answers cost a walk again.
    pub fn trim(&mut self) {
        if self.explained.len() > MAX_REMEMBERED {
            self.explained.clear();
        }
    }
}

/// Tells a planner what is lost. Domains whose claims are lost stay with their orders; `kept` are those of customers who are not there.
pub fn hold(desired: &mut Desired, lost: &LostDecisions, kept: &[(OrderKey, DomainName)]) {
    desired.lost = lost.clone();
    let claims: Vec<_> = lost.domains().chain(kept.iter().cloned()).collect();
    if lost.domains().next().is_some() {
        let customers = desired.customers.values().map(AsRef::as_ref);
        desired.domains = Arc::new(DomainIndex::build_with(customers, claims));
    }
}

/// What the history has to be asked about: where something is to be done, everything that is missing.
pub fn open(plan: &CustomerPlan) -> impl Iterator<Item = &Missing> {
    let acts = !plan.decisions.is_empty() || !plan.slices.is_empty();
    plan.missing
        .iter()
        .filter(move |missing| acts || missing.suspicious)
}

/// Whether it is known already that something was taken away.
pub fn is_known(lost: &LostDecisions, missing: &Missing) -> bool {
    let OrderKey { customer, order } = &missing.order;
    let known = lost.of_order(customer, order);
    known.iter().any(|lost| lost.what == missing.what)
}

/// A walk along first parents.
struct Walk<'o> {
    objects: &'o Objects,
    at: Oid,
    /// The commit looked at before, a child of `at`.
    child: Option<Oid>,
    /// `fleet/customers` and `fleet/decisions` at the commit looked at before.
    before: Option<(Option<Oid>, Option<Oid>)>,
}

impl<'o> Walk<'o> {
    fn new(objects: &'o Objects, at: Oid) -> Self {
        Self {
            objects,
            at,
            child: None,
            before: None,
        }
    }

    /// Goes on to the first parent. False where there is none.
    fn back(&mut self) -> Result<bool, GitError> {
        let parent = self.objects.commit_info(self.at)?.parents.first().copied();
        let Some(parent) = parent else {
            return Ok(false);
        };
        self.child = Some(self.at);
        self.at = parent;
        Ok(true)
    }

    /// What this commit says about everything that is open; what it settles is taken out.
    fn look(
        &mut self,
        open: &mut BTreeMap<&CustomerId, Open<'_>>,
        found: &mut Vec<(OrderKey, Lost)>,
    ) -> Result<(), GitError> {
        let root = self.objects.root_tree(self.at)?;
        let both = (
            self.folder(root, "fleet/customers")?,
            self.folder(root, "fleet/decisions")?,
        );
        if self.before.replace(both) == Some(both) {
            return Ok(());
        }
        let names: Vec<&str> = open.keys().map(|id| id.as_str()).collect();
        let documents = self.objects.folders_in(both.0, &names)?;
        let decisions = self.objects.folders_in(both.1, &names)?;
        for ((documents, decisions), customer) in
            documents.into_iter().zip(decisions).zip(open.values_mut())
        {
            let now = Folders {
                documents,
                decisions,
            };
            if customer.before.replace(now) == Some(now) {
                continue;
            }
            let mut settled = Vec::new();
            for (order, list) in &customer.orders {
                let document = self.document(now, order)?;
                for missing in list {
                    match self.says(now, document.as_ref(), missing)? {
                        Said::Nothing => continue,
                        Said::Explained => {}
                        Said::There(lost) => {
                            if !self.by_hub()? {
                                found.push((missing.order.clone(), *lost));
                            }
                        }
                    }
                    settled.push(*missing);
                }
            }
            if !settled.is_empty() {
                customer.keep(|missing| !settled.contains(&missing));
            }
        }
        open.retain(|_, customer| !customer.orders.is_empty());
        Ok(())
    }

    fn folder(&self, tree: Oid, path: &str) -> Result<Option<Oid>, GitError> {
        let entry = self.objects.lookup(tree, path)?;
        Ok(tree_of(entry))
    }

    fn says(
        &self,
        folders: Folders,
        document: Option<&SourceFile>,
        missing: &Missing,
    ) -> Result<Said, GitError> {
        let tool = match &missing.what {
            What::Tool(tool) | What::Secrets(tool) => Some(tool),
            _ => None,
        };
        let there = match missing.what {
            // These are the customer's, whichever order needs them first.
            What::BackupSecrets => folders.documents.is_some(),
            _ => document.is_some_and(|document| has(document, tool)),
        };
        if !there {
            return Ok(Said::Explained);
        }
        let path = missing.path();
        let prefix = format!("fleet/decisions/{}/", missing.order.customer);
        let (Some(decisions), Some(below)) = (folders.decisions, path.strip_prefix(&prefix)) else {
            return Ok(Said::Nothing);
        };
        let Some(entry) = self.objects.lookup(decisions, below)? else {
            return Ok(Said::Nothing);
        };
        let file = self.file(&path, &entry);
        if !missing.parts.is_empty() && !names_one_of(missing, &file) {
            return Ok(Said::Nothing);
        }
        let domain = (missing.what == What::Domain)
            .then(|| documents::read::<DomainClaim>(&file, &mut Vec::new()))
            .flatten()
            .map(|claim| claim.domain);
        Ok(Said::There(Box::new(Lost {
            what: missing.what.clone(),
            path,
            commit: self.child.map(|id| id.to_string()),
            domain,
        })))
    }

    /// The document of an order, if it stands there.
    fn document(&self, folders: Folders, order: &OrderId) -> Result<Option<SourceFile>, GitError> {
        let Some(documents) = folders.documents else {
            return Ok(None);
        };
        let path = format!("orders/{order}.yaml");
        if let Some(entry) = self.objects.lookup(documents, &path)? {
            return Ok(Some(self.file(&path, &entry)));
        }
        // It may have had another name: such a file says which id it keeps.
        let Some(orders) = self.folder(documents, "orders")? else {
            return Ok(None);
        };
        for entry in self.objects.tree(orders)? {
            let file = self.file(&entry.name, &entry);
            let read = documents::read::<Order>(&file, &mut Vec::new());
            if read.is_some_and(|other| other.moved_from.as_ref() == Some(order)) {
                return Ok(Some(file));
            }
        }
        Ok(None)
    }

    /// Whether the commit that took something away, the child of this one, is the hub's own.
    fn by_hub(&self) -> Result<bool, GitError> {
        let Some(child) = self.child else {
            return Ok(false);
        };
        Ok(self.objects.commit_info(child)?.email == HUB_EMAIL)
    }

    fn file(&self, path: &str, entry: &Entry) -> SourceFile {
        let text = self.objects.blob(entry.oid, MAX_FILE).unwrap_or_default();
        SourceFile {
            path: path.to_owned(),
            id: crate::load::object_id(entry.oid),
            text: Ok(String::from_utf8_lossy(&text).into()),
        }
    }
}

fn tree_of(entry: Option<Entry>) -> Option<Oid> {
    entry
        .filter(|entry| entry.kind == EntryKind::Tree)
        .map(|entry| entry.oid)
}

/// Whether an order has a tool. One with errors says nothing, so it may.
fn has(order: &SourceFile, tool: Option<&ToolName>) -> bool {
    let Some(tool) = tool else { return true };
    let read = documents::read::<Order>(order, &mut Vec::new());
    read.is_none_or(|order| order.tools.contains_key(tool))
}

/// Whether an earlier version of a file had one of the parts that are missing now. One that cannot be read may have.
fn names_one_of(missing: &Missing, file: &SourceFile) -> bool {
    let wanted = |name: &str| missing.parts.contains(name);
    let mut ignored = Vec::new();
    match &missing.what {
        What::Tool(_) => documents::read::<ToolDecision>(file, &mut ignored)
            .is_none_or(|earlier| earlier.ports.keys().any(|site| wanted(site.as_str()))),
        What::Secrets(_) | What::BackupSecrets => {
            let text = file.text.as_deref().unwrap_or_default();
            tenantry_sops::sealed_keys(text)
                .map_or(true, |names| names.iter().any(|name| wanted(name)))
        }
        What::Fulfilled => documents::read::<Fulfilled>(file, &mut ignored).is_none_or(|earlier| {
            earlier.tools.keys().any(|tool| wanted(tool.as_str()))
                || earlier.order.is_some() && wanted(WHOLE_ORDER)
        }),
        What::Server | What::Domain => true,
    }
}
