//! Tools that would move to another version of their stack, where these are more than the policy lets move at once.
//!
//! A move is open until its tool runs the version, which may take days. So it is judged by when it became open: along first parents, the newest
//! commit at which it was not. The limit of then holds, whatever was lifted since. An entry of `fleet/acknowledged.yaml` lets a move go that became
//! open with it or before it: one that was there already was for an earlier move.

use super::rules::{Rule, Rules, strictest};
use super::{FILE, Held, document, file, folder};
use crate::git::{GitError, Objects, Oid};
use crate::load::Revision;
use crate::load::customers::{Broken, Trees, read};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use tenantry_planner::documents::CustomerDocuments;
use tenantry_planner::link::{FOLLOW, Move};
use tenantry_planner::removal::{Loss, Losses, Removal};
use tenantry_schema::document::Acknowledged;
use tenantry_schema::id::{CustomerId, ServerKey};

/// So many commits are looked at for the beginning of a move. One that is older counts as begun there.
const MOST: usize = 5_000;
/// So many moves are remembered.
const KEPT: usize = 100_000;

/// When moves became open; keeps what it found.
#[derive(Default)]
pub(in crate::load) struct Pending {
    rules: Rules,
    /// The newest commit that was looked at, and the one before the move became open. None: the history begins with it.
    known: HashMap<Key, (Oid, Option<Oid>)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key(CustomerId, String, String, String, String);

fn key(step: &Move) -> Key {
    let (pin, to) = (step.pin.to_string(), step.to.to_string());
    let tool = format!("{}/{}", step.order, step.tool);
    Key(
        step.server.customer.clone(),
        tool,
        pin,
        to,
        step.revision.clone(),
    )
}

impl Pending {
    /// What is to be said about these moves, of so many servers.
    pub(in crate::load) fn judge(
        &mut self,
        objects: &Objects,
        revision: Revision,
        held: &Held,
        moves: &[Move],
        of: usize,
    ) -> Result<Vec<Removal>, GitError> {
        if moves.is_empty() || !held.limited {
            return Ok(Vec::new());
        }
        let begun = self.begun(objects, revision, moves)?;
        let mut rules = held.rules.clone();
        for before in begun.iter().flatten().collect::<BTreeSet<_>>() {
            if let Some(rule) = self.rules.at(objects, *before)?
                && !rules.contains(&rule)
            {
                rules.push(rule);
            }
        }
        let Some(rule) = strictest(&rules, of).cloned() else {
            return Ok(Vec::new());
        };
        let mut all = Losses::default();
        for step in moves {
            all.add(version(step), step.server.clone());
        }
        // Within the limit whoever agreed to what.
        let Some(whole) = Removal::judge(&all, of, rule.limit, &rule.fleet) else {
            return Ok(Vec::new());
        };
        split(objects, held, &rule, &whole, moves, &begun)
    }

