//! What is remembered about backups, in the state folder. It is a cache: lost, the repository is asked. Restores are not: where what is written
//! down about them cannot be read, none is begun.

use crate::files::{FilesError, Root};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use tenantry_schema::id::{InstanceName, OperationId};
use tenantry_schema::name::RelativePath;
use tenantry_schema::wire::{
    BackupFailure, BackupsReport, BackupsSpec, CheckResult, DrillResult, GoodBackup,
    InstanceBackups, RestoreBegun, RestoreResult, SnapshotRef,
};

const FILE: &str = "records.json";
/// Restores that were begun, in a file of their own: it is no cache, for the repository does not know them.
const RESTORES: &str = "restores.json";
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
    #[serde(skip_serializing)]
    pub restores: BTreeMap<OperationId, Option<RestoreResult>>,
    /// The place whose backups were looked through since the agent began.
    #[serde(skip)]
    pub looked: Option<String>,
    /// Set where the file of restores is damaged: any restore may have been begun.
    #[serde(skip)]
    pub restores_unreadable: bool,
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

    /// The newest good backup. One whose moment is still to come, for a clock was ahead, says nothing about now.
    pub fn newest(&self, now: Timestamp) -> Option<&GoodBackup> {
        self.last.as_ref().filter(|last| last.at <= now)
    }

    /// Since when the newest good backup is too old, where it is.
    pub fn overdue(&self, spec: &BackupsSpec, now: Timestamp) -> Option<Timestamp> {
        let good = self.newest(now).map_or(self.since, |last| last.at);
        let span = SignedDuration::from_mins(i64::from(spec.warn_after.minutes));
        let deadline = good.checked_add(span).unwrap_or(Timestamp::MAX);
        (now >= deadline).then_some(good)
    }
}

impl Records {
    /// Whether a restore is not to be begun, because it was, or may have been.
    pub fn was_begun(&self, id: &OperationId) -> bool {
        self.restores_unreadable || self.restores.contains_key(id)
    }

    /// Restores that were begun and have not ended. `wanted`: those that the slice asks for. `at_work`: the one that is being done.
    fn begun<'i>(
        &'i self,
        wanted: impl Iterator<Item = &'i OperationId>,
        at_work: Option<&OperationId>,
    ) -> BTreeMap<OperationId, RestoreBegun> {
        let noted = self.restores.iter().filter(|(_, result)| result.is_none());
        let unreadable =
            wanted.filter(|id| self.restores_unreadable && !self.restores.contains_key(*id));
        let standing = |id: &OperationId| match at_work {
            Some(running) if running == id => RestoreBegun::Running,
            _ => RestoreBegun::OutcomeUnknown,
        };
        noted
            .map(|(id, _)| id)
            .chain(unreadable)
            .map(|id| (id.clone(), standing(id)))
            .collect()
    }

    /// As the hub is told. `overdue`: instances that were found to be. `wanted`: restores that the slice asks for; `at_work`: the one that is being done.
    pub fn report<'i>(
        &'i self,
        spec: &BackupsSpec,
        overdue: &BTreeMap<InstanceName, Timestamp>,
        wanted: impl Iterator<Item = &'i OperationId>,
        at_work: Option<&OperationId>,
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
            begun: self.begun(wanted, at_work),
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
    /// Whether the disk lacks a change.
    unwritten: bool,
}

impl RecordsFile {
    /// Reads them. What cannot be read counts as none: the repository knows. Of restores it knows nothing.
    pub fn open(root: Root) -> Result<Self, FilesError> {
        let bytes = root.read(&name(FILE), LIMIT)?.unwrap_or_default();
        let mut records: Records = serde_json::from_slice(&bytes).unwrap_or_default();
        let restores = root.read(&name(RESTORES), LIMIT)?;
        let there = restores.is_some();
        if let Some(bytes) = restores {
            match serde_json::from_slice(&bytes) {
                Ok(restores) => records.restores = restores,
                Err(error) => {
                    tracing::error!(%error, "{RESTORES} is damaged: no restore is begun until a person has looked and removed it");
                    records.restores_unreadable = true;
                }
            }
        }
        let file = Self {
            root,
            records,
            unwritten: false,
        };
        if !file.records.restores.is_empty() && !there {
            // An earlier release kept them among the rest, which is written without them.
            file.write_restores(&file.records)?;
        }
        Ok(file)
    }

    /// What they say.
    pub fn get(&self) -> &Records {
        &self.records
    }

    /// Changes them. When this returns without an error the change is on disk; else it is remembered all the same, and written with the next one.
    pub fn update(&mut self, change: impl FnOnce(&mut Records)) -> Result<(), FilesError> {
        let mut next = self.records.clone();
        change(&mut next);
        let written = self.write(&next);
        self.records = next;
        self.unwritten = written.is_err();
        written
    }

    /// Notes that a restore begins. Where that cannot be written it is not remembered, for then nothing must begin.
    pub fn begin(&mut self, id: &OperationId) -> Result<(), FilesError> {
        let mut next = self.records.clone();
        next.restores.insert(id.clone(), None);
        self.write_restores(&next)?;
        self.records = next;
        Ok(())
    }

