//! What was damaged before it was deleted: the newest commit in which it could be read, so that nobody is told to put the damage back.

use super::parts::parts;
use super::taken::Event;
use crate::git::{EntryKind, GitError, Objects, Oid};
use crate::load::{MAX_FILE, object_id};
use tenantry_planner::documents;
use tenantry_planner::input::SourceFile;
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
    let (mut next, mut tried) = (Some(before(objects, head, event)?), event.old);
    for _ in 0..MOST {
        let Some(at) = next else { break };
        let node = objects.node(at)?;
        if let Some(entry) = objects.lookup(node.tree, path)?
            && matches!(entry.kind, EntryKind::File | EntryKind::Executable)
            && entry.oid != tried
        {
            tried = entry.oid;
            if reads(objects, path, entry.oid)? {
                return Ok(Some((at, entry.oid)));
            }
        }
        next = node.parents.first().copied();
    }
    Ok(None)
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

fn reads(objects: &Objects, path: &str, oid: Oid) -> Result<bool, GitError> {
    let kind = classify(path);
    if !matches!(kind, Kind::ServerAssignment(..) | Kind::DomainClaim(..)) {
        return Ok(parts(objects, path, oid)?.is_some());
    }
    let text = match objects.blob(oid, MAX_FILE) {
        Ok(text) => text,
        Err(GitError::TooLarge { .. }) => return Ok(false),
        Err(error) => return Err(error),
    };
    let file = SourceFile {
        path: path.to_owned(),
        id: object_id(oid),
        text: Ok(String::from_utf8_lossy(&text).into()),
    };
    let found = &mut Vec::new();
    Ok(match kind {
        Kind::DomainClaim(..) => documents::read::<DomainClaim>(&file, found).is_some(),
        _ => documents::read::<ServerAssignment>(&file, found).is_some(),
    })
}
