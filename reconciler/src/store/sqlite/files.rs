//! Opens the database file, makes its tables, and puts it aside when it is damaged.

use crate::store::error::StoreError;
use rusqlite::Connection;
use rusqlite_migration::{M, MigrationDefinitionError, Migrations};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A check of the whole file at opening is only worth its time while the file is small.
const CHECKED_UP_TO: u64 = 64 << 20;

const TABLES: &str = "
CREATE TABLE reports (
    server TEXT PRIMARY KEY, ledger TEXT NOT NULL, taken_at INTEGER NOT NULL, received_at INTEGER NOT NULL, report TEXT NOT NULL
) STRICT;
CREATE TABLE ledgers (
    server TEXT NOT NULL, ledger TEXT NOT NULL, accepted INTEGER NOT NULL, first_at INTEGER NOT NULL, PRIMARY KEY (server, ledger)
) STRICT, WITHOUT ROWID;
CREATE TABLE history (id INTEGER PRIMARY KEY, server TEXT NOT NULL, received_at INTEGER NOT NULL, body TEXT NOT NULL) STRICT;
CREATE INDEX history_by_server ON history (server, id);
CREATE TABLE attempts (
    key TEXT PRIMARY KEY, count INTEGER NOT NULL, error TEXT NOT NULL, failed_at INTEGER NOT NULL, next_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE audit (
    id INTEGER PRIMARY KEY, at INTEGER NOT NULL, act TEXT NOT NULL, subject TEXT NOT NULL, fleet_commit TEXT, reason TEXT NOT NULL
) STRICT;
";

/// What was used: a row a series and step. Rows of one server lie together, for they are read together.
const USAGE: &str = "
CREATE TABLE usage_servers (id INTEGER PRIMARY KEY, server TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE usage (
    server INTEGER NOT NULL, series INTEGER NOT NULL, at INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (server, series, at)
) STRICT, WITHOUT ROWID;
";

/// The same with one number for a key ([`super::usage`] says which). Rows of a table that has other keys may take a quarter of a page, and what is
/// longer gets pages of its own: those of a server's containers were, and took three times their length.
const USAGE_BY_ONE_KEY: &str = "
CREATE TABLE used (key INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;
INSERT INTO used SELECT (server << 32) | (series << 28) | (at / 60), body FROM usage WHERE at >= 0 ORDER BY server, series, at;
DROP TABLE usage;
";

/// An open database that knows its file.
pub(super) struct Database {
    file: PathBuf,
    connection: Connection,
    /// Device and inode of the file that is open: a deleted file can be written to for ever, and nobody would ever read it.
    identity: Option<(u64, u64)>,
}

impl Database {
    /// Opens `file`, making it anew where it is missing or damaged.
    pub(super) fn open(file: &Path) -> Result<Self, StoreError> {
        match Self::try_open(file) {
            Err(error) if error.is_damage() || matches!(error, StoreError::Newer(_)) => {
                put_aside(file, &error)?;
                Self::try_open(file)
            }
            result => result,
        }
    }

    fn try_open(file: &Path) -> Result<Self, StoreError> {
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder).map_err(StoreError::io("make", folder))?;
        }
        let mut connection = Connection::open(file)?;
        connection.busy_timeout(Duration::from_secs(10))?;
        connection.set_prepared_statement_cache_capacity(64);
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        migrate(&mut connection, file)?;
        check(&connection, file)?;
        Ok(Self {
            file: file.to_owned(),
            identity: identity(file),
            connection,
        })
    }

    /// The connection, to the file that is at the path now.
    pub(super) fn connection(&mut self) -> Result<&Connection, StoreError> {
        if identity(&self.file) != self.identity {
            tracing::warn!(file = %self.file.display(), "the hub's database was deleted or replaced; going on with what is there now");
            // The write-ahead log belongs to the file that is gone.
            if !self.file.exists() {
                remove_log(&self.file);
            }
            *self = Self::open(&self.file)?;
        }
        Ok(&self.connection)
    }

    /// After an error: if the file is damaged, goes on with a new one.
    pub(super) fn recover(&mut self, error: &StoreError) {
        if !error.is_damage() {
            return;
        }
        // The other connection may have been quicker; then what is at the path now is good.
        let still_there = identity(&self.file) == self.identity;
        let aside = if still_there {
            put_aside(&self.file, error)
        } else {
            Ok(())
        };
        let renewed = aside.and_then(|()| Self::open(&self.file));
        match renewed {
            Ok(new) => *self = new,
            Err(error) => tracing::error!(%error, "the damaged database cannot be replaced"),
        }
    }
}

fn migrate(connection: &mut Connection, file: &Path) -> Result<(), StoreError> {
    Migrations::new(vec![M::up(TABLES), M::up(USAGE), M::up(USAGE_BY_ONE_KEY)])
        .to_latest(connection)
        .map_err(|error| match error {
            rusqlite_migration::Error::MigrationDefinition(
                MigrationDefinitionError::DatabaseTooFarAhead,
            ) => StoreError::Newer(file.to_owned()),
            source => StoreError::Migration {
                path: file.to_owned(),
                source: Arc::new(source),
            },
        })
}

fn check(connection: &Connection, file: &Path) -> Result<(), StoreError> {
    if fs::metadata(file).is_ok_and(|m| m.len() > CHECKED_UP_TO) {
        return Ok(());
    }
    let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if verdict == "ok" {
        return Ok(());
    }
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
    Err(rusqlite::Error::SqliteFailure(code, Some(verdict)).into())
}

/// Renames the database with its log, so that a person can look at it.
fn put_aside(file: &Path, why: &StoreError) -> Result<(), StoreError> {
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_secs());
    let aside = (0..1000)
        .map(|n| suffixed(file, &format!(".corrupt-{}", seconds + n)))
        .find(|path| !path.exists())
        .unwrap_or_default();
    tracing::error!(file = %file.display(), aside = %aside.display(), error = %why, cause = ?std::error::Error::source(why), "the hub's database cannot be used; history is lost, nothing else");
    for part in ["", "-wal", "-shm"] {
        match fs::rename(suffixed(file, part), suffixed(&aside, part)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(StoreError::io("move", file)(error));
            }
            _ => {}
        }
    }
    Ok(())
}

fn remove_log(file: &Path) {
    for part in ["-wal", "-shm"] {
        let _ = fs::remove_file(suffixed(file, part));
    }
}

fn suffixed(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn identity(file: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(file).ok().map(|m| (m.dev(), m.ino()))
}
