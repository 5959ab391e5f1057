//! How much a commit may remove (`policy.max_removed`): which customers stay as they were until a removal that is too large is acknowledged or
//! put back.
//!
//! What counts follows from the history alone, so every hub finds the same, also one that was set up a minute ago. Along first parents, a commit
//! becomes the one in force unless it takes more from the one in force than the policy of its first parent allows and no new entry of
//! `fleet/acknowledged.yaml` names it. While it is not, its losses are counted against the commit that still is.

use super::customers::{Broken, Trees, read};
use super::{MAX_FILE, MAX_HISTORY, Revision, object_id};
use crate::git::{EntryKind, GitError, Objects, Oid};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use tenantry_planner::documents;
use tenantry_planner::input::SourceFile;
use tenantry_planner::removal::{FILE, Losses, Removal};
use tenantry_schema::amount::Limit;
use tenantry_schema::document::{Acknowledged, Hub};
use tenantry_schema::id::{CustomerId, FleetId};

/// How many commits that change customers are looked at when nothing is known yet, by a hub.
pub(crate) const FAR: usize = 500;
/// The same for somebody who looks at the newest commit or at files.
const NEAR: usize = 50;
/// Hub.yaml may have errors in so many commits in a row.
const MOST_BROKEN: usize = 100;

/// A removal that is too large, or was acknowledged in what is being loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) removal: Removal,
    /// The commit in force.
    pub(super) base: Oid,
    /// Who loses something.
    pub(super) customers: BTreeSet<CustomerId>,
}

/// What the policy of a commit says.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    pub(super) limit: Limit,
    pub(super) fleet: FleetId,
}

/// What a `hub.yaml` says about it.
#[derive(Debug, Clone)]
enum Known {
    /// It has errors.
    Broken,
    Unlimited,
    Limited(Rule),
}

impl Known {
    fn read(objects: &Objects, file: Oid) -> Self {
        let Some(hub) = document::<Hub>(objects, file, "fleet/hub.yaml") else {
            return Self::Broken;
        };
        let fleet = hub.fleet_id;
        let limit = hub.policy.max_removed;
        limit.map_or(Self::Unlimited, |limit| {
            Self::Limited(Rule { limit, fleet })
        })
    }
}

/// What customers are kept back by.
pub(super) struct Held {
    /// A removal that is too large.
    pub(super) verdict: Option<Verdict>,
    /// What replacing containers is judged by.
    pub(super) rule: Option<Rule>,
    /// What people agreed to lose.
    pub(super) acknowledged: Acknowledged,
    /// Whether anything is kept back, or it is only said what would be.
    pub(super) applies: bool,
}

impl Held {
    /// The removal that keeps customers back.
    pub(super) fn holding(&self) -> Option<&Verdict> {
        let held = |verdict: &&Verdict| verdict.removal.is_held() && self.applies;
        self.verdict.as_ref().filter(held)
    }
}

/// Judges commits; keeps what it found.
pub(super) struct Limits {
    depth: usize,
    /// The commit that was judged last, and the one that is in force there.
    settled: Option<(Oid, Oid)>,
    /// By the id of `hub.yaml`.
    rules: HashMap<Oid, Known>,
    /// Servers below a folder of customers.
    sizes: HashMap<Oid, usize>,
    /// What was compared last: two folders of customers.
    compared: Option<(Folders, Arc<Losses>)>,
}

/// The folders of customers of two commits.
type Folders = (Oid, Option<Oid>);

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth: NEAR,
            settled: None,
            rules: HashMap::new(),
            sizes: HashMap::new(),
            compared: None,
        }
    }
}

impl Limits {
    /// Looks back so many commits that change customers.
    pub(super) fn look_back(&mut self, depth: usize) {
        self.depth = depth;
    }

    /// What a revision takes away too much of. None: nothing.
    pub(super) fn judge(
        &mut self,
        objects: &Objects,
        revision: Revision,
    ) -> Result<Option<Verdict>, GitError> {
        let base = self.settle(objects, revision.commit)?;
        let committed = objects.root_tree(revision.commit)? == revision.tree;
        if committed && base == revision.commit {
            return Ok(None);
        }
        let Some(rule) = self.rule(objects, revision)? else {
            return Ok(None);
        };
        self.excess(objects, base, revision.tree, &rule)
    }

