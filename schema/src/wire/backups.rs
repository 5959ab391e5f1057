//! `backups.yaml` of a slice, and what an agent reports about backups.

use crate::amount::{Duration, Percent};
use crate::document::{Data, During};
use crate::id::{InstanceName, OperationId, ServerId};
use crate::name::{RelativePath, VariableName};
use crate::window::Window;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Name of the secret that encrypts the repositories of a customer.
pub const REPOSITORY_KEY: &str = "REPOSITORY_KEY";
/// Name of the secret with which the customer's agents log in where backups are kept. They may append there, no more.
pub const APPEND_PASSWORD: &str = "APPEND_PASSWORD";

/// What a server backs up, where to and when. The secrets that belong to it stand beside it, encrypted, in `backups.secrets.yaml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupsSpec {
    /// The customer's place, as restic writes it, without credentials. Each server has a repository below it: `<place>/<server>`.
    pub place: String,
    /// Who logs in there, where the place asks for it.
    pub user: String,
    /// When backups begin.
    pub window: Window,
    /// Seconds after the window opens at which this server begins; worked out from its name.
    pub offset: u32,
    /// How often the repository is checked.
    pub check_every: Duration,
    /// Share of the data that is read back.
    pub check_share: Percent,
    /// How often a backup of each instance is restored into containers of its own and compared.
    pub drill_every: Duration,
    /// From which age on the newest good backup is too old.
    pub warn_after: Duration,
    /// What is kept of each instance; at least one item each.
    pub instances: BTreeMap<InstanceName, Vec<BackupItem>>,
}

/// One thing that is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "lowercase", tag = "kind")]
pub enum BackupItem {
    /// Databases of a service, dumped.
    Database {
        /// What runs there.
        engine: DatabaseEngine,
        /// The service.
        service: String,
        /// Which; empty: all but the server's own.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        databases: Vec<String>,
        /// The account. Absent: the image's own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<String>,
        /// Variable that holds its password. Absent: the image's own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        password: Option<VariableName>,
    },
    /// A database of SQLite, copied by SQLite itself.
    Sqlite {
        /// The volume, as the Compose file names it.
        volume: String,
        /// The path in it.
        path: RelativePath,
    },
    /// A volume as files.
    Volume {
        /// As the Compose file names it.
        volume: String,
        /// What the containers that use it do meanwhile.
        during: During,
    },
    /// Files beside the Compose file.
    Files {
        /// The path from the stack's folder.
        path: RelativePath,
    },
}

/// A kind of database server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DatabaseEngine {
    /// PostgreSQL.
    Postgres,
    /// MySQL or MariaDB.
    Mysql,
    /// MongoDB.
    Mongodb,
}

impl DatabaseEngine {
    /// As it is written in documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Mysql => "mysql",
            Self::Mongodb => "mongodb",
        }
    }
}

/// `operations/<id>.yaml` of a slice: data that is to be put back, once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestoreSpec {
    /// The instance that gets the data.
    pub instance: InstanceName,
    /// The server whose backup it is, of the same customer.
    pub server: ServerId,
    /// The instance whose backup it is.
    pub of: InstanceName,
    /// The newest backup before this moment. Absent: the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Timestamp>,
    /// What is replaced.
    pub overwrites: Vec<Data>,
    /// Only the database or volume of this name. Absent: all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<String>,
    /// The moment from which on it is not begun any more. Absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// A restore that was begun and has not ended as far as the agent knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RestoreBegun {
    /// It is at work.
    Running,
    /// It was broken off, or what is written down about it cannot be read. It is not begun again.
    OutcomeUnknown,
}

/// How backups of a server stand.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupsReport {
    /// By instance; every instance that has a backup declared.
    pub instances: BTreeMap<InstanceName, InstanceBackups>,
    /// The last check of the repository.
    #[serde(default)]
    pub check: Option<CheckResult>,
    /// Restores that were asked for, by operation.
    #[serde(default)]
    pub restores: BTreeMap<OperationId, RestoreResult>,
    /// Restores that were begun and have not ended, by operation.
    #[serde(default)]
    pub begun: BTreeMap<OperationId, RestoreBegun>,
}

/// How backups of one instance stand.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceBackups {
    /// The newest good backup.
    #[serde(default)]
    pub last: Option<GoodBackup>,
    /// Older good ones that are kept, newest first, as far as they are known.
    #[serde(default)]
    pub older: Vec<SnapshotRef>,
    /// Set while the last attempt failed.
    #[serde(default)]
    pub failure: Option<BackupFailure>,
    /// The last restore drill.
    #[serde(default)]
    pub drill: Option<DrillResult>,
    /// Set where the newest good backup is older than it may be, or there is none since then.
    #[serde(default)]
    pub overdue_since: Option<Timestamp>,
}

/// A backup that is known to be whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoodBackup {
    /// Its id in the repository.
    pub snapshot: String,
    /// When its data was taken.
    pub at: Timestamp,
    /// Seconds that it took.
    pub seconds: u64,
    /// Bytes of data in it.
    pub bytes: u64,
    /// Bytes that the repository grew by.
    pub added: u64,
    /// Files in it.
    pub files: u64,
    /// Rows of all databases together, where they were counted.
    #[serde(default)]
    pub rows: Option<u64>,
}

/// Names a good backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotRef {
    /// Its id in the repository.
    pub snapshot: String,
    /// When its data was taken.
    pub at: Timestamp,
}

/// A backup that did not come about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupFailure {
    /// When.
    pub at: Timestamp,
    /// Why, in a sentence.
    pub message: String,
    /// How often in a row.
    pub attempts: u32,
}

/// The last check of a repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckResult {
    /// When.
    pub at: Timestamp,
    /// What is wrong. Absent: nothing was found.
    #[serde(default)]
    pub problem: Option<String>,
}

/// What came of a restore drill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillResult {
    /// When.
    pub at: Timestamp,
    /// Which backup was restored.
    pub snapshot: String,
    /// Seconds that it took.
    pub seconds: u64,
    /// What was compared, one line each.
    pub evidence: Vec<String>,
    /// What did not agree. Absent: everything did.
    #[serde(default)]
    pub problem: Option<String>,
}

/// What came of a restore.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreResult {
    /// When it ended.
    pub at: Timestamp,
    /// The backup that was put back.
    pub snapshot: String,
    /// The backup of what was overwritten, made right before.
    #[serde(default)]
    pub before: Option<String>,
    /// What was put back and compared, one line each.
    pub evidence: Vec<String>,
    /// Seconds for which the tool did not answer.
    pub downtime: u64,
    /// What went wrong. Absent: nothing did.
    #[serde(default)]
    pub problem: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_of_an_older_agent_is_read() {
        let report: BackupsReport = serde_json::from_str(r#"{"instances":{"web-db":{}}}"#).unwrap();
        assert_eq!(
            report.instances.values().next(),
            Some(&InstanceBackups::default())
        );
    }
}
