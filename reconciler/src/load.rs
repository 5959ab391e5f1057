//! From a commit to [`Desired`]: reads Git objects, hands them to the planner's compiler, keeps what has not changed.
//!
//! Everything is cached by object id. A customer is read again when one of their two trees changed, resolved again when the catalogue or
//! `hub.yaml` did as well, and stays at their last good version while their documents have errors (law 11).

mod agents;
mod catalogue;
mod customers;
mod files;
mod head;
mod limit;
mod sealing;
mod shared;
mod sparse;
#[cfg(test)]
mod tests;

use crate::cache::{Cache, Key};
use crate::git::{EntryKind, GitError, Objects, Oid};
use catalogue::Catalogues;
use customers::{Changed, Customers};
use jiff::Timestamp;
use sparse::Sparse;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;
use tenantry_planner::catalogue::Catalogue;
use tenantry_planner::desired::CustomerDesired;
use tenantry_planner::documents::HeadDocuments;
use tenantry_planner::domains::DomainIndex;
use tenantry_planner::lost::LostDecisions;
use tenantry_planner::removal::Removal;
use tenantry_planner::status::FrozenScope;
use tenantry_planner::{Desired, ObjectId, today};
use tenantry_planner::{codes, policy, references};
use tenantry_schema::Diagnostic;
use tenantry_schema::document::Automation;
use tenantry_schema::id::{CustomerId, OrderId, OrderKey, ServerKey};
use tenantry_schema::name::DomainName;

/// Largest file of the fleet that is read, in bytes.
pub const MAX_FILE: usize = 1 << 20;
/// How many commits are looked at for a last good version.
pub const MAX_HISTORY: usize = 20_000;

/// Why a commit cannot be loaded at all. Mistakes in documents are not among these: they are diagnostics.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Reading objects failed.
    #[error("the fleet's objects cannot be read")]
    Git(#[from] GitError),
    /// The repository holds no fleet.
    #[error("this repository has no folder `fleet/`; `tenantry init DIR` makes a fleet")]
    NotAFleet,
}

/// A commit, loaded.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What should be true. None where `hub.yaml` or `staff.yaml` has never been good.
    pub desired: Option<Desired>,
    /// Stacks and templates.
    pub catalogue: Arc<Catalogue>,
    /// Everything wrong with the newest commit.
    pub diagnostics: Arc<Vec<Diagnostic>>,
    /// What stays at an earlier version.
    pub frozen: Vec<FrozenScope>,
    /// Set where the documents of the fleet itself have errors: nothing new is decided or published then.
    pub fleet_frozen: bool,
    /// Customers that may differ from the load before. None: everything may.
    pub changed: Option<Vec<CustomerId>>,
    /// Domains that customers hold who are not in `desired`.
    pub kept: Vec<(OrderKey, DomainName)>,
    /// Servers whose agent's key is that of another server, with that one: their agents are not known.
    pub taken: BTreeMap<ServerKey, ServerKey>,
    /// What goes, or is replaced, beyond `policy.max_removed`: held back, or acknowledged.
    pub removals: Arc<Vec<Removal>>,
    /// Customers that are good, and were not read because that is known: they are not in `desired`. None with a loader that reads everybody.
    pub unread: Arc<Unread>,
}

impl Loaded {
    /// How many customers there are that can be used, read or not.
    pub fn customers(&self) -> usize {
        let read = self.desired.as_ref();
        read.map_or(0, |desired| desired.customers.len()) + self.unread.len()
    }
}

/// What is to be loaded: a commit, or a tree that has not been committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revision {
    /// The root tree.
    pub tree: Oid,
    /// The commit whose history holds last good versions.
    pub commit: Oid,
    /// Its generation, without the fleet's floor.
    pub generation: u64,
}

pub(crate) use files::{document, text};
pub use limit::Keep;
pub use sparse::{Need, Remembered, Unread, differing};

/// Loads commits, one after the other, keeping what they have in common.
pub struct Loader {
    objects: Objects,
    head: head::Heads,
    catalogues: Catalogues,
    customers: Customers,
    domains: Option<Arc<DomainIndex>>,
    /// Claims of broken customers that the index was made with.
    kept: Vec<(OrderKey, DomainName)>,
    /// Settings of the load before.
    settings: Option<Arc<HeadDocuments>>,
    limits: limit::Limits,
    sealing: sealing::Sealing,
    /// Whether removals that are too large are held back.
    holds: bool,
}

