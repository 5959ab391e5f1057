//! From a commit to [`Desired`]: reads Git objects, hands them to the planner's compiler, keeps what has not changed.
//!
//! Everything is cached by object id. A customer is read again when one of their two trees changed, resolved again when the catalogue or
//! `hub.yaml` did as well, and stays at their last good version while their documents have errors (law 11).
//!
//! - `loader`: one load after the other.
//! - `diagnose`: what is said of a commit.
//! - `head`, `customers`, `catalogue`, `sealing`, `shared`, `agents`: what is read, a kind each.
//! - `limit`: what may go at once; `sparse`: who need not be read.

mod agents;
mod catalogue;
mod customers;
mod diagnose;
mod domains;
mod files;
mod head;
mod limit;
mod loader;
mod sealing;
mod shared;
mod sparse;
#[cfg(test)]
mod tests;

use crate::git::{GitError, Objects, Oid};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;
use tenantry_planner::catalogue::Catalogue;
use tenantry_planner::documents::HeadDocuments;
use tenantry_planner::removal::Removal;
use tenantry_planner::status::FrozenScope;
use tenantry_planner::{Desired, ObjectId, today};
use tenantry_schema::Diagnostic;
use tenantry_schema::id::{CustomerId, OrderKey, ServerKey};
use tenantry_schema::name::DomainName;

pub(crate) use files::{document, text};
pub use limit::Keep;
pub use loader::Loader;
pub use sparse::{Need, Remembered, Unread, differing};

/// Largest file of the fleet that is read, in bytes.
pub const MAX_FILE: usize = 1 << 20;
/// How many commits are looked at for a last good version.
pub const MAX_HISTORY: usize = 20_000;

/// Why a commit cannot be loaded at all. Mistakes in documents are not among these: they are diagnostics.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Reading objects failed.
    #[error("the fleet's objects cannot be read")]
    Git(#[from] GitError),
    /// The repository holds no fleet.
    #[error("this repository has no folder `fleet/`; `tenantry init DIR` makes a fleet")]
    NotAFleet,
}

/// A commit, loaded.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What should be true. None where `hub.yaml` or `staff.yaml` has never been good.
    pub desired: Option<Desired>,
    /// Stacks and templates.
    pub catalogue: Arc<Catalogue>,
    /// Everything wrong with the newest commit.
    pub diagnostics: Arc<Vec<Diagnostic>>,
    /// What stays at an earlier version.
    pub frozen: Vec<FrozenScope>,
    /// Set where the documents of the fleet itself have errors: nothing new is decided or published then.
    pub fleet_frozen: bool,
    /// Customers that may differ from the load before. None: everything may.
    pub changed: Option<Vec<CustomerId>>,
    /// Domains that customers hold who are not in `desired`.
    pub kept: Vec<(OrderKey, DomainName)>,
    /// Servers whose agent's key is that of another server, with that one: their agents are not known.
    pub taken: BTreeMap<ServerKey, ServerKey>,
    /// What goes, or is replaced, beyond `policy.max_removed`: held back, or acknowledged.
    pub removals: Arc<Vec<Removal>>,
    /// Customers that are good, and were not read because that is known: they are not in `desired`. None with a loader that reads everybody.
    pub unread: Arc<Unread>,
}

impl Loaded {
    /// How many customers there are that can be used, read or not.
    pub fn customers(&self) -> usize {
        let read = self.desired.as_ref();
        read.map_or(0, |desired| desired.customers.len()) + self.unread.len()
    }
}

/// What is to be loaded: a commit, or a tree that has not been committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revision {
    /// The root tree.
    pub tree: Oid,
    /// The commit whose history holds last good versions.
    pub commit: Oid,
    /// Its generation, without the fleet's floor.
    pub generation: u64,
}

/// The text of the file at `path` below the root tree `root`. None where there is none that can be read.
pub fn text_of(objects: &Objects, root: Oid, path: &str) -> Option<Arc<str>> {
    customers::text_of(objects, root, path)
}

/// What is to be said of what was loaded from the root tree `root`, beside what loading said.
pub fn said_today(
    objects: &Objects,
    root: Oid,
    desired: &Desired,
    now: Timestamp,
) -> Vec<Diagnostic> {
    today::diagnose(desired, now, &|path| text_of(objects, root, path))
}

/// The settings of the fleet at a root tree. None where they have errors, or where there is no fleet.
pub fn settings_at(objects: &Objects, root: Oid) -> Result<Option<HeadDocuments>, GitError> {
    match fleet_folder(objects, root)? {
        Some(fleet) => Ok(head::compile(objects, fleet)?.0),
        None => Ok(None),
    }
}

/// The ids of the files that [`settings_at`] reads: where they are the same, so is what comes out.
pub fn settings_key(objects: &Objects, root: Oid) -> Result<Vec<Oid>, GitError> {
    match fleet_folder(objects, root)? {
        Some(fleet) => head::blobs(objects, fleet),
        None => Ok(Vec::new()),
    }
}

/// The folder `fleet/` of a root tree.
fn fleet_folder(objects: &Objects, root: Oid) -> Result<Option<Oid>, GitError> {
    Ok(objects
        .lookup(root, "fleet")?
        .and_then(|entry| entry.folder()))
}

/// Git's id as the planner knows it.
pub fn object_id(oid: Oid) -> ObjectId {
    let mut id = [0; 20];
    id.copy_from_slice(oid.as_bytes());
    ObjectId(id)
}

/// The planner's id as libgit2 knows it.
pub fn oid(id: ObjectId) -> Result<Oid, GitError> {
    Oid::from_bytes(&id.0).map_err(GitError::library("an object id"))
}
