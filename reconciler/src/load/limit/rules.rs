//! The policy of a commit, and which of several is the strictest.

use super::{document, file};
use crate::git::{GitError, Objects, Oid};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use tenantry_schema::amount::Limit;
use tenantry_schema::document::Hub;
use tenantry_schema::id::FleetId;

const SETTINGS: &str = "fleet/hub.yaml";
/// `hub.yaml` may have errors in so many commits in a row.
const MOST_BROKEN: usize = 1_000;

/// What the policy of a commit says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::load) struct Rule {
    pub(in crate::load) limit: Limit,
    pub(in crate::load) fleet: FleetId,
}

/// What a `hub.yaml` says about it.
#[derive(Debug, Clone)]
enum Known {
    /// It has errors.
    Broken,
    Unlimited,
    Limited(Rule),
}

/// Reads policies; keeps them by the id of `hub.yaml`.
#[derive(Default)]
pub(super) struct Rules(HashMap<Oid, Known>);

impl Rules {
    /// What the policy of a commit says. None: nothing. While its settings have errors those of its first parents count.
    pub(super) fn at(&mut self, objects: &Objects, commit: Oid) -> Result<Option<Rule>, GitError> {
        let mut next = Some(commit);
        for _ in 0..MOST_BROKEN {
            let Some(at) = next else { break };
            let node = objects.node(at)?;
            if let Some(settings) = file(objects, node.tree, SETTINGS)? {
                match self.of(objects, settings)? {
                    Known::Limited(rule) => return Ok(Some(rule.clone())),
                    Known::Unlimited => return Ok(None),
                    Known::Broken => {}
                }
            }
            next = node.parents.first().copied();
        }
        Ok(None)
    }

    /// Whether this `hub.yaml` sets a limit.
    pub(super) fn limits(&mut self, objects: &Objects, file: Oid) -> Result<bool, GitError> {
        Ok(matches!(self.of(objects, file)?, Known::Limited(_)))
    }

    fn of(&mut self, objects: &Objects, file: Oid) -> Result<&Known, GitError> {
        match self.0.entry(file) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(unknown) => {
                let hub = document::<Hub>(objects, SETTINGS, file)?;
                Ok(unknown.insert(hub.map_or(Known::Broken, Known::of)))
            }
        }
    }
}

impl Known {
    fn of(hub: Hub) -> Self {
        let fleet = hub.fleet_id;
        let limit = hub.policy.max_removed;
        limit.map_or(Self::Unlimited, |limit| {
            Self::Limited(Rule { limit, fleet })
        })
    }
}

/// The rule that lets the fewest go, of so many servers.
pub(super) fn strictest(rules: &[Rule], of: usize) -> Option<&Rule> {
    rules.iter().min_by_key(|rule| rule.limit.of(of))
}
