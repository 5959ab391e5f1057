//! What people do with the secrets of a fleet: reading and changing SOPS files of a work tree, who can open them, what uses them, and what is
//! wrong with them. Nothing here prints; the commands do.
//!
//! | module | what |
//! | --- | --- |
//! | [`work_tree`] | the files that people edit |
//! | [`address`] | short names of files of secrets |
//! | [`keyring`], [`person_keys`], [`destroyed`] | what files are opened with, and what is left of keys that are no more |
//! | [`rules`], [`holders`] | who should be able to open a file, and who those are |
//! | [`change`], [`editor`], [`gone`] | new content, and what it takes away |
//! | [`uses`] | what refers to a secret, and what a new value restarts |
//! | [`follow`] | what a new value takes with it |
//! | [`scan`], [`history`], [`audit`] | secrets in clear text, wrong recipients, unused and missing secrets |
//! | [`merge`], [`textconv`], [`git_setup`] | Git's drivers and hook |
//! | [`erase`], [`offboard`] | a person who goes |

pub mod address;
pub mod audit;
pub mod change;
pub mod destroyed;
pub mod editor;
pub mod erase;
pub mod follow;
pub mod git_setup;
pub mod gone;
pub mod history;
pub mod holders;
pub mod keyring;
pub mod merge;
pub mod offboard;
pub mod opened;
pub mod person_keys;
pub mod rules;
pub mod scan;
pub mod textconv;
pub mod uses;
pub mod work_tree;

pub use address::Target;
pub use keyring::Keyring;
pub use work_tree::WorkTree;

use crate::git::GitError;
use std::path::PathBuf;

/// Why something about secrets cannot be done. No variant ever holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// A file cannot be read or written.
    #[error("cannot {doing} {path}")]
    Io {
        /// What was tried: `read`, `write`, …
        doing: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file of secrets cannot be opened or written.
    #[error("{path}")]
    Sops {
        /// Which file.
        path: String,
        /// Why.
        #[source]
        source: tenantry_sops::Error,
    },
    /// No key that is at hand opens a file.
    #[error(
        "{path} cannot be opened with the keys at hand: name an age identity file with --key FILE or TENANTRY_KEY_FILE, or once for this clone with `tenantry git-setup --key FILE`"
    )]
    NoKey {
        /// Which file.
        path: String,
        /// Who could open it.
        #[source]
        source: tenantry_sops::Error,
    },
    /// libgit2 failed.
    #[error("Git: {doing}")]
    Git2 {
        /// What was tried.
        doing: &'static str,
        /// Why.
        #[source]
        source: git2::Error,
    },
    /// Git failed.
    #[error(transparent)]
    Git(#[from] GitError),
    /// What was asked for cannot be: a sentence that says what to do.
    #[error("{0}")]
    Refused(String),
}

impl SecretsError {
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

    pub(crate) fn sops(path: &str) -> impl Fn(tenantry_sops::Error) -> Self {
        let path = path.to_owned();
        move |source| match source {
            tenantry_sops::Error::NoMatchingKey { .. } => Self::NoKey {
                path: path.clone(),
                source,
            },
            source => Self::Sops {
                path: path.clone(),
                source,
            },
        }
    }

    pub(crate) fn git2(doing: &'static str) -> impl Fn(git2::Error) -> Self {
        move |source| Self::Git2 { doing, source }
    }

    pub(crate) fn refused(why: impl Into<String>) -> Self {
        Self::Refused(why.into())
    }
}

/// The time as SOPS files carry it.
pub(crate) fn sops_time(now: jiff::Timestamp) -> Result<tenantry_sops::Timestamp, SecretsError> {
    tenantry_sops::Timestamp::from_unix(now.as_second())
        .ok_or_else(|| SecretsError::refused("the clock of this machine is wrong"))
}
