//! The data directory: a cache and a diary that may be deleted at any time (law 3), also under a hub that runs.

use super::HubError;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The diary. Its inode stands for the directory: who deletes that deletes it as well.
pub(super) const DIARY: &str = "hub.db";

/// The directory as it was when the hub opened it.
#[derive(Debug)]
pub(super) struct DataDirectory {
    path: PathBuf,
    diary: (u64, u64),
}

impl DataDirectory {
    /// The directory `path`, in which the diary has been opened.
    pub(super) fn opened(path: &Path) -> Result<Self, HubError> {
        let diary = identity(path).map_err(|error| HubError::Data(path.to_owned(), error))?;
        Ok(Self {
            path: path.to_owned(),
            diary,
        })
    }

    /// Whether what was opened is still what stands there.
    ///
    /// # Errors
    /// [`HubError::DataGone`] where it was deleted or replaced: what is written now would be lost, so everything has to be opened anew.
    pub(super) fn check(&self) -> Result<(), HubError> {
        match identity(&self.path) {
            Ok(now) if now == self.diary => Ok(()),
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(HubError::Data(self.path.clone(), error))
            }
            _ => Err(HubError::DataGone(self.path.clone())),
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = std::fs::metadata(path.join(DIARY))?;
    Ok((metadata.dev(), metadata.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_was_deleted_or_replaced_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        assert!(matches!(
            DataDirectory::opened(&path),
            Err(HubError::Data(..))
        ));
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join(DIARY), "").unwrap();
        let data = DataDirectory::opened(&path).unwrap();
        assert!(data.check().is_ok());
        std::fs::rename(&path, folder.path().join("moved")).unwrap();
        assert!(matches!(data.check(), Err(HubError::DataGone(_))));
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join(DIARY), "").unwrap();
        assert!(matches!(data.check(), Err(HubError::DataGone(_))));
    }
}
