//! Domains of customers who are gone: whose folder of documents is not there any more, and whose decisions are. Renaming the folder of a customer must not
//! hand a domain on without a word, so nobody gets such a domain until people say whose it is.

use super::{History, claimed};
use crate::git::{EntryKind, GitError, Objects, Oid};
use std::collections::BTreeSet;
use std::sync::Arc;
use tenantry_planner::Plan;
use tenantry_planner::decision::Choice;
use tenantry_planner::domains::reversed;
use tenantry_schema::id::{CustomerId, OrderId, OrderKey};
use tenantry_schema::name::DomainName;

/// Domains by the order that claimed them.
pub(super) type Claims = Vec<(OrderKey, DomainName)>;

/// The folders `fleet/customers` and `fleet/decisions`.
type Folders = (Option<Oid>, Option<Oid>);

/// What was found last.
#[derive(Default)]
pub(super) struct Departed {
    known: Option<(Folders, Arc<Claims>)>,
}

impl History {
    /// Claims of customers who are gone that are in the way of a domain that is about to be given to somebody.
    ///
    /// # Errors
    /// Where decisions cannot be read.
    pub fn departed(
        &mut self,
        objects: &Objects,
        root: Oid,
        plan: &Plan,
    ) -> Result<Claims, GitError> {
        let asked = plan.decisions().filter_map(|decision| {
            let Choice::Domain(claim) = &decision.choice else {
                return None;
            };
            Some(reversed(claim.domain.as_str()))
        });
        let asked: BTreeSet<String> = asked.collect();
        if asked.is_empty() {
            return Ok(Claims::new());
        }
        let claims = self.all_departed(objects, root)?;
        let found = claims.iter();
        let found = found.filter(|(_, name)| is_in_the_way(name.as_str(), &asked));
        Ok(found.cloned().collect())
    }

    /// Every claim of a customer who is gone.
    ///
    /// # Errors
    /// Where decisions cannot be read.
    pub fn left_behind(
        &mut self,
        objects: &Objects,
        root: Oid,
    ) -> Result<Vec<(OrderKey, DomainName)>, GitError> {
        Ok(self.all_departed(objects, root)?.to_vec())
    }

    /// Leaves those claims that still stand, of customers who are still gone.
    ///
    /// # Errors
    /// Where decisions cannot be read.
    pub fn still_departed(
        &mut self,
        objects: &Objects,
        root: Oid,
        claims: &mut Claims,
    ) -> Result<(), GitError> {
        if !claims.is_empty() {
            let now = self.all_departed(objects, root)?;
            claims.retain(|claim| now.contains(claim));
        }
        Ok(())
    }

    fn all_departed(&mut self, objects: &Objects, root: Oid) -> Result<Arc<Claims>, GitError> {
        let folder = |path| {
            let entry = objects.lookup(root, path)?;
            Ok::<_, GitError>(entry.and_then(|entry| entry.folder()))
        };
        let folders = (folder("fleet/customers")?, folder("fleet/decisions")?);
        if let Some((known, claims)) = &self.departed.known
            && *known == folders
        {
            return Ok(claims.clone());
        }
        let claims = Arc::new(read(objects, folders)?);
        self.departed.known = Some((folders, claims.clone()));
        Ok(claims)
    }
}

fn read(objects: &Objects, (customers, decisions): Folders) -> Result<Claims, GitError> {
    let mut claims = Claims::new();
    // Where there is no folder of customers, nothing is known of who is gone.
    let (Some(customers), Some(decisions)) = (customers, decisions) else {
        return Ok(claims);
    };
    let there = objects.tree(customers)?.into_iter();
    let there: BTreeSet<String> = there.map(|entry| entry.name).collect();
    for folder in objects.tree(decisions)? {
        let (EntryKind::Tree, false) = (folder.kind, there.contains(&folder.name)) else {
            continue;
        };
        let Ok(customer) = CustomerId::try_from(folder.name.as_str()) else {
            continue;
        };
        for order in objects.tree(folder.oid)? {
            let (EntryKind::Tree, Ok(id)) = (order.kind, OrderId::try_from(order.name.as_str()))
            else {
                continue;
            };
            let file = objects.lookup(order.oid, "domain.yaml")?;
            let Some(file) = file.and_then(|entry| entry.file()) else {
                continue;
            };
            let path = format!("fleet/decisions/{customer}/{id}/domain.yaml");
            if let Some(domain) = claimed(objects, &path, file)? {
                let customer = customer.clone();
                let order = OrderKey {
                    customer,
                    order: id,
                };
                claims.push((order, domain));
            }
        }
    }
    Ok(claims)
}

/// Whether one of the names that are asked for is this one, below it or above it. They stand with their labels in reverse order, so that all below a name
/// come right behind it.
fn is_in_the_way(name: &str, asked: &BTreeSet<String>) -> bool {
    let name = reversed(name);
    let next = asked.range(name.clone()..).next();
    let ends = name.match_indices('.').map(|(at, _)| at + 1);
    next.is_some_and(|next| next.starts_with(&name))
        || ends
            .filter_map(|end| name.get(..end))
            .any(|above| asked.contains(above))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn names_above_and_below_are_in_the_way(
            name in "[ab]{1,2}(\\.[ab]{1,2}){0,3}",
            asked in prop::collection::vec("[ab]{1,2}(\\.[ab]{1,2}){0,3}", 0..4),
        ) {
            let below = |one: &str, other: &str| one.ends_with(&format!(".{other}"));
            let expected = asked
                .iter()
                .any(|asked| *asked == name || below(asked, &name) || below(&name, asked));
            let asked = asked.iter().map(|asked| reversed(asked)).collect();
            prop_assert_eq!(is_in_the_way(&name, &asked), expected);
        }
    }
}
