//! Which backups operations still need, whatever `keep:` says: what a restore overwrote, and what a restore that has not ended takes. Pure.

use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tenantry_planner::operations::over;
use tenantry_schema::document::{BackupChoice, Operation, OperationRecord, ServerTool};
use tenantry_schema::id::{InstanceName, OperationId, ServerId, ToolName};
use tenantry_schema::wire::{GoodSnapshot, Snapshot};

/// The backup of what a restore overwrote is the only copy of it, and stays for so long after the restore.
pub const OVERWRITTEN_KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);

type Operations = BTreeMap<OperationId, Arc<Operation>>;
type Records = BTreeMap<OperationId, Arc<OperationRecord>>;

/// What operations need of the repository of one server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Ids of what was overwritten, as agents told them (some tell the first eight digits alone), and until when each stays.
    overwritten: Vec<(String, Timestamp)>,
    sources: Vec<Source>,
}

/// What a restore takes that has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Source {
    tool: ToolName,
    /// The newest good backups before these moments. None: the newest of all, which stays in any case.
    before: Vec<Timestamp>,
    /// When it cannot be started any more. None: it was started.
    until: Option<Timestamp>,
}

impl Wanted {
    /// What the operations of a customer, and what is recorded of them, need of the repository of `server`.
    pub fn of(operations: &Operations, records: &Records, server: &ServerId) -> Self {
        let here = records.values().filter(|record| record.server == *server);
        let overwritten = here.filter_map(|record| overwritten(record)).collect();
        let sources = operations.iter().filter_map(|(id, operation)| {
            let record = records.get(id).map(AsRef::as_ref);
            source(operation, record, server)
        });
        let sources = sources.collect();
        Self {
            overwritten,
            sources,
        }
    }

    /// Backups of what was overwritten, until a moment.
    #[cfg(test)]
    pub(super) fn overwritten_until(ids: &[&str], until: Timestamp) -> Self {
        Self {
            overwritten: ids.iter().map(|id| ((*id).to_owned(), until)).collect(),
            sources: Vec::new(),
        }
    }

    /// Ids of the snapshots of data that have to stay at `now`; `good` is newest first.
    pub(super) fn ids(
        &self,
        snapshots: &[Snapshot],
        good: &[GoodSnapshot],
        now: Timestamp,
    ) -> BTreeSet<String> {
        let overwritten = self.overwritten.iter().filter(|(_, until)| now < *until);
        let overwritten = overwritten.flat_map(|(id, _)| {
            let same =
                move |one: &&Snapshot| one.id.starts_with(id.as_str()) || id.starts_with(&one.id);
            snapshots.iter().filter(same).map(|one| one.id.clone())
        });
        let sources = self
            .sources
            .iter()
            .filter(|source| source.until.is_none_or(|until| now < until));
        let sources = sources.flat_map(|source| source.ids(good));
        overwritten.chain(sources).collect()
    }
}

impl Source {
    /// Instances are told by their tool: which order is meant may be unclear today, and clear again when the restore begins.
    fn is_of(&self, instance: &InstanceName) -> bool {
        let rest = instance.as_str().strip_suffix(self.tool.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('-'))
    }

    /// Of each instance that may be meant the newest good backup before each moment.
    fn ids(&self, good: &[GoodSnapshot]) -> BTreeSet<String> {
        let mut ids = BTreeSet::new();
        for before in &self.before {
            let mut seen = BTreeSet::new();
            let meant = good
                .iter()
                .filter(|one| one.at < *before && self.is_of(&one.instance));
            let newest = meant.filter(|one| seen.insert(&one.instance));
            ids.extend(newest.map(|one| one.data.clone()));
        }
        ids
    }
}

fn overwritten(record: &OperationRecord) -> Option<(String, Timestamp)> {
    let done = record.done.as_ref()?;
    let before = done.before.clone().filter(|id| !id.is_empty())?;
    let until = done.at.checked_add(OVERWRITTEN_KEPT);
    Some((before, until.unwrap_or(Timestamp::MAX)))
}

