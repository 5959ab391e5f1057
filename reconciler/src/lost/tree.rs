//! Which files a commit took away from one of its parents: one comparison of trees, which enters only what differs.

use crate::git::{Entry, EntryKind, GitError, Objects, Oid};
use std::collections::BTreeMap;

/// A file that is not what it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Gone {
    pub(super) path: String,
    pub(super) old: Oid,
    /// None: it is not there any more.
    pub(super) new: Option<Oid>,
}

/// The same folder at another parent of a merge, and at each of the merge bases of the two parents.
#[derive(Debug, Clone)]
pub(super) struct Side {
    pub(super) now: Option<Oid>,
    pub(super) bases: Vec<Option<Oid>>,
}

/// A folder at the parent that had it, at the commit, and at the commit's other parents.
struct Level {
    path: String,
    before: Option<Oid>,
    now: Option<Oid>,
    sides: Vec<Side>,
}

/// Files below the tree `before` that are gone or changed in `now`, at `path`.
///
/// What a merge took over from another of its parents, and what is unchanged on this side since the two parted, is not its own doing: the commit that did it
/// is on that other line and is found there. That is what merging without a conflict gives. Everything else that a merge lacks it dropped itself.
pub(super) fn gone(
    objects: &Objects,
    path: &str,
    before: Option<Oid>,
    now: Option<Oid>,
    sides: &[Side],
) -> Result<Vec<Gone>, GitError> {
    let mut found = Vec::new();
    let taken_over = |side: &Side| {
        side.now == now && !side.bases.is_empty() && side.bases.iter().all(|base| *base == before)
    };
    if before == now || sides.iter().any(taken_over) {
        return Ok(found);
    }
    let mut open = vec![Level {
        path: path.to_owned(),
        before,
        now,
        sides: sides.to_vec(),
    }];
    while let Some(level) = open.pop() {
        level.look(objects, &mut open, &mut found)?;
    }
    Ok(found)
}

impl Level {
    fn look(
        &self,
        objects: &Objects,
        open: &mut Vec<Level>,
        found: &mut Vec<Gone>,
    ) -> Result<(), GitError> {
        let mut names: BTreeMap<String, (Option<Entry>, Option<Entry>)> = BTreeMap::new();
        for difference in objects.compare(self.before, self.now)? {
            // What became a folder, or stopped being one, comes as two differences.
            if let Some(old) = difference.old {
                let name = old.name.clone();
                names.entry(name).or_default().0 = Some(old);
            }
            if let Some(new) = difference.new {
                let name = new.name.clone();
                names.entry(name).or_default().1 = Some(new);
            }
        }
        names.retain(|_, (old, _)| old.is_some());
        let asked: Vec<&str> = names.keys().map(String::as_str).collect();
        let mut others = Vec::new();
        for side in &self.sides {
            let bases = side.bases.iter();
            let bases: Result<Vec<_>, _> = bases
                .map(|base| objects.entries_in(*base, &asked))
                .collect();
            others.push((objects.entries_in(side.now, &asked)?, bases?));
        }
        for (place, (name, (old, new))) in names.iter().enumerate() {
            let Some(old) = old else { continue };
            let taken_over = others.iter().any(|(now, bases)| {
                same(now[place].as_ref(), new.as_ref())
                    && !bases.is_empty()
                    && bases
                        .iter()
                        .all(|base| same(base[place].as_ref(), Some(old)))
            });
            if taken_over {
                continue;
            }
            let path = format!("{}/{name}", self.path);
            let below = |entry: &Option<Entry>| entry.as_ref().and_then(Entry::folder);
            if old.kind == EntryKind::Tree {
                open.push(Level {
                    path,
                    before: Some(old.oid),
                    now: below(new),
                    sides: others
                        .iter()
                        .map(|(now, bases)| Side {
                            now: below(&now[place]),
                            bases: bases.iter().map(|base| below(&base[place])).collect(),
                        })
                        .collect(),
                });
            } else if let Some(old) = old.file() {
                let new = new.as_ref().and_then(Entry::file);
                if new != Some(old) {
                    found.push(Gone { path, old, new });
                }
            }
        }
        Ok(())
    }
}

fn same(one: Option<&Entry>, other: Option<&Entry>) -> bool {
    let about = |entry: Option<&Entry>| entry.map(|entry| (entry.oid, entry.mode));
    about(one) == about(other)
}
