//! SQLite: copied by SQLite itself (`VACUUM INTO`), so that the copy is of one moment whoever writes meanwhile; then looked through.

use super::error::BackupError;
use super::files::make_folder;
use rusqlite::{Connection, OpenFlags};
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

/// How long a writer is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// Copies the database `path` in the folder `volume` to `copy`; the rows of its tables. Takes a while: not for the loop's own thread.
pub fn copy(volume: &Path, path: &str, copy: &Path) -> Result<BTreeMap<String, u64>, BackupError> {
    let database = beneath(volume, path)?;
    make_folder(copy.parent().unwrap_or(copy))?;
    let failed = |what: String| move |source| BackupError::Sqlite { what, source };
    // Writable, for what a writer that was killed left behind has to be put right first. What is a link is not opened.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let open = || {
        let source = Connection::open_with_flags(&database, flags)?;
        source.busy_timeout(PATIENCE)?;
        source.execute("VACUUM INTO ?1", [copy.to_string_lossy()])
    };
    open().map_err(failed(format!("{path} cannot be copied")))?;
    std::fs::File::open(copy)
        .and_then(|file| file.sync_all())
        .map_err(|error| BackupError::io("cannot write", copy, error))?;
    look_through(copy)
}

/// Whether a copy is whole; the rows of its tables.
pub fn look_through(copy: &Path) -> Result<BTreeMap<String, u64>, BackupError> {
    let failed = |source| BackupError::Sqlite {
        what: format!("{} cannot be read", copy.display()),
        source,
    };
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let database = Connection::open_with_flags(copy, flags).map_err(failed)?;
    let verdict: String = database
        .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
        .map_err(failed)?;
    if verdict != "ok" {
        return Err(BackupError::Differs(format!(
            "the copy of {} is damaged: {verdict}",
            copy.display()
        )));
    }
    rows(&database).map_err(failed)
}

fn rows(database: &Connection) -> rusqlite::Result<BTreeMap<String, u64>> {
    // Virtual tables need code of their own; their shadows hold what they know.
    let list = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY name";
    let mut statement = database.prepare(list)?;
    let names: Vec<String> = statement
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let count = |name: String| {
        let count = format!("SELECT COUNT(*) FROM \"{}\"", name.replace('"', "\"\""));
        let number: i64 = database.query_row(&count, [], |row| row.get(0))?;
        Ok((name, number.unsigned_abs()))
    };
    names.into_iter().map(count).collect()
}

/// The file `path` in `folder`, if no step on the way is a link: a tool must not make root open something else. The last step may be missing.
pub fn beneath(folder: &Path, path: &str) -> Result<PathBuf, BackupError> {
    let mut at = folder
        .canonicalize()
        .map_err(|error| BackupError::io("cannot open", folder, error))?;
    let mut steps = Path::new(path).components().peekable();
    while let Some(step) = steps.next() {
        let Component::Normal(step) = step else {
            return Err(BackupError::Missing(format!(
                "{path} leads out of its volume: name a file within (`backup:` of the stack)"
            )));
        };
        at.push(step);
        match std::fs::symlink_metadata(&at) {
            Ok(found) if found.is_symlink() => {
                return Err(BackupError::Missing(format!(
                    "{} is a link: name the file that it leads to, if that is in the volume",
                    at.display()
                )));
            }
            Ok(_) => {}
            Err(error)
                if error.kind() == std::io::ErrorKind::NotFound && steps.peek().is_none() => {}
            Err(error) => return Err(BackupError::io("cannot open", &at, error)),
        }
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(folder: &Path) -> Connection {
        let database = Connection::open(folder.join("app.db")).unwrap();
        database
            .execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE guests (name TEXT); CREATE TABLE \"odd \"\"name\" (x); INSERT INTO guests VALUES ('a'), ('b');")
            .unwrap();
        database
    }

    #[test]
    fn a_copy_is_of_one_moment_while_somebody_writes() {
        let folder = tempfile::tempdir().unwrap();
        let writer = sample(folder.path());
        writer
            .execute_batch("BEGIN; INSERT INTO guests VALUES ('half');")
            .unwrap();
        let target = folder.path().join("copy/app.db");
        let rows = copy(folder.path(), "app.db", &target).unwrap();
        assert_eq!(
            rows.get("guests"),
            Some(&2),
            "what is not committed is not in it"
        );
        assert_eq!(rows.get("odd \"name"), Some(&0));
        writer.execute_batch("COMMIT").unwrap();
        assert_eq!(look_through(&target).unwrap(), rows);
    }

    #[test]
    fn a_damaged_copy_and_a_link_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let writer = sample(folder.path());
        for number in 0..2000 {
            writer
                .execute(
                    "INSERT INTO guests VALUES (?1)",
                    [format!("guest {number}")],
                )
                .unwrap();
        }
        let target = folder.path().join("copy.db");
        copy(folder.path(), "app.db", &target).unwrap();
        let whole = std::fs::read(&target).unwrap();
        std::fs::write(&target, &whole[..whole.len() / 2]).unwrap();
        assert!(look_through(&target).is_err());
        std::os::unix::fs::symlink("app.db", folder.path().join("link.db")).unwrap();
        for bad in ["link.db", "missing.db", "../app.db"] {
            assert!(
                copy(folder.path(), bad, &folder.path().join("x.db")).is_err(),
                "{bad}"
            );
        }
    }
}
