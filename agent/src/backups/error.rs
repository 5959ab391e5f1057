//! Why a backup, a check, a drill or a restore did not come about.

use super::tool::ToolError;
use crate::containers::EngineError;
use crate::files::FilesError;
use std::path::PathBuf;

/// Why something about backups failed. No error holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The container engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The repository, or the program that keeps it.
    #[error(transparent)]
    Tool(#[from] ToolError),
    /// A file of the agent's own.
    #[error("a file of the agent cannot be written")]
    Files(#[from] FilesError),
    /// A file or folder.
    #[error("{what} {}", path.display())]
    Io {
        /// What was to be done.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A program in a container failed.
    #[error(
        "{program} in {container} ended with exit code {code}{}",
        said(complaints)
    )]
    Program {
        /// The program.
        program: String,
        /// The container.
        container: String,
        /// Its exit code.
        code: i64,
        /// What it complained about.
        complaints: String,
    },
    /// A dump ends before its end.
    #[error(
        "the dump of {what} is cut short: it lacks the mark of its end; the log of its server may say why"
    )]
    Truncated {
        /// What was dumped.
        what: String,
    },
    /// A dump has an end, and is not what it should be.
    #[error("the dump of {what} is not whole: {why}")]
    Broken {
        /// What was dumped.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// There is too little room on the disk.
    #[error("{} has {free} MiB free; {needs} MiB must stay free: make room there or enlarge the disk", path.display())]
    DiskFull {
        /// The folder.
        path: PathBuf,
        /// Mebibytes that are free.
        free: u64,
        /// Mebibytes that must be.
        needs: u64,
    },
    /// What the stack declares is not on this server.
    #[error("{0}")]
    Missing(String),
    /// A database of SQLite.
    #[error("SQLite: {what}")]
    Sqlite {
        /// What was to be done.
        what: String,
        /// Why not.
        source: rusqlite::Error,
    },
    /// A container did not stand still while its files were read.
    #[error(
        "{0} was started, thawed or removed while its files were read, so they may not belong together; nothing else may start or thaw it meanwhile"
    )]
    Moved(String),
    /// Data could not change places, and is where it was.
    #[error("it failed while data changed places, and everything was put back as it was before")]
    Undone {
        /// Why it failed.
        source: Box<BackupError>,
    },
    /// Data could not change places, and could not be put back either.
    #[error(
        "the data of {instance} is MIXED, old and new, so it stands still until that is put in order; what was there before is in backup {before}; {left}; it failed first"
    )]
    Mixed {
        /// The instance.
        instance: tenantry_schema::id::InstanceName,
        /// The backup that has all that was there.
        before: String,
        /// What could not be put back.
        left: Box<BackupError>,
        /// Why it failed.
        source: Box<BackupError>,
    },
    /// What was compared differs.
    #[error("{0}")]
    Differs(String),
}

impl BackupError {
    /// A file or folder.
    pub fn io(what: &'static str, path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Self::Io {
            what,
            path: path.into(),
            source,
        }
    }
}

fn said(complaints: &str) -> String {
    let last = complaints
        .lines()
        .rev()
        .find(|line| !line.trim().is_empty());
    last.map_or_else(String::new, |line| {
        format!(": {}", line.trim().chars().take(300).collect::<String>())
    })
}
