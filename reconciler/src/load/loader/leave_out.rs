//! Loaders that do not read everybody: whom a cache tells enough of is left out, and what is found out is told to it.

use super::Loader;
use crate::cache::{Cache, Key};
use crate::git::{GitError, Objects};
use crate::load::oid;
use crate::load::sparse::{Need, Sparse};
use std::collections::BTreeMap;
use tenantry_planner::ObjectId;
use tenantry_schema::id::CustomerId;

impl Loader {
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
}
