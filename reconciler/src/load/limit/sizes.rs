//! How many servers a fleet has: documents that are servers. Whatever else lies in their folders makes no limit wider.

use super::super::MAX_HISTORY;
use super::taken::CUSTOMERS;
use super::{document, folder};
use crate::git::{EntryKind, GitError, Objects, Oid};
use std::collections::HashMap;
use tenantry_schema::document::Server;
use tenantry_schema::id::{CustomerId, ServerId};

/// Counts servers; keeps what it counted.
#[derive(Default)]
pub(super) struct Sizes {
    /// By folder of customers.
    whole: HashMap<Oid, usize>,
    /// By folder of one customer's servers.
    parts: HashMap<Oid, usize>,
}

/// Folders of so many are kept.
const KEPT: usize = 50_000;

impl Sizes {
    /// How many servers there are at a commit. Counting ends early where `enough` of them have been found. Where something else stands in the place of
    /// the folder of customers, they are as they were last, as losses are.
    pub(super) fn count(
        &mut self,
        objects: &Objects,
        commit: Oid,
        enough: impl Fn(usize) -> bool,
    ) -> Result<usize, GitError> {
        let there = objects.lookup(objects.root_tree(commit)?, CUSTOMERS)?;
        let customers = match there {
            Some(entry) if entry.kind != EntryKind::Tree => {
                objects.last_folder(commit, CUSTOMERS, MAX_HISTORY)?
            }
            entry => entry.map(|entry| entry.oid),
        };
        let Some(customers) = customers else {
            return Ok(0);
        };
        if let Some(size) = self.whole.get(&customers) {
            return Ok(*size);
        }
        if self.parts.len() > KEPT {
            self.parts.clear();
        }
        let mut size = 0;
        for customer in objects.tree(customers)? {
            if customer.kind == EntryKind::Tree
                && CustomerId::try_from(customer.name.as_str()).is_ok()
                && let Some(servers) = folder(objects, customer.oid, "servers")?
            {
                size += self.servers(objects, servers)?;
                if enough(size) {
                    return Ok(size);
                }
            }
        }
        if self.whole.len() > 16 {
            self.whole.clear();
        }
        self.whole.insert(customers, size);
        Ok(size)
    }

    fn servers(&mut self, objects: &Objects, servers: Oid) -> Result<usize, GitError> {
        if let Some(known) = self.parts.get(&servers) {
            return Ok(*known);
        }
        let mut number = 0;
        for entry in objects.tree(servers)? {
            let id = entry.name.strip_suffix(".yaml");
            let id = id.and_then(|id| ServerId::try_from(id).ok());
            if let (Some(file), Some(_)) = (entry.file(), id)
                && is_server(objects, file)?
            {
                number += 1;
            }
        }
        self.parts.insert(servers, number);
        Ok(number)
    }
}

fn is_server(objects: &Objects, file: Oid) -> Result<bool, GitError> {
    let path = "fleet/customers/any/servers/any.yaml";
    Ok(document::<Server>(objects, path, file)?.is_some())
}
