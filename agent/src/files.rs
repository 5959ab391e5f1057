//! Files beneath one folder: written atomically and durably, never through a link. What is in them is for others to know.

mod digests;
mod error;
mod stamp;

pub use digests::{DigestCache, digest};
pub use error::FilesError;
pub use stamp::{Access, Stamp};

use rustix::fs::{self, AtFlags, Dir, FileType, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use tenantry_schema::name::RelativePath;

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

    /// Makes `path` hold `data`: a reader sees the old content or the new, also after a power cut. Files that begin with `#!` can be
    /// executed where everybody may read them.
    pub fn write(&self, path: &RelativePath, data: &[u8]) -> Result<(), FilesError> {
        self.write_as(path, data, &self.usual_access(data))
    }

    /// The same with an access of its own.
    pub fn write_as(
        &self,
        path: &RelativePath,
        data: &[u8],
        access: &Access,
    ) -> Result<(), FilesError> {
        let (folder, name) = self
            .parent(path, true)?
            .ok_or_else(|| self.fail(path, Errno::NOENT))?;
        let temporary = temporary_name(name);
        let written = write_temporary(&folder, &temporary, data, access).and_then(|()| {
            match fs::renameat(&folder, temporary.as_str(), &folder, name) {
                // An empty folder in the place of the file.
                Err(Errno::ISDIR) => {
                    fs::unlinkat(&folder, name, AtFlags::REMOVEDIR)?;
                    fs::renameat(&folder, temporary.as_str(), &folder, name)
                }
                result => result,
            }
        });
        if let Err(error) = written {
            let _ = fs::unlinkat(&folder, temporary.as_str(), AtFlags::empty());
            return Err(self.fail(path, error));
        }
        crate::faults::changed();
        fs::fsync(&folder).map_err(|error| self.fail(path, error))
    }

    /// Makes sure that there is a folder `path` with this access.
    pub fn own_folder(&self, path: &RelativePath, access: &Access) -> Result<(), FilesError> {
        let (above, name) = self
            .parent(path, true)?
            .ok_or_else(|| self.fail(path, Errno::NOENT))?;
        let folder = match step(above.as_fd(), name) {
            Err(Errno::NOENT) => self.make_step(&above, name),
            result => result,
        };
        let folder = folder.map_err(|error| match error {
            Errno::LOOP | Errno::NOTDIR => FilesError::NotAFolder(self.at(path)),
            error => self.fail(path, error),
        })?;
        let (uid, gid) = (
            access.uid.map(fs::Uid::from_raw),
            access.gid.map(fs::Gid::from_raw),
        );
        fs::fchown(&folder, uid, gid)
            .and_then(|()| fs::fchmod(&folder, Mode::from_raw_mode(access.mode)))
            .map_err(|error| self.fail(path, error))
    }

    /// The access that [`Root::write`] gives to such content.
    pub fn usual_access(&self, data: &[u8]) -> Access {
        let public = self.file_mode.contains(Mode::ROTH);
        Access::mode(if public && data.starts_with(b"#!") {
            0o755
        } else {
            self.file_mode.as_raw_mode()
        })
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
            path = above;
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

    /// Everything in the folder that is not a folder, with what tells versions apart. Links are listed, not followed; names that no
    /// slice can hold are left out.
    pub fn list(&self) -> Result<BTreeMap<RelativePath, Stamp>, FilesError> {
        let mut found = BTreeMap::new();
        let top = Dir::read_from(&self.folder).map_err(|error| FilesError::Io {
            path: self.path.clone(),
            error,
        })?;
        self.list_into(top, "", &mut found)?;
        Ok(found)
    }

    /// Removes what writers left behind that were killed before they were done. Only for when nobody writes.
    pub fn remove_unfinished(&self) -> Result<(), FilesError> {
        for path in self.list()?.into_keys().filter(is_temporary) {
            self.remove(&path)?;
        }
        Ok(())
    }

    fn list_into(
        &self,
        mut dir: Dir,
        prefix: &str,
        found: &mut BTreeMap<RelativePath, Stamp>,
    ) -> Result<(), FilesError> {
        let failed = |error| FilesError::Io {
            path: self.path.join(prefix),
            error,
        };
        let mut folders = Vec::new();
        while let Some(entry) = dir.read() {
            let entry = entry.map_err(failed)?;
            let Ok(name) = entry.file_name().to_str() else {
                continue;
            };
            let Ok(path) = RelativePath::try_from(format!("{prefix}{name}")) else {
                continue;
            };
            let stat = match fs::statat(dir.fd().map_err(failed)?, name, AtFlags::SYMLINK_NOFOLLOW)
            {
                Ok(stat) => stat,
                Err(Errno::NOENT) => continue,
                Err(error) => return Err(failed(error)),
            };
            if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
                folders.push((path, name.to_owned()));
            } else {
                found.insert(path, Stamp::of(&stat));
            }
        }
        for (path, name) in folders {
            let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            match fs::openat(
                dir.fd().map_err(failed)?,
                name.as_str(),
                flags,
                Mode::empty(),
            )
            .and_then(Dir::new)
            {
                Ok(inner) => self.list_into(inner, &format!("{path}/"), found)?,
                Err(Errno::NOENT) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(())
    }

    /// Makes `name`, directly in this folder, a link to `target`, in one step.
    pub fn point(&self, name: &RelativePath, target: &RelativePath) -> Result<(), FilesError> {
        let temporary = temporary_name(name.as_str());
        let result = fs::symlinkat(target.as_str(), &self.folder, temporary.as_str())
            .and_then(|()| {
                match fs::renameat(
                    &self.folder,
                    temporary.as_str(),
                    &self.folder,
                    name.as_str(),
                ) {
                    // A folder that somebody made in its place changes places with the link, and goes.
                    Err(Errno::ISDIR) => {
                        let exchange = RenameFlags::EXCHANGE;
                        fs::renameat_with(
                            &self.folder,
                            temporary.as_str(),
                            &self.folder,
                            name.as_str(),
                            exchange,
                        )?;
                        std::fs::remove_dir_all(self.path.join(&temporary))
                            .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
                    }
                    result => result,
                }
            })
            .and_then(|()| fs::fsync(&self.folder));
        result.map_err(|error| {
            let _ = fs::unlinkat(&self.folder, temporary.as_str(), AtFlags::empty());
            self.fail(name, error)
        })
    }

    /// The folder that `path` is in, each step taken without following links, and the last part of the name.
    fn parent<'p>(
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

    fn make_step(&self, folder: &OwnedFd, part: &str) -> Result<OwnedFd, Errno> {
        match fs::mkdirat(folder, part, self.folder_mode) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error),
        }
        let made = step(folder.as_fd(), part)?;
        fs::fchmod(&made, self.folder_mode)?;
        fs::fsync(folder)?;
        Ok(made)
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

fn step(folder: rustix::fd::BorrowedFd<'_>, part: &str) -> Result<OwnedFd, Errno> {
    fs::openat(
        folder,
        part,
        OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
    )
}

fn write_temporary(
    folder: &OwnedFd,
    name: &str,
    data: &[u8],
    access: &Access,
) -> Result<(), Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(fs::openat(folder, name, flags, Mode::from_raw_mode(0o600))?);
    let io = |error: std::io::Error| Errno::from_io_error(&error).unwrap_or(Errno::IO);
    file.write_all(data).map_err(io)?;
    if access.uid.is_some() || access.gid.is_some() {
        let (uid, gid) = (
            access.uid.map(fs::Uid::from_raw),
            access.gid.map(fs::Gid::from_raw),
        );
        fs::fchown(&file, uid, gid)?;
    }
    // Set apart from creation, so that the umask has no say.
    fs::fchmod(&file, Mode::from_raw_mode(access.mode))?;
    file.sync_all().map_err(io)
}

fn make_folders(path: &Path, mode: Mode) -> Result<(), Errno> {
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

/// Begins with a dot and ends in `.tmp`, so that no pattern such as `*.conf` takes it for a finished file.
fn temporary_name(name: &str) -> String {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let name: String = name.chars().take(60).collect();
    format!(
        ".{name}.{}-{}.tmp",
        std::process::id(),
        COUNTER.fetch_add(1, Ordering::Relaxed)
    )
}

/// Whether the last part of a path is the name of a file that was never finished.
pub fn is_temporary(path: &RelativePath) -> bool {
    let name = path.as_str().rsplit('/').next().unwrap_or_default();
    name.starts_with('.') && name.ends_with(".tmp")
}

#[cfg(test)]
mod tests;
