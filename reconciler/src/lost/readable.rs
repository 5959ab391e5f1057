//! What was damaged before it was deleted: the newest commit in which it could be read, so that nobody is told to put the damage back.

use super::parts::parts;
use super::taken::Event;
use crate::git::{Entry, GitError, Objects, Oid};
use crate::load::document;
use tenantry_schema::document::{DomainClaim, Kind, ServerAssignment, classify};

/// So many commits are looked at.
const MOST: usize = 20_000;

/// The newest commit, and the file in it, that can be read, up to what an event took away. None: what it took away can be read itself, or no version
/// can.
pub(super) fn newest(
    objects: &Objects,
    head: Oid,
    path: &str,
    event: &Event,
) -> Result<Option<(Oid, Oid)>, GitError> {
    if reads(objects, path, event.old)? {
        return Ok(None);
    }
    let reads = |entry: &Entry| match entry.file() {
        Some(file) => reads(objects, path, file),
        None => Ok(false),
    };
    let from = before(objects, head, event)?;
    let found = objects.last_entry(from, path, MOST, |_| Ok(true), reads)?;
    Ok(found.map(|(commit, entry)| (commit, entry.oid)))
}

/// The commit that had what went last.
fn before(objects: &Objects, head: Oid, event: &Event) -> Result<Oid, GitError> {
    let Some(commit) = event.commit else {
        return Ok(head);
    };
    let place = usize::try_from(event.parent.saturating_sub(1)).unwrap_or(usize::MAX);
    let parents = objects.node(commit)?.parents;
    Ok(parents.get(place).copied().unwrap_or(commit))
}

fn reads(objects: &Objects, path: &str, file: Oid) -> Result<bool, GitError> {
    Ok(match classify(path) {
        Kind::ServerAssignment(..) => document::<ServerAssignment>(objects, path, file)?.is_some(),
        Kind::DomainClaim(..) => document::<DomainClaim>(objects, path, file)?.is_some(),
        _ => parts(objects, path, file)?.is_some(),
    })
}
