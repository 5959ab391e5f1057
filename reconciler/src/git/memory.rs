//! Objects that are tried out: kept in memory, and seen by every libgit2 repository of one [`Objects`](super::Objects) as if they were on disk.
//! People's edits may hold a secret in clear text, and their clone may be readable only: nothing of this is ever written.

use super::edit::Staged;
use super::error::GitError;
use git2::{Odb, Repository};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Above libgit2's own stores, so that what it writes goes here.
const FIRST: i32 = 1_000;

/// What is kept, in the order in which it came.
#[derive(Default)]
pub(super) struct Memory(Mutex<Vec<Arc<Staged>>>);

/// Lets `repository` write into memory from now on. What it writes is seen by no other repository.
///
/// # Errors
/// Where its objects cannot be opened.
pub(crate) fn writes_to_memory(repository: &Repository) -> Result<(), GitError> {
    let database = database(repository)?;
    let attached = database.add_new_mempack_backend(FIRST);
    attached
        .map(drop)
        .map_err(GitError::library("keeping objects in memory"))
}

impl Memory {
    /// Keeps objects for all repositories.
    pub(super) fn keep(&self, objects: impl IntoIterator<Item = Staged>) {
        self.all().extend(objects.into_iter().map(Arc::new));
    }

    /// Gives `repository`, which [writes to memory](writes_to_memory), what it does not have yet: all after the first `known`. Returns how many
    /// it knows then.
    pub(super) fn bring_up(
        &self,
        repository: &Repository,
        known: usize,
    ) -> Result<usize, GitError> {
        let new: Vec<Arc<Staged>> = self.all().get(known..).unwrap_or_default().to_vec();
        if new.is_empty() {
            return Ok(known);
        }
        let database = database(repository)?;
        for object in &new {
            let kept = database.write(object.kind, &object.data);
            kept.map_err(GitError::library("keeping objects in memory"))?;
        }
        Ok(known + new.len())
    }

    fn all(&self) -> MutexGuard<'_, Vec<Arc<Staged>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn database(repository: &Repository) -> Result<Odb<'_>, GitError> {
    repository
        .odb()
        .map_err(GitError::library("opening objects"))
}
