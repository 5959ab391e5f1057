//! The receipt of a backup: what is in it and what was counted while it was taken. A backup without one does not count.

use super::database::properties::Properties;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tenantry_schema::id::InstanceName;
use tenantry_schema::wire::{DatabaseEngine, GoodBackup};

/// The layout that this release writes.
pub const FORMAT: u32 = 1;

/// The receipt of one backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: u32,
    /// Whose data it is.
    pub instance: InstanceName,
    /// When its data was taken: the moment at which the first of it was read.
    pub taken: Timestamp,
    /// Seconds that it took.
    pub seconds: u64,
    /// The snapshot of the data.
    pub snapshot: String,
    /// Bytes of data.
    pub bytes: u64,
    /// Files.
    pub files: u64,
    /// Bytes that the repository grew by.
    pub added: u64,
    /// Everything in it.
    pub parts: Vec<Part>,
}

/// One thing in a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "kind")]
pub enum Part {
    /// A database, dumped.
    Database {
        /// What ran there.
        engine: DatabaseEngine,
        /// The service.
        service: String,
        /// Its image.
        image: String,
        /// The database.
        database: String,
        /// The dump.
        dump: Dump,
        /// Rows by table, of those tables whose rows are known exactly.
        tables: BTreeMap<String, u64>,
        /// Accounts that may own what is in it, without their passwords.
        #[serde(default)]
        roles: Vec<String>,
        /// What the database is, where the dump does not say it. Absent in receipts of earlier releases, too.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        properties: Option<Box<Properties>>,
        /// Whether its tables were locked while it was dumped, since no transaction shows all of them at one moment.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        locked: bool,
    },
    /// A database of SQLite.
    Sqlite {
        /// The volume, as the Compose file names it.
        volume: String,
        /// The path in the volume.
        file: String,
        /// The copy.
        dump: Dump,
        /// Rows by table.
        tables: BTreeMap<String, u64>,
    },
    /// A volume as files.
    Volume {
        /// The volume, as the Compose file names it.
        volume: String,
        /// Its folder in the snapshot.
        path: String,
        /// Files in it.
        files: u64,
        /// Bytes of these.
        bytes: u64,
    },
    /// Files beside the Compose file.
    Files {
        /// The path from the stack's folder.
        file: String,
        /// The path in the snapshot.
        path: String,
        /// Files there.
        files: u64,
        /// Bytes of these.
        bytes: u64,
    },
}

/// A file that a dump was written to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dump {
    /// Its path in the snapshot.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of its content, in hexadecimal.
    pub sha256: String,
}

impl Part {
    /// Where it is in the snapshot.
    pub fn path(&self) -> &str {
        match self {
            Self::Database { dump, .. } | Self::Sqlite { dump, .. } => &dump.path,
            Self::Volume { path, .. } | Self::Files { path, .. } => path,
        }
    }

    /// What it is called in messages.
    pub fn name(&self) -> String {
        match self {
            Self::Database {
                engine,
                service,
                database,
                ..
            } => format!("{} database {database} of {service}", engine.as_str()),
            Self::Sqlite { volume, file, .. } => format!("SQLite database {volume}/{file}"),
            Self::Volume { volume, .. } => format!("volume {volume}"),
            Self::Files { file, .. } => format!("files {file}"),
        }
    }

    /// Rows that were counted.
    pub fn rows(&self) -> Option<u64> {
        match self {
            Self::Database { tables, .. } | Self::Sqlite { tables, .. } => {
                (!tables.is_empty()).then(|| tables.values().sum())
            }
            Self::Volume { .. } | Self::Files { .. } => None,
        }
    }
}

impl Manifest {
    /// Reads a receipt.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        let manifest: Self = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        if manifest.format == FORMAT {
            Ok(manifest)
        } else {
            Err(format!(
                "a receipt of format {}, which this release does not know",
                manifest.format
            ))
        }
    }

    /// As it is reported.
    pub fn good(&self) -> GoodBackup {
        let rows: Vec<u64> = self.parts.iter().filter_map(Part::rows).collect();
        GoodBackup {
            snapshot: self.snapshot.clone(),
            at: self.taken,
            seconds: self.seconds,
            bytes: self.bytes,
            added: self.added,
            files: self.files,
            rows: (!rows.is_empty()).then(|| rows.iter().sum()),
        }
    }
}

/// What differs between rows that were counted when a backup was taken and rows that are there now; none where nothing does.
pub fn compare_rows(
    what: &str,
    then: &BTreeMap<String, u64>,
    now: &BTreeMap<String, u64>,
) -> Option<String> {
    let differs = |(table, rows): (&String, &u64)| match now.get(table) {
        Some(found) if found == rows => None,
        Some(found) => Some(format!(
            "{what}: table {table} has {found} rows, {rows} were backed up"
        )),
        None => Some(format!("{what}: table {table} is missing")),
    };
    then.iter().find_map(differs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rows_are_compared() {
        let rows = |pairs: &[(&str, u64)]| {
            pairs
                .iter()
                .map(|(table, rows)| ((*table).to_owned(), *rows))
                .collect::<BTreeMap<_, _>>()
        };
        let then = rows(&[("a", 1), ("b", 2)]);
        assert_eq!(
            compare_rows("db", &then, &rows(&[("a", 1), ("b", 2), ("c", 9)])),
            None
        );
        assert_eq!(
            compare_rows("db", &then, &rows(&[("a", 1), ("b", 3)])).unwrap(),
            "db: table b has 3 rows, 2 were backed up"
        );
        assert_eq!(
            compare_rows("db", &then, &rows(&[("b", 2)])).unwrap(),
            "db: table a is missing"
        );
    }

    #[test]
    fn a_database_of_an_earlier_release_is_read() {
        let text = br#"{"kind":"database","engine":"postgres","service":"db","image":"postgres:15","database":"guests",
            "dump":{"path":"/x","bytes":1,"sha256":""},"tables":{},"roles":["app"]}"#;
        let part: Part = serde_json::from_slice(text).unwrap();
        let Part::Database {
            properties, locked, ..
        } = &part
        else {
            panic!("{part:?}");
        };
        assert!(properties.is_none() && !locked);
        let again = serde_json::to_string(&part).unwrap();
        assert!(
            !again.contains("properties") && !again.contains("locked"),
            "{again}"
        );
    }

    proptest! {
        #[test]
        fn whatever_a_repository_holds_is_answered(bytes in any::<Vec<u8>>()) {
            let _ = Manifest::parse(&bytes);
        }
    }
}
