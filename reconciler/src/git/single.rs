//! A reference that is kept one commit deep: every change is a new commit without a parent, so that what is dropped is in no history.

use super::edit::{self, Change};
use super::error::GitError;
use super::objects::missing;
use super::write::{Author, commit_object, write_objects};
use git2::{ErrorCode, Oid, Repository};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// Where the reference points; `None` where it does not exist.
pub(crate) fn head(repo: &Repository, name: &str) -> Result<Option<Oid>, GitError> {
    match repo.refname_to_id(name) {
        Ok(oid) => Ok(Some(oid)),
        Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
        Err(error) => Err(GitError::library("reading a reference")(error)),
    }
}

/// The files at the top of its commit, by name.
pub(crate) fn files(repo: &Repository, commit: Oid) -> Result<BTreeMap<String, Oid>, GitError> {
    let tree = repo
        .find_commit(commit)
        .and_then(|commit| commit.tree())
        .map_err(|error| missing(commit, "commit", error))?;
    Ok(tree
        .iter()
        .filter(|entry| entry.kind() == Some(git2::ObjectType::Blob))
        .filter_map(|entry| Some((entry.name().ok()?.to_owned(), entry.id())))
        .collect())
}

/// Writes the commit that `changes` make of `old`, durably and without a parent. Nothing points at it yet.
pub(crate) fn write(
    repo: &Repository,
    old: Option<Oid>,
    changes: &[Change],
    author: &Author,
    message: &str,
    time: Timestamp,
) -> Result<Oid, GitError> {
    let base = old
        .map(|old| repo.find_commit(old).map(|commit| commit.tree_id()))
        .transpose()
        .map_err(GitError::library("reading a commit"))?;
    let (tree, mut staged) = edit::apply(repo, base, changes)?;
    let commit = commit_object(tree, &[], author, message, time)?;
    let oid = commit.oid;
    staged.push(commit);
    write_objects(repo.commondir(), &staged)?;
    Ok(oid)
}

/// Points the reference at `new` if it still points at `old`. `false`: it has moved.
pub(crate) fn swap(
    repo: &Repository,
    name: &str,
    old: Option<Oid>,
    new: Oid,
) -> Result<bool, GitError> {
    let moved = match old {
        Some(old) => repo.reference_matching(name, new, true, old, ""),
        None => repo.reference(name, new, false, ""),
    };
    match moved {
        Ok(_) => Ok(true),
        Err(error)
            if matches!(
                error.code(),
                ErrorCode::Modified | ErrorCode::Exists | ErrorCode::NotFound
            ) =>
        {
            Ok(false)
        }
        Err(error) => Err(GitError::library("moving a reference")(error)),
    }
}

/// Removes an object that nothing needs any more, if it is in a file of its own. Whether the repository is rid of it.
pub(crate) fn forget(repo: &Repository, oid: Oid) -> Result<bool, GitError> {
    let name = oid.to_string();
    let path = repo
        .commondir()
        .join("objects")
        .join(&name[..2])
        .join(&name[2..]);
    match std::fs::remove_file(&path) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(GitError::io("remove", &path)(error)),
    }
    let fresh = Repository::open(repo.path()).map_err(GitError::library("opening"))?;
    let database = fresh.odb().map_err(GitError::library("opening objects"))?;
    Ok(!database.exists(oid))
}
