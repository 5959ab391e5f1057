//! Customers: read where their trees changed, resolved where anything they refer to changed, kept at the last good version where there are errors.

mod back;
mod fallback;
mod folders;
mod known;
mod read;
mod renamed;

use super::Revision;
use super::agents::{AgentKeys, Taken};
use super::catalogue::Catalogues;
use super::limit::{Held, Pending, Verdict};
use super::sparse::{Sparse, Unread};
use crate::git::{GitError, Objects, Oid};
use fallback::Fallback;
pub(super) use folders::{Broken, Folders, Trees};
pub(super) use known::Known;
use known::{ContextKey, context_key, link_one};
use rayon::prelude::*;
use read::{Read, claims, gather};
pub(super) use read::{read, text_of};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use tenantry_planner::desired::CustomerDesired;
use tenantry_planner::documents::HeadDocuments;
use tenantry_planner::link::{Context, Stays};
use tenantry_planner::removal::Removal;
use tenantry_planner::status::FrozenScope;
use tenantry_schema::Diagnostic;
use tenantry_schema::id::{CustomerId, OrderKey};
use tenantry_schema::name::DomainName;

/// What became of all customers.
pub(super) struct Outcome {
    pub(super) customers: BTreeMap<CustomerId, Arc<CustomerDesired>>,
    pub(super) broken: BTreeSet<CustomerId>,
    pub(super) held: BTreeSet<CustomerId>,
    pub(super) frozen: Vec<FrozenScope>,
    pub(super) diagnostics: Vec<Diagnostic>,
    /// Domains that broken customers hold: they stay theirs.
    pub(super) kept: Vec<(OrderKey, DomainName)>,
    /// Customers that are not what they were at the load before.
    pub(super) changed: Vec<Changed>,
    /// Servers whose agent's key is another's.
    pub(super) taken: Taken,
    /// Tools that move to other versions, where these are too many at once.
    pub(super) versions: Vec<Removal>,
    /// Customers that are good, and were not read.
    pub(super) unread: Arc<Unread>,
}

