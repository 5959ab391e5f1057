//! What became of all customers.

use super::Customers;
use super::read::claims;
use crate::git::{GitError, Objects};
use crate::load::agents::Taken;
use crate::load::sparse::{Sparse, Unread};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tenantry_planner::desired::CustomerDesired;
use tenantry_planner::removal::Removal;
use tenantry_planner::status::FrozenScope;
use tenantry_schema::Diagnostic;
use tenantry_schema::id::{CustomerId, OrderKey};
use tenantry_schema::name::DomainName;

/// What became of all customers.
pub(in crate::load) struct Outcome {
    pub(in crate::load) customers: BTreeMap<CustomerId, Arc<CustomerDesired>>,
    pub(in crate::load) broken: BTreeSet<CustomerId>,
    pub(in crate::load) held: BTreeSet<CustomerId>,
    pub(in crate::load) frozen: Vec<FrozenScope>,
    pub(in crate::load) diagnostics: Vec<Diagnostic>,
    /// Domains that broken customers hold: they stay theirs.
    pub(in crate::load) kept: Vec<(OrderKey, DomainName)>,
    /// Customers that are not what they were at the load before.
    pub(in crate::load) changed: Vec<Changed>,
    /// Servers whose agent's key is another's.
    pub(in crate::load) taken: Taken,
    /// Tools that move to other versions, where these are too many at once.
    pub(in crate::load) versions: Vec<Removal>,
    /// Customers that are good, and were not read.
    pub(in crate::load) unread: Arc<Unread>,
}

/// A customer that is not what it was. None: it was not there, is gone, or was never good.
pub(in crate::load) struct Changed {
    pub(in crate::load) id: CustomerId,
    pub(in crate::load) old: Option<Arc<CustomerDesired>>,
    pub(in crate::load) new: Option<Arc<CustomerDesired>>,
}

impl Customers {
    /// Puts together what is known of everybody.
    pub(super) fn outcome(
        &self,
        objects: &Objects,
        changed: Vec<Changed>,
        taken: Taken,
    ) -> Result<Outcome, GitError> {
        let diagnostics = self
            .looked_at
            .iter()
            .flat_map(|(_, found)| found.clone())
            .collect();
        let mut outcome = Outcome {
            customers: self.good.clone(),
            broken: BTreeSet::new(),
            held: BTreeSet::new(),
            frozen: Vec::new(),
            diagnostics,
            kept: Vec::new(),
            changed,
            taken,
            versions: Vec::new(),
            unread: self
                .sparse
                .as_ref()
                .map(|sparse| sparse.unread.clone())
                .unwrap_or_default(),
        };
        let warned = self.sparse.iter().flat_map(Sparse::warned);
        let noted: BTreeSet<&CustomerId> = self.noted.iter().chain(warned).collect();
        for id in noted {
            let Some(known) = self.known.get(id) else {
                let unread = outcome.unread.get(id);
                let warnings = unread.map(|left| left.facts.warnings.clone());
                outcome.diagnostics.extend(warnings.unwrap_or_default());
                continue;
            };
            let Some((_, linked)) = &known.linked else {
                continue;
            };
            if linked.desired.is_none() {
                outcome.broken.insert(id.clone());
                outcome
                    .kept
                    .extend(claims(objects, id, known.trees.decisions)?);
            }
            if linked.held {
                outcome.held.insert(id.clone());
            }
            outcome.frozen.extend(linked.frozen.clone());
            outcome.diagnostics.extend(linked.found.iter().cloned());
        }
        Ok(outcome)
    }
}
