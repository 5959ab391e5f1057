//! The data directory: a cache and a diary that may be deleted at any time (law 3), whole or in part, also under a hub that runs. One hub uses it.

use super::HubError;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The diary.
pub(super) const DIARY: &str = "hub.db";
/// The repository of slices.
pub(super) const SLICES: &str = "slices.git";
/// The mirror of a fleet that is elsewhere.
pub(super) const MIRROR: &str = "fleet.git";
/// Held by the hub that uses the directory.
const LOCK: &str = "hub.lock";

/// What stands for each part: who deletes the part deletes this as well, and nothing replaces it in the normal course.
const WITNESSES: [(&str, &[&str]); 3] = [
    (DIARY, &[""]),
    (SLICES, &["HEAD", "objects"]),
    (MIRROR, &["HEAD", "objects"]),
];

/// The right to use a data directory. Ends when it is dropped, or with the process.
///
/// Two locks: on the directory itself, which nobody can delete alone, and on a file in it, which says who has it and counts where a file system locks no
/// directories.
#[derive(Debug)]
pub(super) struct Claim {
    /// None where the file system locks no directories.
    folder: Option<File>,
    file: Mutex<File>,
}

impl Claim {
    /// Takes the directory `path`, which is there.
    ///
    /// # Errors
    /// [`HubError::DataInUse`] where another hub has it: two would publish slices and take reports side by side, and each would know half.
    pub(super) fn take(path: &Path) -> Result<Self, HubError> {
        let failed = |error| HubError::Data(path.to_owned(), error);
        let folder = File::open(path).map_err(failed)?;
        let folder = match folder.try_lock() {
            Ok(()) => Some(folder),
            Err(TryLockError::WouldBlock) => return Err(in_use(path)),
            Err(TryLockError::Error(_)) => None,
        };
        let file = Mutex::new(lock_file(path)?);
        Ok(Self { folder, file })
    }

    /// Makes the file anew where it was deleted.
    ///
    /// # Errors
    /// [`HubError::DataGone`] where it alone kept others away: somebody may have the directory by now.
    fn keep(&self, path: &Path) -> Result<(), HubError> {
        let name = path.join(LOCK);
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let mine = file
            .metadata()
            .map(|about| (about.dev(), about.ino()))
            .map_err(|error| HubError::Data(path.to_owned(), error))?;
        match identity(&name) {
            Ok(there) if there == mine => Ok(()),
            _ if self.folder.is_none() => Err(HubError::DataGone(name)),
            _ => {
                *file = lock_file(path)?;
                Ok(())
            }
        }
    }
}

/// The file that says who has the directory, locked.
fn lock_file(path: &Path) -> Result<File, HubError> {
    let failed = |error| HubError::Data(path.to_owned(), error);
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path.join(LOCK))
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::Error(error)) => return Err(failed(error)),
        Err(TryLockError::WouldBlock) => return Err(in_use(path)),
    }
    file.set_len(0)
        .and_then(|()| writeln!(file, "{}", std::process::id()))
        .map_err(failed)?;
    Ok(file)
}

fn in_use(path: &Path) -> HubError {
    let holder = fs::read_to_string(path.join(LOCK)).unwrap_or_default();
    HubError::DataInUse(path.to_owned(), holder.trim().parse().ok())
}

/// The directory as it was when the hub opened it.
#[derive(Debug)]
pub(super) struct DataDirectory {
    path: PathBuf,
    seen: Vec<(PathBuf, (u64, u64))>,
    claim: Claim,
}

impl DataDirectory {
    /// The directory `path`, in which `parts` have been opened.
    pub(super) fn opened(path: &Path, parts: &[&str], claim: Claim) -> Result<Self, HubError> {
        let witnesses = WITNESSES
            .iter()
            .filter(|(part, _)| parts.contains(part))
            .flat_map(|(part, names)| names.iter().map(move |name| (part, name)));
        let mut seen = Vec::new();
        for (part, name) in witnesses {
            let witness = match *name {
                "" => path.join(part),
                name => path.join(part).join(name),
            };
            let identity =
                identity(&witness).map_err(|error| HubError::Data(path.to_owned(), error))?;
            seen.push((witness, identity));
        }
        Ok(Self {
            path: path.to_owned(),
            seen,
            claim,
        })
    }

