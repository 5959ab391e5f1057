//! Which customers there are, and which of them have changed since the commit before.

use crate::git::{Entry, EntryKind, GitError, Objects, Oid};
use std::collections::{BTreeSet, HashMap};
use tenantry_schema::Diagnostic;
use tenantry_schema::diagnostic::Place;
use tenantry_schema::id::CustomerId;

/// The two trees of a customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::load) struct Trees {
    pub(in crate::load) documents: Oid,
    pub(in crate::load) decisions: Option<Oid>,
}

/// The folders `fleet/customers` and `fleet/decisions` of one commit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Folders {
    customers: Option<Oid>,
    decisions: Option<Oid>,
}

/// Every customer, and what stands among them and is none.
pub(super) struct Listing {
    pub(super) customers: HashMap<CustomerId, Trees>,
    pub(super) found: Vec<Diagnostic>,
}

/// Customers that changed, with the trees of now; none where the customer is gone.
pub(super) type Changes = Vec<(CustomerId, Option<Trees>)>;

impl Folders {
    /// Those below `fleet`.
    pub(super) fn of(objects: &Objects, fleet: Oid) -> Result<Self, GitError> {
        // Something else in the place of a folder is not an empty folder (law 7).
        let folder = |name| match objects.lookup(fleet, name)? {
            Some(entry) if entry.kind == EntryKind::Tree => Ok(Some(entry.oid)),
            Some(_) => Err(GitError::NotAFolder(format!("fleet/{name}"))),
            None => Ok(None),
        };
        Ok(Self {
            customers: folder("customers")?,
            decisions: folder("decisions")?,
        })
    }

    /// Everything in them.
    pub(super) fn list(self, objects: &Objects) -> Result<Listing, GitError> {
        let entries = |tree: Option<Oid>| tree.map_or(Ok(Vec::new()), |tree| objects.tree(tree));
        let decisions: HashMap<String, Oid> = entries(self.decisions)?
            .into_iter()
            .filter(|entry| entry.kind == EntryKind::Tree)
            .map(|entry| (entry.name, entry.oid))
            .collect();
        let mut listing = Listing {
            customers: HashMap::new(),
            found: Vec::new(),
        };
        for entry in entries(self.customers)? {
            match customer(&entry) {
                Some(id) => {
                    let trees = Trees {
                        documents: entry.oid,
                        decisions: decisions.get(&entry.name).copied(),
                    };
                    listing.customers.insert(id, trees);
                }
                None => listing.found.push(misplaced(&entry)),
            }
        }
        Ok(listing)
    }

    /// Customers whose trees differ from those of `before`, with the trees of now; none where the customer is gone. Nothing where it takes a
    /// new listing to tell, because something stands there, or stood, that is no customer.
    pub(super) fn changes(
        self,
        before: Self,
        objects: &Objects,
    ) -> Result<Option<Changes>, GitError> {
        let mut ids = BTreeSet::new();
        for difference in objects.compare(before.customers, self.customers)? {
            for entry in [difference.old, difference.new].into_iter().flatten() {
                let Some(id) = customer(&entry) else {
                    return Ok(None);
                };
                ids.insert(id);
            }
        }
        for difference in objects.compare(before.decisions, self.decisions)? {
            // Decisions about nobody are left alone, as in a listing.
            let entries = [difference.old, difference.new].into_iter().flatten();
            ids.extend(entries.filter_map(|entry| CustomerId::try_from(entry.name).ok()));
        }
        ids.into_iter()
            .map(|id| self.of_customer(objects, &id).map(|trees| (id, trees)))
            .collect::<Result<Vec<_>, GitError>>()
            .map(Some)
    }

    /// The trees of one customer. None where there is no such customer.
    pub(super) fn of_customer(
        self,
        objects: &Objects,
        id: &CustomerId,
    ) -> Result<Option<Trees>, GitError> {
        let look = |tree: Option<Oid>| {
            let entry = tree.map_or(Ok(None), |tree| objects.lookup(tree, id.as_str()))?;
            let entry = entry.filter(|entry| entry.kind == EntryKind::Tree);
            Ok::<_, GitError>(entry.map(|entry| entry.oid))
        };
        let (documents, decisions) = (look(self.customers)?, look(self.decisions)?);
        Ok(documents.map(|documents| Trees {
            documents,
            decisions,
        }))
    }
}

fn customer(entry: &Entry) -> Option<CustomerId> {
    CustomerId::try_from(entry.name.as_str())
        .ok()
        .filter(|_| entry.kind == EntryKind::Tree)
}

fn misplaced(entry: &Entry) -> Diagnostic {
    let place = Place::file(format!("fleet/customers/{}", entry.name));
    let message = "a customer is a folder named by its id";
    let note =
        "lower-case letters, digits and single hyphens between them, such as fleet/customers/acme/";
    Diagnostic::error(tenantry_planner::codes::MISPLACED, place, message).note(note)
}