    /// The commit before each of these moves became open.
    fn begun(
        &mut self,
        objects: &Objects,
        revision: Revision,
        moves: &[Move],
    ) -> Result<Vec<Option<Oid>>, GitError> {
        let node = objects.node(revision.commit)?;
        let committed = node.tree == revision.tree;
        let mut next = if committed {
            node.parents.first().copied()
        } else {
            Some(revision.commit)
        };
        let mut before = vec![None; moves.len()];
        let mut open: BTreeMap<CustomerId, Vec<usize>> = BTreeMap::new();
        for (place, step) in moves.iter().enumerate() {
            open.entry(step.server.customer.clone())
                .or_default()
                .push(place);
        }
        let mut past = Past::default();
        let mut looked = 0;
        while let Some(at) = next.filter(|_| !open.is_empty()) {
            let node = objects.node(at)?;
            past.go_to(objects, node.tree, &open)?;
            looked += 1;
            for (id, places) in &mut open {
                places.retain(|place| {
                    let Some(step) = moves.get(*place) else {
                        return false;
                    };
                    let known = self.known.get(&key(step)).filter(|(seen, _)| *seen == at);
                    let begun = match known {
                        Some((_, begun)) => *begun,
                        None if looked > MOST || !past.is_open(id, step) => Some(at),
                        None => return true,
                    };
                    if let Some(slot) = before.get_mut(*place) {
                        *slot = begun;
                    }
                    false
                });
            }
            open.retain(|_, places| !places.is_empty());
            next = node.parents.first().copied();
        }
        if committed {
            if self.known.len() > KEPT {
                self.known.clear();
            }
            let found = moves.iter().zip(&before);
            let found = found.map(|(step, begun)| (key(step), (revision.commit, *begun)));
            self.known.extend(found);
        }
        Ok(before)
    }
}

/// Takes out what is acknowledged, and says of each version that too many would still move to.
fn split(
    objects: &Objects,
    held: &Held,
    rule: &Rule,
    whole: &Removal,
    moves: &[Move],
    begun: &[Option<Oid>],
) -> Result<Vec<Removal>, GitError> {
    let mut then: BTreeMap<Oid, Acknowledged> = BTreeMap::new();
    for before in begun.iter().flatten() {
        if !then.contains_key(before) {
            let file = file(objects, objects.root_tree(*before)?, FILE)?;
            let read = file.map(|file| document(objects, FILE, file)).transpose()?;
            then.insert(*before, read.flatten().unwrap_or_default());
        }
    }
    let mut on: BTreeMap<Loss, BTreeSet<&ServerKey>> = BTreeMap::new();
    for step in moves {
        on.entry(version(step)).or_default().insert(&step.server);
    }
    let parts: BTreeMap<&Loss, Removal> = on
        .iter()
        .map(|(loss, servers)| {
            let part = whole.part(loss.clone(), &rule.fleet);
            let servers = servers.len();
            (loss, Removal { servers, ..part })
        })
        .collect();
    let nothing = Acknowledged::default();
    let (mut left, mut agreed) = (Losses::default(), BTreeMap::new());
    for (step, before) in moves.iter().zip(begun) {
        let then = before.and_then(|before| then.get(&before));
        let Some(part) = parts.get(&version(step)) else {
            continue;
        };
        match part.acknowledged_by(&held.acknowledged, then.unwrap_or(&nothing)) {
            Some(id) => drop(agreed.insert(version(step), (id.clone(), part.clone()))),
            None => left.add(version(step), step.server.clone()),
        }
    }
    let mut removals = Vec::new();
    if let Some(too_many) = Removal::judge(&left, whole.of, rule.limit, &rule.fleet) {
        for loss in &left.what {
            removals.push(too_many.part(loss.clone(), &rule.fleet));
        }
    }
    for (loss, (id, part)) in agreed {
        if !left.what.contains(&loss) {
            removals.push(Removal {
                acknowledged: Some(id),
                ..part
            });
        }
    }
    Ok(removals)
}

fn version(step: &Move) -> Loss {
    Loss::Version(step.tool.clone(), step.to.to_string())
}

/// The folder of stacks, if there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stacks(Option<Oid>);

/// Customers and stacks at one commit of the past.
#[derive(Default)]
struct Past {
    folders: Option<(Option<Oid>, Option<Oid>)>,
    /// None: not looked at yet.
    stacks: Option<Stacks>,
    trees: HashMap<CustomerId, (Option<Oid>, Option<Oid>)>,
    documents: HashMap<CustomerId, Option<std::sync::Arc<CustomerDocuments>>>,
    versions: HashMap<String, Oid>,
}

impl Past {
    /// Goes to the commit with the root tree `root`. What is the same there is not read again.
    fn go_to(
        &mut self,
        objects: &Objects,
        root: Oid,
        open: &BTreeMap<CustomerId, Vec<usize>>,
    ) -> Result<(), GitError> {
        let stacks = folder(objects, root, "stacks")?;
        if self.stacks != Some(Stacks(stacks)) {
            self.stacks = Some(Stacks(stacks));
            let entries = stacks.map_or(Ok(Vec::new()), |tree| objects.tree(tree))?;
            self.versions = entries
                .into_iter()
                .map(|entry| (entry.name, entry.oid))
                .collect();
        }
        let folders = (
            folder(objects, root, "fleet/customers")?,
            folder(objects, root, "fleet/decisions")?,
        );
        if self.folders == Some(folders) {
            return Ok(());
        }
        self.folders = Some(folders);
        let names: Vec<&str> = open.keys().map(CustomerId::as_str).collect();
        let documents = objects.folders_in(folders.0, &names)?;
        let decisions = objects.folders_in(folders.1, &names)?;
        for (id, trees) in open.keys().zip(documents.into_iter().zip(decisions)) {
            if self.trees.insert(id.clone(), trees) == Some(trees) {
                continue;
            }
            let read = match trees {
                (Some(documents), decisions) => {
                    let broken = Broken::No;
                    let trees = Trees {
                        documents,
                        decisions,
                        broken,
                    };
                    read(objects, id, trees)?.documents
                }
                _ => None,
            };
            self.documents.insert(id.clone(), read);
        }
        Ok(())
    }

    /// Whether the same move was open there.
    fn is_open(&self, id: &CustomerId, step: &Move) -> bool {
        let open = || {
            let documents = self.documents.get(id)?.as_deref()?;
            let tool = documents.orders.get(&step.order)?.tools.get(&step.tool)?;
            let decided = documents.decisions.get(&step.order)?;
            let pinned = decided.tools.get(&step.tool)?.pin.tree.as_str() == step.pin.to_string();
            let revision = tool.revision.as_deref()?;
            let stack = tool.stack(&step.tool);
            // What the id of a commit or tree stands for never changes.
            let there = || Some(self.versions.get(stack.as_str())?.to_string());
            let same = revision != FOLLOW || there()? == step.to.to_string();
            Some(pinned && same && revision == step.revision)
        };
        open().unwrap_or(false)
    }
}
