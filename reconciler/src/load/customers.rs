//! Customers: read where their trees changed, resolved where anything they refer to changed, kept at the last good version where there are errors.

use super::catalogue::Catalogues;
use super::{MAX_HISTORY, Revision, files};
use crate::git::{EntryKind, GitError, Objects, Oid};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use tenantry_planner::catalogue::Catalogue;
use tenantry_planner::desired::CustomerDesired;
use tenantry_planner::documents::{self, CustomerDocuments, HeadDocuments};
use tenantry_planner::input::{CustomerFiles, SourceFile};
use tenantry_planner::link::{self, Context};
use tenantry_planner::status::FrozenScope;
use tenantry_schema::Diagnostic;
use tenantry_schema::diagnostic::Place;
use tenantry_schema::document::{DomainClaim, Kind, classify};
use tenantry_schema::id::{CustomerId, OrderKey};
use tenantry_schema::name::DomainName;

/// What became of all customers.
pub(super) struct Outcome {
    pub(super) customers: BTreeMap<CustomerId, Arc<CustomerDesired>>,
    pub(super) broken: BTreeSet<CustomerId>,
    pub(super) frozen: Vec<FrozenScope>,
    pub(super) diagnostics: Vec<Diagnostic>,
    /// Domains that broken customers hold: they stay theirs.
    pub(super) kept: Vec<(OrderKey, DomainName)>,
}

/// Keeps what was read and resolved.
#[derive(Default)]
pub(super) struct Customers {
    known: HashMap<CustomerId, Known>,
}

/// The two trees of a customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Trees {
    documents: Oid,
    decisions: Option<Oid>,
}

/// One customer as far as it was worked out.
struct Known {
    trees: Trees,
    read: Read,
    /// What it was resolved against, and what came out.
    linked: Option<(ContextKey, Linked)>,
}

struct Read {
    documents: Option<Arc<CustomerDocuments>>,
    found: Vec<Diagnostic>,
}

#[derive(Clone)]
struct Linked {
    desired: Option<Arc<CustomerDesired>>,
    found: Vec<Diagnostic>,
    /// Set where `desired` is of an earlier version.
    frozen: Option<FrozenScope>,
}

/// The settings, by identity (held, so that the address stays theirs), and the catalogue.
#[derive(Debug, Clone)]
struct ContextKey(Arc<HeadDocuments>, Arc<Vec<(String, bool)>>);

impl PartialEq for ContextKey {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) && (Arc::ptr_eq(&self.1, &other.1) || self.1 == other.1)
    }
}

impl Customers {
    /// Reads and resolves every customer of the folder `fleet`.
    pub(super) fn read(
        &mut self,
        objects: &Objects,
        catalogues: &mut Catalogues,
        head: &Arc<HeadDocuments>,
        fleet: Oid,
        revision: Revision,
    ) -> Result<Outcome, GitError> {
        let (folders, mut diagnostics) = folders(objects, fleet)?;
        self.known.retain(|id, _| folders.contains_key(id));
        let stale: Vec<(&CustomerId, &Trees)> =
            folders.iter().filter(|(id, trees)| self.known.get(*id).is_none_or(|known| known.trees != **trees)).collect();
        let read: Vec<(CustomerId, Trees, Read)> = stale
            .into_par_iter()
            .map(|(id, trees)| Ok((id.clone(), *trees, read(objects, id, *trees)?)))
            .collect::<Result<_, GitError>>()?;
        for (id, trees, read) in read {
            self.known.insert(id, Known { trees, read, linked: None });
        }
        let needed = self.known.values().filter(|known| known.linked.is_none()).filter_map(|known| known.read.documents.as_deref());
        gather(objects, catalogues, needed)?;
        let context_key = context_key(head, &catalogues.catalogue());
        self.link(objects, catalogues, head, &context_key, revision)?;
        let mut outcome = Outcome { customers: BTreeMap::new(), broken: BTreeSet::new(), frozen: Vec::new(), diagnostics: Vec::new(), kept: Vec::new() };
        for (id, trees) in &folders {
            let Some((_, linked)) = self.known.get(id).and_then(|known| known.linked.as_ref()) else { continue };
            match &linked.desired {
                Some(desired) => drop(outcome.customers.insert(id.clone(), desired.clone())),
                None => {
                    outcome.broken.insert(id.clone());
                    outcome.kept.extend(claims(objects, id, trees.decisions)?);
                }
            }
            outcome.frozen.extend(linked.frozen.clone());
            diagnostics.extend(linked.found.iter().cloned());
        }
        outcome.diagnostics = diagnostics;
        Ok(outcome)
    }