    /// The rule by which a revision is judged: that of the commit before it.
    pub(super) fn rule(
        &mut self,
        objects: &Objects,
        revision: Revision,
    ) -> Result<Option<Rule>, GitError> {
        let info = objects.commit_info(revision.commit)?;
        let before = if info.tree == revision.tree {
            info.parents.first().copied()
        } else {
            Some(revision.commit)
        };
        before.map_or(Ok(None), |before| self.rule_at(objects, before))
    }

    /// The commit in force at `commit`.
    fn settle(&mut self, objects: &Objects, commit: Oid) -> Result<Oid, GitError> {
        if let Some((at, base)) = self.settled
            && at == commit
        {
            return Ok(base);
        }
        let base = match objects.commit_info(commit)?.parents.first().copied() {
            // Where nothing limits it, nothing is held.
            Some(parent) if self.rule_at(objects, parent)?.is_some() => {
                self.walk(objects, commit)?
            }
            _ => commit,
        };
        self.settled = Some((commit, base));
        Ok(base)
    }

    fn walk(&mut self, objects: &Objects, commit: Oid) -> Result<Oid, GitError> {
        let (mut line, mut people) = (Vec::new(), 0);
        let (mut at, mut customers) = (commit, customers_at(objects, commit)?);
        let mut base = loop {
            if let Some((known, base)) = self.settled
                && known == at
            {
                break base;
            }
            let parents = objects.commit_info(at)?.parents;
            let Some(parent) = parents.first().copied() else {
                break at;
            };
            if people >= self.depth || line.len() >= MAX_HISTORY {
                break at;
            }
            line.push((at, parent));
            let before = customers_at(objects, parent)?;
            people += usize::from(before != customers);
            (at, customers) = (parent, before);
        };
        for (commit, parent) in line.into_iter().rev() {
            base = self.step(objects, base, commit, parent)?;
        }
        Ok(base)
    }

    /// Which of `base`, which was in force, and `commit` is in force now.
    fn step(
        &mut self,
        objects: &Objects,
        base: Oid,
        commit: Oid,
        parent: Oid,
    ) -> Result<Oid, GitError> {
        if customers_at(objects, base)? == customers_at(objects, commit)? {
            return Ok(commit);
        }
        let Some(rule) = self.rule_at(objects, parent)? else {
            return Ok(commit);
        };
        let root = objects.root_tree(commit)?;
        let verdict = self.excess(objects, base, root, &rule)?;
        let held = verdict.is_some_and(|verdict| verdict.removal.is_held());
        Ok(if held { base } else { commit })
    }

    /// What the tree `root` takes from the commit `base` beyond the rule, acknowledged or not.
    fn excess(
        &mut self,
        objects: &Objects,
        base: Oid,
        root: Oid,
        rule: &Rule,
    ) -> Result<Option<Verdict>, GitError> {
        let before = objects.root_tree(base)?;
        let losses = self.losses(objects, before, root)?;
        let few = match rule.limit {
            Limit::Share(_) => 1,
            Limit::Number(number) => number as usize,
        };
        // Counting all servers costs more than finding that nobody lost any.
        if losses.servers.len() <= few {
            return Ok(None);
        }
        let of = self.size(objects, before)?;
        let Some(mut removal) = Removal::judge(&losses, of, rule.limit, &rule.fleet) else {
            return Ok(None);
        };
        let (now, then) = (acknowledged(objects, root)?, acknowledged(objects, before)?);
        removal.acknowledged = removal.acknowledged_by(&now, &then).cloned();
        removal.stays_at = Some(base.to_string());
        let customers = losses.servers.iter().map(|server| server.customer.clone());
        Ok(Some(Verdict {
            removal,
            base,
            customers: customers.collect(),
        }))
    }

