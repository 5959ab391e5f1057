//! Customers that are kept back: what a commit takes from them is more than the policy lets go at once.

use super::super::limit::Held;
use super::fallback::Fallback;
use super::folders::{Broken, Folders, Trees};
use super::read::{Read, read};
use super::resolve::Around;
use super::{Customers, Known};
use crate::git::{GitError, Objects, Oid};
use crate::load::catalogue::Catalogues;
use crate::load::{MAX_HISTORY, Revision};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tenantry_planner::catalogue::Catalogue;
use tenantry_planner::link::{self, Move, Stays};
use tenantry_planner::removal::{Loss, Removal};
use tenantry_planner::status::FrozenScope;
use tenantry_planner::waiting::WaitingOn;
use tenantry_schema::id::CustomerId;

impl Held {
    /// Versions that nobody moves to while too many would.
    pub(super) fn stays(&self, removals: &[Removal]) -> Option<Stays> {
        let held: Vec<&Removal> = removals
            .iter()
            .filter(|removal| removal.is_held())
            .collect();
        let why = waiting(held.first().filter(|_| self.applies)?);
        let targets = held.iter().flat_map(|removal| &removal.losses);
        let targets = targets.filter_map(|loss| match loss {
            Loss::Version(tool, tree) => Some((tool.clone(), tree.as_str().try_into().ok()?)),
            _ => None,
        });
        Some(Stays {
            targets: targets.collect(),
            why,
        })
    }
}

fn waiting(removal: &Removal) -> WaitingOn {
    WaitingOn::Acknowledgement {
        servers: removal.servers,
        of: removal.of,
        allowed: removal.allowed,
    }
}

impl Customers {
    /// Adds those to `stale` who are kept back now and were not, or were and are not.
    pub(super) fn add_kept_back(
        &mut self,
        objects: &Objects,
        fleet: Oid,
        commit: Oid,
        held: &Held,
        stale: &mut Vec<(CustomerId, Option<Trees>)>,
    ) -> Result<(), GitError> {
        let now = held.holding();
        if self.held.as_ref() == now {
            return Ok(());
        }
        let folders = Folders::of(objects, fleet, commit)?;
        let there: BTreeSet<CustomerId> = stale.iter().map(|(id, _)| id.clone()).collect();
        let before = self.held.iter();
        let ids: BTreeSet<&CustomerId> = before
            .chain(now)
            .flat_map(|held| held.customers.keys())
            .collect();
        for id in ids.into_iter().filter(|id| !there.contains(*id)) {
            stale.push((id.clone(), folders.of_customer(objects, id)?));
        }
        self.held = now.cloned();
        Ok(())
    }

    /// Puts a customer who is gone and kept back among those that are known, as they were.
    pub(super) fn keep(
        &mut self,
        objects: &Objects,
        id: &CustomerId,
        fleet: Oid,
        held: &Held,
    ) -> Result<(), GitError> {
        let stays = held.holding().and_then(|held| held.customers.get(id));
        let Some(stays) = stays else {
            return Ok(());
        };
        let path = |folder| format!("{folder}/{id}");
        let tree = |root, path: &str| {
            let entry = objects.lookup(root, path)?;
            Ok::<_, GitError>(entry.and_then(|entry| entry.folder()))
        };
        let documents = tree(objects.root_tree(*stays)?, &path("fleet/customers"))?;
        let documents = match documents {
            Some(documents) => documents,
            // Something else stood in its place.
            None => match objects.last_folder(*stays, &path("fleet/customers"), MAX_HISTORY)? {
                Some(documents) => documents,
                None => return Ok(()),
            },
        };
        let trees = Trees {
            documents,
            decisions: tree(fleet, &path("decisions"))?,
            broken: Broken::No,
        };
        let known = Known {
            trees,
            read: read(objects, id, trees)?,
            linked: None,
        };
        self.known.insert(id.clone(), known);
        Ok(())
    }

