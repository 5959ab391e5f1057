//! Whether people work in the repository itself. A hub commits to no such repository: Git moves a branch, the index and the files one after the
//! other, so what a person commits at that moment can undo the hub's commit, or the hub's commit what the person did.

use super::error::GitError;
use git2::Repository;
use std::fs;
use std::path::{Path, PathBuf};

/// A folder in which people edit a branch of the repository itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkFolder {
    /// Where it is.
    pub folder: PathBuf,
    /// Set where it is a linked one (`git worktree`) of this bare repository.
    pub linked_to: Option<PathBuf>,
    /// Whether its repository has a remote `origin` already.
    pub has_origin: bool,
}

impl WorkFolder {
    /// What is wrong, why, and the way out.
    pub fn advice(&self, branch: &str) -> String {
        let folder = quoted(&self.folder);
        let branch = quoted(Path::new(branch));
        let why = "and a commit of the hub there could undo theirs";
        if let Some(bare) = &self.linked_to {
            let bare = quoted(bare);
            return format!(
                "people edit `{branch}` in {folder}, a folder that is linked to the repository (`git worktree`), {why}: let it be on another branch, or take it away\n  \
                 git -C {folder} switch --detach\n  \
                 git -C {bare} worktree remove {folder}\n\
                 or clone the repository instead. With --observe this one can be looked at"
            );
        }
        let mut bare = self.folder.as_os_str().to_owned();
        let trimmed = bare.to_string_lossy().trim_end_matches('/').to_owned();
        bare.clear();
        bare.push(trimmed);
        bare.push(".git");
        let bare = quoted(Path::new(&bare));
        let remote = if self.has_origin { "hub" } else { "origin" };
        format!(
            "people edit `{branch}` in {folder}, {why}: serve a bare repository that they push to\n  \
             git clone --bare {folder} {bare}\n  \
             git -C {folder} remote add {remote} {bare}\n  \
             git -C {folder} push -u {remote} {branch}\n\
             and serve {bare} (or a forge). With --observe this one can be looked at"
        )
    }
}

/// As a shell reads it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let text = match text.trim_end_matches('/') {
        "" => "/",
        trimmed => trimmed,
    };
    let plain = |c: char| c.is_alphanumeric() || "/._-+@:".contains(c);
    if text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

/// Whether a repository on this machine holds nothing at all yet.
pub(crate) fn is_empty(git_dir: &Path) -> Result<bool, GitError> {
    let repo = Repository::open(git_dir).map_err(GitError::open(git_dir))?;
    repo.references()
        .map(|mut all| all.next().is_none())
        .map_err(GitError::library("reading the branches"))
}

/// A folder in which people edit what `branch` holds, beside or linked to the repository whose `HEAD` is in `git_dir`. None: there is none.
///
/// A linked folder (`git worktree`) counts where it has this branch checked out, or is in the middle of rebasing it.
pub(crate) fn work_folder(git_dir: &Path, branch: &str) -> Result<Option<WorkFolder>, GitError> {
    let repo = Repository::open(git_dir).map_err(GitError::open(git_dir))?;
    if !repo.is_bare() {
        let folder = repo.workdir().unwrap_or(git_dir);
        return Ok(Some(WorkFolder {
            folder: folder.to_owned(),
            linked_to: None,
            has_origin: repo.find_remote("origin").is_ok(),
        }));
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
            return Ok(Some(WorkFolder {
                folder: folder.to_owned(),
                linked_to: Some(repo.commondir().to_owned()),
                has_origin: false,
            }));
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