    fn link(
        &mut self,
        objects: &Objects,
        catalogues: &mut Catalogues,
        head: &Arc<HeadDocuments>,
        key: &ContextKey,
        revision: Revision,
    ) -> Result<(), GitError> {
        let catalogue = catalogues.catalogue();
        let text_of = |path: &str| text_of(objects, revision.tree, path);
        let context = Context { head, catalogue: &catalogue, text_of: &text_of };
        let stale: Vec<(&CustomerId, &mut Known)> = self
            .known
            .iter_mut()
            .filter(|(_, known)| known.linked.as_ref().is_none_or(|(made_with, _)| made_with != key))
            .collect();
        let broken: Vec<CustomerId> = stale
            .into_par_iter()
            .filter_map(|(id, known)| {
                let linked = link_one(context, &known.read);
                let broken = linked.desired.is_none();
                known.linked = Some((key.clone(), linked));
                broken.then(|| id.clone())
            })
            .collect();
        // Few customers are broken at a time, so looking for their last good version need not be fast.
        for id in broken {
            let Some(known) = self.known.get_mut(&id) else { continue };
            let Some((_, linked)) = &mut known.linked else { continue };
            let errors = linked.found.iter().filter(|found| found.is_error()).count();
            let good = last_good(objects, catalogues, head, &id, known.trees, revision)?;
            let stays_at = good.as_ref().map(|(commit, _)| commit.to_string());
            linked.desired = good.map(|(_, desired)| desired);
            linked.frozen = Some(FrozenScope { customer: Some(id.clone()), stays_at, errors });
        }
        Ok(())
    }
}

/// Folders of customers with the trees of their decisions, and what else stands there.
fn folders(objects: &Objects, fleet: Oid) -> Result<(BTreeMap<CustomerId, Trees>, Vec<Diagnostic>), GitError> {
    let entries = |name: &str| match objects.lookup(fleet, name)? {
        Some(entry) if entry.kind == EntryKind::Tree => objects.tree(entry.oid),
        _ => Ok(Vec::new()),
    };
    let decisions: HashMap<String, Oid> = entries("decisions")?.into_iter().map(|entry| (entry.name, entry.oid)).collect();
    let mut folders = BTreeMap::new();
    let mut found = Vec::new();
    for entry in entries("customers")? {
        match CustomerId::try_from(entry.name.as_str()) {
            Ok(id) if entry.kind == EntryKind::Tree => {
                let trees = Trees { documents: entry.oid, decisions: decisions.get(&entry.name).copied() };
                folders.insert(id, trees);
            }
            _ => {
                let place = Place::file(format!("fleet/customers/{}", entry.name));
                let message = "a customer is a folder named by its id";
                let note = "lower-case letters, digits and single hyphens between them, such as fleet/customers/acme/";
                found.push(Diagnostic::error(tenantry_planner::codes::MISPLACED, place, message).note(note));
            }
        }
    }
    Ok((folders, found))
}

fn read(objects: &Objects, id: &CustomerId, trees: Trees) -> Result<Read, GitError> {
    let mut list = Vec::new();
    files::below(objects, trees.documents, &format!("fleet/customers/{id}"), &mut list)?;
    if let Some(decisions) = trees.decisions {
        files::below(objects, decisions, &format!("fleet/decisions/{id}"), &mut list)?;
    }
    let (documents, found) = documents::customer(&CustomerFiles { id: id.clone(), files: list });
    Ok(Read { documents: documents.map(Arc::new), found })
}

