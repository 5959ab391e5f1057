//! What is held back at a commit: each commit of its history is judged once, from the first one on, and what came out is remembered.

use super::Limits;
use super::memory::Bases;
use crate::git::{Entry, GitError, Objects, Oid};
use crate::lost::by_hub;
use std::collections::{BinaryHeap, HashMap, HashSet};
use tenantry_planner::removal::FILE;

/// All of a commit that decides whether it has to be compared with its parents.
struct Facts {
    tree: Oid,
    parents: Vec<Oid>,
    customers: Option<Oid>,
    decisions: Option<Oid>,
    acknowledged: Option<Oid>,
    settings: Option<Oid>,
}

impl Facts {
    fn read(objects: &Objects, commit: Oid) -> Result<(Self, i64), GitError> {
        let node = objects.node(commit)?;
        let fleet = objects.lookup(node.tree, "fleet")?;
        let fleet = fleet.and_then(|fleet| fleet.folder());
        let in_fleet = |name: &str| match fleet {
            Some(fleet) => objects.lookup(fleet, name),
            None => Ok(None),
        };
        let id = |entry: Option<Entry>| entry.map(|entry| entry.oid);
        let name = FILE.rsplit('/').next().unwrap_or(FILE);
        let facts = Self {
            tree: node.tree,
            customers: id(in_fleet("customers")?),
            decisions: id(in_fleet("decisions")?),
            acknowledged: id(in_fleet(name)?),
            settings: in_fleet("hub.yaml")?.and_then(|entry| entry.file()),
            parents: node.parents,
        };
        Ok((facts, node.time))
    }
}

impl Limits {
    /// Finds out what is held back at `commit`.
    pub(super) fn settle(&mut self, objects: &Objects, commit: Oid) -> Result<(), GitError> {
        if self.memory.knows(commit) {
            return Ok(());
        }
        let found = self.unknown(objects, commit)?;
        for commit in in_order(commit, &found) {
            let Some(facts) = found.get(&commit) else {
                continue;
            };
            let bases = self.step(objects, commit, facts, &found)?;
            self.memory.learn(commit, bases);
        }
        Ok(())
    }

    /// Commits of which nothing is known, as far as they are looked at: the newest first.
    fn unknown(&mut self, objects: &Objects, commit: Oid) -> Result<HashMap<Oid, Facts>, GitError> {
        let mut found = HashMap::new();
        let mut open = BinaryHeap::new();
        let mut seen = HashSet::from([commit]);
        // By parent: the customers of a commit that follows.
        let mut after: HashMap<Oid, Option<Oid>> = HashMap::new();
        let mut people = 0;
        let (facts, time) = Facts::read(objects, commit)?;
        open.push((time, commit));
        let mut read = HashMap::from([(commit, facts)]);
        while let Some((_, at)) = open.pop() {
            let Some(facts) = read.remove(&at) else {
                continue;
            };
            if people >= self.depth {
                self.memory.since = self.memory.since.or(Some(at));
                break;
            }
            people += usize::from(
                after
                    .remove(&at)
                    .is_some_and(|after| after != facts.customers),
            );
            if let Some(first) = facts.parents.first() {
                after.insert(*first, facts.customers);
            }
            for parent in &facts.parents {
                if !self.memory.knows(*parent) && seen.insert(*parent) {
                    let (facts, time) = Facts::read(objects, *parent)?;
                    open.push((time, *parent));
                    read.insert(*parent, facts);
                }
            }
            found.insert(at, facts);
        }
        Ok(found)
    }

    fn step(
        &mut self,
        objects: &Objects,
        commit: Oid,
        facts: &Facts,
        found: &HashMap<Oid, Facts>,
    ) -> Result<Bases, GitError> {
        let mut held = false;
        let (mut same, mut decisions, mut agreed) = (true, true, true);
        if let Some(settings) = facts.settings {
            self.memory.limited |= self.rules.limits(objects, settings)?;
        }
        for parent in &facts.parents {
            held |= !self.memory.held_at(*parent).is_empty();
            let read;
            let before = match found.get(parent) {
                Some(before) => before,
                None => {
                    read = Facts::read(objects, *parent)?.0;
                    &read
                }
            };
            same &= before.customers == facts.customers;
            decisions &= before.decisions == facts.decisions;
            agreed &= before.acknowledged == facts.acknowledged;
        }
        // What the hub decides takes nothing away.
        same = same && (decisions || by_hub(&objects.lineage(commit)?));
        if same && !held {
            return Ok(Bases::new());
        }
        if let [parent] = facts.parents.as_slice()
            && same
            && agreed
        {
            return Ok(self.memory.held_at(*parent).to_vec());
        }
        let finding = self.judge(objects, &facts.parents, facts.tree, Some(commit))?;
        Ok(finding.map(|found| found.bases()).unwrap_or_default())
    }
}

/// Those that were found, each after its parents.
fn in_order(newest: Oid, found: &HashMap<Oid, Facts>) -> Vec<Oid> {
    let mut order = Vec::with_capacity(found.len());
    let mut begun = HashSet::from([newest]);
    let mut open = vec![(newest, 0)];
    while let Some((at, next)) = open.pop() {
        let Some(facts) = found.get(&at) else {
            continue;
        };
        let Some(parent) = facts.parents.get(next) else {
            order.push(at);
            continue;
        };
        open.push((at, next + 1));
        if begun.insert(*parent) {
            open.push((*parent, 0));
        }
    }
    order
}
