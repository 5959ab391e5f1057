//! Reads those that changed, and resolves whoever is concerned.

use super::Customers;
use super::folders::Trees;
use super::known::{Known, context_key};
use super::outcome::Changed;
use super::read::{Read, claims, gather, read};
use super::resolve::Around;
use crate::git::{GitError, Objects, Oid};
use crate::load::Revision;
use crate::load::catalogue::Catalogues;
use crate::load::limit::Held;
use rayon::prelude::*;
use std::sync::Arc;
use tenantry_planner::documents::HeadDocuments;
use tenantry_planner::removal::Removal;
use tenantry_schema::id::CustomerId;

impl Customers {
    /// Reads those that are stale, and resolves everybody that was not resolved against this. Returns who is not what they were, and versions of
    /// tools that too many would move to.
    pub(super) fn take_up(
        &mut self,
        (objects, head, fleet, revision): (&Objects, &Arc<HeadDocuments>, Oid, Revision),
        catalogues: &mut Catalogues,
        held: &Held,
        stale: Vec<(CustomerId, Option<Trees>)>,
    ) -> Result<(Vec<Changed>, Vec<Removal>), GitError> {
        let (there, gone): (Vec<_>, Vec<_>) =
            stale.into_iter().partition(|(_, trees)| trees.is_some());
        self.read_these(objects, catalogues, there)?;
        let gone: Vec<CustomerId> = gone.into_iter().map(|(id, _)| id).collect();
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

    /// Reads the files of these, and the trees that they refer to.
    fn read_these(
        &mut self,
        objects: &Objects,
        catalogues: &mut Catalogues,
        these: Vec<(CustomerId, Option<Trees>)>,
    ) -> Result<(), GitError> {
        let read: Vec<(CustomerId, Trees, Read)> = these
            .into_iter()
            .filter_map(|(id, trees)| Some((id, trees?)))
            .collect::<Vec<_>>()
            .into_par_iter()
            .map(|(id, trees)| {
                let read = read(objects, &id, trees)?;
                Ok((id, trees, read))
            })
            .collect::<Result<_, GitError>>()?;
        gather(
            objects,
            catalogues,
            read.iter()
                .filter_map(|(_, _, read)| read.documents.as_deref()),
        )?;
        for (id, trees, read) in read {
            self.note_follower(&id, &read);
            let known = Known {
                trees,
                read,
                linked: None,
            };
            self.known.insert(id, known);
        }
        Ok(())
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
}
