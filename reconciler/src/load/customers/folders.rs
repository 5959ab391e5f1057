//! Which customers there are, and which of them have changed since the commit before.

use crate::git::{Entry, EntryKind, GitError, Objects, Oid};
use crate::load::MAX_HISTORY;
use std::collections::{BTreeSet, HashMap};
use tenantry_schema::Diagnostic;
use tenantry_schema::diagnostic::Place;
use tenantry_schema::document::is_left_over;
use tenantry_schema::id::CustomerId;

/// The two trees of a customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::load) struct Trees {
    pub(in crate::load) documents: Oid,
    pub(in crate::load) decisions: Option<Oid>,
    /// Which of them is none.
    pub(in crate::load) broken: Broken,
}

/// Where something else stands in the place of a folder. That is no empty folder, and no customer who is gone (law 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::load) enum Broken {
    /// Nowhere.
    No,
    /// In that of the customer's documents.
    Documents,
    /// In that of the customer's decisions.
    Decisions,
    /// In that of all customers' decisions.
    AllDecisions,
}

/// The folders `fleet/customers` and `fleet/decisions` of one commit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::load) struct Folders {
    customers: Option<Oid>,
    decisions: Option<Oid>,
    /// Whether something else stands in the place of the first: it is the folder that was there before.
    earlier: bool,
    /// Whether something else stands in the place of the second.
    undecided: bool,
}

/// Every customer, and what stands among them and is none.
pub(super) struct Listing {
    pub(super) customers: HashMap<CustomerId, Trees>,
    pub(super) found: Vec<Diagnostic>,
}

/// Customers that changed, with the trees of now; none where the customer is gone.
pub(in crate::load) type Changes = Vec<(CustomerId, Option<Trees>)>;

impl Folders {
    /// Those below `fleet`. Where something else stands in the place of `fleet/customers`, everybody is as in the newest first parent of `commit` that
    /// has the folder.
    pub(in crate::load) fn of(
        objects: &Objects,
        fleet: Oid,
        commit: Oid,
    ) -> Result<Self, GitError> {
        let there = Self::as_far_as_there(objects, fleet)?;
        let entry = objects.lookup(fleet, "customers")?;
        if entry.is_none_or(|entry| entry.kind == EntryKind::Tree) {
            return Ok(there);
        }
        for version in objects.first_parent_versions(commit, "fleet/customers", MAX_HISTORY) {
            if let Some(customers) = tree(version?.entry) {
                return Ok(Self {
                    customers: Some(customers),
                    earlier: true,
                    ..there
                });
            }
        }
        // It never was a folder, so there is nobody.
        Ok(Self {
            earlier: true,
            ..there
        })
    }

    /// Those below `fleet`, where what is none counts as absent: for commits of the past.
    pub(in crate::load) fn as_far_as_there(
        objects: &Objects,
        fleet: Oid,
    ) -> Result<Self, GitError> {
        let decisions = objects.lookup(fleet, "decisions")?;
        let undecided = decisions
            .as_ref()
            .is_some_and(|entry| entry.kind != EntryKind::Tree);
        Ok(Self {
            customers: tree(objects.lookup(fleet, "customers")?),
            decisions: tree(decisions),
            earlier: false,
            undecided,
        })
    }

    /// Whether there is no folder of customers.
    pub(in crate::load) fn without_customers(self) -> bool {
        self.customers.is_none()
    }

    /// Everything in them.
    pub(super) fn list(self, objects: &Objects) -> Result<Listing, GitError> {
        let entries = |tree: Option<Oid>| tree.map_or(Ok(Vec::new()), |tree| objects.tree(tree));
        let mut decisions: HashMap<String, Entry> = entries(self.decisions)?
            .into_iter()
            .map(|entry| (entry.name.clone(), entry))
            .collect();
        let mut listing = Listing {
            customers: HashMap::new(),
            found: Vec::new(),
        };
        if self.earlier {
            listing.found.push(no_customers());
        }
        if self.undecided {
            listing.found.push(no_decisions());
        }
        for entry in entries(self.customers)? {
            match customer(&entry) {
                Some(id) => {
                    let decisions = decisions.remove(&entry.name);
                    listing.customers.insert(id, self.trees(&entry, decisions));
                }
                None if entry.kind != EntryKind::Tree && is_left_over(&entry.name) => {}
                None => listing.found.push(misplaced(&entry.name)),
            }
        }
        Ok(listing)
    }

    fn trees(self, documents: &Entry, decisions: Option<Entry>) -> Trees {
        let other = |entry: &Entry| entry.kind != EntryKind::Tree;
        let broken = if other(documents) {
            Broken::Documents
        } else if self.undecided {
            Broken::AllDecisions
        } else if decisions.as_ref().is_some_and(other) {
            Broken::Decisions
        } else {
            Broken::No
        };
        Trees {
            documents: documents.oid,
            decisions: tree(decisions),
            broken,
        }
    }

    /// Customers whose trees differ from those of `before`, with the trees of now; none where the customer is gone. Nothing where it takes a
    /// new listing to tell, because something stands there, or stood, that is no customer.
    pub(in crate::load) fn changes(
        self,
        before: Self,
        objects: &Objects,
    ) -> Result<Option<Changes>, GitError> {
        if (self.undecided, self.earlier) != (before.undecided, before.earlier) {
            return Ok(None);
        }
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
        let look =
            |tree: Option<Oid>| tree.map_or(Ok(None), |tree| objects.lookup(tree, id.as_str()));
        let (documents, decisions) = (look(self.customers)?, look(self.decisions)?);
        Ok(documents.map(|documents| self.trees(&documents, decisions)))
    }
}

fn tree(entry: Option<Entry>) -> Option<Oid> {
    entry
        .filter(|entry| entry.kind == EntryKind::Tree)
        .map(|entry| entry.oid)
}

/// The customer that an entry of `fleet/customers` stands for, whatever it is.
fn customer(entry: &Entry) -> Option<CustomerId> {
    CustomerId::try_from(entry.name.as_str())
        .ok()
        .filter(|_| entry.kind != EntryKind::BadName)
}

/// What is wrong with something in `fleet/customers` that is no customer's folder.
pub(super) fn misplaced(name: &str) -> Diagnostic {
    let place = Place::file(format!("fleet/customers/{name}"));
    let message = "a customer is a folder named by its id";
    let note =
        "lower-case letters, digits and single hyphens between them, such as fleet/customers/acme/";
    Diagnostic::error(tenantry_planner::codes::MISPLACED, place, message).note(note)
}

/// What is wrong with something in the place of a customer's decisions.
pub(super) fn decisions_misplaced(id: &CustomerId) -> Diagnostic {
    let path = format!("fleet/decisions/{id}");
    let message = "the decisions about a customer are a folder";
    Diagnostic::error(
        tenantry_planner::codes::MISPLACED,
        Place::file(path),
        message,
    )
    .note("take the folder back from Git's history: what was decided is not decided anew")
}

fn no_customers() -> Diagnostic {
    let place = Place::file("fleet/customers");
    let message = "the customers are a folder";
    Diagnostic::error(tenantry_planner::codes::MISPLACED, place, message)
        .note("everybody stays as they were: take the folder back from Git's history")
}

fn no_decisions() -> Diagnostic {
    let place = Place::file("fleet/decisions");
    let message = "the hub's decisions are a folder";
    Diagnostic::error(tenantry_planner::codes::MISPLACED, place, message)
        .note("take the folder back from Git's history: what was decided is not decided anew")
        .note("until then all customers stay as they were")
}
