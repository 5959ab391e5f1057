//! What people gave up: entries of `fleet/acknowledged.yaml` that have lost decisions made anew.

use super::taken::Event;
use crate::git::{GitError, Objects, Oid, is_descendant};
use crate::load::document;
use tenantry_planner::decision::What;
use tenantry_planner::lost::Missing;
use tenantry_planner::removal::FILE;
use tenantry_schema::document::{Acknowledged, Anew};
use tenantry_schema::id::OrderKey;

/// What was given up, with the commit that it was known at.
pub(super) struct Given(Vec<(Anew, Oid)>);

impl Given {
    /// The entries at a root tree. A file with errors gives nothing up.
    pub(super) fn read(objects: &Objects, root: Oid) -> Result<Self, GitError> {
        let Some(file) = file(objects, root)? else {
            return Ok(Self(Vec::new()));
        };
        let read = document::<Acknowledged>(objects, FILE, file)?;
        let entries = read.unwrap_or_default().0.into_values();
        let given = entries.filter_map(|entry| {
            let (anew, since) = entry.anew()?;
            Some((anew.clone(), Oid::from_str(since.as_str()).ok()?))
        });
        Ok(Self(given.collect()))
    }

    /// Leaves those events that nobody gave up. An entry covers its commit and what came before it, never a later deletion.
    pub(super) fn leave(
        &self,
        objects: &Objects,
        missing: &Missing,
        events: &mut Vec<&Event>,
    ) -> Result<(), GitError> {
        let OrderKey { customer, order } = &missing.order;
        let named = |anew: &Anew| match anew {
            Anew::Backups(of) => missing.what == What::BackupSecrets && of == customer,
            Anew::Order(of, its) => {
                missing.what != What::BackupSecrets && of == customer && its == order
            }
        };
        for (_, since) in self.0.iter().filter(|(anew, _)| named(anew)) {
            let mut left = Vec::new();
            for event in events.drain(..) {
                let covered = match event.commit {
                    Some(commit) => reaches(objects, *since, commit)?,
                    None => false,
                };
                if !covered {
                    left.push(event);
                }
            }
            *events = left;
        }
        Ok(())
    }
}

/// Whether `commit` is `since` or an ancestor of it. A commit that is not there reaches nothing.
fn reaches(objects: &Objects, since: Oid, commit: Oid) -> Result<bool, GitError> {
    match is_descendant(objects, commit, since) {
        Err(GitError::Missing(_) | GitError::WrongKind { .. }) => Ok(false),
        answer => answer,
    }
}

/// The file with the entries, at a root tree.
pub(super) fn file(objects: &Objects, root: Oid) -> Result<Option<Oid>, GitError> {
    let entry = objects.lookup(root, FILE)?;
    Ok(entry.and_then(|entry| entry.file()))
}
