//! How much a commit may remove (`policy.max_removed`): which customers stay as they were until a removal that is too large is acknowledged or
//! put back.
//!
//! What counts follows from the history alone, so every hub finds the same, also one that was set up a minute ago. Each commit is judged by what it
//! takes from each of its parents, and from whatever was held back there. The rule is the strictest of those at its parents and at the commits at
//! which something stays, so nothing is let go by a merge with its parents swapped, nor by the commit after one that lifts the limit.
//!
//! - `history`: what is held back at a commit, from the first commit on.
//! - `judge`: one step of that.
//! - `taken`: what goes between two commits, in documents.
//! - `rules`, `sizes`: the policy of a commit, and how many servers it is of.
//! - `memory`: what is held back at which commit, kept on disk.
//! - `pending`: versions that tools would move to.

mod history;
mod judge;
mod lines;
mod memory;
mod pending;
mod rules;
mod sizes;
mod taken;

use super::{Revision, document};
use crate::git::{GitError, Objects, Oid};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use tenantry_planner::removal::{FILE, Removal};
use tenantry_schema::document::Acknowledged;
use tenantry_schema::id::CustomerId;

use memory::Memory;
pub(super) use pending::Pending;
pub(super) use rules::Rule;

/// How many commits that change customers somebody looks at who looks once.
const NEAR: usize = 1_000;

/// A removal that is too large, or was acknowledged in what is being loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) removal: Removal,
    /// Who loses something, with the commit at which they stay.
    pub(super) customers: BTreeMap<CustomerId, Oid>,
    /// Those of them whose decisions people edited: they stay at the decisions of that commit, too.
    pub(super) decided: BTreeSet<CustomerId>,
}

/// What customers are kept back by.
pub(super) struct Held {
    /// A removal that is too large.
    pub(super) verdict: Option<Verdict>,
    /// What replacing containers is judged by, as the commits before it have it.
    pub(super) rules: Vec<Rule>,
    /// Whether there was a limit at any time.
    pub(super) limited: bool,
    /// What people agreed to lose.
    pub(super) acknowledged: Acknowledged,
    /// Whether anything is kept back, or it is only said what would be.
    pub(super) applies: bool,
    /// The oldest commit that was looked at, where that is not the first one: what was held back before is not known.
    pub(super) since: Option<Oid>,
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
    memory: Memory,
    kept: Option<Keep>,
    rules: rules::Rules,
    sizes: sizes::Sizes,
    comparisons: taken::Comparisons,
    acknowledged: HashMap<Oid, Acknowledged>,
}

/// Where what is found out about removals that are held back is kept for later runs.
#[derive(Debug, Clone)]
pub struct Keep {
    /// Files, the best one first.
    pub places: Vec<PathBuf>,
    /// Which program this is.
    pub program: [u8; 32],
    /// How many new commits are worth writing.
    pub after: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth: NEAR,
            memory: Memory::default(),
            kept: None,
            rules: rules::Rules::default(),
            sizes: sizes::Sizes::default(),
            comparisons: taken::Comparisons::default(),
            acknowledged: HashMap::new(),
        }
    }
}

impl Limits {
    /// Looks back to the first commit, however long that takes.
    pub(super) fn look_back(&mut self) {
        self.depth = usize::MAX;
        if self.memory.since.is_some() {
            self.memory = Memory::default();
        }
    }

    #[cfg(test)]
    pub(super) fn look_back_over(&mut self, commits: usize) {
        self.depth = commits;
    }

    /// Begins with what an earlier run found, and keeps what this one finds.
    pub(super) fn remember(&mut self, keep: Keep) {
        let mut places = keep.places.iter();
        let found = places.find_map(|path| Memory::open(path, &keep.program));
        if let Some(memory) = found.filter(|found| found.since.is_none() || self.depth < usize::MAX)
        {
            self.memory = memory;
        }
        self.kept = Some(keep);
    }

    /// What keeps customers back at a revision, with `applies` as the caller wants it.
    pub(super) fn held(
        &mut self,
        objects: &Objects,
        revision: Revision,
        applies: bool,
    ) -> Result<Held, GitError> {
        let committed = objects.root_tree(revision.commit)? == revision.tree;
        let parents = if committed {
            objects.node(revision.commit)?.parents
        } else {
            vec![revision.commit]
        };
        let last = std::iter::once(revision.commit);
        for commit in last.chain(parents.iter().copied()) {
            self.settle(objects, commit)?;
        }
        self.save();
        let commit = committed.then_some(revision.commit);
        let open = !committed || !self.memory.held_at(revision.commit).is_empty();
        let found = if open {
            self.judge(objects, &parents, revision.tree, commit)?
        } else {
            None
        };
        Ok(Held {
            verdict: found.map(judge::Finding::verdict),
            rules: self.rules_of(objects, &parents)?,
            limited: self.memory.limited,
            acknowledged: self.acknowledged(objects, revision.tree)?,
            applies,
            since: self.memory.since.filter(|_| self.memory.limited),
        })
    }

    fn save(&mut self) {
        let Some(kept) = &self.kept else { return };
        if self.memory.new >= kept.after {
            self.memory.save(&kept.places, &kept.program);
        }
    }

    /// What people agreed to lose, at a root tree. A file with errors agrees to nothing.
    fn acknowledged(&mut self, objects: &Objects, root: Oid) -> Result<Acknowledged, GitError> {
        let Some(file) = file(objects, root, FILE)? else {
            return Ok(Acknowledged::default());
        };
        if let Some(known) = self.acknowledged.get(&file) {
            return Ok(known.clone());
        }
        let read: Acknowledged = document(objects, FILE, file)?.unwrap_or_default();
        if self.acknowledged.len() > 64 {
            self.acknowledged.clear();
        }
        self.acknowledged.insert(file, read.clone());
        Ok(read)
    }
}

fn folder(objects: &Objects, root: Oid, path: &str) -> Result<Option<Oid>, GitError> {
    Ok(objects.lookup(root, path)?.and_then(|entry| entry.folder()))
}

fn file(objects: &Objects, root: Oid, path: &str) -> Result<Option<Oid>, GitError> {
    Ok(objects.lookup(root, path)?.and_then(|entry| entry.file()))
}
