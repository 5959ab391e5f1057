//! Whose files may differ from what was read.

use super::Customers;
use super::folders::{Folders, Trees};
use crate::git::{GitError, Objects, Oid};
use tenantry_schema::id::CustomerId;

impl Customers {
    /// Customers that have to be read, with their trees; none where a customer is gone.
    pub(super) fn look(
        &mut self,
        objects: &Objects,
        fleet: Oid,
        commit: Oid,
    ) -> Result<Vec<(CustomerId, Option<Trees>)>, GitError> {
        let folders = Folders::of(objects, fleet, commit)?;
        if let Some((before, _)) = &self.looked_at
            && let Some(changes) = folders.changes(*before, objects)?
        {
            self.looked_at = self.looked_at.take().map(|(_, found)| (folders, found));
            return Ok(changes);
        }
        let listing = folders.list(objects)?;
        let unread = self.sparse.iter().flat_map(|sparse| sparse.unread.keys());
        let gone = self
            .known
            .keys()
            .chain(unread)
            .filter(|id| !listing.customers.contains_key(*id))
            .map(|id| (id.clone(), None));
        let gone: Vec<_> = gone.collect();
        let before = |id: &CustomerId| {
            let known = self.known.get(id).map(|known| known.trees);
            known.or_else(|| self.sparse.as_ref()?.trees_of(id))
        };
        let stale = listing
            .customers
            .into_iter()
            .filter(|(id, trees)| before(id) != Some(*trees));
        let stale = stale
            .map(|(id, trees)| (id, Some(trees)))
            .chain(gone)
            .collect();
        self.looked_at = Some((folders, listing.found));
        Ok(stale)
    }
}
