//! Customers: read where their trees changed, resolved where anything they refer to changed, kept at the last good version where there are errors.
//!
//! `look` finds whose files may differ, `take_up` reads them and has `resolve` resolve them, `fallback` finds the last good version, `back` holds those
//! back who would lose too much, `outcome` puts it together.

mod back;
mod fallback;
mod folders;
mod known;
mod look;
mod outcome;
mod read;
mod renamed;
mod resolve;
mod take_up;

use super::Revision;
use super::agents::AgentKeys;
use super::catalogue::Catalogues;
use super::limit::{Held, Pending, Verdict};
use super::sparse::Sparse;
use crate::git::{GitError, Objects, Oid};
pub(super) use folders::{Broken, Folders, Trees};
use known::ContextKey;
pub(super) use known::Known;
pub(super) use outcome::{Changed, Outcome};
pub(super) use read::{read, text_of};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use tenantry_planner::desired::CustomerDesired;
use tenantry_planner::documents::HeadDocuments;
use tenantry_schema::Diagnostic;
use tenantry_schema::id::CustomerId;

/// Keeps what was read and resolved.
#[derive(Default)]
pub(super) struct Customers {
    known: HashMap<CustomerId, Known>,
    /// The folders that were looked at last, with what stands there and is no customer.
    looked_at: Option<(Folders, Vec<Diagnostic>)>,
    /// What customers were resolved against last.
    context: Option<ContextKey>,
    /// All that are not broken.
    good: BTreeMap<CustomerId, Arc<CustomerDesired>>,
    agents: AgentKeys,
    /// Those about whom there is something to say: findings, or that they stay at an earlier version.
    noted: BTreeSet<CustomerId>,
    /// What keeps customers back.
    held: Option<Verdict>,
    /// When tools were to move to the versions that they move to.
    pending: Pending,
    /// Those whose tools can move to other versions by a commit of people.
    followers: BTreeSet<CustomerId>,
    /// Set where customers that an earlier run found good are left out.
    pub(super) sparse: Option<Sparse>,
}

impl Customers {
    /// Reads and resolves every customer of the folder `fleet`, as far as it was not done before.
    pub(super) fn read(
        &mut self,
        objects: &Objects,
        catalogues: &mut Catalogues,
        head: &Arc<HeadDocuments>,
        fleet: Oid,
        revision: Revision,
        held: &Held,
    ) -> Result<Outcome, GitError> {
        // What was left half done would be taken for done next time.
        self.try_read(objects, catalogues, head, fleet, revision, held)
            .inspect_err(|_| *self = Self::default())
    }

    fn try_read(
        &mut self,
        objects: &Objects,
        catalogues: &mut Catalogues,
        head: &Arc<HeadDocuments>,
        fleet: Oid,
        revision: Revision,
        held: &Held,
    ) -> Result<Outcome, GitError> {
        let mut stale = self.look(objects, fleet, revision.commit)?;
        self.add_kept_back(objects, fleet, revision.commit, held, &mut stale)?;
        if let (Some(sparse), Some(verdict)) = (&mut self.sparse, held.holding()) {
            sparse.want(verdict.customers.keys().cloned());
        }
        let stale = self.leave_out(stale);
        let around = (objects, head, fleet, revision);
        let (mut changed, mut versions) = self.take_up(around, catalogues, held, stale)?;
        loop {
            if let Some(sparse) = &mut self.sparse {
                sparse.recall();
            }
            let again = self.leave_out(Vec::new());
            if again.is_empty() {
                break;
            }
            let (more, now) = self.take_up(around, catalogues, held, again)?;
            changed.extend(more);
            versions = now;
        }
        let taken = self.agents.taken(objects, revision)?;
        let outcome = self.outcome(objects, changed, taken)?;
        Ok(Outcome {
            versions,
            ..outcome
        })
    }

    /// Takes those out of `stale` that need not be read.
    fn leave_out(
        &mut self,
        stale: Vec<(CustomerId, Option<Trees>)>,
    ) -> Vec<(CustomerId, Option<Trees>)> {
        match &mut self.sparse {
            Some(sparse) => sparse.leave_out(stale, |id| self.known.contains_key(id)),
            None => stale,
        }
    }

    /// Takes over what became of a customer.
    fn settle(&mut self, id: CustomerId) -> Option<Changed> {
        let linked = self
            .known
            .get(&id)
            .and_then(|known| known.linked.as_ref())
            .map(|(_, linked)| linked);
        if linked.is_some_and(|linked| linked.frozen.is_some() || !linked.found.is_empty()) {
            self.noted.insert(id.clone());
        } else {
            self.noted.remove(&id);
        }
        let new = linked.and_then(|linked| linked.desired.clone());
        let old = match &new {
            Some(new) => self.good.insert(id.clone(), new.clone()),
            None => self.good.remove(&id),
        };
        self.agents.update(old.as_deref(), new.as_deref());
        (old.is_some() || new.is_some()).then_some(Changed { id, old, new })
    }
}