    /// Whether what was opened is still what stands there.
    ///
    /// # Errors
    /// [`HubError::DataGone`] where a part was deleted or replaced: what is written there now would be lost, so everything has to be opened anew.
    pub(super) fn check(&self) -> Result<(), HubError> {
        for (witness, before) in &self.seen {
            match identity(witness) {
                Ok(now) if now == *before => {}
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(HubError::Data(self.path.clone(), error));
                }
                _ => return Err(HubError::DataGone(witness.clone())),
            }
        }
        self.claim.keep(&self.path)
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = fs::metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(path: &Path) {
        for part in [SLICES, MIRROR] {
            fs::create_dir_all(path.join(part).join("objects")).unwrap();
            fs::write(path.join(part).join("HEAD"), "ref: refs/heads/main\n").unwrap();
        }
        fs::write(path.join(DIARY), "").unwrap();
    }

    fn opened(path: &Path) -> Result<DataDirectory, HubError> {
        DataDirectory::opened(path, &[DIARY, SLICES, MIRROR], Claim::take(path)?)
    }

    #[test]
    fn a_part_that_was_deleted_or_replaced_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        fs::create_dir(&path).unwrap();
        assert!(matches!(opened(&path), Err(HubError::Data(..))));
        let gone = [
            DIARY,
            SLICES,
            MIRROR,
            "slices.git/objects",
            "fleet.git/HEAD",
        ];
        for part in gone {
            made(&path);
            let data = opened(&path).unwrap();
            assert!(data.check().is_ok());
            fs::rename(path.join(part), folder.path().join("moved")).unwrap();
            assert!(matches!(data.check(), Err(HubError::DataGone(_))), "{part}");
            made(&path);
            assert!(
                matches!(data.check(), Err(HubError::DataGone(_))),
                "{part} made anew"
            );
            let moved = folder.path().join("moved");
            let _ = fs::remove_file(&moved).or_else(|_| fs::remove_dir_all(&moved));
        }
        let data = opened(&path).unwrap();
        fs::rename(&path, folder.path().join("away")).unwrap();
        assert!(matches!(data.check(), Err(HubError::DataGone(_))));
    }

    #[test]
    fn two_hubs_do_not_share_a_directory() {
        let folder = tempfile::tempdir().unwrap();
        made(folder.path());
        let first = opened(folder.path()).unwrap();
        let error = opened(folder.path()).unwrap_err();
        let holder = Some(std::process::id());
        assert!(
            matches!(&error, HubError::DataInUse(_, found) if *found == holder),
            "{error}"
        );
        assert!(error.to_string().contains("--data"), "{error}");
        // Nor does deleting the file that says so let another in, and it is made anew.
        fs::remove_file(folder.path().join(LOCK)).unwrap();
        assert!(matches!(
            opened(folder.path()),
            Err(HubError::DataInUse(_, None))
        ));
        first.check().unwrap();
        assert!(matches!(
            opened(folder.path()),
            Err(HubError::DataInUse(_, found)) if found == holder
        ));
        drop(first);
        opened(folder.path()).unwrap();
    }

    #[test]
    fn where_directories_are_not_locked_a_deleted_file_ends_the_claim() {
        let folder = tempfile::tempdir().unwrap();
        made(folder.path());
        let mut first = opened(folder.path()).unwrap();
        first.claim.folder = None;
        first.check().unwrap();
        fs::remove_file(folder.path().join(LOCK)).unwrap();
        assert!(matches!(first.check(), Err(HubError::DataGone(_))));
    }
}