/// Domains that a customer's orders have claimed, as far as those decisions can be read.
fn claims(objects: &Objects, id: &CustomerId, decisions: Option<Oid>) -> Result<Vec<(OrderKey, DomainName)>, GitError> {
    let mut list = Vec::new();
    if let Some(decisions) = decisions {
        files::below(objects, decisions, &format!("fleet/decisions/{id}"), &mut list)?;
    }
    let claim = |file: &SourceFile| {
        let Kind::DomainClaim(customer, order) = classify(&file.path) else { return None };
        let claim = documents::read::<DomainClaim>(file, &mut Vec::new())?;
        Some((OrderKey { customer, order }, claim.domain))
    };
    Ok(list.iter().filter_map(claim).collect())
}

/// Loads the trees that documents refer to into the catalogue.
fn gather<'d>(objects: &Objects, catalogues: &mut Catalogues, all: impl Iterator<Item = &'d CustomerDocuments>) -> Result<(), GitError> {
    let (mut stacks, mut nginx, mut revisions) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for documents in all {
        let needed = link::needed_trees(documents);
        stacks.extend(needed.stacks);
        nginx.extend(needed.nginx);
        revisions.extend(needed.revisions);
    }
    let stacks: Vec<_> = stacks.into_iter().map(|(tool, tree)| (tool.clone(), tree)).collect();
    let nginx: Vec<_> = nginx.into_iter().collect();
    let revisions: Vec<_> = revisions.into_iter().map(|(tool, text)| (tool.clone(), text.to_owned())).collect();
    catalogues.need(objects, &stacks, &nginx)?;
    catalogues.resolve(objects, &revisions)?;
    Ok(())
}

/// What makes resolving give another result: the settings (by identity) and the branch's stacks. Pinned trees never change.
fn context_key(head: &Arc<HeadDocuments>, catalogue: &Catalogue) -> ContextKey {
    let mut parts: Vec<(String, bool)> =
        catalogue.branch.iter().map(|(tool, stack)| (format!("{tool} {}", stack.tree), stack.compiled.is_some())).collect();
    parts.push((catalogue.nginx.as_ref().map_or_else(String::new, |templates| templates.tree.to_string()), true));
    ContextKey(head.clone(), Arc::new(parts))
}

fn link_one(context: Context<'_>, read: &Read) -> Linked {
    let Some(documents) = &read.documents else {
        return Linked { desired: None, found: read.found.clone(), frozen: None };
    };
    let (desired, mut found) = link::customer(context, documents);
    found.extend(read.found.iter().cloned());
    Linked { desired: desired.map(Arc::new), found, frozen: None }
}

/// The newest earlier version of a customer's documents that is good together with today's decisions, settings and catalogue.
fn last_good(
    objects: &Objects,
    catalogues: &mut Catalogues,
    head: &Arc<HeadDocuments>,
    id: &CustomerId,
    trees: Trees,
    revision: Revision,
) -> Result<Option<(Oid, Arc<CustomerDesired>)>, GitError> {
    let path = format!("fleet/customers/{id}");
    for version in objects.first_parent_versions(revision.commit, &path, MAX_HISTORY) {
        let version = version?;
        let Some(entry) = version.entry.filter(|entry| entry.kind == EntryKind::Tree && entry.oid != trees.documents) else { continue };
        let read = read(objects, id, Trees { documents: entry.oid, ..trees })?;
        let Some(documents) = &read.documents else { continue };
        gather(objects, catalogues, std::iter::once(documents.as_ref()))?;
        let catalogue = catalogues.catalogue();
        // Findings of an old version are not shown, so their lines need not be found.
        let context = Context { head, catalogue: &catalogue, text_of: &|_| None };
        if let (Some(desired), _) = link::customer(context, documents) {
            return Ok(Some((version.commit, Arc::new(desired))));
        }
    }
    Ok(None)
}

fn text_of(objects: &Objects, root: Oid, path: &str) -> Option<Arc<str>> {
    let entry = objects.lookup(root, path).ok()??;
    let content = objects.blob(entry.oid, super::MAX_FILE).ok()?;
    String::from_utf8(content).ok().map(Into::into)
}
