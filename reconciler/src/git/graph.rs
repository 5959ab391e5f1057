//! The commit graph as whoever judges each commit of it needs it: parents without messages, merge bases, and what stood at a path before.

use super::error::GitError;
use super::objects::{Entry, EntryKind, Objects, missing};
use git2::{ErrorCode, Oid};

/// A commit's place in the graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    /// Its root tree.
    pub(crate) tree: Oid,
    /// Its parents, first parent first.
    pub(crate) parents: Vec<Oid>,
    /// When it was committed, in seconds, as it says.
    pub(crate) time: i64,
}

impl Objects {
    /// A commit's place in the graph.
    pub(crate) fn node(&self, oid: Oid) -> Result<Node, GitError> {
        self.with(|repo| {
            let commit = repo
                .find_commit(oid)
                .map_err(|e| missing(oid, "commit", e))?;
            Ok(Node {
                tree: commit.tree_id(),
                parents: commit.parent_ids().collect(),
                time: commit.time().seconds(),
            })
        })
    }

    /// Where two lines parted. None where they have nothing in common.
    pub(crate) fn merge_base(&self, one: Oid, other: Oid) -> Result<Option<Oid>, GitError> {
        self.with(|repo| match repo.merge_base(one, other) {
            Ok(base) => Ok(Some(base)),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
            Err(error) => Err(GitError::library("walking")(error)),
        })
    }

    /// The folders called `names` in the tree `folder`, as [`Objects::entries_in`].
    pub(crate) fn folders_in(
        &self,
        folder: Option<Oid>,
        names: &[&str],
    ) -> Result<Vec<Option<Oid>>, GitError> {
        let entries = self.entries_in(folder, names)?.into_iter();
        let folders = entries.map(|entry| entry.filter(|entry| entry.kind == EntryKind::Tree));
        Ok(folders
            .map(|folder| folder.map(|folder| folder.oid))
            .collect())
    }

    /// The newest entry at `path` that `fits`, along first parents from `commit` on, with the newest commit that has it. None where there is none, where `goes_on` says of a root tree
    /// that there is no need to look further back, or after `most` commits.
    ///
    /// A folder that is the same as one commit later is not read again.
    pub(crate) fn last_entry(
        &self,
        commit: Oid,
        path: &str,
        most: usize,
        mut goes_on: impl FnMut(Oid) -> Result<bool, GitError>,
        mut fits: impl FnMut(&Entry) -> Result<bool, GitError>,
    ) -> Result<Option<(Oid, Entry)>, GitError> {
        let parts: Vec<&str> = path.split('/').collect();
        let mut levels: Vec<(Oid, Option<Entry>)> = Vec::new();
        let (mut next, mut tried) = (Some(commit), None);
        for _ in 0..most {
            let Some(at) = next else { break };
            let node = self.node(at)?;
            if !goes_on(node.tree)? {
                break;
            }
            if let Some(entry) = self.descend(node.tree, &parts, &mut levels)?
                && tried != Some(entry.oid)
            {
                tried = Some(entry.oid);
                if fits(&entry)? {
                    return Ok(Some((at, entry)));
                }
            }
            next = node.parents.first().copied();
        }
        Ok(None)
    }

    /// The newest folder that stood at `path`, as [`Objects::last_entry`].
    pub(crate) fn last_folder(
        &self,
        commit: Oid,
        path: &str,
        most: usize,
    ) -> Result<Option<Oid>, GitError> {
        let is_folder = |entry: &Entry| Ok(entry.kind == EntryKind::Tree);
        let found = self.last_entry(commit, path, most, |_| Ok(true), is_folder)?;
        Ok(found.map(|(_, entry)| entry.oid))
    }

    /// The entry at `parts` below a root tree. `levels` are the folders on the way as they were last, with what stood in them.
    fn descend(
        &self,
        root: Oid,
        parts: &[&str],
        levels: &mut Vec<(Oid, Option<Entry>)>,
    ) -> Result<Option<Entry>, GitError> {
        let mut here = root;
        for (depth, part) in parts.iter().enumerate() {
            if levels.get(depth).is_none_or(|(folder, _)| *folder != here) {
                levels.truncate(depth);
                levels.push((here, self.lookup(here, part)?));
            }
            let entry = levels.get(depth).and_then(|(_, entry)| entry.clone());
            match entry {
                Some(entry) if depth + 1 == parts.len() => return Ok(Some(entry)),
                Some(entry) if entry.kind == EntryKind::Tree => here = entry.oid,
                _ => return Ok(None),
            }
        }
        Ok(None)
    }
}
