//! Files that dumps are written to before they are saved: for root alone, hashed as they grow, and never so large that the disk runs full.

use super::error::BackupError;
use super::manifest::Dump;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use tokio::io::AsyncWriteExt as _;

/// Room that stays free on the disk.
pub const RESERVE: u64 = 256 << 20;
/// Room is looked at after so many bytes.
const STRIDE: u64 = 16 << 20;
/// Bytes of the end that are kept to look at.
const TAIL: usize = 1024;

/// A file that a dump is being written to.
#[derive(Debug)]
pub struct SpoolFile {
    file: tokio::fs::File,
    path: PathBuf,
    hash: Sha256,
    bytes: u64,
    looked: u64,
    tail: Vec<u8>,
}

/// A file that was written in full and is on the disk.
#[derive(Debug, Clone)]
pub struct Spooled {
    /// What a receipt says about it.
    pub dump: Dump,
    /// Its last bytes.
    pub tail: Vec<u8>,
}

impl SpoolFile {
    /// A new file at `path`, with the folders above it.
    pub async fn create(path: PathBuf) -> Result<Self, BackupError> {
        make_folder(path.parent().unwrap_or(&path))?;
        room(&path, RESERVE)?;
        let mut options = tokio::fs::OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let file = options
            .open(&path)
            .await
            .map_err(|error| BackupError::io("cannot make", &path, error))?;
        Ok(Self {
            file,
            path,
            hash: Sha256::new(),
            bytes: 0,
            looked: 0,
            tail: Vec::new(),
        })
    }

    /// Adds to it.
    pub async fn write(&mut self, data: &[u8]) -> Result<(), BackupError> {
        self.file
            .write_all(data)
            .await
            .map_err(|error| BackupError::io("cannot write", &self.path, error))?;
        self.hash.update(data);
        self.bytes += data.len() as u64;
        if self.bytes - self.looked > STRIDE {
            self.looked = self.bytes;
            room(&self.path, RESERVE)?;
        }
        self.tail.extend_from_slice(
            data.get(data.len().saturating_sub(TAIL)..)
                .unwrap_or_default(),
        );
        let more = self.tail.len().saturating_sub(TAIL);
        self.tail.drain(..more);
        Ok(())
    }

    /// Nothing more comes.
    pub async fn finish(mut self) -> Result<Spooled, BackupError> {
        let synced = match self.file.flush().await {
            Ok(()) => self.file.sync_all().await,
            Err(error) => Err(error),
        };
        synced.map_err(|error| BackupError::io("cannot write", &self.path, error))?;
        let dump = Dump {
            path: self.path.to_string_lossy().into_owned(),
            bytes: self.bytes,
            sha256: hex::encode(self.hash.finalize()),
        };
        Ok(Spooled {
            dump,
            tail: self.tail,
        })
    }
}

/// What a receipt says about a file that is there.
pub async fn describe(path: PathBuf) -> Result<Dump, BackupError> {
    let work = move || {
        let failed = |error| BackupError::io("cannot read", &path, error);
        let mut file = std::fs::File::open(&path).map_err(failed)?;
        let mut hash = HashWriter(Sha256::new());
        let bytes = std::io::copy(&mut file, &mut hash).map_err(failed)?;
        Ok(Dump {
            path: path.to_string_lossy().into_owned(),
            bytes,
            sha256: hex::encode(hash.0.finalize()),
        })
    };
    blocking(work).await
}

struct HashWriter(Sha256);

impl std::io::Write for HashWriter {
    fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
        self.0.update(data);
        Ok(data.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Does something that takes a while beside the loop.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BackupError> + Send + 'static,
) -> Result<T, BackupError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(_) => Err(BackupError::Missing("the work was broken off".to_owned())),
    }
}

/// Whether `needs` bytes are free where `path` is.
pub fn room(path: &Path, needs: u64) -> Result<(), BackupError> {
    let folder = path
        .ancestors()
        .find(|folder| folder.is_dir())
        .unwrap_or(path);
    let found = rustix::fs::statvfs(folder)
        .map_err(|error| BackupError::io("cannot look at", folder, error.into()))?;
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    if free >= needs {
        Ok(())
    } else {
        Err(BackupError::DiskFull {
            path: folder.to_owned(),
            free: free >> 20,
            needs: needs >> 20,
        })
    }
}

/// A folder for root alone, with those above it.
pub fn make_folder(path: &Path) -> Result<(), BackupError> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| BackupError::io("cannot make", path, error))
}

/// Makes sure that a folder of ours is gone with all in it.
pub fn clear(path: &Path) -> Result<(), BackupError> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(BackupError::io("cannot remove", path, error))
        }
        Err(_) => Ok(()),
        Ok(()) => {
            crate::faults::changed();
            Ok(())
        }
    }
}

/// A name as part of a path: nothing in it leads anywhere else, and no two give the same.
pub fn file_name(name: &str) -> String {
    let mut out = String::new();
    for byte in name.bytes() {
        let plain = byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        if plain || byte == b'.' && !out.is_empty() {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02x}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[tokio::test]
    async fn what_is_written_is_described() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b.sql");
        let mut file = SpoolFile::create(path.clone()).await.unwrap();
        file.write(&[b'x'; 3000]).await.unwrap();
        file.write(b"end").await.unwrap();
        let spooled = file.finish().await.unwrap();
        assert!(spooled.tail.ends_with(b"xend") && spooled.tail.len() == TAIL);
        assert_eq!(describe(path.clone()).await.unwrap(), spooled.dump);
        assert!(
            SpoolFile::create(path).await.is_err(),
            "a file of an earlier time is not taken over"
        );
    }

    #[test]
    fn a_disk_that_would_run_full_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        assert!(room(&folder.path().join("not/yet/there"), 1).is_ok());
        let error = room(folder.path(), u64::MAX).unwrap_err();
        assert!(matches!(error, BackupError::DiskFull { .. }), "{error}");
    }

    proptest! {
        #[test]
        fn names_stay_in_their_folder(name in ".{1,30}", other in ".{1,30}") {
            let safe = file_name(&name);
            prop_assert!(!safe.contains('/') && safe != "." && safe != ".." && !safe.is_empty());
            prop_assert!(name == other || safe != file_name(&other));
        }
    }
}
