//! Opens a fleet for looking at it: the branch of a repository, or the files of a work tree as they are now.

use crate::git::{Fleet, Location, Oid};
use crate::load::{Loaded, Loader, Revision};
use anyhow::{Context, bail};
use std::path::{Path, PathBuf};

/// A fleet at one moment.
pub(super) struct Opened {
    pub(super) loaded: Loaded,
    /// Whether uncommitted edits are included.
    pub(super) work_tree: bool,
}

/// Opens what `fleet` names. Of a folder that people edit, the files as they are now; of anything else, the branch.
pub(super) fn look(fleet: &str, branch: &str) -> anyhow::Result<Opened> {
    if let Some(repository) = work_tree(fleet)? {
        return look_at_files(&repository, branch);
    }
    let scratch = tempfile::tempdir().context("cannot make a temporary folder")?;
    let location = Location::parse(fleet)?;
    let fleet = Fleet::open(location, branch, scratch.path())?;
    fleet.fetch()?;
    let head = fleet
        .head()?
        .with_context(|| format!("the fleet has no branch `{branch}`"))?;
    let revision = Revision {
        tree: fleet.objects().root_tree(head)?,
        commit: head,
        generation: fleet.generation(head)?,
    };
    let loaded = Loader::new(fleet.objects().clone()).load(revision)?;
    Ok(Opened {
        loaded,
        work_tree: false,
    })
}

fn work_tree(fleet: &str) -> anyhow::Result<Option<git2::Repository>> {
    let path = Path::new(fleet);
    if !path.is_dir() {
        return Ok(None);
    }
    match git2::Repository::discover(path) {
        Ok(repository) if !repository.is_bare() => Ok(Some(repository)),
        Ok(_) => Ok(None),
        Err(_) => {
            bail!("`{fleet}` is not inside a Git repository; `tenantry init DIR` makes a fleet")
        }
    }
}

/// Writes the files as they are into a tree of their own. Nothing that Git or people look at changes: neither index, branch nor files.
fn look_at_files(repository: &git2::Repository, branch: &str) -> anyhow::Result<Opened> {
    let head = repository
        .find_reference(&format!("refs/heads/{branch}"))
        .and_then(|reference| reference.peel_to_commit())
        .with_context(|| format!("the repository has no branch `{branch}` with a commit"))?;
    let mut index = repository.index().context("cannot read the index")?;
    index
        .add_all(["*"], git2::IndexAddOption::DEFAULT, None)
        .context("cannot read the files")?;
    index
        .update_all(["*"], None)
        .context("cannot read the files")?;
    let tree = index
        .write_tree()
        .context("cannot write a tree of the files")?;
    let git_dir: PathBuf = repository.path().to_owned();
    let objects = crate::git::Objects::open(&git_dir)?;
    let commit: Oid = head.id();
    let revision = Revision {
        tree,
        commit,
        generation: 0,
    };
    let loaded = Loader::new(objects).load(revision)?;
    Ok(Opened {
        loaded,
        work_tree: true,
    })
}
