//! Equal changes of many servers, told once: what 500 servers have in common is one line with a number.

use super::{Effect, InstanceChange, Presence, ServerChange, ServiceChange, SiteChange};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use tenantry_schema::id::{CustomerId, ServerKey, ToolName};

/// One kind of change of one tool, and where it happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Group {
    /// The tool.
    pub tool: ToolName,
    /// Whether it comes, goes or stays.
    pub presence: Presence,
    /// What comes of it on these servers. Where the machine has left the fleet its containers are not told of: they stay.
    pub effect: Effect,
    /// Whether override files lie on top of its stack.
    pub customised: bool,
    /// What happens to its containers.
    pub services: BTreeMap<String, ServiceChange>,
    /// Networks that are made anew, by their keys in the Compose file.
    pub networks: BTreeSet<String>,
    /// How many public names come, change and go, on each server.
    pub sites: BTreeMap<SiteChange, usize>,
    /// Where.
    pub servers: BTreeSet<ServerKey>,
    /// Whose.
    pub customers: BTreeSet<CustomerId>,
    /// Whether visitors notice.
    pub interrupts: bool,
}

type Key = (
    ToolName,
    (Presence, Effect, bool),
    BTreeMap<String, ServiceChange>,
    BTreeSet<String>,
    BTreeMap<SiteChange, usize>,
);

/// Groups of equal changes, the largest first.
pub fn groups(changes: &[ServerChange]) -> Vec<Group> {
    let mut groups: BTreeMap<Key, Group> = BTreeMap::new();
    for change in changes {
        for instance in change.instances.values() {
            let key = key(change.effect(), instance);
            let group = groups.entry(key.clone()).or_insert_with(|| Group {
                tool: key.0,
                presence: key.1.0,
                effect: key.1.1,
                customised: key.1.2,
                services: key.2,
                networks: key.3,
                sites: key.4,
                servers: BTreeSet::new(),
                customers: BTreeSet::new(),
                interrupts: false,
            });
            // Some of them may be stopped.
            group.interrupts |= change.is_acted_on() && instance.interrupts();
            group.servers.insert(change.server.clone());
            group.customers.insert(change.server.customer.clone());
        }
    }
    let mut groups: Vec<Group> = groups.into_values().collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.servers.len()));
    groups
}

fn key(effect: Effect, instance: &InstanceChange) -> Key {
    let tool = instance.tool.clone();
    let kind = (instance.presence, effect, instance.customised);
    if effect == Effect::Left {
        return (
            tool,
            kind,
            BTreeMap::new(),
            BTreeSet::new(),
            BTreeMap::new(),
        );
    }
    let mut sites = BTreeMap::new();
    for site in instance.sites.values() {
        *sites.entry(*site).or_default() += 1;
    }
    let (services, networks) = (instance.services.clone(), instance.networks.clone());
    (tool, kind, services, networks, sites)
}
