//! Makes a new fleet repository with its first commit. What the files say is the caller's affair.

use super::edit::{self, Change};
use super::error::GitError;
use super::local;
use super::pack;
use super::write::{Author, commit_object, durable, write_objects};
use git2::{Oid, Repository, RepositoryInitOptions};
use jiff::Timestamp;
use std::path::Path;

/// Whether people edit files in the folder itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Files beside a `.git` folder. Nobody pushes there: Git refuses to move a branch that is checked out.
    WorkTree,
    /// Only Git's own files, for a server.
    Bare,
}

/// Why no repository was made.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// There is something already.
    #[error(
        "`{0}` is not empty: a new fleet needs a folder of its own; name one that is not there yet"
    )]
    NotEmpty(String),
    /// Making it failed; what is there is unfinished.
    #[error("cannot make the fleet repository")]
    Git(#[from] GitError),
}

/// Makes a repository in `dir` (absent or empty) whose `branch` has one commit with `files`, durably. Returns that commit.
pub fn init_repository(
    dir: &Path,
    branch: &str,
    layout: Layout,
    files: &[Change],
    author: &Author,
    message: &str,
    time: Timestamp,
) -> Result<Oid, InitError> {
    if std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(InitError::NotEmpty(dir.display().to_string()));
    }
    let failed = || GitError::library("initialising");
    let mut options = RepositoryInitOptions::new();
    // People's templates bring hooks and settings that a hub should not inherit.
    options
        .bare(layout == Layout::Bare)
        .mkpath(true)
        .no_reinit(true)
        .external_template(false)
        .initial_head(branch);
    let repo = Repository::init_opts(dir, &options).map_err(failed())?;
    durable(&repo)?;
    let mut config = repo.config().map_err(failed())?;
    config
        .set_bool("receive.denyNonFastForwards", true)
        .map_err(failed())?;

    let (tree, mut staged) = edit::apply(&repo, None, files)?;
    let commit = commit_object(tree, &[], author, message, time)?;
    let oid = commit.oid;
    staged.push(commit);
    write_objects(repo.commondir(), &staged)?;
    local::create(&repo, branch, oid)?;
    if layout == Layout::WorkTree {
        repo.checkout_head(Some(git2::build::CheckoutBuilder::new().force()))
            .map_err(failed())?;
    }
    for folder in [repo.path(), dir] {
        pack::sync_folder(folder)?;
    }
    if let Some(parent) = std::path::absolute(dir)
        .ok()
        .as_deref()
        .and_then(Path::parent)
    {
        pack::sync_folder(parent)?;
    }
    Ok(oid)
}
