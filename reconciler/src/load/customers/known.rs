//! One customer as far as it was worked out, and what it was resolved against.

use super::fallback::Fallback;
use super::folders::Trees;
use super::read::Read;
use crate::git::GitError;
use std::sync::Arc;
use tenantry_planner::catalogue::Catalogue;
use tenantry_planner::desired::CustomerDesired;
use tenantry_planner::documents::HeadDocuments;
use tenantry_planner::link::{self, Context, Stays};
use tenantry_planner::status::FrozenScope;
use tenantry_schema::Diagnostic;
use tenantry_schema::id::CustomerId;

/// One customer as far as it was worked out.
pub(in crate::load) struct Known {
    pub(in crate::load) trees: Trees,
    pub(in crate::load) read: Read,
    /// What it was resolved against, and what came out.
    pub(in crate::load) linked: Option<(ContextKey, Linked)>,
}

#[derive(Clone)]
pub(in crate::load) struct Linked {
    pub(in crate::load) desired: Option<Arc<CustomerDesired>>,
    pub(in crate::load) found: Vec<Diagnostic>,
    /// Whether what was found depends on the history, too.
    pub(in crate::load) by_history: bool,
    /// Set where `desired` is of an earlier version.
    pub(in crate::load) frozen: Option<FrozenScope>,
    /// Whether its decisions are, too.
    pub(super) held: bool,
}

/// The settings, by identity (held, so that the address stays theirs), and the catalogue.
#[derive(Debug, Clone)]
pub(in crate::load) struct ContextKey(Arc<HeadDocuments>, Arc<Vec<(String, bool)>>);

impl PartialEq for ContextKey {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) && (Arc::ptr_eq(&self.1, &other.1) || self.1 == other.1)
    }
}

impl Known {
    /// Puts the last good version in the place of what cannot be used.
    pub(super) fn fall_back(
        &mut self,
        id: &CustomerId,
        fallback: &mut Fallback<'_>,
    ) -> Result<(), GitError> {
        let Some((_, linked)) = &mut self.linked else {
            return Ok(());
        };
        let good = fallback.find(id, self.trees, &self.read, false)?;
        linked.frozen = Some(FrozenScope {
            customer: Some(id.clone()),
            stays_at: good.as_ref().map(|good| good.commit.to_string()),
            errors: linked.found.iter().filter(|found| found.is_error()).count(),
        });
        linked.held = good.as_ref().is_some_and(|good| good.held);
        linked.desired = good.map(|good| good.desired);
        Ok(())
    }
}

/// What makes resolving give another result: the settings (by identity), the branch's stacks, and versions that nobody moves to for now. Pinned
/// trees never change.
pub(super) fn context_key(
    head: &Arc<HeadDocuments>,
    catalogue: &Catalogue,
    stays: Option<&Stays>,
) -> ContextKey {
    let mut parts: Vec<(String, bool)> = catalogue
        .branch
        .iter()
        .map(|(tool, stack)| (format!("{tool} {}", stack.tree), stack.compiled.is_some()))
        .collect();
    parts.push((
        catalogue
            .nginx
            .as_ref()
            .map_or_else(String::new, |templates| templates.tree.to_string()),
        true,
    ));
    parts.extend(stays.map(|stays| (format!("{stays:?}"), false)));
    ContextKey(head.clone(), Arc::new(parts))
}

pub(super) fn link_one(context: Context<'_>, read: &Read) -> Linked {
    let Some(documents) = &read.documents else {
        return Linked {
            desired: None,
            found: read.found.clone(),
            by_history: false,
            frozen: None,
            held: false,
        };
    };
    let (desired, mut found) = link::customer(context, documents);
    found.extend(read.found.iter().cloned());
    Linked {
        desired: desired.map(Arc::new),
        found,
        by_history: false,
        frozen: None,
        held: false,
    }
}
