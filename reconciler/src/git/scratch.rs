//! A place to try things out beside a repository: it reads that one's objects and keeps what is made in memory. Gone when dropped.

use super::edit::{self, Change, Staged};
use super::error::GitError;
use super::objects::{Objects, missing};
use super::staged::Update;
use git2::build::TreeUpdateBuilder;
use git2::{Index, ObjectType, OdbLookupFlags, Oid, Repository};
use std::cell::RefCell;
use std::path::Path;

/// A scratch repository.
pub struct Scratch {
    objects: Objects,
    /// Sees what is on disk and nothing else.
    disk: Repository,
}

impl Scratch {
    /// Beside the repository in `git_dir` (the folder with `HEAD` and `objects/`; of a linked work tree, the common one).
    ///
    /// # Errors
    /// Those of [`Objects::open`]: a shallow repository is refused.
    pub fn beside(git_dir: &Path) -> Result<Self, GitError> {
        Ok(Self {
            objects: Objects::open_with_memory(git_dir)?,
            disk: Repository::open_bare(git_dir).map_err(GitError::open(git_dir))?,
        })
    }

    /// Reads everything, what is on disk and what was made here.
    pub fn objects(&self) -> &Objects {
        &self.objects
    }

    /// The tree that changes make of `base`.
    pub fn apply(&self, base: Oid, changes: &[Change]) -> Result<Oid, GitError> {
        let made = |repo: &Repository| edit::apply(repo, Some(base), changes);
        let (root, staged) = self.objects.with(made)?;
        self.objects.keep(staged);
        Ok(root)
    }

    /// Takes over those `blobs` of `from` that are not on disk: of a repository that [writes to memory](super::memory::writes_to_memory).
    pub fn take(
        &self,
        from: &Repository,
        blobs: impl IntoIterator<Item = Oid>,
    ) -> Result<(), GitError> {
        let new = blobs.into_iter().filter(|id| !self.on_disk(*id));
        let taken: Result<Vec<Staged>, GitError> = new.map(|id| staged(from, id)).collect();
        self.objects.keep(taken?);
        Ok(())
    }

    /// The tree of an index, which stays as it is. `base` is a tree that much of it is taken from.
    pub fn tree_of(&self, index: &mut Index, base: Oid) -> Result<Oid, GitError> {
        let index = RefCell::new(index);
        self.write(base, |repo| {
            let tree = index.borrow_mut().write_tree_to(repo);
            tree.map(Some).map_err(GitError::library("writing a tree"))
        })?
        .ok_or(GitError::Missing(base))
    }

    /// The tree that `updates` make of `base`. None where a file takes the place of a folder, or the other way round.
    pub fn update(&self, base: Oid, updates: &[Update]) -> Result<Option<Oid>, GitError> {
        if updates.is_empty() {
            return Ok(Some(base));
        }
        self.write(base, |repo| {
            let mut builder = TreeUpdateBuilder::new();
            for Update { path, file } in updates {
                match file {
                    Some((mode, id)) => builder.upsert(path, *id, *mode),
                    None => builder.remove(path),
                };
            }
            let tree = repo.find_tree(base).map_err(|e| missing(base, "tree", e))?;
            match builder.create_updated(repo, &tree) {
                Ok(root) => Ok(Some(root)),
                Err(error) if error.class() == git2::ErrorClass::Tree => Ok(None),
                Err(error) => Err(GitError::library("writing a tree")(error)),
            }
        })
    }

    /// The tree that merging the commit `theirs` into `ours` gives. None where they conflict.
    pub fn merge(&self, ours: Oid, theirs: Oid) -> Result<Option<Oid>, GitError> {
        let failed = GitError::library("merging");
        self.write(self.objects.root_tree(ours)?, |repo| {
            let commit = |oid| repo.find_commit(oid).map_err(&failed);
            let merged = repo.merge_commits(&commit(ours)?, &commit(theirs)?, None);
            unless_conflicting(repo, merged.map_err(&failed)?)
        })
    }

    /// The tree that the changes from `base` to `theirs` make of `ours`, all three trees. Renamed files are looked for. None where they conflict.
    pub fn merge_trees(&self, base: Oid, ours: Oid, theirs: Oid) -> Result<Option<Oid>, GitError> {
        self.merge_with(&git2::MergeOptions::new(), base, ours, theirs)
    }

