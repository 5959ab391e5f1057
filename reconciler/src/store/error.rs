//! What can go wrong with the diary.

use std::path::PathBuf;
use std::sync::Arc;

/// Why the store could not do its work. Cheap to clone, since writes that share a transaction share its failure.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The database refused.
    #[error("the database failed")]
    Sqlite(#[from] Arc<rusqlite::Error>),
    /// The tables could not be made.
    #[error("the tables of `{path}` cannot be made")]
    Migration {
        /// The database.
        path: PathBuf,
        /// Why not.
        source: Arc<rusqlite_migration::Error>,
    },
    /// The database is of a newer release.
    #[error("`{0}` was written by a newer release")]
    Newer(PathBuf),
    /// A file could not be moved or made.
    #[error("cannot {doing} `{path}`")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why not.
        source: Arc<std::io::Error>,
    },
    /// A batch of reports that no agent sends.
    #[error("not a batch of reports: {0}")]
    BadBatch(&'static str),
    /// The store is shutting down.
    #[error("the store is closed")]
    Closed,
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(Arc::new(error))
    }
}

impl StoreError {
    /// For `map_err`: the file `path` could not be used.
    pub(super) fn io(
        doing: &'static str,
        path: &std::path::Path,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            doing,
            path,
            source: Arc::new(source),
        }
    }

    /// Whether the database itself is damaged, so that trying again is of no use.
    pub(super) fn is_damage(&self) -> bool {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        let code = match self {
            Self::Sqlite(error) => error.sqlite_error_code(),
            Self::Migration { source, .. } => match &**source {
                rusqlite_migration::Error::RusqliteError { err, .. } => err.sqlite_error_code(),
                // Tables that are there although the version says that they are not.
                rusqlite_migration::Error::MigrationDefinition(_) => Some(DatabaseCorrupt),
                _ => None,
            },
            _ => None,
        };
        matches!(code, Some(DatabaseCorrupt | NotADatabase))
    }
}
