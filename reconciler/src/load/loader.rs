//! Loads one commit after the other, and keeps what they have in common.

mod leave_out;

use super::catalogue::Catalogues;
use super::customers::{Changed, Customers, Outcome};
use super::diagnose::{self, Found};
use super::domains::Domains;
use super::head::{Head, Heads};
use super::limit::{Limits, Verdict};
use super::sealing::Sealing;
use super::{Keep, LoadError, Loaded, Revision, agents, fleet_folder, object_id, sparse};
use crate::git::{GitError, Objects, Oid};
use std::sync::Arc;
use std::time::Instant;
use tenantry_planner::Desired;
use tenantry_planner::catalogue::Catalogue;
use tenantry_planner::documents::HeadDocuments;
use tenantry_planner::lost::LostDecisions;
use tenantry_planner::removal::Removal;
use tenantry_planner::status::FrozenScope;
use tenantry_schema::id::CustomerId;

/// Loads commits, one after the other, keeping what they have in common.
pub struct Loader {
    objects: Objects,
    head: Heads,
    catalogues: Catalogues,
    customers: Customers,
    domains: Domains,
    /// Settings of the load before.
    settings: Option<Arc<HeadDocuments>>,
    limits: Limits,
    sealing: Sealing,
    /// Whether removals that are too large are held back.
    holds: bool,
}

impl Loader {
    /// Nothing is read yet.
    pub fn new(objects: Objects) -> Self {
        Self {
            objects,
            head: Heads::default(),
            catalogues: Catalogues::default(),
            customers: Customers::default(),
            domains: Domains::default(),
            settings: None,
            limits: Limits::default(),
            sealing: Sealing::default(),
            holds: true,
        }
    }

    /// Says what goes beyond `policy.max_removed` without holding it back: what would be if it was acknowledged.
    #[must_use]
    pub fn letting_go(mut self) -> Self {
        self.holds = false;
        self
    }

    /// Finds removals that are held back however long ago they were: for a hub, which may see a fleet for the first time.
    #[must_use]
    pub fn looking_far_back(mut self) -> Self {
        self.limits.look_back();
        self
    }

    /// Looks back over so many commits that change customers.
    #[cfg(test)]
    pub(crate) fn looking_back(mut self, commits: usize) -> Self {
        self.limits.look_back_over(commits);
        self
    }

    /// Begins with what an earlier run found out about removals that are held back, and keeps what this one finds.
    #[must_use]
    pub fn remembering(mut self, keep: Option<Keep>) -> Self {
        if let Some(keep) = keep {
            self.limits.remember(keep);
        }
        self
    }
    /// The objects that are read from.
    pub fn objects(&self) -> &Objects {
        &self.objects
    }

