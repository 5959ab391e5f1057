//! The cache of the fleet that a command looks at: where it is, and whether it is used at all.

use super::open::View;
use crate::cache::{Cache, file, folders};
use crate::config::{self, CacheArgs};
use crate::foresee::Past;
use crate::git::edited::{FolderDigest, FolderDigests};
use crate::load::{Keep, LoadError, Loaded, Loader, Need, Revision};
use crate::lost::{History, hold, keep};
use std::path::PathBuf;
use std::sync::Arc;
use tenantry_planner::lost::diagnose;

/// Where what is known of a fleet is kept.
pub(super) struct Kept {
    customers: Vec<PathBuf>,
    folders: Vec<PathBuf>,
    lost: Vec<PathBuf>,
    held: Vec<PathBuf>,
    program: [u8; 32],
}

impl Kept {
    /// None where nothing is kept: the person does not want it, or the fleet is not on this machine.
    pub(super) fn of(view: &View, args: CacheArgs) -> Option<Self> {
        let (git_dir, work_tree) = view.git_dirs().filter(|_| !args.no_cache)?;
        let person = config::cache_folder();
        let places = |git_dir, name| file::places(git_dir, person.as_deref(), name);
        Some(Self {
            customers: places(git_dir, file::CUSTOMERS),
            folders: places(work_tree, file::FOLDERS),
            lost: places(git_dir, keep::NAME),
            held: places(git_dir, file::HELD),
            program: config::program()?,
        })
    }

    /// What earlier runs found out.
    pub(super) fn open(&self) -> Cache {
        let mut found = self
            .customers
            .iter()
            .map(|path| Cache::open(path, &self.program));
        found.find(|cache| !cache.is_empty()).unwrap_or_default()
    }

    /// What an earlier look at the work tree said of its folders.
    pub(super) fn folders(&self) -> FolderDigests {
        folders::open(&self.folders, &self.program)
    }

    /// What the history says, of decisions that were taken away and of removals that are held back.
    pub(super) fn past(&self) -> Past {
        Past {
            taken: self.history(),
            held: Some(self.held()),
        }
    }

    /// What the history says of decisions that were taken away.
    pub(super) fn history(&self) -> History {
        History::kept_in(self.lost.clone(), self.program)
    }

    /// Keeps what was said of folders now, where `known` was said before.
    pub(super) fn save_folders(&self, known: &[FolderDigest], now: &[FolderDigest]) {
        folders::save(&self.folders, &self.program, known, now);
    }

    /// Where what is known of removals that are held back is kept.
    pub(super) fn held(&self) -> Keep {
        Keep {
            places: self.held.clone(),
            program: self.program,
            after: 1,
        }
    }

    /// Keeps it for later ones.
    pub(super) fn save(&self, cache: Cache) {
        cache.save(&self.customers, &self.program);
    }
}

/// Loads a revision, without customers of whom it is known that they are good, and says what is lost.
pub(super) fn verdict(
    view: &View,
    revision: Revision,
    kept: Option<&Kept>,
) -> Result<Loaded, LoadError> {
    let objects = view.scratch.objects().clone();
    let mut history = kept.map(Kept::history).unwrap_or_default();
    let suspects = history.suspects(&objects, revision)?;
    let departed = history.left_behind(&objects, revision.tree)?;
    let mut loaded = match kept {
        None => Loader::new(objects.clone()).load(revision)?,
        // Nobody knows who asks for their domains without reading everybody.
        Some(kept) if !departed.is_empty() => {
            let loader = Loader::new(objects.clone());
            loader.remembering(Some(kept.held())).load(revision)?
        }
        Some(kept) => {
            let loader = Loader::sparse(objects.clone(), kept.open(), Need::Verdict)?;
            let mut loader = loader.remembering(Some(kept.held()));
            loader.want(suspects.iter().cloned());
            let loaded = loader.load(revision)?;
            if let Some(cache) = loader.into_cache() {
                kept.save(cache);
            }
            loaded
        }
    };
    let lost = history.losses(&objects, revision, &loaded, &suspects)?;
    if !lost.is_empty() {
        Arc::make_mut(&mut loaded.diagnostics).extend(diagnose(&lost));
    }
    if let Some(desired) = &mut loaded.desired
        && !departed.is_empty()
    {
        hold(desired, &lost, &loaded.kept, &departed);
    }
    Ok(loaded)
}