    /// The tree that the changes from `base` to `theirs` make of `ours`: trees of commits that somebody else made. Not recursive, and without
    /// looking for renamed files, so that it costs no more than the changes are large. None where they conflict.
    pub fn merge_from(&self, base: Oid, ours: Oid, theirs: Oid) -> Result<Option<Oid>, GitError> {
        let mut options = git2::MergeOptions::new();
        options.find_renames(false);
        self.merge_with(&options, base, ours, theirs)
    }

    fn merge_with(
        &self,
        options: &git2::MergeOptions,
        base: Oid,
        ours: Oid,
        theirs: Oid,
    ) -> Result<Option<Oid>, GitError> {
        let failed = GitError::library("merging");
        self.write(ours, |repo| {
            let tree = |oid| repo.find_tree(oid).map_err(&failed);
            let (base, ours, theirs) = (tree(base)?, tree(ours)?, tree(theirs)?);
            let merged = repo.merge_trees(&base, &ours, &theirs, Some(options));
            unless_conflicting(repo, merged.map_err(&failed)?)
        })
    }

    /// The newest commit that both have.
    pub fn merge_base(&self, one: Oid, other: Oid) -> Result<Option<Oid>, GitError> {
        self.objects.merge_base(one, other)
    }

    /// How many commits `of` has that `commit` does not have.
    pub fn behind(&self, commit: Oid, of: Oid) -> Result<usize, GitError> {
        self.objects.with(|repo| {
            let (_, behind) = repo
                .graph_ahead_behind(commit, of)
                .map_err(GitError::library("comparing histories"))?;
            Ok(behind)
        })
    }

    /// Lets a repository write a tree, and shows what it wrote to the others. What differs from the tree `base` is looked at.
    fn write(
        &self,
        base: Oid,
        work: impl Fn(&Repository) -> Result<Option<Oid>, GitError>,
    ) -> Result<Option<Oid>, GitError> {
        let (root, made) = self.objects.with(|repo| {
            let mut made = Vec::new();
            let root = work(repo)?;
            if let Some(root) = root.filter(|root| *root != base) {
                self.made(repo, root, Some(base), &mut made)?;
            }
            Ok((root, made))
        })?;
        self.objects.keep(made);
        Ok(root)
    }

    /// The tree `at` and what is below it, as far as it is not on disk.
    fn made(
        &self,
        repo: &Repository,
        at: Oid,
        base: Option<Oid>,
        made: &mut Vec<Staged>,
    ) -> Result<(), GitError> {
        if self.on_disk(at) {
            return Ok(());
        }
        made.push(staged(repo, at)?);
        let find = |oid| repo.find_tree(oid).map_err(|e| missing(oid, "tree", e));
        let tree = find(at)?;
        let before = base.map(find).transpose()?;
        for entry in &tree {
            let old = before
                .as_ref()
                .and_then(|before| before.get_name_bytes(entry.name_bytes()));
            if old.as_ref().is_some_and(|old| old.id() == entry.id()) {
                continue;
            }
            match entry.kind() {
                Some(ObjectType::Tree) => {
                    let old = old.filter(|old| old.kind() == Some(ObjectType::Tree));
                    self.made(repo, entry.id(), old.map(|old| old.id()), made)?;
                }
                Some(ObjectType::Blob) if !self.on_disk(entry.id()) => {
                    made.push(staged(repo, entry.id())?);
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn on_disk(&self, id: Oid) -> bool {
        let database = self.disk.odb();
        database.is_ok_and(|database| database.exists_ext(id, OdbLookupFlags::NO_REFRESH))
    }
}

/// The tree of what was merged.
fn unless_conflicting(repo: &Repository, mut merged: Index) -> Result<Option<Oid>, GitError> {
    if merged.has_conflicts() {
        return Ok(None);
    }
    let tree = merged.write_tree_to(repo);
    tree.map(Some).map_err(GitError::library("writing a tree"))
}

/// An object as it can be kept.
fn staged(repo: &Repository, id: Oid) -> Result<Staged, GitError> {
    let database = repo.odb().map_err(GitError::library("opening objects"))?;
    let object = database.read(id).map_err(|e| missing(id, "object", e))?;
    Ok(Staged {
        oid: id,
        kind: object.kind(),
        data: object.data().to_vec(),
    })
}