impl Loader {
    /// Nothing is read yet.
    pub fn new(objects: Objects) -> Self {
        Self {
            objects,
            head: head::Heads::default(),
            catalogues: Catalogues::default(),
            customers: Customers::default(),
            domains: None,
            kept: Vec::new(),
            settings: None,
            limits: limit::Limits::default(),
            sealing: sealing::Sealing::default(),
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

    /// Loads one revision.
    pub fn load(&mut self, revision: Revision) -> Result<Loaded, LoadError> {
        let begun = Instant::now();
        let Revision {
            tree,
            commit,
            generation,
        } = revision;
        let fleet = self
            .objects
            .lookup(tree, "fleet")?
            .filter(|entry| entry.kind == EntryKind::Tree);
        let fleet = fleet.ok_or(LoadError::NotAFleet)?.oid;
        let mut diagnostics = Vec::new();
        let mut frozen = Vec::new();

        let head = self.head.read(&self.objects, fleet, commit)?;
        diagnostics.extend(of_the_fleet(&head));
        if head.frozen {
            let errors = head
                .diagnostics
                .iter()
                .filter(|found| found.is_error())
                .count();
            frozen.push(FrozenScope {
                customer: None,
                stays_at: head.stays_at.map(|id| id.to_string()),
                errors,
            });
        }
        self.catalogues.follow(commit);
        let catalogue = self.catalogues.read(&self.objects, tree)?;
        let Some(documents) = head.documents.clone() else {
            diagnostics.extend(of_the_catalogue(self.catalogues.diagnostics()));
            return Ok(Loaded {
                desired: None,
                catalogue,
                diagnostics: Arc::new(diagnostics),
                frozen,
                fleet_frozen: true,
                changed: None,
                kept: Vec::new(),
                taken: agents::Taken::new(),
                removals: Arc::default(),
                unread: Arc::default(),
            });
        };
        let held = self.limits.held(&self.objects, revision, self.holds)?;
        if self.customers.sparse.is_some() {
            let limited = held.limited;
            let named =
                (!head.frozen).then(|| sparse::surroundings(&self.objects, fleet, tree, limited));
            let surroundings = named.transpose()?;
            if let Some(sparse) = &mut self.customers.sparse {
                sparse.surround(surroundings, limited);
            }
        }
        let outcome = self.customers.read(
            &self.objects,
            &mut self.catalogues,
            &documents,
            fleet,
            revision,
            &held,
        )?;
        diagnostics.extend(of_the_catalogue(self.catalogues.diagnostics()));
        let mut found = outcome.diagnostics;
        let good = outcome.customers.len() + outcome.unread.len();
        explain_consequences(&mut found, &outcome.frozen, good);
        diagnostics.extend(found);
        let text_of = |path: &str| customers::text_of(&self.objects, tree, path);
        diagnostics.extend(agents::diagnose(&outcome.taken, &text_of));
        diagnostics.extend(held.since.map(not_known_before));
        let removals: Vec<Removal> = held
            .verdict
            .map(|verdict| verdict.removal)
            .into_iter()
            .chain(outcome.versions)
            .collect();
        let held_back = removals.iter().filter(|removal| removal.is_held());
        diagnostics.extend(held_back.map(|removal| removal.diagnose(&text_of)));
        let customers = outcome
            .customers
            .keys()
            .chain(&outcome.broken)
            .chain(outcome.unread.keys())
            .cloned()
            .collect();
        let catalogue = self.catalogues.catalogue();
        let known = references::Known {
            hub: &documents.hub,
            catalogue: &catalogue,
            customers: &customers,
        };
        diagnostics.extend(references::hub(known, &text_of));
        diagnostics.extend(policy::check(known, &text_of));
        diagnostics.extend(shared::check(&self.objects, fleet, known)?);
        frozen.extend(outcome.frozen);
        let (domains, same_domains) =
            self.domain_index(&outcome.customers, &outcome.changed, outcome.kept);
        let same_settings = self
            .settings
            .replace(documents.clone())
            .is_some_and(|before| Arc::ptr_eq(&before, &documents));
        let same_set = outcome
            .changed
            .iter()
            .all(|changed| changed.old.is_some() && changed.new.is_some());
        let all_read = self.customers.sparse.is_none();
        let (rules, same_rules) = self.sealing.read(&self.objects, tree)?;
        diagnostics.extend_from_slice(&rules.diagnostics);
        let comparable = same_domains && same_settings && same_rules && same_set && all_read;
        let changed = comparable.then(|| {
            outcome
                .changed
                .into_iter()
                .map(|changed| changed.id)
                .collect()
        });
        let desired = Desired {
            commit: object_id(commit),
            generation: generation.saturating_add(documents.hub.generation_floor),
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
            frozen,
            fleet_frozen: head.frozen,
            changed,
            kept: self.kept.clone(),
            taken: outcome.taken,
            unread: outcome.unread,
            removals: Arc::new(removals),
        })
    }

    /// A loader that does not read customers of whom `cache` knows what is needed.
    ///
    /// # Errors
    /// Where objects cannot be read.
    pub fn sparse(objects: Objects, mut cache: Cache, need: Need) -> Result<Self, GitError> {
        let trees = cache.trees();
        let gone = objects.with(|repo| {
            let database = repo.odb().map_err(GitError::library("opening objects"))?;
            let exists = |id: &ObjectId| oid(*id).is_ok_and(|id| database.exists(id));
            let gone = trees.iter().filter(|tree| !exists(tree));
            Ok(gone.copied().collect())
        })?;
        cache.forget(&gone);
        let mut loader = Self::new(objects);
        loader.customers.sparse = Some(Sparse::new(cache, need));
        Ok(loader)
    }

    /// What is known now. None: this loader reads everybody.
    pub fn into_cache(self) -> Option<Cache> {
        self.customers.sparse.map(|sparse| sparse.cache)
    }

    /// Reads these customers from the next load on, whatever is known of them.
    pub fn want(&mut self, customers: impl IntoIterator<Item = CustomerId>) {
        if let Some(sparse) = &mut self.customers.sparse {
            sparse.want(customers);
        }
    }

    /// Those of the last load who were read, are good and share no name with anybody, with their keys: whether anything is to be decided for
    /// them depends on nobody else.
    pub fn by_themselves(&mut self) -> BTreeMap<CustomerId, Key> {
        let sparse = self.customers.sparse.as_mut();
        sparse.map(Sparse::by_themselves).unwrap_or_default()
    }

    /// Remembers that nothing is to be decided for these customers.
    pub fn learn_settled(&mut self, keys: impl IntoIterator<Item = Key>) {
        if let Some(sparse) = &mut self.customers.sparse {
            keys.into_iter()
                .for_each(|key| sparse.cache.learn_settled(&key));
        }
    }

    /// The objects that are read from.
    pub fn objects(&self) -> &Objects {
        &self.objects
    }

    /// The index of domains, and whether it is the very one of last time: where no order's domain or claim has changed, plans made with it
    /// stay valid.
    fn domain_index(
        &mut self,
        customers: &BTreeMap<CustomerId, Arc<CustomerDesired>>,
        changed: &[Changed],
        kept: Vec<(OrderKey, DomainName)>,
    ) -> (Arc<DomainIndex>, bool) {
        let same = self.kept == kept
            && changed
                .iter()
                .all(|changed| domains(changed.old.as_deref()).eq(domains(changed.new.as_deref())));
        if let (true, Some(index)) = (same, &self.domains) {
            return (index.clone(), true);
        }
        let index = Arc::new(DomainIndex::build_with(
            customers.values().map(AsRef::as_ref),
            kept.clone(),
        ));
        self.kept = kept;
        self.domains = Some(index.clone());
        (index, false)
    }
}

/// What is said where removals before a commit may be held back.
fn not_known_before(commit: Oid) -> Diagnostic {
    let commit = commit.to_string();
    let message = format!(
        "what `policy.max_removed` held back before commit {} is not known here",
        short(&commit)
    );
    let place = tenantry_schema::diagnostic::Place::file("fleet/hub.yaml");
    Diagnostic::warning(codes::TOO_MUCH_GOES, place, message).note(
        "the history is long, and this command looks at its newest part; a hub looks at all of it",
    )
}

/// All of a customer that the index of domains is made from.
fn domains(
    customer: Option<&CustomerDesired>,
) -> impl Iterator<Item = (&OrderId, &DomainName, Automation, Option<&DomainName>, u64)> {
    let orders = customer.into_iter().flat_map(|customer| &customer.orders);
    orders.map(|(id, order)| {
        (
            id,
            &order.document.domain,
            order.document.automation,
            order.claim.as_ref(),
            order.claim_generation,
        )
    })
}

/// What is wrong with the documents of `fleet/` itself, with what stays as it is because of it.
fn of_the_fleet(head: &head::Head) -> impl Iterator<Item = Diagnostic> {
    head.diagnostics.iter().cloned().map(|found| {
        if !found.is_error() {
            return found;
        }
        found.note(match head.stays_at {
            Some(commit) => format!(
                "the whole fleet stays at commit {} (last good): nothing new is decided or published",
                short(&commit.to_string())
            ),
            None => "the fleet was never good: nothing is done".to_owned(),
        })
    })
}

/// What is wrong with stacks and templates, with what stays as it is because of it.
fn of_the_catalogue(found: impl Iterator<Item = Diagnostic>) -> impl Iterator<Item = Diagnostic> {
    found.map(|found| {
        let stays = match found.place.file.split('/').collect::<Vec<_>>().as_slice() {
            _ if !found.is_error() => None,
            ["stacks", tool, _, ..] => Some(format!(
                "tools that run {tool} stay at their versions; new ones wait"
            )),
            ["nginx", ..] => Some("sites stay as they are; new ones wait".to_owned()),
            _ => None,
        };
        match stays {
            Some(note) => found.note(note),
            None => found,
        }
    })
}

/// A commit as people write it.
fn short(commit: &str) -> &str {
    commit.get(..7).unwrap_or(commit)
}

/// Says at each error what stays as it is because of it.
fn explain_consequences(found: &mut [Diagnostic], frozen: &[FrozenScope], customers: usize) {
    let by_id: BTreeMap<&str, &FrozenScope> = frozen
        .iter()
        .filter_map(|scope| Some((scope.customer.as_ref()?.as_str(), scope)))
        .collect();
    let others = (customers
        + frozen
            .iter()
            .filter(|scope| scope.stays_at.is_none())
            .count())
    .saturating_sub(frozen.len());
    for diagnostic in found.iter_mut().filter(|diagnostic| diagnostic.is_error()) {
        let mut parts = diagnostic.place.file.split('/').skip(2);
        let Some((id, scope)) = parts.next().and_then(|id| by_id.get_key_value(id)) else {
            continue;
        };
        let rest = match others {
            0 => String::new(),
            1 => "; the other customer is not affected".to_owned(),
            n => format!("; {n} other customers are not affected"),
        };
        diagnostic.notes.push(match &scope.stays_at {
            Some(commit) => format!(
                "customer {id} stays at commit {} (last good){rest}",
                short(commit)
            ),
            None => format!("customer {id} was never good: nothing is done for it{rest}"),
        });
    }
}

/// The text of the file at `path` below the root tree `root`. None where there is none that can be read.
pub fn text_of(objects: &Objects, root: Oid, path: &str) -> Option<Arc<str>> {
    customers::text_of(objects, root, path)
}

/// What is to be said of what was loaded from the root tree `root`, beside what loading said.
pub fn said_today(
    objects: &Objects,
    root: Oid,
    desired: &Desired,
    now: Timestamp,
) -> Vec<Diagnostic> {
    today::diagnose(desired, now, &|path| text_of(objects, root, path))
}

/// The settings of the fleet at a root tree. None where they have errors, or where there is no fleet.
pub fn settings_at(objects: &Objects, root: Oid) -> Result<Option<HeadDocuments>, GitError> {
    match objects.lookup(root, "fleet")? {
        Some(fleet) if fleet.kind == EntryKind::Tree => Ok(head::compile(objects, fleet.oid)?.0),
        _ => Ok(None),
    }
}

/// The ids of the files that [`settings_at`] reads: where they are the same, so is what comes out.
pub fn settings_key(objects: &Objects, root: Oid) -> Result<Vec<Oid>, GitError> {
    match objects.lookup(root, "fleet")? {
        Some(fleet) if fleet.kind == EntryKind::Tree => head::blobs(objects, fleet.oid),
        _ => Ok(Vec::new()),
    }
}

/// Git's id as the planner knows it.
pub fn object_id(oid: Oid) -> ObjectId {
    let mut id = [0; 20];
    id.copy_from_slice(oid.as_bytes());
    ObjectId(id)
}

/// The planner's id as libgit2 knows it.
pub fn oid(id: ObjectId) -> Result<Oid, GitError> {
    Oid::from_bytes(&id.0).map_err(GitError::library("an object id"))
}

/// The documents of the fleet itself, shared.
pub type SharedHead = Arc<HeadDocuments>;
