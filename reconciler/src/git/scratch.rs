//! A repository beside another one: it reads that one's objects and keeps what is tried out to itself. Gone when dropped.

use super::edit::{self, Change};
use super::error::GitError;
use super::objects::Objects;
use git2::{Oid, Repository};
use std::path::{Path, PathBuf};

/// A scratch repository.
pub struct Scratch {
    objects: Objects,
    repository: Repository,
    _folder: tempfile::TempDir,
}

impl Scratch {
    /// Beside the repository in `git_dir` (the folder with `HEAD` and `objects/`; of a linked work tree, the common one).
    ///
    /// # Errors
    /// Where no temporary folder can be made, and those of [`Objects::open`]: a shallow repository is refused.
    pub fn beside(git_dir: &Path) -> Result<Self, GitError> {
        drop(Objects::open(git_dir)?);
        let there =
            std::path::absolute(git_dir.join("objects")).map_err(GitError::io("find", git_dir))?;
        let folder =
            tempfile::tempdir().map_err(GitError::io("make a temporary folder beside", git_dir))?;
        let repository = Repository::init_bare(folder.path()).map_err(GitError::library("init"))?;
        let alternates: PathBuf = folder.path().join("objects/info/alternates");
        let written = std::fs::create_dir_all(folder.path().join("objects/info"))
            .and_then(|()| std::fs::write(&alternates, format!("{}\n", there.display())));
        written.map_err(GitError::io("write", &alternates))?;
        // Opened once more: alternates are read when a repository is opened.
        let repository = Repository::open_bare(repository.path())
            .map_err(GitError::library("opening a scratch repository"))?;
        Ok(Self {
            objects: Objects::open(folder.path())?,
            repository,
            _folder: folder,
        })
    }

    /// Reads everything, from either repository.
    pub fn objects(&self) -> &Objects {
        &self.objects
    }

    /// The tree that changes make of `base`.
    pub fn apply(&self, base: Oid, changes: &[Change]) -> Result<Oid, GitError> {
        let (root, staged) = edit::apply(&self.repository, Some(base), changes)?;
        let database = self.database()?;
        for object in staged {
            database
                .write(object.kind, &object.data)
                .map_err(GitError::library("writing"))?;
        }
        Ok(root)
    }

    /// The tree of an index, which stays as it is.
    pub fn tree_of(&self, index: &mut git2::Index) -> Result<Oid, GitError> {
        index
            .write_tree_to(&self.repository)
            .map_err(GitError::library("writing a tree"))
    }

    /// The tree that merging `theirs` into `ours` gives. None where they conflict.
    pub fn merge(&self, ours: Oid, theirs: Oid) -> Result<Option<Oid>, GitError> {
        let failed = GitError::library("merging");
        let commit = |oid| self.repository.find_commit(oid).map_err(&failed);
        let mut index = self
            .repository
            .merge_commits(&commit(ours)?, &commit(theirs)?, None)
            .map_err(&failed)?;
        if index.has_conflicts() {
            return Ok(None);
        }
        self.tree_of(&mut index).map(Some)
    }

    /// The tree that the changes from `base` to `theirs` make of `ours`: trees of commits that somebody else made. Not recursive, and without
    /// looking for renamed files, so that it costs no more than the changes are large. None where they conflict.
    pub fn merge_from(&self, base: Oid, ours: Oid, theirs: Oid) -> Result<Option<Oid>, GitError> {
        let failed = GitError::library("merging");
        let tree = |oid| self.repository.find_tree(oid).map_err(&failed);
        let mut options = git2::MergeOptions::new();
        options.find_renames(false);
        let mut index = self
            .repository
            .merge_trees(&tree(base)?, &tree(ours)?, &tree(theirs)?, Some(&options))
            .map_err(&failed)?;
        if index.has_conflicts() {
            return Ok(None);
        }
        self.tree_of(&mut index).map(Some)
    }

    /// The newest commit that both have.
    pub fn merge_base(&self, one: Oid, other: Oid) -> Result<Option<Oid>, GitError> {
        self.objects.merge_base(one, other)
    }

    fn database(&self) -> Result<git2::Odb<'_>, GitError> {
        self.repository
            .odb()
            .map_err(GitError::library("opening objects"))
    }
}
