//! Files beneath one folder: written atomically and durably, never through a link. What is in them is for others to know.

mod digests;
mod error;
mod list;
mod remove;
mod stamp;
mod walk;
mod write;

pub use digests::{DigestCache, digest};
pub use error::FilesError;
pub use stamp::{Access, Stamp};
pub use write::is_temporary;

use rustix::fs::{self, AtFlags, Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use tenantry_schema::name::RelativePath;
use walk::make_folders;

/// A folder that nothing is written outside of.
#[derive(Debug)]
pub struct Root {
    folder: OwnedFd,
    path: PathBuf,
    file_mode: Mode,
    folder_mode: Mode,
}

impl Root {
    /// The folder at `path`, made where it is missing. Files in it are for their owner alone.
    pub fn private(path: &Path) -> Result<Self, FilesError> {
        Self::open(path, Mode::from_raw_mode(0o600), Mode::from_raw_mode(0o700))
    }

    /// The folder at `path`, made where it is missing. Files in it can be read by everybody who gets there.
    pub fn public(path: &Path) -> Result<Self, FilesError> {
        Self::open(path, Mode::from_raw_mode(0o644), Mode::from_raw_mode(0o755))
    }

    fn open(path: &Path, file_mode: Mode, folder_mode: Mode) -> Result<Self, FilesError> {
        let failed = |error| FilesError::Io {
            path: path.to_owned(),
            error,
        };
        make_folders(path, folder_mode).map_err(failed)?;
        // Links on the way to the root are the administrator's own.
        let folder =
            fs::open(path, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).map_err(failed)?;
        Ok(Self {
            folder,
            path: path.to_owned(),
            file_mode,
            folder_mode,
        })
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The content of `path`, at most `limit` bytes; `None` if there is no such file.
    pub fn read(&self, path: &RelativePath, limit: u64) -> Result<Option<Vec<u8>>, FilesError> {
        let Some((folder, name)) = self.parent(path, false)? else {
            return Ok(None);
        };
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match fs::openat(&folder, name, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP | Errno::NXIO) => return Err(FilesError::NotAFile(self.at(path))),
            Err(error) => return Err(self.fail(path, error)),
        };
        if !file.metadata().is_ok_and(|metadata| metadata.is_file()) {
            return Err(FilesError::NotAFile(self.at(path)));
        }
        let mut data = Vec::new();
        file.take(limit + 1)
            .read_to_end(&mut data)
            .map_err(|error| self.fail(path, Errno::from_io_error(&error).unwrap_or(Errno::IO)))?;
        if data.len() as u64 > limit {
            Err(FilesError::TooLarge {
                path: self.at(path),
                limit,
            })
        } else {
            Ok(Some(data))
        }
    }

    /// What tells versions of `path` apart; `None` if there is nothing, or something on the way is a link.
    pub fn stamp(&self, path: &RelativePath) -> Result<Option<Stamp>, FilesError> {
        let (folder, name) = match self.parent(path, false) {
            Ok(Some(parent)) => parent,
            Ok(None) | Err(FilesError::NotAFolder(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        match fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(Stamp::of(&stat))),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(self.fail(path, error)),
        }
    }

    fn at(&self, path: &RelativePath) -> PathBuf {
        self.path.join(path.as_str())
    }

    fn fail(&self, path: &RelativePath, error: Errno) -> FilesError {
        FilesError::Io {
            path: self.at(path),
            error,
        }
    }
}

#[cfg(test)]
mod tests;
