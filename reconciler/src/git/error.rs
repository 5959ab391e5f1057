//! What can go wrong with a Git repository.

use git2::Oid;
use std::path::PathBuf;
use std::time::Duration;

/// Why an operation on a repository failed. None of these means "empty" or "absent" (law 7).
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// The repository cannot be opened.
    #[error("cannot open the Git repository `{path}`")]
    Open {
        /// Its folder.
        path: PathBuf,
        /// libgit2's reason.
        source: git2::Error,
    },
    /// It belongs to another user.
    #[error(
        "`{0}` belongs to another user, and Git opens such a repository only where it is told to: `git config --global --add safe.directory {0}`"
    )]
    OtherOwner(PathBuf),
    /// Part of the history is not there, so generations cannot be counted.
    #[error("`{0}` is a shallow clone: the hub needs the whole history (`git fetch --unshallow`)")]
    Shallow(PathBuf),
    /// An object that should be there is not.
    #[error(
        "object {0} is not in the repository; of a partial clone (`git clone --filter`) fetch the rest: `git fetch --refetch --no-filter`"
    )]
    Missing(Oid),
    /// An object is of another kind than asked for.
    #[error("object {oid} is not a {expected}")]
    WrongKind {
        /// The object.
        oid: Oid,
        /// What was expected.
        expected: &'static str,
    },
    /// A blob above the caller's limit. It was not read.
    #[error("object {oid} has {size} bytes, more than the {max} allowed")]
    TooLarge {
        /// The blob.
        oid: Oid,
        /// Its size in bytes.
        size: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// A change that does not fit the tree: a file where a folder is or the other way round, or a name that Git keeps for itself.
    #[error("cannot write `{path}`: {why}")]
    BadChange {
        /// The path of the change.
        path: String,
        /// In words.
        why: &'static str,
    },
    /// Somebody else held a lock file for longer than the hub waits.
    #[error("the branch is locked by another program (remove `{0}.lock` if none runs)")]
    Locked(String),
    /// libgit2 failed in another way.
    #[error("Git {doing} failed")]
    Library {
        /// What was being done.
        doing: &'static str,
        /// Its reason.
        source: git2::Error,
    },
    /// A file of the repository or data directory could not be read or written.
    #[error("cannot {doing} `{path}`")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The `git` program could not be started.
    #[error("cannot start the `git` program (is it installed?)")]
    NoProgram(#[source] std::io::Error),
    /// The `git` program failed.
    #[error("`git {command}` failed: {message}")]
    Program {
        /// The subcommand.
        command: &'static str,
        /// The last lines that it printed, without credentials.
        message: String,
    },
    /// The remote cannot be asked. What is known of it stays as it is.
    #[error("{0}")]
    Unreachable(String),
    /// Nobody wanted it any more ([`super::Stop`]). What it had begun may have come to its end.
    #[error("given up: nobody waits for it any more")]
    Stopped,
    /// The `git` program wrote more than it may and was ended.
    #[error("`git {command}` brought more than {} MiB", most >> 20)]
    TooMuch {
        /// The subcommand.
        command: &'static str,
        /// How many bytes it may write.
        most: u64,
    },
    /// The `git` program did not end in time and was ended.
    #[error("`git {command}` did not end within {} s", .after.as_secs())]
    TimedOut {
        /// The subcommand.
        command: &'static str,
        /// How long was waited.
        after: Duration,
    },
    /// A commit cannot be signed.
    #[error("the commit cannot be signed with `ssh-keygen -Y sign`: {0}")]
    Signing(String),
    /// The remote took the connection but refuses this commit for good: a hook, a protected branch, a work tree with changes.
    #[error("the remote refused the commit: {0}")]
    Refused(String),
}

impl GitError {
    /// For `map_err`: the repository at `path` cannot be opened.
    pub(crate) fn open(path: &std::path::Path) -> impl FnOnce(git2::Error) -> Self {
        let path = path.to_owned();
        move |source| match source.code() {
            git2::ErrorCode::Owner => Self::OtherOwner(super::owned(&path)),
            _ => Self::Open { path, source },
        }
    }

    /// For `map_err`: libgit2 failed while `doing`.
    pub(crate) fn library(doing: &'static str) -> impl Fn(git2::Error) -> Self {
        move |source| Self::Library { doing, source }
    }

    /// For `map_err`: the file `path` could not be used.
    pub(crate) fn io(
        doing: &'static str,
        path: &std::path::Path,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            doing,
            path,
            source,
        }
    }
}
