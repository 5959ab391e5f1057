//! Repositories that a hub does not begin with: empty ones, those that people work in, and those that would hold its data directory.

use super::{HubError, Options};
use crate::git::{is_empty, work_folder};
use std::path::{Path, PathBuf};

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
    let inside = real(&options.data);
    if inside.starts_with(real(git_dir)) {
        return Err(HubError::DataInFleet(inside));
    }
    let acts = !options.observe && options.key.is_some();
    match work_folder(git_dir, branch)?.filter(|_| acts) {
        Some(folder) => Err(HubError::WorkFolder(folder, branch.clone())),
        None => Ok(()),
    }
}

/// A path without links, of which the end need not be there.
fn real(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    for there in path.ancestors() {
        if let (Ok(real), Ok(rest)) = (there.canonicalize(), path.strip_prefix(there)) {
            // Joined with nothing it would end in a slash.
            return real.components().chain(rest.components()).collect();
        }
    }
    path
}
