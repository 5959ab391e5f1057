//! The index of what was taken away from `fleet/decisions`, over the whole history of a commit.
//!
//! # Guarantees
//! A decision, or a named part of one, that any reachable commit ever had and that is not there any more has an event here, whatever path through
//! merges leads to it: on every way from where it was to where it is not there is an edge between a commit and its parent on which it went.
//!
//! # Assumptions
//! The hub takes no decision away, so its commits are not looked at. Author and committer both say whose a commit is: one of the hub's that a person
//! amended, picked or rebased has the person as committer.

use super::parts::parts;
use super::tree::{Gone, Side, gone};
use crate::git::{GitError, Lineage, Objects, Oid, is_descendant};
use crate::hub::HUB_EMAIL;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Below this folder of a root tree everything is a decision.
const FOLDER: &str = "fleet/decisions";

/// One file that a commit took away, or parts of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Event {
    /// The commit. None: it is not committed yet.
    pub(super) commit: Option<Oid>,
    /// Which of its parents had it; the first is 1.
    pub(super) parent: u32,
    /// The file as it was.
    pub(super) old: Oid,
    /// Whether the whole file went.
    pub(super) whole: bool,
    /// What went of what the file names.
    pub(super) parts: BTreeSet<String>,
}

/// Events by path, oldest first: no event is an ancestor of one before it.
pub(super) type Events = BTreeMap<String, Vec<Event>>;

/// Everything that was taken away up to a commit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) at: Option<Oid>,
    pub(super) events: Events,
}

/// An event as it is kept on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Written {
    commit: String,
    parent: u32,
    old: String,
    whole: bool,
    parts: BTreeSet<String>,
}

impl Taken {
    /// Goes on to `head`. How many commits were looked at for that. A head that is no descendant begins anew.
    pub(super) fn follow(&mut self, objects: &Objects, head: Oid) -> Result<usize, GitError> {
        if self.at == Some(head) {
            return Ok(0);
        }
        if let Some(at) = self.at
            && !is_descendant(objects, at, head)?
        {
            *self = Self::default();
        }
        let commits = objects.commits_after(self.at, head)?;
        let mut look = Look::new(objects);
        let mut found = Vec::new();
        for commit in &commits {
            look.at(*commit, &mut found)?;
        }
        // Only now: a history that could be read in part is read again.
        for (path, event) in found {
            self.events.entry(path).or_default().push(event);
        }
        self.at = Some(head);
        Ok(commits.len())
    }
}

/// What `tree`, which is not committed, takes away from `commit`.
pub(super) fn uncommitted(
    objects: &Objects,
    commit: Oid,
    tree: Oid,
) -> Result<Vec<(String, Event)>, GitError> {
    let before = decisions(objects, objects.root_tree(commit)?)?;
    let now = decisions(objects, tree)?;
    let mut found = Vec::new();
    if before != now {
        let gone = gone(objects, FOLDER, before, now, &[])?;
        record(objects, None, 1, gone, &mut found)?;
    }
    Ok(found)
}

/// The tree of decisions of a root tree. None where there is none, or something else stands in its place.
pub(super) fn decisions(objects: &Objects, root: Oid) -> Result<Option<Oid>, GitError> {
    let entry = objects.lookup(root, FOLDER)?;
    Ok(entry.and_then(|entry| entry.folder()))
}

/// Looks at commits one after the other.
struct Look<'o> {
    objects: &'o Objects,
    decisions: HashMap<Oid, Option<Oid>>,
}

impl<'o> Look<'o> {
    fn new(objects: &'o Objects) -> Self {
        Self {
            objects,
            decisions: HashMap::new(),
        }
    }

    /// What a commit itself took away.
    fn at(&mut self, commit: Oid, found: &mut Vec<(String, Event)>) -> Result<(), GitError> {
        let lineage = self.objects.lineage(commit)?;
        if by_hub(&lineage) {
            return Ok(());
        }
        let now = self.decisions(commit, Some(lineage.tree))?;
        for (number, parent) in lineage.parents.iter().enumerate() {
            let before = self.decisions(*parent, None)?;
            if before == now || before.is_none() {
                continue;
            }
            let others = lineage.parents.iter().filter(|other| *other != parent);
            let mut sides = Vec::new();
            for other in others {
                sides.push(self.side(*parent, *other)?);
            }
            let gone = gone(self.objects, FOLDER, before, now, &sides)?;
            let number = u32::try_from(number + 1).unwrap_or(u32::MAX);
            record(self.objects, Some(commit), number, gone, found)?;
        }
        Ok(())
    }

    /// Another parent of a merge, and where its line and that of `parent` come from.
    fn side(&mut self, parent: Oid, other: Oid) -> Result<Side, GitError> {
        let mut bases = Vec::new();
        for base in self.objects.merge_bases(parent, other)? {
            bases.push(self.decisions(base, None)?);
        }
        Ok(Side {
            now: self.decisions(other, None)?,
            bases,
        })
    }

    fn decisions(&mut self, commit: Oid, root: Option<Oid>) -> Result<Option<Oid>, GitError> {
        if let Some(known) = self.decisions.get(&commit) {
            return Ok(*known);
        }
        let root = root.map_or_else(|| self.objects.root_tree(commit), Ok)?;
        let found = decisions(self.objects, root)?;
        self.decisions.insert(commit, found);
        Ok(found)
    }
}

/// Whether a commit is the hub's. It never merges.
pub(crate) fn by_hub(commit: &Lineage) -> bool {
    commit.parents.len() < 2 && commit.author == HUB_EMAIL && commit.committer == HUB_EMAIL
}

/// Makes events of what went. A file that was changed is one where it names less than before.
fn record(
    objects: &Objects,
    commit: Option<Oid>,
    parent: u32,
    gone: Vec<Gone>,
    found: &mut Vec<(String, Event)>,
) -> Result<(), GitError> {
    for Gone { path, old, new } in gone {
        let mut event = Event {
            commit,
            parent,
            old,
            whole: new.is_none(),
            parts: parts(objects, &path, old)?.unwrap_or_default(),
        };
        if let Some(new) = new {
            // What cannot be read names nothing.
            let left = parts(objects, &path, new)?.unwrap_or_default();
            event.parts.retain(|part| !left.contains(part));
            if event.parts.is_empty() {
                continue;
            }
        }
        found.push((path, event));
    }
    Ok(())
}

impl Written {
    /// None for what is not committed.
    pub(super) fn of(event: &Event) -> Option<Self> {
        Some(Self {
            commit: event.commit?.to_string(),
            parent: event.parent,
            old: event.old.to_string(),
            whole: event.whole,
            parts: event.parts.clone(),
        })
    }

    pub(super) fn read(self) -> Option<Event> {
        Some(Event {
            commit: Some(Oid::from_str(&self.commit).ok()?),
            parent: self.parent,
            old: Oid::from_str(&self.old).ok()?,
            whole: self.whole,
            parts: self.parts,
        })
    }
}