    fn write(&self, next: &Records) -> Result<(), FilesError> {
        if *next == self.records && !self.unwritten {
            return Ok(());
        }
        if next.restores != self.records.restores || self.unwritten {
            self.write_restores(next)?;
        }
        let bytes = serde_json::to_vec_pretty(next).expect("records are text and numbers");
        self.root.write(&name(FILE), &bytes)
    }

    fn write_restores(&self, records: &Records) -> Result<(), FilesError> {
        if records.restores_unreadable {
            // What people have to look at stays as it is.
            return Ok(());
        }
        let bytes = serde_json::to_vec_pretty(&records.restores);
        let bytes = bytes.expect("records are text and numbers");
        self.root.write(&name(RESTORES), &bytes)
    }
}

fn name(file: &str) -> RelativePath {
    RelativePath::try_from(file).expect("a plain name")
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

    fn operation(name: &str) -> OperationId {
        name.try_into().unwrap()
    }

    fn spec() -> BackupsSpec {
        serde_yaml::from_str(
            "place: /srv\nuser: acme\nwindow: daily 01:00-05:00\noffset: 0\ncheck_every: 7d\ncheck_share: 5%\ndrill_every: 30d\nwarn_after: 36h\ninstances: {}\n",
        )
        .unwrap()
    }

    #[test]
    fn a_begun_restore_is_remembered_apart_and_told() {
        let folder = tempfile::tempdir().unwrap();
        let open = || RecordsFile::open(Root::private(folder.path()).unwrap()).unwrap();
        let (one, two) = (operation("one"), operation("two"));
        open()
            .update(|records| drop(records.restores.insert(one.clone(), None)))
            .unwrap();
        // Whatever happens to the cache.
        std::fs::remove_file(folder.path().join(FILE)).unwrap();
        let file = open();
        assert!(file.get().was_begun(&one) && !file.get().was_begun(&two));
        let told = |at_work: Option<&OperationId>| {
            let wanted = [&one, &two];
            let report = file
                .get()
                .report(&spec(), &BTreeMap::new(), wanted.into_iter(), at_work);
            report.begun
        };
        assert_eq!(
            told(None),
            [(one.clone(), RestoreBegun::OutcomeUnknown)].into()
        );
        assert_eq!(
            told(Some(&one)),
            [(one.clone(), RestoreBegun::Running)].into()
        );
    }

    #[test]
    fn where_the_file_of_restores_is_damaged_any_may_have_been_begun() {
        let folder = tempfile::tempdir().unwrap();
        let one = operation("one");
        std::fs::write(folder.path().join(RESTORES), "{\"one\": nul").unwrap();
        let mut file = RecordsFile::open(Root::private(folder.path()).unwrap()).unwrap();
        assert!(file.get().was_begun(&one));
        let report = file
            .get()
            .report(&spec(), &BTreeMap::new(), [&one].into_iter(), None);
        assert_eq!(
            report.begun,
            [(one.clone(), RestoreBegun::OutcomeUnknown)].into()
        );
        // What else is remembered goes on, and the evidence stays as it is.
        file.update(|records| records.trouble = None).unwrap();
        file.update(|records| {
            records.check = Some(CheckResult {
                at: Timestamp::UNIX_EPOCH,
                problem: None,
            });
        })
        .unwrap();
        let left = std::fs::read_to_string(folder.path().join(RESTORES)).unwrap();
        assert_eq!(left, "{\"one\": nul");
    }

    #[test]
    fn what_cannot_be_written_is_remembered_and_written_with_the_next_change() {
        let folder = tempfile::tempdir().unwrap();
        let open = || RecordsFile::open(Root::private(folder.path()).unwrap()).unwrap();
        let one = operation("one");
        let mut file = open();
        file.begin(&one).unwrap();
        // Nothing can take the place of a folder.
        let blocked = folder.path().join(FILE);
        let _ = std::fs::remove_file(&blocked);
        std::fs::create_dir_all(blocked.join("full")).unwrap();
        let check = CheckResult {
            at: Timestamp::UNIX_EPOCH,
            problem: None,
        };
        file.update(|records| records.check = Some(check.clone()))
            .unwrap_err();
        assert_eq!(file.get().check, Some(check));
        std::fs::remove_dir_all(&blocked).unwrap();
        file.update(|_| ()).unwrap();
        assert_eq!(open().get(), file.get());
        assert!(open().get().was_begun(&one));
    }

    #[test]
    fn a_restore_that_cannot_be_noted_is_not_begun() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = RecordsFile::open(Root::private(folder.path()).unwrap()).unwrap();
        std::fs::create_dir_all(folder.path().join(RESTORES).join("full")).unwrap();
        file.begin(&operation("one")).unwrap_err();
        assert!(!file.get().was_begun(&operation("one")));
    }

    #[test]
    fn restores_in_the_records_of_an_earlier_release_are_known() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), r#"{"restores": {"one": null}}"#).unwrap();
        for _ in 0..3 {
            let mut file = RecordsFile::open(Root::private(folder.path()).unwrap()).unwrap();
            assert!(file.get().was_begun(&operation("one")));
            // What else is written goes without them.
            let at = Timestamp::now();
            file.update(|records| records.check = Some(CheckResult { at, problem: None }))
                .unwrap();
        }
    }
}
