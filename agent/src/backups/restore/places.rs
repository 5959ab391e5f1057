//! Folders and files that change places by renames alone. What comes stands beside its place before, what goes stands beside it afterwards, on the
//! same file system.
//!
//! Where everything is can always be told from what is there, so putting back can be broken off and begun again as often as one likes:
//!
//! | the place | restored | before | is |
//! | --- | --- | --- | --- |
//! | old | there | | as it was |
//! | | there | old | half exchanged |
//! | new | | old | exchanged |

use super::copy;
use crate::backups::error::BackupError;
use crate::backups::files;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::{Path, PathBuf};

/// What SQLite keeps beside a database. It belongs to the old one and goes with it.
const COMPANIONS: [&str; 3] = ["-wal", "-shm", "-journal"];

/// One folder or file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// What it is called in messages.
    pub name: String,
    /// Where it is.
    pub at: PathBuf,
    /// Where what comes stands before.
    pub restored: PathBuf,
    /// Where what goes stands afterwards.
    pub before: PathBuf,
    /// Whether there is something now.
    pub existed: bool,
    /// Whether it is a database of SQLite.
    pub sqlite: bool,
}

impl Place {
    /// One that uses `folder`, on the same file system, with names that begin with `stem`.
    pub fn beside(name: String, at: PathBuf, folder: PathBuf, stem: &str) -> Self {
        Self {
            restored: folder.join(format!(".{stem}.tenantry-restored")),
            before: folder.join(format!(".{stem}.tenantry-before")),
            existed: there(&at),
            sqlite: false,
            name,
            at,
        }
    }

    /// The same for a database of SQLite.
    #[must_use]
    pub fn of_sqlite(self) -> Self {
        Self {
            sqlite: true,
            ..self
        }
    }

    fn fail(&self, error: std::io::Error) -> BackupError {
        BackupError::io("cannot put back", &self.at, error)
    }

    /// Puts `from` beside its place. Nothing of what is there changes.
    pub fn prepare(&self, from: &Path) -> Result<(), BackupError> {
        if there(&self.before) {
            return Err(BackupError::Missing(format!(
                "{} is of an earlier restore, and nobody knows whether it is still needed: look at it, and move it away",
                self.before.display()
            )));
        }
        remove(&self.restored)?;
        let folder = self.restored.parent().unwrap_or(&self.restored);
        let found = std::fs::symlink_metadata(from).map_err(|error| self.fail(error))?;
        let above = std::fs::metadata(folder).map_err(|error| self.fail(error))?;
        if found.dev() == above.dev() && std::fs::rename(from, &self.restored).is_ok() {
            crate::faults::changed();
        } else {
            let (_, bytes) = crate::backups::drill::measure(from)?;
            files::room(folder, bytes.saturating_add(files::RESERVE))?;
            copy::tree(from, &self.restored).map_err(|error| self.fail(error))?;
            crate::faults::changed();
        }
        if self.sqlite {
            let owner = if self.existed { Some(&*self.at) } else { None };
            own(&self.restored, owner.or(self.at.parent())).map_err(|error| self.fail(error))?;
        }
        copy::sync(folder).map_err(|error| self.fail(error))
    }

    /// Lets what comes and what goes change places.
    pub fn exchange(&self) -> Result<(), BackupError> {
        if there(&self.at) != self.existed {
            return Err(BackupError::Missing(format!(
                "{} came or went while it was to be put back: ask for the restore with a new operation",
                self.at.display()
            )));
        }
        if self.existed {
            self.shift(&self.at, &self.before)?;
        }
        for (at, before) in self.companions() {
            if there(&at) {
                self.shift(&at, &before)?;
            }
        }
        self.shift(&self.restored, &self.at)
    }