fn source(
    operation: &Operation,
    record: Option<&OperationRecord>,
    server: &ServerId,
) -> Option<Source> {
    let restore = operation.restore.as_ref()?;
    let from: &ServerTool = operation.of.as_ref().unwrap_or(restore);
    if from.server != *server || record.is_some_and(|record| record.done.is_some()) {
        return None;
    }
    let named = operation.from.as_ref().and_then(BackupChoice::before);
    // The agent backs up what is there before it fetches: from then on that is the newest.
    let started = record.map(|record| record.started);
    Some(Source {
        tool: from.tool.clone(),
        before: named.into_iter().chain(started).collect(),
        until: match record {
            Some(_) => None,
            None => over(operation),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "2026-11-21-restore-db-x7k2";

    fn at(text: &str) -> Timestamp {
        format!("2026-{text}:00Z").parse().unwrap()
    }

    fn good(instance: &str, data: &str, when: &str) -> GoodSnapshot {
        GoodSnapshot {
            instance: instance.to_owned().try_into().unwrap(),
            at: at(when),
            data: data.to_owned(),
            receipt: format!("receipt-{data}"),
        }
    }

    fn wanted(operation: &str, record: Option<&str>, server: &str) -> Wanted {
        let id: OperationId = ID.try_into().unwrap();
        let operation: Operation = serde_yaml::from_str(&format!(
            "{operation}overwrites: [database]\nreason: x\nexpires: 2026-11-25\n"
        ))
        .unwrap();
        let record = record.map(|more| {
            let key = format!("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{}", "A".repeat(43));
            let text = format!(
                "started: 2026-11-21T10:00:00Z\nserver: acme-1\ninstance: web-db\nagent: {key}\n{more}"
            );
            serde_yaml::from_str::<OperationRecord>(&text).unwrap()
        });
        let records = record.map(|record| (id.clone(), Arc::new(record)));
        Wanted::of(
            &[(id, Arc::new(operation))].into(),
            &records.into_iter().collect(),
            &server.try_into().unwrap(),
        )
    }

    /// Newest first.
    fn all() -> Vec<GoodSnapshot> {
        vec![
            good("web-db", "d5", "11-21T10:05"),
            good("web-db", "d4", "11-21T02:00"),
            good("shop-db", "s3", "11-20T04:00"),
            good("web-db", "d3", "11-20T02:00"),
            good("web-page", "p3", "11-19T02:00"),
            good("web-db", "d2", "11-19T02:00"),
            good("shop-db", "s2", "11-19T02:00"),
        ]
    }

    fn ids(wanted: &Wanted, now: &str) -> Vec<String> {
        wanted.ids(&[], &all(), at(now)).into_iter().collect()
    }

    #[test]
    fn what_a_restore_names_stays_until_it_ended_or_cannot_begin_any_more() {
        let named = "restore: acme-1/db\nfrom: latest before 2026-11-20T03:00\n";
        let proposed = wanted(named, None, "acme-1");
        // Of each order that may be meant; the tool of another name is not.
        assert_eq!(ids(&proposed, "11-22T00:00"), ["d3", "s2"]);
        assert_eq!(ids(&proposed, "11-25T23:59"), ["d3", "s2"]);
        assert!(ids(&proposed, "11-26T00:00").is_empty());
        // Once it is started its last day does not matter, nor what the agent backs up before it fetches.
        let started = wanted(named, Some(""), "acme-1");
        assert_eq!(ids(&started, "12-26T00:00"), ["d3", "d4", "s2", "s3"]);
        let ended = "done: { at: 2026-11-21T10:06:00Z, outcome: done }\n";
        assert!(ids(&wanted(named, Some(ended), "acme-1"), "11-22T00:00").is_empty());
        // The newest stays by itself.
        let newest = wanted("restore: acme-1/db\nfrom: latest\n", None, "acme-1");
        assert!(ids(&newest, "11-22T00:00").is_empty());
    }

    #[test]
    fn another_servers_backup_stays_where_it_is() {
        let other = "restore: acme-1/db\nof: acme-0/web-db\nfrom: latest before 2026-11-20T03:00\n";
        assert!(ids(&wanted(other, None, "acme-1"), "11-22T00:00").is_empty());
        assert_eq!(ids(&wanted(other, None, "acme-0"), "11-22T00:00"), ["d3"]);
    }

    #[test]
    fn what_was_overwritten_stays_for_a_month_with_a_receipt_or_without() {
        let ended = "done: { at: 2026-11-21T10:06:00Z, outcome: failed, before: 89abcdef }\n";
        let text = "restore: acme-1/db\nfrom: latest\n";
        let snapshots = ["89abcdef0123", "77abcdef0123"].map(|id| Snapshot {
            id: id.to_owned(),
            at: at("11-21T10:05"),
            tags: Vec::new(),
        });
        let kept = |server: &str, now: &str| {
            let wanted = wanted(text, Some(ended), server);
            wanted
                .ids(&snapshots, &[], at(now))
                .into_iter()
                .collect::<Vec<_>>()
        };
        assert_eq!(kept("acme-1", "11-22T00:00"), ["89abcdef0123"]);
        assert_eq!(kept("acme-1", "12-21T10:05"), ["89abcdef0123"]);
        assert!(kept("acme-1", "12-21T10:06").is_empty());
        assert!(kept("acme-2", "11-22T00:00").is_empty());
    }
}
