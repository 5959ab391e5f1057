//! How servers and orders that a change touches really are, as a hub says. Pure. Nothing that is unknown looks as if it were well.

use super::{Report, count};
use jiff::Timestamp;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use tenantry_planner::explain::{short, word};
use tenantry_planner::operations::{Downtime, OperationStatus};
use tenantry_planner::status::{FleetStatus, Health, ServerStatus};
use tenantry_schema::id::ServerKey;
use tenantry_schema::wire::InstancePhase;

/// More servers than this are counted, those that are not well named first.
const FEW: usize = 20;

/// What a hub says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Seen {
    /// The commit that it has read.
    commit: Option<String>,
    /// Whether that is where the comparison starts.
    current: bool,
    /// The servers that the change touches and that the hub knows.
    servers: Vec<SeenServer>,
    /// Servers that the change touches and that the hub does not know: they are new.
    unknown: Vec<String>,
    /// How long tools are expected to stand still, by operation.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    downtimes: BTreeMap<String, Downtime>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct SeenServer {
    server: String,
    health: String,
    in_sync: bool,
    /// When its agent last reported.
    last_seen: Option<Timestamp>,
    /// How long ago that was when the hub said so, in seconds.
    age: Option<i64>,
    /// Tools that are not well, and why.
    troubles: Vec<String>,
    /// Why it is not well, in the hub's words.
    waiting: Vec<String>,
}

impl Seen {
    /// What `status` says of what `report` touches.
    pub(crate) fn new(status: &FleetStatus, report: &Report) -> Self {
        let touched: BTreeSet<&ServerKey> =
            report.changes.iter().map(|change| &change.server).collect();
        let mut servers = Vec::new();
        let mut known: BTreeSet<ServerKey> = BTreeSet::new();
        for server in &status.servers {
            let key = ServerKey {
                customer: server.customer.clone(),
                server: server.server.clone(),
            };
            if touched.contains(&key) {
                servers.push(SeenServer::new(&key, server, status.at));
                known.insert(key);
            }
        }
        servers.sort_by_key(SeenServer::is_well);
        let commit = status.commit.as_ref().map(|commit| commit.id.clone());
        Self {
            current: commit.is_some() && commit == report.from.commit,
            commit,
            servers,
            unknown: touched
                .into_iter()
                .filter(|key| !known.contains(*key))
                .map(ToString::to_string)
                .collect(),
            downtimes: downtimes(status, report),
        }
    }

    /// How long the tool of an operation is expected to stand still.
    pub(crate) fn downtime(&self, operation: &OperationStatus) -> Option<Downtime> {
        self.downtimes.get(&operation.path()).cloned()
    }

    /// Where the hub is, if that is not where the comparison starts.
    pub(crate) fn behind(&self) -> String {
        match &self.commit {
            _ if self.current => String::new(),
            Some(commit) => format!(" (it is at commit {})", short(commit)),
            None => " (it has read no commit yet)".to_owned(),
        }
    }

    /// A line a server, those that are not well first.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for server in self.servers.iter().take(FEW) {
            lines.push(server.line());
            lines.extend(server.troubles.iter().map(|trouble| format!("  {trouble}")));
            lines.extend(server.waiting.iter().map(|why| format!("  waits: {why}")));
        }
        let rest = self.servers.iter().skip(FEW);
        let (well, unwell): (Vec<_>, Vec<_>) = rest.partition(|server| server.is_well());
        if !unwell.is_empty() {
            lines.push(format!(
                "and {} more that are not well",
                count(unwell.len(), "server")
            ));
        }
        if !well.is_empty() {
            lines.push(format!(
                "and {} more that are well",
                count(well.len(), "server")
            ));
        }
        for server in self.unknown.iter().take(FEW) {
            lines.push(format!("{server}: the hub does not know it"));
        }
        if lines.is_empty() {
            lines.push("no server is touched".to_owned());
        }
        lines
    }
}

fn downtimes(status: &FleetStatus, report: &Report) -> BTreeMap<String, Downtime> {
    let measured = |operation: &OperationStatus| {
        let target = operation.target.as_ref()?;
        let server = status.servers.iter().find(|server| {
            server.customer == operation.customer && server.server == target.server
        })?;
        let backups = server.backups.as_ref()?.instances.get(&target.instance);
        Some((operation.path(), Downtime::of(&target.instance, backups)))
    };
    let operations = report.operations.iter();
    operations.filter_map(|one| measured(one)).collect()
}

impl SeenServer {
    fn new(key: &ServerKey, server: &ServerStatus, now: Timestamp) -> Self {
        let fine = |phase| matches!(phase, InstancePhase::Healthy | InstancePhase::Stopped);
        let troubles = server.instances.iter().filter(|each| !fine(each.phase));
        Self {
            server: key.to_string(),
            health: word(&server.health),
            in_sync: server.in_sync,
            last_seen: server.last_seen,
            age: server
                .last_seen
                .map(|seen| now.as_second().saturating_sub(seen.as_second()).max(0)),
            troubles: troubles
                .map(|each| {
                    let why = each.message.as_deref().map(|why| format!(": {why}"));
                    format!(
                        "{} is {}{}",
                        each.name,
                        word(&each.phase),
                        why.unwrap_or_default()
                    )
                })
                .collect(),
            waiting: server.waiting.iter().map(ToString::to_string).collect(),
        }
    }

    fn is_well(&self) -> bool {
        self.health == word(&Health::Healthy) && self.in_sync
    }

    fn line(&self) -> String {
        let seen = match self.age {
            None => "its agent never reported".to_owned(),
            Some(seconds @ 0..120) => format!("seen {seconds} s ago"),
            Some(seconds @ 120..7200) => format!("seen {} min ago", seconds / 60),
            Some(seconds) => format!("seen {} h ago", seconds / 3600),
        };
        let sync = if self.in_sync {
            "in sync"
        } else {
            "not in sync"
        };
        format!("{}: {}, {sync}, {seen}", self.server, self.health)
    }
}
