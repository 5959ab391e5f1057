//! Questions about the commit graph: how many commits, who descends from whom, when a path changed.

use super::error::GitError;
use super::objects::{Entry, Objects, lookup, missing};
use git2::{Oid, Repository};
use std::sync::{Mutex, PoisonError};

/// How many counted commits are remembered.
const REMEMBERED: usize = 8;

/// Counts reachable commits, from the nearest count that is known.
#[derive(Default)]
pub(super) struct Generations {
    known: Mutex<Vec<(Oid, u64)>>,
}

impl Generations {
    /// The number of commits reachable from `oid`, itself included.
    pub(super) fn of(&self, objects: &Objects, oid: Oid) -> Result<u64, GitError> {
        let known = self
            .known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if let Some((_, count)) = known.iter().find(|(known, _)| *known == oid) {
            return Ok(*count);
        }
        let count = objects.with(|repo| {
            match known.last().and_then(|near| from_known(repo, oid, *near)) {
                Some(count) => Ok(count),
                None => count_all(repo, oid),
            }
        })?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() == REMEMBERED {
            known.remove(0);
        }
        known.push((oid, count));
        Ok(count)
    }
}

/// |reach(a)| = |reach(b)| − |reach(b) \ reach(a)| + |reach(a) \ reach(b)|, and libgit2 walks only as far back as the two differ.
fn from_known(repo: &Repository, oid: Oid, (near, count): (Oid, u64)) -> Option<u64> {
    let (ahead, behind) = repo.graph_ahead_behind(oid, near).ok()?;
    (count + ahead as u64).checked_sub(behind as u64)
}

fn count_all(repo: &Repository, oid: Oid) -> Result<u64, GitError> {
    let mut walk = repo.revwalk().map_err(GitError::library("walking"))?;
    walk.push(oid).map_err(|e| missing(oid, "commit", e))?;
    let mut count = 0;
    for step in walk {
        step.map_err(GitError::library("walking"))?;
        count += 1;
    }
    Ok(count)
}

/// Whether `oid` is `of` or has it among its ancestors. A commit that is not in the repository has no descendants.
pub(crate) fn is_descendant(objects: &Objects, of: Oid, oid: Oid) -> Result<bool, GitError> {
    if of == oid {
        return Ok(true);
    }
    objects.with(|repo| {
        repo.find_commit(oid)
            .map_err(|e| missing(oid, "commit", e))?;
        if repo.find_commit(of).is_err() {
            return Ok(false);
        }
        repo.graph_descendant_of(oid, of)
            .map_err(GitError::library("walking"))
    })
}

/// Where a commit comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lineage {
    /// Its tree.
    pub(crate) tree: Oid,
    /// Its parents, first parent first.
    pub(crate) parents: Vec<Oid>,
    /// The author's e-mail address.
    pub(crate) author: String,
    /// The e-mail address of whoever made the commit object.
    pub(crate) committer: String,
}

impl Objects {
    /// Where a commit comes from.
    pub(crate) fn lineage(&self, oid: Oid) -> Result<Lineage, GitError> {
        self.with(|repo| {
            let commit = repo
                .find_commit(oid)
                .map_err(|e| missing(oid, "commit", e))?;
            let email =
                |who: &git2::Signature<'_>| String::from_utf8_lossy(who.email_bytes()).into_owned();
            Ok(Lineage {
                tree: commit.tree_id(),
                parents: commit.parent_ids().collect(),
                author: email(&commit.author()),
                committer: email(&commit.committer()),
            })
        })
    }

    /// The commits that are reachable from `head` and not from `after`, parents before their children.
    pub(crate) fn commits_after(
        &self,
        after: Option<Oid>,
        head: Oid,
    ) -> Result<Vec<Oid>, GitError> {
        self.with(|repo| {
            let mut walk = repo.revwalk().map_err(GitError::library("walking"))?;
            walk.set_sorting(git2::Sort::TOPOLOGICAL | git2::Sort::REVERSE)
                .map_err(GitError::library("walking"))?;
            walk.push(head).map_err(|e| missing(head, "commit", e))?;
            if let Some(after) = after {
                walk.hide(after).map_err(|e| missing(after, "commit", e))?;
            }
            walk.collect::<Result<_, _>>()
                .map_err(GitError::library("walking"))
        })
    }

    /// The best common ancestors of two commits. None: they have no history in common.
    pub(crate) fn merge_bases(&self, one: Oid, other: Oid) -> Result<Vec<Oid>, GitError> {
        self.with(|repo| match repo.merge_bases(one, other) {
            Ok(bases) => Ok(bases.iter().copied().collect()),
            Err(error) if error.code() == git2::ErrorCode::NotFound => Ok(Vec::new()),
            Err(error) => Err(GitError::library("walking")(error)),
        })
    }
}

/// What stood at a path for a stretch of history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// The oldest commit of the stretch: the one that made it so, or the last that was looked at.
    pub commit: Oid,
    /// What stood there; `None` where there was nothing.
    pub entry: Option<Entry>,
}

impl Objects {
    /// The versions of the entry at `path` along first parents of `commit`, newest first, over at most `limit` commits.
    pub fn first_parent_versions(
        &self,
        commit: Oid,
        path: &str,
        limit: usize,
    ) -> impl Iterator<Item = Result<Version, GitError>> + Send + use<> {
        Versions {
            objects: self.clone(),
            path: path.to_owned(),
            next: Some(commit),
            left: limit,
            open: None,
        }
    }
}

/// Iterates over the versions of one path along first parents, newest first.
pub(super) struct Versions {
    pub(super) objects: Objects,
    pub(super) path: String,
    /// The next commit to look at.
    pub(super) next: Option<Oid>,
    /// How many more commits may be looked at.
    pub(super) left: usize,
    /// The stretch being walked.
    pub(super) open: Option<Version>,
}

impl Iterator for Versions {
    type Item = Result<Version, GitError>;

    fn next(&mut self) -> Option<Self::Item> {
        while let (Some(commit), true) = (self.next, self.left > 0) {
            self.left -= 1;
            let (parent, entry) = match self.look(commit) {
                Ok(found) => found,
                Err(error) => {
                    (self.next, self.open) = (None, None);
                    return Some(Err(error));
                }
            };
            self.next = parent;
            match &mut self.open {
                Some(open) if same(open.entry.as_ref(), entry.as_ref()) => open.commit = commit,
                open => {
                    if let Some(done) = open.replace(Version { commit, entry }) {
                        return Some(Ok(done));
                    }
                }
            }
        }
        self.open.take().map(Ok)
    }
}

impl Versions {
    fn look(&self, oid: Oid) -> Result<(Option<Oid>, Option<Entry>), GitError> {
        self.objects.with(|repo| {
            let commit = repo
                .find_commit(oid)
                .map_err(|e| missing(oid, "commit", e))?;
            let entry = lookup(repo, commit.tree_id(), &self.path)?;
            Ok((commit.parent_ids().next(), entry))
        })
    }
}

fn same(a: Option<&Entry>, b: Option<&Entry>) -> bool {
    a.map(|e| (e.oid, e.mode)) == b.map(|e| (e.oid, e.mode))
}
