//! What keeps backups, as seen from here: a repository that can be appended to, read and checked. Nothing here can remove anything.

use std::future::Future;
use std::path::{Path, PathBuf};
pub use tenantry_schema::wire::{
    GoodSnapshot, Snapshot, data_tags, good_snapshots as good, receipt_tags,
};

/// The file of a receipt.
pub const RECEIPT_FILE: &str = "manifest.json";

/// Why the repository could not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ToolError {
    /// The program cannot be started.
    #[error("{} cannot be started: {why}; install restic, or say in agent.yaml where it is", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// Why not.
        why: String,
    },
    /// It failed.
    #[error("restic could not {what}: {why}")]
    Failed {
        /// What was to be done.
        what: &'static str,
        /// What it complained about.
        why: String,
    },
    /// A snapshot was made, but some files could not be read: it does not count.
    #[error("some files could not be read, so this snapshot does not count: {0}")]
    Incomplete(String),
    /// It said something that cannot be understood.
    #[error("restic's answer cannot be understood: {0}; look what `restic version` says")]
    Answer(String),
}

/// Whether the repository was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prepared {
    /// It was.
    Found,
    /// It was made now.
    Made,
}

/// A snapshot that was made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Saved {
    /// Its id.
    pub snapshot: String,
    /// Bytes that were read.
    pub bytes: u64,
    /// Files that were read.
    pub files: u64,
    /// Bytes that the repository grew by.
    pub added: u64,
}

/// One file or folder in a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its path.
    pub path: String,
    /// Bytes, of a file.
    pub size: Option<u64>,
}

/// A repository. Implemented by the program restic.
pub trait BackupTool {
    /// Makes sure that there is a repository. One that cannot be reached is an error, never made anew.
    fn prepare(&self) -> impl Future<Output = Result<Prepared, ToolError>>;
    /// Saves these files and folders as one snapshot. Where one of them cannot be read in full this is an error.
    fn save(
        &self,
        paths: &[PathBuf],
        tags: &[String],
    ) -> impl Future<Output = Result<Saved, ToolError>>;
    /// Saves `content` as the only file of a snapshot.
    fn save_text(
        &self,
        name: &str,
        content: &[u8],
        tags: &[String],
    ) -> impl Future<Output = Result<Saved, ToolError>>;
    /// All snapshots of a server, `<customer>/<server>`-wise of this one.
    fn snapshots(&self) -> impl Future<Output = Result<Vec<Snapshot>, ToolError>>;
    /// Everything in a snapshot.
    fn entries(&self, snapshot: &str) -> impl Future<Output = Result<Vec<Entry>, ToolError>>;
    /// One small file of a snapshot.
    fn read(&self, snapshot: &str, path: &str) -> impl Future<Output = Result<Vec<u8>, ToolError>>;
    /// Puts these paths of a snapshot below `target`, each at its whole path, and reads them again to compare.
    fn restore(
        &self,
        snapshot: &str,
        paths: &[String],
        target: &Path,
    ) -> impl Future<Output = Result<(), ToolError>>;
    /// Looks for damage; a share of the data such as `5%` is read back. What is wrong, if anything is.
    fn check(&self, share: &str) -> impl Future<Output = Result<Option<String>, ToolError>>;
}
