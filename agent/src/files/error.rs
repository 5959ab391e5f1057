//! What can go wrong with files.

use rustix::io::Errno;
use std::path::PathBuf;

/// Why a file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// Something on the way is a link, or a file where a folder must be.
    #[error("{}: something on the way is a link or not a folder", .0.display())]
    NotAFolder(PathBuf),
    /// What is there is no plain file.
    #[error("{}: not a plain file", .0.display())]
    NotAFile(PathBuf),
    /// More bytes than the reader wants.
    #[error("{}: larger than {limit} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The most that is wanted.
        limit: u64,
    },
    /// Anything else.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the kernel says.
        error: Errno,
    },
}

impl FilesError {
    /// Whether there is no room.
    pub fn is_full(&self) -> bool {
        matches!(
            self,
            Self::Io {
                error: Errno::NOSPC | Errno::DQUOT,
                ..
            }
        )
    }

    /// Whether it says nothing about the file: this process may open no more files, or there is no memory.
    pub fn is_blind(&self) -> bool {
        matches!(
            self,
            Self::Io {
                error: Errno::MFILE | Errno::NFILE | Errno::NOMEM,
                ..
            }
        )
    }

    /// From an error of the standard library.
    pub fn io(path: impl Into<PathBuf>, error: &std::io::Error) -> Self {
        Self::Io {
            path: path.into(),
            error: Errno::from_io_error(error).unwrap_or(Errno::IO),
        }
    }
}
