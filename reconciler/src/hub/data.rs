//! The data directory: a cache and a diary that may be deleted at any time (law 3), whole or in part, also under a hub that runs. One hub uses it.

use super::HubError;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

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
#[derive(Debug)]
pub(super) struct Claim {
    _file: File,
}

impl Claim {
    /// Takes the directory `path`, which is there.
    ///
    /// # Errors
    /// [`HubError::DataInUse`] where another hub has it: two would publish slices and take reports side by side, and each would know half.
    pub(super) fn take(path: &Path) -> Result<Self, HubError> {
        let name = path.join(LOCK);
        let failed = |error| HubError::Data(path.to_owned(), error);
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&name)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::Error(error)) => return Err(failed(error)),
            Err(TryLockError::WouldBlock) => {
                let holder = fs::read_to_string(&name).unwrap_or_default();
                let holder = holder.trim().parse::<u32>().ok();
                return Err(HubError::DataInUse(path.to_owned(), holder));
            }
        }
        file.set_len(0)
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .map_err(failed)?;
        Ok(Self { _file: file })
    }
}

/// The directory as it was when the hub opened it.
#[derive(Debug)]
pub(super) struct DataDirectory {
    path: PathBuf,
    seen: Vec<(PathBuf, (u64, u64))>,
    _claim: Claim,
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
            _claim: claim,
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
        Ok(())
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
        drop(first);
        opened(folder.path()).unwrap();
    }
}
