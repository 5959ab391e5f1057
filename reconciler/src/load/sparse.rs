//! Customers that are not read, because an earlier run found them good and left what others need to know of them.
//!
//! # Guarantees
//! What is left out changes nothing for those who are read. Customers see each other through names alone: domains, one of which may be in the
//! way of another, agents' keys, and addresses of servers. Whoever shares a name with somebody else is read ([`Names::shared`]), so every rule about several customers sees
//! all whom it concerns.

mod facts;
mod names;

use super::catalogue::Catalogues;
use super::customers::{Broken, Folders, Known, Trees};
use crate::cache::{self, Cache, Facts, Key, Surroundings};
use crate::git::{EntryKind, GitError, Objects, Oid};
use facts::{domains, facts, marks};
use names::Names;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tenantry_planner::desired::CustomerDesired;
use tenantry_planner::documents::HeadDocuments;
use tenantry_planner::domains::reversed;
use tenantry_schema::id::CustomerId;
use tenantry_schema::name::DomainName;

/// What a reader has to know of a customer who is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// That they are good.
    Verdict,
    /// That nothing is to be decided for them as well.
    Decisions,
}

/// Customers that were not read, by id.
pub type Unread = BTreeMap<CustomerId, Remembered>;

/// A customer who was not read.
#[derive(Debug, Clone)]
pub struct Remembered {
    pub(super) trees: Trees,
    /// What is known of them.
    pub facts: Arc<Facts>,
}

/// Who is not read, and why the others are.
pub(super) struct Sparse {
    pub(super) cache: Cache,
    need: Need,
    /// Read in any case.
    wanted: BTreeSet<CustomerId>,
    /// What the load at hand is resolved against. None: it cannot be named, so everybody is read.
    surroundings: Option<Surroundings>,
    /// Whether the policy limits, or ever limited, how much goes at once.
    limited: bool,
    /// To be looked at again, whether they changed or not.
    again: Stale,
    pub(super) unread: Arc<Unread>,
    names: Names,
    /// Those of the load at hand that were read and are good, with their keys.
    good: BTreeMap<CustomerId, Key>,
}

/// Customers that differ from what they were; none where they are gone.
type Stale = Vec<(CustomerId, Option<Trees>)>;

impl Sparse {
    pub(super) fn new(cache: Cache, need: Need) -> Self {
        Self {
            cache,
            need,
            wanted: BTreeSet::new(),
            surroundings: None,
            limited: false,
            again: Vec::new(),
            unread: Arc::default(),
            names: Names::default(),
            good: BTreeMap::new(),
        }
    }

    /// These are read from now on.
    pub(super) fn want(&mut self, customers: impl IntoIterator<Item = CustomerId>) {
        for id in customers {
            // Whoever holds the others goes on holding them; they are copied only where somebody is taken out.
            if self.unread.contains_key(&id)
                && let Some(left) = Arc::make_mut(&mut self.unread).remove(&id)
            {
                self.again.push((id.clone(), Some(left.trees)));
            }
            self.wanted.insert(id);
        }
    }

    /// Says what the next load is resolved against. Who was left out under other conditions is looked at again.
    pub(super) fn surround(&mut self, surroundings: Option<Surroundings>, limited: bool) {
        self.limited = limited;
        if self.surroundings != surroundings {
            self.surroundings = surroundings;
            self.good.clear();
            let before = std::mem::take(&mut self.unread);
            let again = before
                .iter()
                .map(|(id, left)| (id.clone(), Some(left.trees)));
            self.again.extend(again);
        }
    }

    pub(super) fn trees_of(&self, id: &CustomerId) -> Option<Trees> {
        self.unread.get(id).map(|left| left.trees)
    }

    /// Takes those out of `stale` and of those to be looked at again that need not be read. One that was read before and need not be now counts as gone.
    pub(super) fn leave_out(&mut self, stale: Stale, known: impl Fn(&CustomerId) -> bool) -> Stale {
        if stale.is_empty() && self.again.is_empty() {
            return stale;
        }
        let unread = Arc::make_mut(&mut self.unread);
        let mut rest = Vec::new();
        let stale = std::mem::take(&mut self.again).into_iter().chain(stale);
        for (id, trees) in stale.collect::<BTreeMap<_, _>>() {
            unread.remove(&id);
            self.good.remove(&id);
            let key = trees.and_then(|trees| key(self.surroundings.as_ref(), &id, trees));
            let facts = key.filter(|_| !self.wanted.contains(&id));
            let facts = facts
                .and_then(|key| self.cache.get(&key))
                .filter(|facts| self.need == Need::Verdict || facts.settled);
            let (Some(facts), Some(trees)) = (facts, trees) else {
                rest.push((id, trees));
                continue;
            };
            self.names
                .set(&id, facts.domains.clone(), facts.marks.clone());
            if known(&id) {
                rest.push((id.clone(), None));
            }
            unread.insert(id, Remembered { trees, facts });
        }
        rest
    }

