//! What judging commits takes: what one changes, what a merge would have been, what a branch brings in. Nothing here writes.

use super::error::GitError;
use super::objects::{Objects, missing};
use git2::{Diff, Oid, Sort};
use std::collections::BTreeSet;

impl Objects {
    /// The content of a commit object, as it is hashed.
    pub fn raw_commit(&self, commit: Oid) -> Result<Vec<u8>, GitError> {
        self.with(|repo| {
            let odb = repo.odb().map_err(GitError::library("reading"))?;
            let object = odb.read(commit).map_err(|e| missing(commit, "commit", e))?;
            if object.kind() != git2::ObjectType::Commit {
                return Err(GitError::WrongKind {
                    oid: commit,
                    expected: "commit",
                });
            }
            Ok(object.data().to_vec())
        })
    }

    /// Paths of the files that differ between two root trees.
    pub fn changed_paths(&self, old: Oid, new: Oid) -> Result<Vec<String>, GitError> {
        Ok(self.changed_files(old, new)?.into_keys().collect())
    }

    /// Commits that are reachable from any of `tips` and not from `known`, oldest first.
    pub fn only_in(&self, tips: &[Oid], known: Oid) -> Result<Vec<Oid>, GitError> {
        self.with(|repo| {
            let failed = GitError::library("walking");
            let mut walk = repo.revwalk().map_err(&failed)?;
            walk.set_sorting(Sort::TOPOLOGICAL | Sort::REVERSE)
                .map_err(&failed)?;
            for tip in tips {
                walk.push(*tip).map_err(|e| missing(*tip, "commit", e))?;
            }
            walk.hide(known).map_err(|e| missing(known, "commit", e))?;
            walk.map(|step| step.map_err(&failed)).collect()
        })
    }

    /// Paths in which `tree` differs from what merging the two commits gives, those in conflict included. None where it is just that.
    pub fn merge_difference(
        &self,
        ours: Oid,
        theirs: Oid,
        tree: Oid,
    ) -> Result<Vec<String>, GitError> {
        self.with(|repo| {
            let failed = GitError::library("merging");
            let commit = |oid| repo.find_commit(oid).map_err(|e| missing(oid, "commit", e));
            let merged = repo
                .merge_commits(&commit(ours)?, &commit(theirs)?, None)
                .map_err(&failed)?;
            let tree = repo.find_tree(tree).map_err(|e| missing(tree, "tree", e))?;
            let diff = repo
                .diff_tree_to_index(Some(&tree), Some(&merged), None)
                .map_err(&failed)?;
            let mut different = paths(&diff);
            for conflict in merged.conflicts().map_err(&failed)? {
                let conflict = conflict.map_err(&failed)?;
                let sides = [conflict.ancestor, conflict.our, conflict.their];
                let sides = sides.into_iter().flatten();
                different
                    .extend(sides.map(|side| String::from_utf8_lossy(&side.path).into_owned()));
            }
            Ok(different.into_iter().collect())
        })
    }
}

/// Both sides of everything that differs: a file that is moved changes two.
fn paths(diff: &Diff<'_>) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    for delta in diff.deltas() {
        for file in [delta.old_file(), delta.new_file()] {
            let path = file.path_bytes().map(String::from_utf8_lossy);
            paths.extend(path.map(std::borrow::Cow::into_owned));
        }
    }
    paths
}
