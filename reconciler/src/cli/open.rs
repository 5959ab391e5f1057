//! Opens a fleet for looking at it: the branch of a repository, any other commit, or the files of a work tree as they are now. Nothing that Git
//! or people look at changes: what has to be written goes into a scratch repository.

use super::kept::{Kept, verdict};
use crate::config::{CacheArgs, branch_is_named};
use crate::git::memory::writes_to_memory;
use crate::git::staged::{Update, on_top, staged};
use crate::git::{Fleet, Location, Objects, Oid, Scratch, discover, edited};
use crate::load::{Loaded, Loader, Revision, said_today};
use anyhow::{Context, Error, anyhow, ensure};
use git2::Repository;
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::path::Path;
use tenantry_planner::Desired;
use tenantry_planner::lost::{TakenAway, by_commit};
use tenantry_schema::Diagnostic;

/// A fleet at one moment.
pub(super) struct Opened {
    pub(super) loaded: Loaded,
    /// What was loaded.
    revision: Revision,
    /// Whether uncommitted edits are included.
    pub(super) work_tree: bool,
    /// Where what is known of the fleet is kept. None: nothing is kept.
    kept: Option<Kept>,
    view: View,
}

/// Opens what `fleet` names. Of a folder that people edit, the files as they are now; of anything else, or where the person named one, the branch.
pub(super) fn look(fleet: &str, branch: &str, cache: CacheArgs) -> anyhow::Result<Opened> {
    let view = View::open(fleet, branch)?;
    let (revision, files) = view.newest(None)?;
    let kept = Kept::of(&view, cache);
    let loader = Loader::new(view.scratch.objects().clone());
    let loaded = loader
        .remembering(kept.as_ref().map(Kept::held))
        .load(revision)?;
    Ok(Opened::new(view, files, revision, loaded, kept))
}

/// The same, without customers of whom it is known that they are good.
pub(super) fn look_for_errors(
    fleet: &str,
    branch: &str,
    cache: CacheArgs,
) -> anyhow::Result<Opened> {
    let view = View::open(fleet, branch)?;
    let kept = Kept::of(&view, cache);
    let (revision, files) = view.newest(kept.as_ref())?;
    let loaded = verdict(&view, revision, kept.as_ref())?;
    Ok(Opened::new(view, files, revision, loaded, kept))
}

impl Opened {
    /// Where its files are read.
    pub(super) fn objects(&self) -> &Objects {
        self.view.scratch.objects()
    }

    /// What is to be said of it today, beside what loading said.
    pub(super) fn said_today(&self, desired: &Desired) -> Vec<Diagnostic> {
        said_today(
            self.objects(),
            self.revision.tree,
            desired,
            Timestamp::now(),
        )
    }

    /// What the history says was taken away of decisions, by order and commit.
    pub(super) fn lost(&self) -> anyhow::Result<Vec<TakenAway>> {
        let mut history = self.kept.as_ref().map(Kept::history).unwrap_or_default();
        let (objects, at) = (self.objects(), self.revision);
        let suspects = history.suspects(objects, at)?;
        let lost = history.losses(objects, at, &self.loaded, &suspects)?;
        let taken = lost
            .iter()
            .flat_map(|(order, list)| by_commit(&order, list));
        Ok(taken.collect())
    }

    fn new(
        view: View,
        work_tree: bool,
        revision: Revision,
        loaded: Loaded,
        kept: Option<Kept>,
    ) -> Self {
        Self {
            loaded,
            revision,
            work_tree,
            kept,
            view,
        }
    }
}

/// A repository to look at.
pub(super) struct View {
    pub(super) scratch: Scratch,
    repository: Repository,
    branch: String,
    /// Holds what was fetched, where the fleet is not on this machine.
    mirror: Option<tempfile::TempDir>,
}

