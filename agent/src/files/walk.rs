//! From the root to a file, a folder at a time, never through a link.

use super::{FilesError, Root};
use rustix::fd::BorrowedFd;
use rustix::fs::{self, Mode, OFlags};
use rustix::io::Errno;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use tenantry_schema::name::RelativePath;

impl Root {
    /// The folder that `path` is in, each step taken without following links, and the last part of the name.
    pub(super) fn parent<'p>(
        &self,
        path: &'p RelativePath,
        make: bool,
    ) -> Result<Option<(OwnedFd, &'p str)>, FilesError> {
        let (folders, name) = path
            .as_str()
            .rsplit_once('/')
            .map_or(("", path.as_str()), |(folders, name)| (folders, name));
        let mut current = self
            .folder
            .try_clone()
            .map_err(|_| self.fail(path, Errno::MFILE))?;
        for part in folders.split('/').filter(|part| !part.is_empty()) {
            current = match step(current.as_fd(), part) {
                Ok(next) => next,
                Err(Errno::NOENT) if make => self
                    .make_step(&current, part)
                    .map_err(|error| self.fail(path, error))?,
                Err(Errno::NOENT) => return Ok(None),
                Err(Errno::LOOP | Errno::NOTDIR) => {
                    return Err(FilesError::NotAFolder(self.at(path)));
                }
                Err(error) => return Err(self.fail(path, error)),
            };
        }
        Ok(Some((current, name)))
    }

    /// The folder `part` of `folder`, made where it is missing.
    pub(super) fn make_step(&self, folder: &OwnedFd, part: &str) -> Result<OwnedFd, Errno> {
        match fs::mkdirat(folder, part, self.folder_mode) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error),
        }
        crate::faults::changed();
        let made = step(folder.as_fd(), part)?;
        fs::fchmod(&made, self.folder_mode)?;
        fs::fsync(folder)?;
        Ok(made)
    }
}

/// Opens the folder `part` of `folder`; a link is an error.
pub(super) fn step(folder: BorrowedFd<'_>, part: &str) -> Result<OwnedFd, Errno> {
    fs::openat(
        folder,
        part,
        OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
    )
}

/// Makes a folder and those above it, where they are missing.
pub(super) fn make_folders(path: &Path, mode: Mode) -> Result<(), Errno> {
    match fs::mkdir(path, mode) {
        Err(Errno::NOENT) => {
            path.parent().map_or(Err(Errno::NOENT), |above| {
                make_folders(above, Mode::from_raw_mode(0o755))
            })?;
            fs::mkdir(path, mode)
        }
        Err(Errno::EXIST) => Ok(()),
        result => result,
    }
}