    /// Takes over what became of a customer who was read: what they are, or what they claimed where they are broken.
    pub(super) fn took_up<'c>(
        &mut self,
        id: &CustomerId,
        desired: Option<&CustomerDesired>,
        claims: impl Iterator<Item = &'c DomainName>,
    ) {
        if self.unread.contains_key(id) {
            return;
        }
        let mut domains = desired.map(domains).unwrap_or_default();
        domains.extend(claims.map(|claim| reversed(claim.as_str())));
        let marks = desired.map(marks).unwrap_or_default();
        self.names.set(id, domains, marks);
    }

    /// Those who were left out and share a name with somebody are read from now on.
    pub(super) fn recall(&mut self) {
        let shared = self.names.shared().iter();
        let unread = shared.filter(|id| self.unread.contains_key(*id));
        let unread: Vec<CustomerId> = unread.cloned().collect();
        self.want(unread);
    }

    /// Those who were left out and about whom there is something to say.
    pub(super) fn warned(&self) -> impl Iterator<Item = &CustomerId> {
        let warned = self.unread.iter();
        warned
            .filter(|(_, left)| !left.facts.warnings.is_empty())
            .map(|(id, _)| id)
    }

    /// Remembers a customer who was read and is good.
    pub(super) fn learn(
        &mut self,
        id: &CustomerId,
        known: &Known,
        head: &HeadDocuments,
        catalogues: &Catalogues,
    ) {
        self.good.remove(id);
        let Some(key) = key(self.surroundings.as_ref(), id, known.trees) else {
            return;
        };
        if let Some((facts, trees)) = facts(known, head, catalogues, self.limited) {
            self.cache.learn(key, facts, trees);
            self.good.insert(id.clone(), key);
        }
    }

    /// Those who were read and are good, and share no name with anybody: whether anything is to be decided for them depends on nobody else.
    pub(super) fn by_themselves(&mut self) -> BTreeMap<CustomerId, Key> {
        let shared = self.names.shared();
        let alone = self.good.iter().filter(|(id, _)| !shared.contains(*id));
        alone.map(|(id, key)| (id.clone(), *key)).collect()
    }
}

fn key(surroundings: Option<&Surroundings>, id: &CustomerId, trees: Trees) -> Option<Key> {
    let surroundings = surroundings.filter(|_| trees.broken == Broken::No);
    Some(cache::key(
        surroundings?,
        id,
        trees.documents,
        trees.decisions,
    ))
}

/// Everything that customers of a root tree are resolved against: all of `fleet/` but customers and decisions, stacks and templates. And whether
/// there is, or was, a limit on what goes at once: whoever follows the branch is read then.
pub(super) fn surroundings(
    objects: &Objects,
    fleet: Oid,
    root: Oid,
    limited: bool,
) -> Result<Surroundings, GitError> {
    let mut digest = Sha256::new_with_prefix([u8::from(limited)]);
    for name in ["stacks", "nginx"] {
        let entry = objects.lookup(root, name)?;
        let tree = entry.filter(|entry| entry.kind == EntryKind::Tree);
        digest.update(tree.map_or(Oid::ZERO_SHA1, |tree| tree.oid).as_bytes());
    }
    for entry in objects.tree(fleet)? {
        if !matches!(entry.name.as_str(), "customers" | "decisions") {
            digest.update(entry.oid.as_bytes());
            digest.update(entry.mode.to_le_bytes());
            digest.update(&entry.name);
            digest.update([0]);
        }
    }
    Ok(digest.finalize().into())
}

/// Customers whose trees differ between two root trees. None where it takes a reading of both to tell, because they are not resolved against
/// the same, or because something stands there that is no customer.
///
/// # Errors
/// Where objects cannot be read.
pub fn differing(
    objects: &Objects,
    one: Oid,
    other: Oid,
) -> Result<Option<Vec<CustomerId>>, GitError> {
    let fleet = |root| {
        let entry = objects.lookup(root, "fleet")?;
        Ok::<_, GitError>(entry.filter(|entry| entry.kind == EntryKind::Tree))
    };
    let (Some(before), Some(after)) = (fleet(one)?, fleet(other)?) else {
        return Ok(None);
    };
    if surroundings(objects, before.oid, one, false)?
        != surroundings(objects, after.oid, other, false)?
    {
        return Ok(None);
    }
    let (before, after) = (
        Folders::as_far_as_there(objects, before.oid)?,
        Folders::as_far_as_there(objects, after.oid)?,
    );
    if before.without_customers() || after.without_customers() {
        return Ok(None);
    }
    let changes = after.changes(before, objects)?;
    Ok(changes.map(|changes| changes.into_iter().map(|(id, _)| id).collect()))
}