impl View {
    /// Opens what `fleet` names: a folder inside a repository, a bare repository, or an address that is fetched.
    pub(super) fn open(fleet: &str, branch: &str) -> anyhow::Result<Self> {
        let (repository, mirror) = if Path::new(fleet).is_dir() {
            let repository = discover(Path::new(fleet)).map_err(Error::msg)?;
            (repository, None)
        } else {
            let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
            let mirror = Fleet::open(Location::parse(fleet)?, branch, folder.path())?;
            mirror.fetch()?;
            let repository = Repository::open(mirror.objects().path())
                .context("cannot open what was fetched")?;
            (repository, Some(folder))
        };
        ensure!(
            !repository.is_shallow(),
            "this is a shallow clone, and what was there before matters: `git fetch --unshallow` (CI: fetch the whole history, such as `fetch-depth: 0`)"
        );
        Ok(Self {
            scratch: Scratch::beside(repository.commondir())?,
            repository,
            branch: branch.to_owned(),
            mirror,
        })
    }

    /// Whether there are files that people edit.
    pub(super) fn has_files(&self) -> bool {
        self.mirror.is_none() && !self.repository.is_bare()
    }

    /// The folder where people edit files.
    pub(super) fn folder(&self) -> Option<std::path::PathBuf> {
        let folder = self.repository.workdir().filter(|_| self.has_files());
        folder.map(Path::to_owned)
    }

    /// The repository's folder, and that of its work tree, which is another one for linked work trees. None for a copy made for this run.
    pub(super) fn git_dirs(&self) -> Option<(&Path, &Path)> {
        let dirs = (self.repository.commondir(), self.repository.path());
        self.mirror.is_none().then_some(dirs)
    }

    /// The newest commit of the branch.
    pub(super) fn head(&self) -> anyhow::Result<Oid> {
        let references = self.repository.references().map(Iterator::count);
        ensure!(
            references.unwrap_or(0) > 0,
            "the repository has no commit yet: commit the fleet, or make one with `tenantry init DIR`"
        );
        self.commit_named(&self.branch)
            .with_context(|| format!("the fleet has no branch `{}` with a commit", self.branch))
    }

    /// The files as they are now where people edit, else, or where the person named one, the branch. Whether it is the files.
    pub(super) fn newest(&self, kept: Option<&Kept>) -> anyhow::Result<(Revision, bool)> {
        if self.has_files() && !branch_is_named() {
            Ok((self.files(kept)?, true))
        } else {
            Ok((self.at(self.head()?)?, false))
        }
    }

    /// The files as they are now, as if they were committed on top of what is checked out.
    pub(super) fn files(&self, kept: Option<&Kept>) -> anyhow::Result<Revision> {
        // What people have not committed is not put among the objects of their clone.
        writes_to_memory(&self.repository)?;
        let commit = self.checked_out()?;
        let written = edited::index_time(&self.repository);
        let mut index = self.repository.index().context("cannot read the index")?;
        let known = kept.map(Kept::folders).unwrap_or_default();
        let git_dir = self.repository.path();
        // Two programs' worth of work: one reads the index, one asks about files.
        let (staged, edited) = std::thread::scope(|scope| {
            let staged = scope.spawn(|| staged(git_dir, None, commit));
            let edited = edited::edited(&self.repository, &index, written, &known);
            (staged.join().ok().flatten(), edited)
        });
        let edited = edited.context("cannot read the files")?;
        let (read, updates, repositories) = match edited {
            Some(edited) => {
                let edits = edited::update(&self.repository, &mut index, &edited)
                    .context("cannot read the files")?;
                if let Some(kept) = kept {
                    kept.save_folders(&known, &edited.folders);
                }
                let read = edits.iter().filter_map(|edit| Some(edit.file?.1)).collect();
                let updates = staged.map(|staged| on_top(staged, edits));
                (read, updates, edited.repositories)
            }
            None => {
                let (read, repositories) =
                    edited::compare(&mut index).context("cannot read the files")?;
                (read, None, repositories)
            }
        };
        self.scratch.take(&self.repository, read)?;
        for folder in repositories {
            eprintln!(
                "note: `{}` is a Git repository of its own: nothing in it is looked at (a line in .git/info/exclude silences this)",
                folder.display()
            );
        }
        self.on_commit(commit, updates, || Ok(index))
    }

    /// Whether anything was ever committed on what is checked out.
    pub(super) fn has_commits(&self) -> bool {
        self.repository.head().is_ok()
    }