/// A customer that is not what it was. None: it was not there, is gone, or was never good.
pub(super) struct Changed {
    pub(super) id: CustomerId,
    pub(super) old: Option<Arc<CustomerDesired>>,
    pub(super) new: Option<Arc<CustomerDesired>>,
}

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

    /// Reads those that are stale, and resolves everybody that was not resolved against this. Returns who is not what they were, and versions of
    /// tools that too many would move to.
    fn take_up(
        &mut self,
        (objects, head, fleet, revision): (&Objects, &Arc<HeadDocuments>, Oid, Revision),
        catalogues: &mut Catalogues,
        held: &Held,
        stale: Vec<(CustomerId, Option<Trees>)>,
    ) -> Result<(Vec<Changed>, Vec<Removal>), GitError> {
        let read: Vec<(CustomerId, Trees, Read)> = stale
            .iter()
            .filter_map(|(id, trees)| Some((id, (*trees)?)))
            .collect::<Vec<_>>()
            .into_par_iter()
            .map(|(id, trees)| Ok((id.clone(), trees, read(objects, id, trees)?)))
            .collect::<Result<_, GitError>>()?;
        gather(
            objects,
            catalogues,
            read.iter()
                .filter_map(|(_, _, read)| read.documents.as_deref()),
        )?;
        for (id, trees, read) in read {
            self.note_follower(&id, &read);
            self.known.insert(
                id,
                Known {
                    trees,
                    read,
                    linked: None,
                },
            );
        }
        let gone: Vec<CustomerId> = stale
            .into_iter()
            .filter(|(_, trees)| trees.is_none())
            .map(|(id, _)| id)
            .collect();
        for id in &gone {
            self.known.remove(id);
            self.followers.remove(id);
            self.keep(objects, id, fleet, held)?;
        }
        let versions = self.versions((objects, revision), &catalogues.catalogue(), held)?;
        let stays = held.stays(&versions);
        let context = context_key(head, &catalogues.catalogue(), stays.as_ref());
        // The very one of last time where it says the same, so that comparing is cheap.
        let context = self
            .context
            .take()
            .filter(|last| *last == context)
            .unwrap_or(context);
        self.context = Some(context.clone());
        let around = Around {
            objects,
            head,
            revision,
            stays: stays.as_ref(),
        };
        let mut touched = self.link(around, catalogues, &context, held)?;
        touched.extend(gone);
        self.tell_sparse(objects, catalogues, head, &touched)?;
        let changed = touched
            .into_iter()
            .filter_map(|id| self.settle(id))
            .collect();
        Ok((changed, versions))
    }

    /// Says what became of those who were read to whoever leaves out others.
    fn tell_sparse(
        &mut self,
        objects: &Objects,
        catalogues: &Catalogues,
        head: &HeadDocuments,
        touched: &[CustomerId],
    ) -> Result<(), GitError> {
        let Some(sparse) = &mut self.sparse else {
            return Ok(());
        };
        for id in touched {
            let known = self.known.get(id);
            let desired = known.and_then(|known| known.linked.as_ref()?.1.desired.as_deref());
            let claims = match known {
                Some(known) if desired.is_none() => claims(objects, id, known.trees.decisions)?,
                _ => Vec::new(),
            };
            sparse.took_up(id, desired, claims.iter().map(|(_, domain)| domain));
            if let Some(known) = known {
                sparse.learn(id, known, head, catalogues);
            }
        }
        Ok(())
    }

    /// Customers that have to be read, with their trees; none where a customer is gone.
    fn look(
        &mut self,
        objects: &Objects,
        fleet: Oid,
        commit: Oid,
    ) -> Result<Vec<(CustomerId, Option<Trees>)>, GitError> {
        let folders = Folders::of(objects, fleet, commit)?;
        if let Some((before, _)) = &self.looked_at
            && let Some(changes) = folders.changes(*before, objects)?
        {
            self.looked_at = self.looked_at.take().map(|(_, found)| (folders, found));
            return Ok(changes);
        }
        let listing = folders.list(objects)?;
        let unread = self.sparse.iter().flat_map(|sparse| sparse.unread.keys());
        let gone = self
            .known
            .keys()
            .chain(unread)
            .filter(|id| !listing.customers.contains_key(*id))
            .map(|id| (id.clone(), None));
        let gone: Vec<_> = gone.collect();
        let before = |id: &CustomerId| {
            let known = self.known.get(id).map(|known| known.trees);
            known.or_else(|| self.sparse.as_ref()?.trees_of(id))
        };
        let stale = listing
            .customers
            .into_iter()
            .filter(|(id, trees)| before(id) != Some(*trees));
        let stale = stale
            .map(|(id, trees)| (id, Some(trees)))
            .chain(gone)
            .collect();
        self.looked_at = Some((folders, listing.found));
        Ok(stale)
    }

    /// Resolves those that were not resolved against this. Returns who they are.
    fn link(
        &mut self,
        around: Around<'_>,
        catalogues: &mut Catalogues,
        key: &ContextKey,
        held: &Held,
    ) -> Result<Vec<CustomerId>, GitError> {
        let Around {
            objects,
            head,
            revision,
            stays,
        } = around;
        let catalogue = catalogues.catalogue();
        let text_of = |path: &str| text_of(objects, revision.tree, path);
        let context = Context {
            head,
            catalogue: &catalogue,
            text_of: &text_of,
            stays,
        };
        let stale: Vec<(&CustomerId, &mut Known)> = self
            .known
            .iter_mut()
            .filter(|(_, known)| {
                known
                    .linked
                    .as_ref()
                    .is_none_or(|(made_with, _)| made_with != key)
            })
            .collect();
        let linked: Vec<(CustomerId, bool)> = stale
            .into_par_iter()
            .map(|(id, known)| {
                let mut linked = link_one(context, &known.read);
                if let Some(documents) = &known.read.documents {
                    let unknown = renamed::unknown(objects, revision, documents, &text_of)?;
                    linked.by_history = unknown.is_some();
                    linked.found.extend(unknown.into_iter().flatten());
                }
                let broken = linked.desired.is_none();
                known.linked = Some((key.clone(), linked));
                Ok((id.clone(), broken))
            })
            .collect::<Result<_, GitError>>()?;
        let broken: Vec<&CustomerId> = linked
            .iter()
            .filter(|(_, broken)| *broken)
            .map(|(id, _)| id)
            .collect();
        if !broken.is_empty() {
            let mut fallback = Fallback::new(around, catalogues)?;
            for id in broken {
                if let Some(known) = self.known.get_mut(id) {
                    known.fall_back(id, &mut fallback)?;
                }
            }
        }
        self.hold_back(around, catalogues, held, &linked)?;
        Ok(linked.into_iter().map(|(id, _)| id).collect())
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

    fn outcome(
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

/// What customers are resolved with.
#[derive(Clone, Copy)]
struct Around<'a> {
    objects: &'a Objects,
    head: &'a Arc<HeadDocuments>,
    revision: Revision,
    stays: Option<&'a Stays>,
}