    /// Loads one revision.
    pub fn load(&mut self, revision: Revision) -> Result<Loaded, LoadError> {
        let begun = Instant::now();
        let Revision { tree, commit, .. } = revision;
        let fleet = fleet_folder(&self.objects, tree)?.ok_or(LoadError::NotAFleet)?;
        let head = self.head.read(&self.objects, fleet, commit)?;
        self.catalogues.follow(commit);
        let catalogue = self.catalogues.read(&self.objects, tree)?;
        let Some(documents) = head.documents.clone() else {
            return Ok(self.never_good(&head, catalogue));
        };
        let held = self.limits.held(&self.objects, revision, self.holds)?;
        self.surround(&head, fleet, tree, held.limited)?;
        let mut outcome = self.customers.read(
            &self.objects,
            &mut self.catalogues,
            &documents,
            fleet,
            revision,
            &held,
        )?;
        let removals = removals(held.verdict.as_ref(), &outcome);
        let (rules, same_rules) = self.sealing.read(&self.objects, tree)?;
        let found = Found {
            head: &head,
            documents: &documents,
            catalogues: &self.catalogues,
            of_customers: std::mem::take(&mut outcome.diagnostics),
            outcome: &outcome,
            removals: &removals,
            since: held.since,
            rules: &rules.diagnostics,
        };
        let diagnostics = diagnose::diagnose(&self.objects, (tree, fleet), found)?;
        let (domains, same_domains) =
            self.domains
                .index(&outcome.customers, &outcome.changed, outcome.kept);
        let same = same_domains & same_rules & self.same_settings(&documents);
        let changed = self.changed(outcome.changed, same);
        let desired = Desired {
            commit: object_id(commit),
            generation: revision
                .generation
                .saturating_add(documents.hub.generation_floor),
            head: documents,
            customers: outcome.customers,
            domains,
            broken: outcome.broken,
            held: outcome.held,
            lost: LostDecisions::default(),
            rules: rules.rules,
        };
        tracing::debug!(%commit, customers = desired.customers.len(), took_ms = begun.elapsed().as_millis() as u64, "loaded");
        Ok(Loaded {
            desired: Some(desired),
            catalogue: self.catalogues.catalogue(),
            diagnostics: Arc::new(diagnostics),
            frozen: frozen_head(&head)
                .into_iter()
                .chain(outcome.frozen)
                .collect(),
            fleet_frozen: head.frozen,
            changed,
            kept: self.domains.kept().to_vec(),
            taken: outcome.taken,
            unread: outcome.unread,
            removals: Arc::new(removals),
        })
    }

    /// What a commit comes to whose settings have errors, where they were never good.
    fn never_good(&self, head: &Head, catalogue: Arc<Catalogue>) -> Loaded {
        Loaded {
            desired: None,
            catalogue,
            diagnostics: Arc::new(diagnose::without_customers(head, &self.catalogues)),
            frozen: frozen_head(head).into_iter().collect(),
            fleet_frozen: true,
            changed: None,
            kept: Vec::new(),
            taken: agents::Taken::new(),
            removals: Arc::default(),
            unread: Arc::default(),
        }
    }

    /// Tells whoever leaves customers out what these are resolved against.
    fn surround(
        &mut self,
        head: &Head,
        fleet: Oid,
        tree: Oid,
        limited: bool,
    ) -> Result<(), GitError> {
        let Some(sparse) = &mut self.customers.sparse else {
            return Ok(());
        };
        let named =
            (!head.frozen).then(|| sparse::surroundings(&self.objects, fleet, tree, limited));
        sparse.surround(named.transpose()?, limited);
        Ok(())
    }

    /// Whether the settings are those of the load before, which these now are for the next.
    fn same_settings(&mut self, documents: &Arc<HeadDocuments>) -> bool {
        let before = self.settings.replace(documents.clone());
        before.is_some_and(|before| Arc::ptr_eq(&before, documents))
    }

    /// Who alone may differ from the load before: those who changed, where all else is the `same`. None: everybody may.
    fn changed(&self, changed: Vec<Changed>, same: bool) -> Option<Vec<CustomerId>> {
        let all_read = self.customers.sparse.is_none();
        let same_set = changed
            .iter()
            .all(|changed| changed.old.is_some() && changed.new.is_some());
        let ids = changed.into_iter().map(|changed| changed.id);
        (same && same_set && all_read).then(|| ids.collect())
    }
}

/// What goes, or is replaced, beyond the limit.
fn removals(verdict: Option<&Verdict>, outcome: &Outcome) -> Vec<Removal> {
    let goes = verdict.map(|verdict| &verdict.removal);
    goes.into_iter().chain(&outcome.versions).cloned().collect()
}

/// The fleet as a whole, where it stays at an earlier commit.
fn frozen_head(head: &Head) -> Option<FrozenScope> {
    let errors = head.diagnostics.iter().filter(|found| found.is_error());
    head.frozen.then(|| FrozenScope {
        customer: None,
        stays_at: head.stays_at.map(|id| id.to_string()),
        errors: errors.count(),
    })
}
