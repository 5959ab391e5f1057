//! What the history says about decisions that are missing: were they never made, or did people take them away?
//!
//! The hub never takes a decision away, so its absence needs no explanation by documents: what any commit reachable from the head had, and people took away,
//! is lost, whatever orders said meanwhile. Only an entry of `fleet/acknowledged.yaml` (`anew`) gives it up.
//!
//! # Expected flow
//! [`History::ask`] with what a plan lacks. Only then the index ([`taken`]) is brought up to date: a fleet whose decisions are there costs nothing, and a
//! new commit what its difference costs. The index may be kept on disk ([`keep`]).

mod acknowledged;
mod departed;
pub mod keep;
mod parts;
mod readable;
mod suspects;
mod taken;
mod tree;

#[cfg(test)]
mod tests;

use crate::cache::Surroundings;
use crate::git::{GitError, Objects, Oid};
use crate::load::{Revision, document};
use acknowledged::Given;
use std::path::PathBuf;
use std::sync::Arc;
pub(crate) use taken::by_hub;
use taken::{Event, Taken};
use tenantry_planner::Desired;
use tenantry_planner::decision::What;
use tenantry_planner::domains::DomainIndex;
use tenantry_planner::lost::{Lost, LostDecisions, Missing};
use tenantry_planner::plan::CustomerPlan;
use tenantry_schema::document::DomainClaim;
use tenantry_schema::id::OrderKey;
use tenantry_schema::name::DomainName;

/// From so many new commits on the index is written to disk.
const WORTH_KEEPING: usize = 50;
/// So many of the newest deletions of one file are compared to find the newest.
const FEW: usize = 16;

/// Asks the history about missing decisions.
#[derive(Default)]
pub struct History {
    taken: Taken,
    /// Files that the index is kept in, the best first.
    places: Vec<PathBuf>,
    /// Which program this is.
    program: Surroundings,
    /// Whether they were looked at.
    opened: bool,
    /// Commits that were looked at since it was written.
    unsaved: usize,
    /// Who is gone.
    departed: departed::Departed,
}

impl History {
    /// With an index that is kept in the first of these files that can be used. What another program wrote is not.
    pub fn kept_in(places: Vec<PathBuf>, program: Surroundings) -> Self {
        Self {
            places,
            program,
            ..Self::default()
        }
    }

    /// Which of `missing` were there once, and were taken away by people. They are missing at `at`, a commit or files on top of it; that is not looked up.
    ///
    /// # Errors
    /// Where the history cannot be read: then nothing is known, and nothing may be decided.
    pub fn ask<'m>(
        &mut self,
        objects: &Objects,
        at: Revision,
        missing: impl IntoIterator<Item = &'m Missing>,
    ) -> Result<Vec<(OrderKey, Lost)>, GitError> {
        let mut missing = missing.into_iter().peekable();
        if missing.peek().is_none() {
            return Ok(Vec::new());
        }
        self.follow(objects, at.commit)?;
        let uncommitted = self.uncommitted(objects, at)?;
        let mut given: Option<Given> = None;
        let mut found = Vec::new();
        for missing in missing {
            let path = missing.path();
            let fresh = uncommitted.iter().filter(|(at, _)| *at == path);
            let events = self.taken.events.get(&path).into_iter().flatten();
            let events = events.chain(fresh.map(|(_, event)| event));
            let mut open: Vec<&Event> = events.filter(|event| concerns(event, missing)).collect();
            if open.is_empty() {
                continue;
            }
            let given = match &mut given {
                Some(given) => given,
                none => none.insert(Given::read(objects, at.tree)?),
            };
            given.leave(objects, missing, &mut open)?;
            if let Some(event) = newest(objects, &open)? {
                let lost = lost(objects, at.commit, missing, path, event)?;
                found.push((missing.order.clone(), lost));
            }
        }
        Ok(found)
    }

    fn follow(&mut self, objects: &Objects, head: Oid) -> Result<(), GitError> {
        if !std::mem::replace(&mut self.opened, true)
            && let Some(taken) = keep::open(&self.places, &self.program)
        {
            self.taken = taken;
        }
        self.unsaved += self.taken.follow(objects, head)?;
        if self.unsaved >= WORTH_KEEPING {
            keep::save(&self.places, &self.program, &self.taken);
            self.unsaved = 0;
        }
        Ok(())
    }

    fn uncommitted(
        &self,
        objects: &Objects,
        at: Revision,
    ) -> Result<Vec<(String, Event)>, GitError> {
        if objects.root_tree(at.commit)? == at.tree {
            return Ok(Vec::new());
        }
        taken::uncommitted(objects, at.commit, at.tree)
    }
}

