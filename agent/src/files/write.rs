//! Writing so that a reader sees the old content or the new, also after a power cut.

use super::walk::step;
use super::{Access, FilesError, Root};
use rustix::fs::{self, AtFlags, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use tenantry_schema::name::RelativePath;
use tenantry_schema::wire::can_run;

impl Root {
    /// Makes `path` hold `data`: a reader sees the old content or the new, also after a power cut. Programs can be
    /// executed where everybody may read them ([`can_run`]).
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

    /// The access that [`Root::write`] gives to such content.
    pub fn usual_access(&self, data: &[u8]) -> Access {
        let public = self.file_mode.contains(Mode::ROTH);
        Access::mode(if public && can_run(data) {
            0o755
        } else {
            self.file_mode.as_raw_mode()
        })
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
            .and_then(|()| {
                crate::faults::changed();
                fs::fsync(&self.folder)
            });
        result.map_err(|error| {
            let _ = fs::unlinkat(&self.folder, temporary.as_str(), AtFlags::empty());
            self.fail(name, error)
        })
    }
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

/// Begins with a dot and ends in `.tmp`, so that no pattern such as `*.conf` takes it for a finished file.
pub(super) fn temporary_name(name: &str) -> String {
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
