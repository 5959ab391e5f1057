//! A file that only takes room, so that there is some when a disk is full: it is given up to take in the slice that cures the disk, and
//! made again when there is room.

use crate::files::{FilesError, Root};
use rustix::fs::{FallocateFlags, fallocate, statvfs};
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use tenantry_schema::name::RelativePath;

/// The file, in the state folder.
const FILE: &str = "ballast";
/// Room for a slice, its files and a ledger.
const SIZE: u64 = 16 << 20;

/// The file.
#[derive(Debug)]
pub struct Ballast {
    root: Root,
    /// Whether it is known to be there.
    there: bool,
}

impl Ballast {
    /// In the state folder `state`. Nothing is made yet.
    pub fn open(state: &Path) -> Result<Self, FilesError> {
        let root = Root::private(state)?;
        let there = root.path().join(FILE).exists();
        Ok(Self { root, there })
    }

    /// Makes it, if there is plenty of room.
    pub fn keep(&mut self) {
        if self.there {
            return;
        }
        let space = statvfs(self.root.path());
        let free = space.map_or(0, |space| space.f_bavail.saturating_mul(space.f_frsize));
        if free < SIZE * 2 {
            return;
        }
        match self.make() {
            Ok(()) => self.there = true,
            Err(error) => tracing::warn!(%error, "room for a full disk cannot be set aside"),
        }
    }

    fn make(&self) -> std::io::Result<()> {
        let mut options = OpenOptions::new();
        let path = self.path();
        let file = options
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
            .open(&path)?;
        fallocate(&file, FallocateFlags::empty(), 0, SIZE)?;
        Ok(())
    }

    /// Gives the room up. Returns whether there was any to give.
    pub fn release(&mut self) -> bool {
        self.there = false;
        RelativePath::try_from(FILE)
            .ok()
            .and_then(|name| self.root.remove(&name).ok())
            .unwrap_or_default()
    }

    fn path(&self) -> PathBuf {
        self.root.path().join(FILE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_room_and_gives_it_back_once() {
        let folder = tempfile::tempdir().unwrap();
        let mut ballast = Ballast::open(folder.path()).unwrap();
        assert!(!ballast.release());
        ballast.keep();
        let size = std::fs::metadata(folder.path().join(FILE)).unwrap().len();
        assert_eq!(size, SIZE);
        let mut again = Ballast::open(folder.path()).unwrap();
        assert!(again.there && again.release() && !again.release());
        assert!(!folder.path().join(FILE).exists());
    }
}