/// Whether what is missing went with an event.
fn concerns(event: &Event, missing: &Missing) -> bool {
    if missing.parts.is_empty() {
        event.whole
    } else {
        !event.parts.is_disjoint(&missing.parts)
    }
}

/// The newest of events. Where lines of the history went apart, the later by its commit's time, so that everybody names the same.
fn newest<'e>(objects: &Objects, events: &[&'e Event]) -> Result<Option<&'e Event>, GitError> {
    let few = events.len().saturating_sub(FEW);
    let mut best: Option<&Event> = None;
    for event in events.iter().skip(few).copied() {
        let better = match best.map(|best| (best, best.commit)) {
            None => true,
            Some((_, Some(known))) => match event.commit {
                None => true,
                Some(commit) if crate::git::is_descendant(objects, known, commit)? => true,
                Some(commit) => {
                    let time = |oid| Ok::<_, GitError>(objects.commit_info(oid)?.time);
                    (time(commit)?, commit) > (time(known)?, known)
                }
            },
            Some((_, None)) => false,
        };
        if better {
            best = Some(event);
        }
    }
    Ok(best)
}

fn lost(
    objects: &Objects,
    head: Oid,
    missing: &Missing,
    path: String,
    event: &Event,
) -> Result<Lost, GitError> {
    let (good_at, old) = match readable::newest(objects, head, &path, event)? {
        Some((commit, file)) => (Some(commit.to_string()), file),
        None => (None, event.old),
    };
    let domain = match missing.what {
        What::Domain => claimed(objects, &path, old)?,
        _ => None,
    };
    Ok(Lost {
        what: missing.what.clone(),
        path,
        commit: event.commit.map(|id| id.to_string()),
        parent: event.parent,
        good_at,
        domain,
    })
}

/// The domain that a claim named.
fn claimed(objects: &Objects, path: &str, file: Oid) -> Result<Option<DomainName>, GitError> {
    let claim = document::<DomainClaim>(objects, path, file)?;
    Ok(claim.map(|claim| claim.domain))
}

/// Tells a planner what is lost. Domains whose claims are lost stay with their orders; `kept` are those of customers who cannot be read, `departed` those of
/// customers who are gone.
pub fn hold(
    desired: &mut Desired,
    lost: &LostDecisions,
    kept: &[(OrderKey, DomainName)],
    departed: &[(OrderKey, DomainName)],
) {
    desired.lost = lost.clone();
    let kept = kept.iter().chain(departed).cloned();
    let claims: Vec<_> = lost.domains().chain(kept).collect();
    if lost.domains().next().is_some() || !departed.is_empty() {
        let customers = desired.customers.values().map(AsRef::as_ref);
        desired.domains = Arc::new(DomainIndex::build_with(customers, claims));
    }
}

/// What the history has to be asked about: where something is to be done, everything that is missing.
pub fn open(plan: &CustomerPlan) -> impl Iterator<Item = &Missing> {
    let acts = !plan.decisions.is_empty() || !plan.slices.is_empty();
    plan.missing
        .iter()
        .filter(move |missing| acts || missing.suspicious)
}

/// Whether it is known already that something was taken away.
pub fn is_known(lost: &LostDecisions, missing: &Missing) -> bool {
    let OrderKey { customer, order } = &missing.order;
    let known = lost.of_order(customer, order);
    known.iter().any(|lost| lost.what == missing.what)
}

/// What says which lost decisions are made anew, at a root tree. While it stays the same, so does what is held.
pub(crate) fn acknowledgements(objects: &Objects, root: Oid) -> Result<Option<Oid>, GitError> {
    acknowledged::file(objects, root)
}
