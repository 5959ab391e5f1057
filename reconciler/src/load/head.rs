//! The documents of `fleet/` itself. While they have errors the whole fleet stays at their last good version.

use super::{MAX_HISTORY, files};
use crate::git::{EntryKind, GitError, Objects, Oid};
use std::sync::Arc;
use tenantry_planner::documents::{self, HeadDocuments};
use tenantry_planner::input::HeadFiles;
use tenantry_schema::Diagnostic;

/// The documents of `fleet/` itself, read.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    /// Of this commit, or of the last good one. None where there is none.
    pub(super) documents: Option<Arc<HeadDocuments>>,
    /// What is wrong with those of this commit.
    pub(super) diagnostics: Vec<Diagnostic>,
    /// Whether they are those of an earlier commit.
    pub(super) frozen: bool,
    /// Which one.
    pub(super) stays_at: Option<Oid>,
}

/// Keeps what was read last.
#[derive(Default)]
pub(super) struct Heads {
    last: Option<(Vec<Oid>, Head)>,
}

impl Heads {
    pub(super) fn read(
        &mut self,
        objects: &Objects,
        fleet: Oid,
        commit: Oid,
    ) -> Result<Head, GitError> {
        let key = blobs(objects, fleet)?;
        if let Some((_, head)) = self.last.as_ref().filter(|(last, _)| *last == key) {
            return Ok(head.clone());
        }
        let (documents, diagnostics) = compile(objects, fleet)?;
        let head = match documents {
            Some(documents) => Head {
                documents: Some(Arc::new(documents)),
                diagnostics,
                frozen: false,
                stays_at: None,
            },
            None => {
                let good = last_good(objects, commit)?;
                let stays_at = good.as_ref().map(|(commit, _)| *commit);
                Head {
                    documents: good.map(|(_, documents)| Arc::new(documents)),
                    diagnostics,
                    frozen: true,
                    stays_at,
                }
            }
        };
        self.last = Some((key, head.clone()));
        Ok(head)
    }
}

/// Ids of the files directly in `fleet/`: what decides whether they have to be read again.
pub(super) fn blobs(objects: &Objects, fleet: Oid) -> Result<Vec<Oid>, GitError> {
    let entries = objects.tree(fleet)?;
    Ok(entries
        .iter()
        .filter(|entry| entry.kind != EntryKind::Tree)
        .map(|entry| entry.oid)
        .collect())
}

pub(super) fn compile(
    objects: &Objects,
    fleet: Oid,
) -> Result<(Option<HeadDocuments>, Vec<Diagnostic>), GitError> {
    let files = files::directly_in(objects, fleet, "fleet")?;
    Ok(documents::head(&HeadFiles { files }))
}

fn last_good(objects: &Objects, commit: Oid) -> Result<Option<(Oid, HeadDocuments)>, GitError> {
    let mut tried: Vec<Vec<Oid>> = Vec::new();
    let mut next = Some(commit);
    while let Some(at) = next.filter(|_| tried.len() < MAX_HISTORY) {
        next = objects.commit_info(at)?.parents.first().copied();
        let Some(fleet) = objects.lookup(objects.root_tree(at)?, "fleet")? else {
            continue;
        };
        let key = blobs(objects, fleet.oid)?;
        if tried.last() == Some(&key) {
            continue;
        }
        if let (Some(documents), _) = compile(objects, fleet.oid)? {
            return Ok(Some((at, documents)));
        }
        tried.push(key);
    }
    Ok(None)
}
