//! Which of the lines that a merge brings together the hub follows.

use crate::git::{GitError, Objects, Oid};
use crate::lost::by_hub;

/// Puts the branch that the hub follows first, where it can be told. Whether the order changed.
pub(super) fn followed_first(objects: &Objects, parents: &mut [Oid]) -> Result<bool, GitError> {
    for place in 1..parents.len() {
        let (Some(first), Some(other)) = (parents.first().copied(), parents.get(place).copied())
        else {
            break;
        };
        if by_hub_only_at(objects, other, first)? && !by_hub_only_at(objects, first, other)? {
            parents.swap(0, place);
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a commit of the hub's is reachable from `one` and not from `other`.
fn by_hub_only_at(objects: &Objects, one: Oid, other: Oid) -> Result<bool, GitError> {
    for commit in objects.commits_after(Some(other), one)?.iter().rev() {
        if by_hub(&objects.lineage(*commit)?) {
            return Ok(true);
        }
    }
    Ok(false)
}
