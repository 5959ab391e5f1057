//! Whether people work in the repository itself. A hub commits to no such repository: Git moves a branch, the index and the files one after the
//! other, so what a person commits at that moment can undo the hub's commit, or the hub's commit what the person did.

use super::error::GitError;
use git2::Repository;
use std::fs;
use std::path::{Path, PathBuf};

/// A folder in which people edit what `branch` holds, beside or linked to the repository whose `HEAD` is in `git_dir`. None: there is none.
///
/// A linked folder (`git worktree`) counts where it has this branch checked out, or is in the middle of rebasing it.
pub(super) fn work_folder(git_dir: &Path, branch: &str) -> Result<Option<PathBuf>, GitError> {
    let repo = Repository::open(git_dir).map_err(GitError::open(git_dir))?;
    if !repo.is_bare() {
        let folder = repo.workdir().unwrap_or(git_dir);
        return Ok(Some(folder.to_owned()));
    }
    let linked = repo.commondir().join("worktrees");
    let entries = match fs::read_dir(&linked) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(GitError::io("read", &linked)(error)),
    };
    for entry in entries {
        let entry = entry.map_err(GitError::io("read", &linked))?.path();
        if !holds(&entry, branch) {
            continue;
        }
        // `gitdir` names the file `.git` in the folder. One that was deleted without telling Git is no place to work in.
        let file = fs::read_to_string(entry.join("gitdir")).unwrap_or_default();
        let folder = Path::new(file.trim_end_matches('\n')).parent();
        if let Some(folder) = folder.filter(|folder| folder.exists()) {
            return Ok(Some(folder.to_owned()));
        }
    }
    Ok(None)
}

/// Whether a linked folder, whose own Git files are in `own`, is on `branch`.
fn holds(own: &Path, branch: &str) -> bool {
    let name = format!("refs/heads/{branch}");
    let says = |file: &str, prefix: &str| {
        let text = fs::read_to_string(own.join(file)).unwrap_or_default();
        text.trim_end().strip_prefix(prefix) == Some(&name)
    };
    says("HEAD", "ref: ")
        || says("rebase-merge/head-name", "")
        || says("rebase-apply/head-name", "")
}