    /// Puts back what [`Place::exchange`] did, as far as it did anything.
    pub fn undo(&self) -> Result<(), BackupError> {
        let (is_there, is_restored) = (there(&self.at), there(&self.restored));
        match (self.existed, there(&self.before)) {
            (true, true) => {
                if is_there {
                    self.shift(&self.at, &self.restored)?;
                }
                self.shift(&self.before, &self.at)?;
            }
            (true, false) if !is_there => {
                return Err(BackupError::Missing(format!(
                    "there is neither {} nor {}: put the first there by hand, from the backup that was taken before the restore",
                    self.at.display(),
                    self.before.display()
                )));
            }
            (false, _) if is_there && !is_restored => self.shift(&self.at, &self.restored)?,
            _ => {}
        }
        for (at, before) in self.companions() {
            if there(&before) {
                self.shift(&before, &at)?;
            }
        }
        Ok(())
    }

    /// Removes what did not come.
    pub fn forget_restored(&self) -> Result<(), BackupError> {
        remove(&self.restored)
    }

    /// Removes what went.
    pub fn forget_before(&self) -> Result<(), BackupError> {
        for (_, before) in self.companions() {
            remove(&before)?;
        }
        remove(&self.before)
    }

    fn companions(&self) -> impl Iterator<Item = (PathBuf, PathBuf)> + '_ {
        let ends = COMPANIONS.iter().filter(|_| self.sqlite);
        ends.map(|end| (longer(&self.at, end), longer(&self.before, end)))
    }

    /// Renames, never over something that is there. When this returns it is on the disk.
    fn shift(&self, from: &Path, to: &Path) -> Result<(), BackupError> {
        if there(to) {
            let error = std::io::Error::from(std::io::ErrorKind::AlreadyExists);
            return Err(BackupError::io("cannot use the name", to, error));
        }
        #[cfg(test)]
        tests::step().map_err(|error| self.fail(error))?;
        let synced = std::fs::rename(from, to).and_then(|()| {
            crate::faults::changed();
            let folders = [from.parent(), to.parent()];
            folders
                .into_iter()
                .flatten()
                .try_for_each(|folder| std::fs::File::open(folder)?.sync_all())
        });
        synced.map_err(|error| self.fail(error))
    }
}

/// Puts a copy of a database of SQLite into a folder that is to be exchanged, in the place of the file that was read while it was written to.
pub(super) fn insert(from: &Path, folder: &Path, file: &str) -> Result<(), BackupError> {
    let to = crate::backups::sqlite::beneath(folder, file)?;
    let failed = |error| BackupError::io("cannot put back", &to, error);
    let owner = if there(&to) { Some(&*to) } else { to.parent() };
    own(from, owner).map_err(failed)?;
    for end in COMPANIONS {
        remove(&longer(&to, end))?;
    }
    remove(&to)?;
    match std::fs::rename(from, &to) {
        Err(_) => copy::tree(from, &to).map_err(failed)?,
        Ok(()) => crate::faults::changed(),
    }
    copy::sync(folder).map_err(failed)
}

/// Gives a database the owner of `like`, and its mode where that is a file.
fn own(database: &Path, like: Option<&Path>) -> std::io::Result<()> {
    let Some(like) = like else { return Ok(()) };
    let found = std::fs::symlink_metadata(like)?;
    chown(database, Some(found.uid()), Some(found.gid()))?;
    if found.is_file() {
        std::fs::set_permissions(database, found.permissions())?;
    }
    Ok(())
}

fn there(path: &Path) -> bool {
    // What cannot be looked at is there: nothing is renamed over it, and nothing counts as gone.
    !matches!(std::fs::symlink_metadata(path), Err(error) if error.kind() == std::io::ErrorKind::NotFound)
}

fn longer(path: &Path, end: &str) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

fn remove(path: &Path) -> Result<(), BackupError> {
    let removed = match std::fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(BackupError::io("cannot remove", path, error))
        }
        Err(_) => Ok(()),
        Ok(()) => {
            crate::faults::changed();
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests;