    /// What is staged for the next commit, in the index at `path` or in the repository's own.
    pub(super) fn staged(&self, path: Option<&Path>) -> anyhow::Result<Revision> {
        let commit = self.checked_out()?;
        let path = path.map(std::path::absolute).transpose()?;
        let updates = staged(self.repository.path(), path.as_deref(), commit);
        let index = || match &path {
            Some(path) => git2::Index::open(path),
            None => self.repository.index(),
        };
        self.on_commit(commit, updates, || index().context("cannot read the index"))
    }

    /// The commit that is checked out, or the newest one of the branch where there is none.
    fn checked_out(&self) -> anyhow::Result<Oid> {
        let head = self.repository.head();
        match head.and_then(|head| head.peel_to_commit()) {
            Ok(commit) => Ok(commit.id()),
            Err(_) => self.head(),
        }
    }

    /// What `updates` make of a commit. Where they are not known, or make a folder of a file, what the index says.
    fn on_commit(
        &self,
        commit: Oid,
        updates: Option<Vec<Update>>,
        index: impl FnOnce() -> anyhow::Result<git2::Index>,
    ) -> anyhow::Result<Revision> {
        let base = self.scratch.objects().root_tree(commit)?;
        let updated = updates.map(|updates| self.scratch.update(base, &updates));
        let tree = match updated.transpose()?.flatten() {
            Some(tree) => tree,
            None => {
                let mut index = index()?;
                if index.has_conflicts() {
                    return Err(unfinished_merge(&index));
                }
                self.scratch.tree_of(&mut index, base)?
            }
        };
        Ok(Revision {
            tree,
            commit,
            generation: 0,
        })
    }

    /// A commit.
    pub(super) fn at(&self, commit: Oid) -> anyhow::Result<Revision> {
        Ok(Revision {
            tree: self.scratch.objects().root_tree(commit)?,
            commit,
            generation: 0,
        })
    }

    /// The commit that a name stands for: a branch, a tag, an id, `HEAD~2` and whatever else Git understands.
    pub(super) fn commit_named(&self, name: &str) -> anyhow::Result<Oid> {
        let find = |name: &str| {
            let object = self.repository.revparse_single(name)?;
            object.peel_to_commit().map(|commit| commit.id())
        };
        find(name)
            .or_else(|_| find(&format!("refs/remotes/origin/{name}")))
            .map_err(|_| Error::msg(self.no_such(name)))
    }

    /// What is said of a name that stands for no commit.
    fn no_such(&self, name: &str) -> String {
        let branches = self.repository.branches(Some(git2::BranchType::Local));
        let names: Vec<String> = branches
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|(branch, _)| Some(branch.name().ok()??.to_owned()))
            .take(BRANCHES + 1)
            .collect();
        let mut there = names
            .iter()
            .take(BRANCHES)
            .cloned()
            .collect::<Vec<_>>()
            .join(", ");
        if names.len() > BRANCHES {
            there.push_str(", ...");
        }
        if there.is_empty() {
            there.push_str("none");
        }
        let place = self
            .folder()
            .unwrap_or_else(|| self.repository.path().to_owned());
        format!(
            "`{name}` is no branch, tag or commit of the fleet in {}; its branches: {there}. What others pushed comes with `git fetch`",
            place.display()
        )
    }
}

/// So many branches are named.
const BRANCHES: usize = 10;

/// What to do about files that a merge has left in conflict.
fn unfinished_merge(index: &git2::Index) -> Error {
    /// More than these nobody reads.
    const FEW: usize = 5;
    let conflicts = index.conflicts().into_iter().flatten().flatten();
    let paths: BTreeSet<String> = conflicts
        .filter_map(|conflict| conflict.our.or(conflict.their).or(conflict.ancestor))
        .map(|entry| format!("`{}`", String::from_utf8_lossy(&entry.path)))
        .collect();
    let named: Vec<&str> = paths.iter().take(FEW).map(String::as_str).collect();
    let more = match paths.len().saturating_sub(FEW) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    anyhow!(
        "a merge is not finished: both sides changed {}{more}. Make of them what is meant, `git add` them, and try again",
        named.join(", ")
    )
}
