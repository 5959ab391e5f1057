//! `.sops.yaml` of a commit, read once as long as it stays the same.

use super::MAX_FILE;
use crate::git::{EntryKind, GitError, Objects, Oid};
use std::sync::Arc;
use tenantry_planner::sealing::{FILE, SealingRules};
use tenantry_schema::Diagnostic;

/// The rules, and what is wrong with them.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) rules: SealingRules,
    pub(super) diagnostics: Arc<[Diagnostic]>,
}

/// Keeps what was read last.
#[derive(Default)]
pub(super) struct Sealing {
    last: Option<(Option<(EntryKind, Oid)>, Found)>,
}

impl Sealing {
    /// Reads those of a root tree. With them comes whether they are those of last time.
    pub(super) fn read(&mut self, objects: &Objects, tree: Oid) -> Result<(Found, bool), GitError> {
        let entry = objects.lookup(tree, FILE)?;
        let key = entry.map(|entry| (entry.kind, entry.oid));
        if let Some((_, found)) = self.last.as_ref().filter(|(last, _)| *last == key) {
            return Ok((found.clone(), true));
        }
        let (rules, diagnostics) = match key {
            None => (SealingRules::default(), Vec::new()),
            Some((EntryKind::File | EntryKind::Executable, oid)) => {
                match objects.blob(oid, MAX_FILE) {
                    Ok(content) => match String::from_utf8(content) {
                        Ok(text) => SealingRules::read(&text),
                        Err(_) => SealingRules::unreadable("the file is not a text (UTF-8)"),
                    },
                    Err(error @ GitError::TooLarge { .. }) => {
                        SealingRules::unreadable(&error.to_string())
                    }
                    Err(error) => return Err(error),
                }
            }
            Some(_) => SealingRules::unreadable("a folder or link stands in the place of the file"),
        };
        let found = Found {
            rules,
            diagnostics: diagnostics.into(),
        };
        let first = self.last.replace((key, found.clone())).is_none();
        Ok((found, first))
    }
}
