//! Published slices: one bare repository in the data directory, a branch of history for each server. A cache: it can be deleted and is made again.
//!
//! `git log -p refs/servers/<customer>/<server>` shows what changed on a server and when. Everything that one pass publishes is written as one
//! pack, without syncing, because it can be rendered again. Bundles for agents are packed when they are asked for.

mod bundles;
mod head;
mod health;
mod references;
mod repository;

pub use head::Current;

use crate::git::GitError;
use bundles::Bundles;
use jiff::Timestamp;
use repository::Repository;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use tenantry_schema::id::ServerKey;
use tenantry_schema::name::RelativePath;

/// Generations that are kept of each server.
pub const KEPT: usize = 20;

/// Why slices cannot be kept or found.
#[derive(Debug, thiserror::Error)]
pub enum SliceError {
    /// Git failed.
    #[error("the repository of slices")]
    Git(#[from] GitError),
    /// The file system failed.
    #[error("cannot {what} {path}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// Where.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// A slice to be published.
#[derive(Debug, Clone)]
pub struct Sealed {
    /// For whom.
    pub server: ServerKey,
    /// Its generation.
    pub generation: u64,
    /// Digest of its content.
    pub content: String,
    /// The fleet commit.
    pub commit: String,
    /// Digest of what it was rendered from.
    pub inputs: String,
    /// Its files.
    pub files: BTreeMap<RelativePath, Vec<u8>>,
}

/// The files of a slice.
pub type Files = BTreeMap<RelativePath, Vec<u8>>;
/// A slice's head with something of it.
pub type With<T> = Option<(Current, T)>;

/// The repository of slices.
pub struct SliceStore {
    repository: Repository,
    bundles: Bundles,
}

impl SliceStore {
    /// Opens the repository at `path`, or makes it. One that cannot be read is moved aside and made anew.
    pub fn open(path: &Path) -> Result<Self, SliceError> {
        Ok(Self {
            repository: Repository::open(path)?,
            bundles: Bundles::default(),
        })
    }

    /// The head of every server's newest slice.
    pub fn index(&self) -> Result<Vec<(ServerKey, Current)>, SliceError> {
        Ok(self.repository.index())
    }

    /// Publishes slices: afterwards each is the newest of its server.
    pub fn publish(&self, slices: Vec<Sealed>, at: Timestamp) -> Result<(), SliceError> {
        if slices.is_empty() {
            return Ok(());
        }
        self.repository.write(&slices, at)
    }

    /// The bundle of a server's newest slice.
    pub fn bundle(&self, server: &ServerKey) -> Result<With<Arc<[u8]>>, SliceError> {
        let Some((id, current)) = self.repository.newest(server) else {
            return Ok(None);
        };
        let bytes = self.bundles.get_or_pack(id, || self.repository.files(id))?;
        Ok(Some((current, bytes)))
    }

    /// The files of a server's newest slice, for looking at.
    pub fn files(&self, server: &ServerKey) -> Result<With<Files>, SliceError> {
        let Some((id, current)) = self.repository.newest(server) else {
            return Ok(None);
        };
        Ok(Some((current, self.repository.files(id)?)))
    }
}

#[cfg(test)]
mod tests;