    fn losses(
        &mut self,
        objects: &Objects,
        before: Oid,
        after: Oid,
    ) -> Result<Arc<Losses>, GitError> {
        let customers = |root| folder(objects, root, "fleet/customers");
        let Some(old) = customers(before)? else {
            return Ok(Arc::default());
        };
        let key = (old, customers(after)?);
        if let Some((compared, losses)) = &self.compared
            && *compared == key
        {
            return Ok(losses.clone());
        }
        let mut losses = Losses::default();
        for difference in objects.compare(Some(key.0), key.1)? {
            let Some(entry) = difference.old.filter(|entry| entry.kind == EntryKind::Tree) else {
                continue;
            };
            let Ok(id) = CustomerId::try_from(entry.name.as_str()) else {
                continue;
            };
            let decisions = |root| folder(objects, root, &format!("fleet/decisions/{id}"));
            let trees = |documents, decisions| Trees {
                documents,
                decisions,
                broken: Broken::No,
            };
            let then = read(objects, &id, trees(entry.oid, decisions(before)?))?;
            let Some(then) = then.documents else { continue };
            match difference.new {
                Some(new) if new.kind == EntryKind::Tree => {
                    let now = read(objects, &id, trees(new.oid, decisions(after)?))?;
                    // Of whom nothing can be read, nothing is known (law 7).
                    if let Some(now) = now.documents {
                        losses.of_customer(&then, Some(&now));
                    }
                }
                _ => losses.of_customer(&then, None),
            }
        }
        let losses = Arc::new(losses);
        self.compared = Some((key, losses.clone()));
        Ok(losses)
    }

    /// How many servers there are.
    fn size(&mut self, objects: &Objects, root: Oid) -> Result<usize, GitError> {
        let Some(customers) = folder(objects, root, "fleet/customers")? else {
            return Ok(0);
        };
        if let Some(size) = self.sizes.get(&customers) {
            return Ok(*size);
        }
        let mut size = 0;
        for customer in objects.tree(customers)? {
            if customer.kind == EntryKind::Tree
                && let Some(servers) = folder(objects, customer.oid, "servers")?
            {
                size += objects.tree(servers)?.len();
            }
        }
        self.sizes.clear();
        self.sizes.insert(customers, size);
        Ok(size)
    }

    /// What the policy of a commit says. None: nothing. While its settings have errors those of its first parents count.
    fn rule_at(&mut self, objects: &Objects, commit: Oid) -> Result<Option<Rule>, GitError> {
        let mut at = Some(commit);
        for _ in 0..MOST_BROKEN {
            let Some(commit) = at else { break };
            let root = objects.root_tree(commit)?;
            if let Some(entry) = objects.lookup(root, "fleet/hub.yaml")? {
                let known = self
                    .rules
                    .entry(entry.oid)
                    .or_insert_with(|| Known::read(objects, entry.oid));
                match known {
                    Known::Limited(rule) => return Ok(Some(rule.clone())),
                    Known::Unlimited => return Ok(None),
                    Known::Broken => {}
                }
            }
            at = objects.commit_info(commit)?.parents.first().copied();
        }
        Ok(None)
    }
}

/// What people agreed to lose, at a root tree. What cannot be read agrees to nothing.
pub(super) fn acknowledged(objects: &Objects, root: Oid) -> Result<Acknowledged, GitError> {
    let entry = objects.lookup(root, FILE)?;
    let read = entry.and_then(|entry| document(objects, entry.oid, FILE));
    Ok(read.unwrap_or_default())
}

fn document<T: serde::de::DeserializeOwned>(objects: &Objects, oid: Oid, path: &str) -> Option<T> {
    let text = String::from_utf8(objects.blob(oid, MAX_FILE).ok()?).ok()?;
    let file = SourceFile {
        path: path.to_owned(),
        id: object_id(oid),
        text: Ok(text.into()),
    };
    documents::read(&file, &mut Vec::new())
}

fn customers_at(objects: &Objects, commit: Oid) -> Result<Option<Oid>, GitError> {
    folder(objects, objects.root_tree(commit)?, "fleet/customers")
}

fn folder(objects: &Objects, root: Oid, path: &str) -> Result<Option<Oid>, GitError> {
    let entry = objects.lookup(root, path)?;
    let entry = entry.filter(|entry| entry.kind == EntryKind::Tree);
    Ok(entry.map(|entry| entry.oid))
}
