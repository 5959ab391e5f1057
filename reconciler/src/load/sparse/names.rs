//! Names of all customers, read or not: what they see of each other.

use std::collections::{BTreeMap, BTreeSet};
use tenantry_schema::id::CustomerId;

/// Names of all customers, read or not.
#[derive(Default)]
pub(super) struct Names {
    of: BTreeMap<CustomerId, (Vec<String>, Vec<[u8; 16]>)>,
    domains: BTreeSet<(String, CustomerId)>,
    marks: BTreeSet<([u8; 16], CustomerId)>,
    /// Who shares one, as long as nothing has changed since that was found out.
    shared: Option<BTreeSet<CustomerId>>,
}

impl Names {
    /// Takes over what a customer's names are now.
    pub(super) fn set(&mut self, id: &CustomerId, domains: Vec<String>, marks: Vec<[u8; 16]>) {
        let nothing = domains.is_empty() && marks.is_empty();
        let before = self.of.get(id);
        if before.map_or(nothing, |before| {
            (&before.0, &before.1) == (&domains, &marks)
        }) {
            return;
        }
        self.shared = None;
        if let Some((domains, marks)) = self.of.remove(id) {
            for domain in domains {
                self.domains.remove(&(domain, id.clone()));
            }
            for mark in marks {
                self.marks.remove(&(mark, id.clone()));
            }
        }
        if nothing {
            return;
        }
        self.domains
            .extend(domains.iter().map(|domain| (domain.clone(), id.clone())));
        self.marks
            .extend(marks.iter().map(|mark| (*mark, id.clone())));
        self.of.insert(id.clone(), (domains, marks));
    }

    /// Customers that share an agent's key or a server's address with another one, or have a domain that is another's, or above or below it.
    pub(super) fn shared(&mut self) -> &BTreeSet<CustomerId> {
        let found = match self.shared.take() {
            Some(found) => found,
            None => self.find_shared().into_iter().cloned().collect(),
        };
        self.shared.insert(found)
    }

    fn find_shared(&self) -> BTreeSet<&CustomerId> {
        let mut shared = BTreeSet::new();
        for ((one, a), (other, b)) in self.marks.iter().zip(self.marks.iter().skip(1)) {
            if one == other {
                shared.extend([a, b]);
            }
        }
        // In this order a name comes right before those below it. Beside each name that the one at hand is below stands whose all of them are, down
        // to there; nothing where they are several customers', who are noted already.
        let mut above: Vec<(&str, &CustomerId, Option<&CustomerId>)> = Vec::new();
        for (name, id) in &self.domains {
            while above
                .last()
                .is_some_and(|(above, ..)| !name.starts_with(above))
            {
                above.pop();
            }
            let whose = match above.last() {
                None => Some(id),
                Some((_, _, Some(one))) if *one == id => Some(id),
                Some((_, _, Some(_))) => {
                    shared.extend(above.iter().map(|(_, id, _)| *id));
                    shared.insert(id);
                    None
                }
                Some((_, _, None)) => {
                    shared.insert(id);
                    None
                }
            };
            above.push((name, id, whose));
        }
        shared
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tenantry_planner::domains::reversed;

    fn names(list: &[(usize, String)]) -> Names {
        let mut names = Names::default();
        let mut by_customer: BTreeMap<CustomerId, BTreeSet<String>> = BTreeMap::new();
        for (customer, name) in list {
            let id = format!("c{customer}").as_str().try_into().unwrap();
            by_customer.entry(id).or_default().insert(reversed(name));
        }
        for (id, domains) in by_customer {
            names.set(&id, domains.into_iter().collect(), Vec::new());
        }
        names
    }

    proptest! {
        /// Against comparing each with each.
        #[test]
        fn shared_names_are_found(
            list in prop::collection::vec((0..5_usize, prop::collection::vec("[ab]", 1..4)), 0..12),
        ) {
            let list: Vec<(usize, String)> = list.into_iter().map(|(id, labels)| (id, labels.join("."))).collect();
            let mut expected = BTreeSet::new();
            for (a, one) in &list {
                for (b, other) in &list {
                    let (x, y) = (reversed(one), reversed(other));
                    if a != b && (x.starts_with(&y) || y.starts_with(&x)) {
                        expected.insert(format!("c{a}"));
                    }
                }
            }
            let mut names = names(&list);
            let found: BTreeSet<String> = names.shared().iter().map(ToString::to_string).collect();
            prop_assert_eq!(found, expected);
            for customer in 0..5 {
                let id = format!("c{customer}").as_str().try_into().unwrap();
                names.set(&id, Vec::new(), Vec::new());
            }
            prop_assert!(names.domains.is_empty() && names.of.is_empty());
        }

        #[test]
        fn shared_keys_are_found(keys in prop::collection::vec(0..4_u8, 0..6)) {
            let mut names = Names::default();
            for (customer, key) in keys.iter().enumerate() {
                let id = format!("c{customer}").as_str().try_into().unwrap();
                names.set(&id, Vec::new(), vec![[*key; 16]]);
            }
            let mut all = [0; 4];
            for key in &keys {
                all[usize::from(*key)] += 1;
            }
            let expected: usize = all.into_iter().filter(|number| *number > 1).sum();
            prop_assert_eq!(names.shared().len(), expected);
        }
    }
}
