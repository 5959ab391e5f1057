//! What is remembered about backups, in one file of the state folder. It is a cache: lost, the repository is asked.

use crate::files::{FilesError, Root};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use tenantry_schema::id::{InstanceName, OperationId};
use tenantry_schema::name::RelativePath;
use tenantry_schema::wire::{
    BackupFailure, BackupsReport, BackupsSpec, CheckResult, DrillResult, GoodBackup,
    InstanceBackups, RestoreResult, SnapshotRef,
};

const FILE: &str = "records.json";
const LIMIT: u64 = 16 << 20;
/// Older good backups that are reported.
const MOST_OLDER: usize = 60;

/// What is remembered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Records {
    /// By instance.
    pub instances: BTreeMap<InstanceName, Record>,
    /// The last check of the repository.
    pub check: Option<CheckResult>,
    /// Restores that were begun, with what came of them. None: it was begun, and what came of it is not known.
    pub restores: BTreeMap<OperationId, Option<RestoreResult>>,
    /// The place whose backups were looked through since the agent began.
    #[serde(skip)]
    pub looked: Option<String>,
    /// Why looking failed.
    pub trouble: Option<BackupFailure>,
}

/// What is remembered about one instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Since when backups of it are wanted.
    pub since: Timestamp,
    /// The newest good backup.
    #[serde(default)]
    pub last: Option<GoodBackup>,
    /// Older good ones, newest first.
    #[serde(default)]
    pub older: Vec<SnapshotRef>,
    /// The last attempt, where it failed.
    #[serde(default)]
    pub failure: Option<BackupFailure>,
    /// The last drill.
    #[serde(default)]
    pub drill: Option<DrillResult>,
    /// The first good backup.
    #[serde(default)]
    pub first: Option<Timestamp>,
}

impl Record {
    /// One of which nothing is known yet.
    pub fn new(since: Timestamp) -> Self {
        Self {
            since,
            last: None,
            older: Vec::new(),
            failure: None,
            drill: None,
            first: None,
        }
    }

    /// A backup came about.
    pub fn succeeded(&mut self, good: GoodBackup) {
        if let Some(last) = self
            .last
            .take()
            .filter(|last| last.snapshot != good.snapshot)
        {
            self.older.insert(
                0,
                SnapshotRef {
                    snapshot: last.snapshot,
                    at: last.at,
                },
            );
            self.older.truncate(MOST_OLDER);
        }
        self.first.get_or_insert(good.at);
        self.last = Some(good);
        self.failure = None;
    }

    /// One did not.
    pub fn failed(&mut self, message: String, at: Timestamp) {
        let attempts = self.failure.as_ref().map_or(0, |failure| failure.attempts) + 1;
        self.failure = Some(BackupFailure {
            at,
            message,
            attempts,
        });
    }

    /// Since when the newest good backup is too old, where it is.
    pub fn overdue(&self, spec: &BackupsSpec, now: Timestamp) -> Option<Timestamp> {
        let good = self.last.as_ref().map_or(self.since, |last| last.at);
        let span = SignedDuration::from_mins(i64::from(spec.warn_after.minutes));
        let deadline = good.checked_add(span).unwrap_or(Timestamp::MAX);
        (now >= deadline).then_some(good)
    }
}

impl Records {
    /// As the hub is told. `overdue`: instances that were found to be.
    pub fn report(
        &self,
        spec: &BackupsSpec,
        overdue: &BTreeMap<InstanceName, Timestamp>,
    ) -> BackupsReport {
        let instances = spec.instances.keys().map(|name| {
            let record = self.instances.get(name);
            let backups = record.map_or_else(InstanceBackups::default, |record| InstanceBackups {
                last: record.last.clone(),
                older: record.older.clone(),
                failure: record.failure.clone().or_else(|| self.trouble.clone()),
                drill: record.drill.clone(),
                overdue_since: overdue.get(name).copied(),
            });
            (name.clone(), backups)
        });
        let restores = self
            .restores
            .iter()
            .filter_map(|(id, result)| Some((id.clone(), result.clone()?)));
        BackupsReport {
            instances: instances.collect(),
            check: self.check.clone(),
            restores: restores.collect(),
        }
    }

    /// Forgets instances of which nothing is kept any more; their backups stay.
    pub fn retain(&mut self, spec: &BackupsSpec, now: Timestamp) {
        let wanted: BTreeSet<_> = spec.instances.keys().cloned().collect();
        self.instances.retain(|name, _| wanted.contains(name));
        for name in wanted {
            self.instances
                .entry(name)
                .or_insert_with(|| Record::new(now));
        }
    }
}

/// The records and their file.
#[derive(Debug)]
pub struct RecordsFile {
    root: Root,
    records: Records,
}

impl RecordsFile {
    /// Reads them. What cannot be read counts as none: the repository knows.
    pub fn open(root: Root) -> Result<Self, FilesError> {
        let bytes = root.read(&name(), LIMIT)?.unwrap_or_default();
        let records = serde_json::from_slice(&bytes).unwrap_or_default();
        Ok(Self { root, records })
    }

    /// What they say.
    pub fn get(&self) -> &Records {
        &self.records
    }

    /// Changes them. When this returns without an error the change is on disk.
    pub fn update(&mut self, change: impl FnOnce(&mut Records)) -> Result<(), FilesError> {
        let mut next = self.records.clone();
        change(&mut next);
        if next != self.records {
            let bytes = serde_json::to_vec_pretty(&next).expect("records are text and numbers");
            self.root.write(&name(), &bytes)?;
            self.records = next;
        }
        Ok(())
    }
}

fn name() -> RelativePath {
    RelativePath::try_from(FILE).expect("a plain name")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_file_counts_as_none() {
        let folder = tempfile::tempdir().unwrap();
        let open = || RecordsFile::open(Root::private(folder.path()).unwrap()).unwrap();
        let instance: InstanceName = "web-db".to_owned().try_into().unwrap();
        open()
            .update(|records| {
                let record = Record::new(Timestamp::UNIX_EPOCH);
                records.instances.insert(instance.clone(), record);
            })
            .unwrap();
        assert_eq!(open().get().instances.len(), 1);
        std::fs::write(folder.path().join(FILE), "{").unwrap();
        assert_eq!(*open().get(), Records::default());
    }
}
