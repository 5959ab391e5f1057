//! Agents' keys: each speaks for one server. Of two that name the same key, the one that has named it for longer keeps it; the other is an error.

use super::{MAX_HISTORY, Revision, files};
use crate::git::{GitError, Objects, Oid};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use tenantry_planner::codes;
use tenantry_planner::desired::CustomerDesired;
use tenantry_planner::input::{Finder, TextOf};
use tenantry_schema::Diagnostic;
use tenantry_schema::id::ServerKey;
use tenantry_schema::key::SshPublicKey;

/// Which servers name which key.
#[derive(Default)]
pub(super) struct AgentKeys {
    servers: HashMap<SshPublicKey, BTreeSet<ServerKey>>,
    /// Keys that more than one server names, and whose they are as far as that was looked up.
    contested: BTreeMap<SshPublicKey, Option<ServerKey>>,
}

/// Servers whose agent's key is that of another one, with that one.
pub(super) type Taken = BTreeMap<ServerKey, ServerKey>;

impl AgentKeys {
    /// Takes over what a customer is now. Costs what changed.
    pub(super) fn update(&mut self, old: Option<&CustomerDesired>, new: Option<&CustomerDesired>) {
        for (key, server) in named(old) {
            self.change(key, |servers| servers.remove(&server));
        }
        for (key, server) in named(new) {
            self.change(key, |servers| servers.insert(server));
        }
    }

    fn change(
        &mut self,
        key: &SshPublicKey,
        change: impl FnOnce(&mut BTreeSet<ServerKey>) -> bool,
    ) {
        let servers = self.servers.entry(key.clone()).or_default();
        change(servers);
        match servers.len() {
            0 => drop(self.servers.remove(key)),
            1 => drop(self.contested.remove(key)),
            _ => drop(self.contested.insert(key.clone(), None)),
        }
    }

    /// Servers that name a key of another one.
    pub(super) fn taken(
        &mut self,
        objects: &Objects,
        revision: Revision,
    ) -> Result<Taken, GitError> {
        let mut taken = Taken::new();
        for (key, holder) in &mut self.contested {
            let Some(servers) = self.servers.get(key) else {
                continue;
            };
            let holder = match holder {
                Some(holder) => holder,
                None => holder.insert(first_with(objects, revision.commit, key, servers)?),
            };
            let others = servers.iter().filter(|server| *server != holder);
            taken.extend(others.map(|server| (server.clone(), holder.clone())));
        }
        Ok(taken)
    }
}

fn named(customer: Option<&CustomerDesired>) -> impl Iterator<Item = (&SshPublicKey, ServerKey)> {
    customer.into_iter().flat_map(|customer| {
        customer.servers.iter().filter_map(|(id, server)| {
            let key = ServerKey {
                customer: customer.id.clone(),
                server: id.clone(),
            };
            Some((&server.agent.as_ref()?.sign, key))
        })
    })
}

/// The server that has named `key` for longest without a break, by the first parents of `commit`; of several the first by name.
fn first_with(
    objects: &Objects,
    commit: Oid,
    key: &SshPublicKey,
    servers: &BTreeSet<ServerKey>,
) -> Result<ServerKey, GitError> {
    let mut known = HashMap::new();
    let mut open: Vec<&ServerKey> = servers.iter().collect();
    let (mut began, mut holding) = (BTreeSet::new(), open.clone());
    let mut next = Some(commit);
    for _ in 0..MAX_HISTORY {
        let Some(at) = next else { break };
        let root = objects.root_tree(at)?;
        let mut still = Vec::new();
        for server in open {
            if names(objects, root, server, key, &mut known)? {
                began.insert(server);
                still.push(server);
            } else if !began.contains(server) {
                // Of a customer who is frozen an earlier version counts, which may name it.
                still.push(server);
            }
        }
        open = still;
        let now: Vec<&ServerKey> = open
            .iter()
            .copied()
            .filter(|server| began.contains(server))
            .collect();
        if !now.is_empty() {
            holding = now;
        }
        if open.is_empty() || (open.len() == 1 && holding == open) {
            break;
        }
        next = objects.commit_info(at)?.parents.first().copied();
    }
    let first = holding.first().copied().cloned();
    first.ok_or(GitError::Missing(commit))
}

fn names(
    objects: &Objects,
    root: Oid,
    server: &ServerKey,
    key: &SshPublicKey,
    known: &mut HashMap<Oid, bool>,
) -> Result<bool, GitError> {
    let entry = objects.lookup(root, &path(server))?;
    let Some(file) = entry.and_then(|entry| entry.file()) else {
        return Ok(false);
    };
    if let Some(known) = known.get(&file) {
        return Ok(*known);
    }
    let data = key.as_str().split(' ').next_back().unwrap_or_default();
    let found = files::text(objects, file)?.is_some_and(|text| text.contains(data));
    known.insert(file, found);
    Ok(found)
}

fn path(server: &ServerKey) -> String {
    format!(
        "fleet/customers/{}/servers/{}.yaml",
        server.customer, server.server
    )
}

/// What is said about servers whose key is another's.
pub(super) fn diagnose(taken: &Taken, text_of: &TextOf<'_>) -> Vec<Diagnostic> {
    let each = taken.iter().map(|(server, holder)| {
        let place = Finder::new(text_of, &path(server)).place(&["agent", "sign"], false);
        let message = format!("the agent key of {server} is that of {holder}");
        Diagnostic::error(codes::AGENT_KEY_TAKEN, place, message)
            .label("speaks for another server already")
            .note("`tenantry-agent enrol` on the machine prints keys of its own")
            .note(format!(
                "until then the agent of {server} is not known, and nothing is sent to it"
            ))
    });
    each.collect()
}
