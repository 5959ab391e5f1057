//! The fleet's Git repository: reading objects, following a branch, committing by compare-and-swap. Nothing here knows what the files mean.
//!
//! A [`Fleet`] is either *direct* (a bare repository on this machine) or goes through a mirror in the data directory that the `git` program
//! fetches into and pushes from. Objects are read with libgit2; only transport uses the program, because it knows people's credentials.

mod accepted;
mod advice;
mod bounded;
mod checked_out;
mod compare;
pub(crate) mod edit;
pub mod edited;
mod error;
mod fleet;
mod graph;
mod history;
mod init;
mod judging;
mod landing;
mod local;
mod location;
pub(crate) mod memory;
mod mirror;
mod objects;
mod offered;
pub(crate) mod pack;
pub(crate) mod program;
mod scratch;
mod sign;
pub(crate) mod single;
pub mod staged;
mod watch;
mod write;

#[cfg(test)]
pub(crate) mod tests;

pub(crate) use bounded::Most;
/// The repository that the folder `path` is in.
///
/// # Errors
/// With the way out, for people: it is in none, or in somebody else's.
pub fn discover(path: &std::path::Path) -> Result<git2::Repository, String> {
    git2::Repository::discover(path).map_err(|error| match error.code() {
        git2::ErrorCode::Owner => GitError::OtherOwner(owned(path)).to_string(),
        git2::ErrorCode::NotFound => format!(
            "`{}` is not inside a Git repository: name the folder of a fleet, or make one with `tenantry init DIR`",
            path.display()
        ),
        _ => format!(
            "the Git repository at `{}` cannot be opened: {}",
            path.display(),
            error.message()
        ),
    })
}

/// The repository that `path` is in or names, as Git wants it in `safe.directory`: absolute, without links and `..`.
fn owned(path: &std::path::Path) -> std::path::PathBuf {
    let real = path.canonicalize();
    let real = real.or_else(|_| std::path::absolute(path));
    let real = real.unwrap_or_else(|_| path.to_owned());
    let is_one = |folder: &&std::path::Path| {
        let there = |name: &str| folder.join(name).exists();
        there(".git") || (there("HEAD") && there("objects"))
    };
    let found = real.ancestors().find(is_one).unwrap_or(&real);
    // Of one with files, the folder with the files.
    match found.file_name() {
        Some(name) if name == ".git" => found.parent().unwrap_or(found).to_owned(),
        _ => found.to_owned(),
    }
}

pub use checked_out::WorkFolder;
pub(crate) use checked_out::{is_empty, work_folder};
pub use compare::Difference;
pub use edit::Change;
pub use error::GitError;
pub use fleet::{Fetched, Fleet};
pub use git2::Oid;
pub use history::Version;
pub(crate) use history::{Lineage, is_descendant};
pub use init::{InitError, Layout, init_repository};
pub use landing::{Outcome, Written};
pub(crate) use location::redact;
pub use location::{Location, LocationError};
pub use objects::{CommitInfo, Entry, EntryKind, Objects};
pub(crate) use offered::{Offer, Offers};
pub use program::Stop;
pub use scratch::Scratch;
pub(crate) use sign::NAMESPACE;
pub use sign::Signer;
pub use watch::{WatchError, Watcher};
pub use write::Author;
pub(crate) use write::commit_object;
