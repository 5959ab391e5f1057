//! Repositories that a hub does not begin with: empty ones, and those that people work in.

use super::{HubError, Options};
use crate::git::{is_empty, work_folder};

/// Refuses a repository that a hub cannot work with, before anything is made on disk.
pub(super) fn check(options: &Options) -> Result<(), HubError> {
    let Some(git_dir) = options.location.watchable() else {
        return Ok(());
    };
    let branch = &options.branch;
    if is_empty(git_dir)? {
        let path = git_dir.canonicalize();
        let path = path.unwrap_or_else(|_| git_dir.to_owned());
        return Err(HubError::Empty(path, branch.clone()));
    }
    let acts = !options.observe && options.key.is_some();
    match work_folder(git_dir, branch)?.filter(|_| acts) {
        Some(folder) => Err(HubError::WorkFolder(folder, branch.clone())),
        None => Ok(()),
    }
}