    /// Puts those that are kept back, of those that were resolved just now, in the state in which they stay.
    pub(super) fn hold_back(
        &mut self,
        around: Around<'_>,
        catalogues: &mut Catalogues,
        held: &Held,
        linked: &[(CustomerId, bool)],
    ) -> Result<(), GitError> {
        let Some(verdict) = held.holding() else {
            return Ok(());
        };
        let mut by_commit: BTreeMap<Oid, Vec<&CustomerId>> = BTreeMap::new();
        for (id, _) in linked {
            if let Some(stays) = verdict.customers.get(id) {
                by_commit.entry(*stays).or_default().push(id);
            }
        }
        for (stays, ids) in by_commit {
            let then = Around {
                revision: Revision {
                    tree: around.objects.root_tree(stays)?,
                    commit: stays,
                    generation: 0,
                },
                ..around
            };
            let mut fallback = Fallback::new(then, catalogues)?;
            for id in ids {
                let path = format!("fleet/customers/{id}");
                let gone = around
                    .objects
                    .lookup(around.revision.tree, &path)?
                    .is_none();
                if let Some(known) = self.known.get_mut(id) {
                    let decided = verdict.decided.contains(id);
                    let how = (&verdict.removal, gone, decided);
                    known.hold_back(id, stays, how, &mut fallback)?;
                }
            }
        }
        Ok(())
    }

    /// Notes whether a customer's tools can move to other versions by a commit of people.
    pub(super) fn note_follower(&mut self, id: &CustomerId, read: &Read) {
        if read.documents.as_deref().is_some_and(link::may_move) {
            self.followers.insert(id.clone());
        } else {
            self.followers.remove(id);
        }
    }

    /// Tools that move to other versions, where these are more than the policy lets move at once.
    pub(super) fn versions(
        &mut self,
        (objects, revision): (&Objects, Revision),
        catalogue: &Catalogue,
        held: &Held,
    ) -> Result<Vec<Removal>, GitError> {
        let kept = |id: &CustomerId| {
            held.holding()
                .is_some_and(|held| held.customers.contains_key(id))
        };
        let followers = self.followers.iter().filter(|id| !kept(id));
        let documents = followers.filter_map(|id| self.known.get(id)?.read.documents.as_deref());
        let moves: Vec<Move> = documents
            .flat_map(|documents| link::moves(documents, catalogue))
            .collect();
        if moves.is_empty() {
            return Ok(Vec::new());
        }
        let all = self.known.values();
        let read: usize = all
            .filter_map(|known| known.read.documents.as_deref())
            .map(|documents| documents.servers.len())
            .sum();
        let left = self.sparse.iter().flat_map(|sparse| sparse.unread.values());
        let unread: usize = left.map(|left| left.facts.servers as usize).sum();
        self.pending
            .judge(objects, revision, held, &moves, read + unread)
    }
}

impl Known {
    fn hold_back(
        &mut self,
        id: &CustomerId,
        stays: Oid,
        (removal, gone, decided): (&Removal, bool, bool),
        fallback: &mut Fallback<'_>,
    ) -> Result<(), GitError> {
        let Some((_, linked)) = &mut self.linked else {
            return Ok(());
        };
        let (desired, commit) = match fallback.first(id, self.trees, &self.read, decided)? {
            Some(desired) => (Some(desired), Some(stays)),
            // They stayed at an earlier version already.
            None => match fallback.find(id, self.trees, &self.read, decided)? {
                Some(good) => (Some(good.desired), Some(good.commit)),
                // What was read for who is gone is how they were.
                None if gone => (linked.desired.take(), Some(stays)),
                None => (None, None),
            },
        };
        linked.frozen = Some(FrozenScope {
            customer: Some(id.clone()),
            stays_at: commit.map(|commit| commit.to_string()),
            errors: 1,
        });
        // Nothing is decided for somebody who may be gone.
        linked.held = true;
        linked.desired = desired.map(|mut desired| {
            let waiting = &mut Arc::make_mut(&mut desired).waiting;
            waiting.push(self::waiting(removal));
            desired
        });
        Ok(())
    }
}
