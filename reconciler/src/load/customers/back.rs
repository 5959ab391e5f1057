//! Customers that are kept back: what a commit takes from them is more than the policy lets go at once.

use super::super::limit::{Held, Verdict};
use super::fallback::Fallback;
use super::folders::{Broken, Folders, Trees};
use super::read::{Read, read};
use super::{Around, Customers, Known};
use crate::git::{EntryKind, GitError, Objects, Oid};
use crate::load::Revision;
use crate::load::catalogue::Catalogues;
use std::collections::BTreeSet;
use std::sync::Arc;
use tenantry_planner::catalogue::Catalogue;
use tenantry_planner::link::{self, Stays};
use tenantry_planner::removal::{Loss, Losses, Removal};
use tenantry_planner::status::FrozenScope;
use tenantry_planner::waiting::WaitingOn;
use tenantry_schema::document::Acknowledged;
use tenantry_schema::id::CustomerId;

impl Held {
    /// Versions that nobody moves to while too many would.
    pub(super) fn stays(&self, removal: &Removal) -> Option<Stays> {
        let targets = removal.losses.iter().filter_map(|loss| match loss {
            Loss::Version(tool, tree) => Some((tool.clone(), tree.as_str().try_into().ok()?)),
            _ => None,
        });
        (self.applies && removal.is_held()).then(|| Stays {
            targets: targets.collect(),
            why: waiting(removal),
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
        held: &Held,
        stale: &mut Vec<(CustomerId, Option<Trees>)>,
    ) -> Result<(), GitError> {
        let now = held.holding();
        if self.held.as_ref() == now {
            return Ok(());
        }
        let folders = Folders::of(objects, fleet)?;
        let there: BTreeSet<CustomerId> = stale.iter().map(|(id, _)| id.clone()).collect();
        let before = self.held.iter();
        let ids: BTreeSet<&CustomerId> =
            before.chain(now).flat_map(|held| &held.customers).collect();
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
        let Some(verdict) = held.holding().filter(|held| held.customers.contains(id)) else {
            return Ok(());
        };
        let path = |folder| format!("{folder}/{id}");
        let tree = |root, path: &str| {
            let entry = objects.lookup(root, path)?;
            let entry = entry.filter(|entry| entry.kind == EntryKind::Tree);
            Ok::<_, GitError>(entry.map(|entry| entry.oid))
        };
        let base = objects.root_tree(verdict.base)?;
        let Some(documents) = tree(base, &path("fleet/customers"))? else {
            return Ok(());
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
        let ids = linked
            .iter()
            .filter(|(id, _)| verdict.customers.contains(id));
        let ids: Vec<&CustomerId> = ids.map(|(id, _)| id).collect();
        if ids.is_empty() {
            return Ok(());
        }
        let then = Around {
            revision: Revision {
                tree: around.objects.root_tree(verdict.base)?,
                commit: verdict.base,
                generation: 0,
            },
            ..around
        };
        let mut fallback = Fallback::new(then, catalogues)?;
        for id in ids {
            if let Some(known) = self.known.get_mut(id) {
                known.hold_back(id, verdict, &mut fallback)?;
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
    pub(super) fn versions(&self, catalogue: &Catalogue, held: &Held) -> Option<Removal> {
        let rule = held.rule.as_ref()?;
        let kept = |id: &CustomerId| {
            held.holding()
                .is_some_and(|held| held.customers.contains(id))
        };
        let mut losses = Losses::default();
        for id in self.followers.iter().filter(|id| !kept(id)) {
            let documents = self
                .known
                .get(id)
                .and_then(|known| known.read.documents.as_deref());
            for step in documents
                .into_iter()
                .flat_map(|documents| link::moves(documents, catalogue))
            {
                losses.add(Loss::Version(step.tool, step.to.to_string()), step.server);
            }
        }
        if losses.servers.is_empty() {
            return None;
        }
        let all = self.known.values();
        let read: usize = all
            .filter_map(|known| known.read.documents.as_deref())
            .map(|documents| documents.servers.len())
            .sum();
        let left = self.sparse.iter().flat_map(|sparse| sparse.unread.values());
        let unread: usize = left.map(|left| left.facts.servers as usize).sum();
        let of = read + unread;
        let mut removal = Removal::judge(&losses, of, rule.limit, &rule.fleet)?;
        // The trees are named, so an entry fits this version alone.
        let id = removal.acknowledged_by(&held.acknowledged, &Acknowledged::default());
        removal.acknowledged = id.cloned();
        Some(removal)
    }
}

impl Known {
    fn hold_back(
        &mut self,
        id: &CustomerId,
        verdict: &Verdict,
        fallback: &mut Fallback<'_>,
    ) -> Result<(), GitError> {
        let Some((_, linked)) = &mut self.linked else {
            return Ok(());
        };
        let (desired, commit) = match fallback.first(id, self.trees, &self.read)? {
            Some(desired) => (Some(desired), Some(verdict.base)),
            // They stayed at an earlier version already.
            None => match fallback.find(id, self.trees, &self.read)? {
                Some(good) => (Some(good.desired), Some(good.commit)),
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
            waiting.push(self::waiting(&verdict.removal));
            desired
        });
        Ok(())
    }
}
