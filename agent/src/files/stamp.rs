//! What is known of a file without reading it: its version, and who may do what with it.

use rustix::fs::{self, FileType};

/// What tells two versions of a file apart without reading them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stamp {
    inode: u64,
    size: u64,
    mode: u32,
    owner: (u32, u32),
    changed: (i64, i64),
}

/// Who may do what with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Access {
    /// Permission bits.
    pub mode: u32,
    /// Owner; absent: whoever writes it.
    pub uid: Option<u32>,
    /// Group; absent: that of whoever writes it.
    pub gid: Option<u32>,
}

impl Access {
    /// For these permission bits, owned by whoever writes it.
    pub const fn mode(mode: u32) -> Self {
        Self {
            mode,
            uid: None,
            gid: None,
        }
    }

    /// For these permission bits and this owner.
    pub const fn owned(mode: u32, uid: u32, gid: u32) -> Self {
        Self {
            mode,
            uid: Some(uid),
            gid: Some(gid),
        }
    }
}

impl Stamp {
    pub(super) fn of(stat: &fs::Stat) -> Self {
        let changed = (stat.st_ctime, stat.st_ctime_nsec as i64);
        let owner = (stat.st_uid, stat.st_gid);
        Self {
            inode: stat.st_ino,
            size: stat.st_size as u64,
            mode: stat.st_mode,
            owner,
            changed,
        }
    }

    /// Permission bits.
    pub fn mode(&self) -> u32 {
        self.mode & 0o7777
    }

    /// Its owner.
    pub fn uid(&self) -> u32 {
        self.owner.0
    }

    /// Bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Whether it is a plain file with this access.
    pub fn has(&self, access: &Access) -> bool {
        let own = (
            rustix::process::geteuid().as_raw(),
            rustix::process::getegid().as_raw(),
        );
        FileType::from_raw_mode(self.mode) == FileType::RegularFile
            && self.mode & 0o7777 == access.mode
            && self.owner == (access.uid.unwrap_or(own.0), access.gid.unwrap_or(own.1))
    }
}
