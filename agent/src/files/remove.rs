//! Removing files, and the folders that they leave empty.

use super::{FilesError, Root};
use rustix::fs::{self, AtFlags};
use rustix::io::Errno;
use tenantry_schema::name::RelativePath;

impl Root {
    /// Makes sure that there is no file `path`, nor folders above it that would be left empty. Returns whether there was one.
    pub fn remove(&self, path: &RelativePath) -> Result<bool, FilesError> {
        let removed = self.remove_file(path)?;
        if removed {
            self.remove_empty_folders(path);
        }
        Ok(removed)
    }

    /// Makes sure that there is no file `path`; folders stay, for they may be somebody else's. Returns whether there was one.
    pub fn remove_file(&self, path: &RelativePath) -> Result<bool, FilesError> {
        let Some((folder, name)) = self.parent(path, false)? else {
            return Ok(false);
        };
        match fs::unlinkat(&folder, name, AtFlags::empty()) {
            Ok(()) => {}
            Err(Errno::NOENT) => return Ok(false),
            Err(error) => return Err(self.fail(path, error)),
        }
        crate::faults::changed();
        fs::fsync(&folder).map_err(|error| self.fail(path, error))?;
        Ok(true)
    }

    fn remove_empty_folders(&self, path: &RelativePath) {
        let mut path = path.as_str();
        while let Some((above, _)) = path.rsplit_once('/') {
            let Ok(relative) = RelativePath::try_from(above) else {
                return;
            };
            let Ok(Some((folder, name))) = self.parent(&relative, false) else {
                return;
            };
            // Fails for a folder that is not empty, which is the point.
            if fs::unlinkat(&folder, name, AtFlags::REMOVEDIR).is_err() {
                return;
            }
            crate::faults::changed();
            path = above;
        }
    }
}
