//! What a restore has written down of its exchange, so that whoever comes after a power cut puts it back, or brings it to an end.
//!
//! A stage is on the disk before anything is done that needs it, and before anything is removed.

use super::places::Place;
use crate::backups::targets::Database;
use crate::files::{FilesError, Root, is_temporary};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use tenantry_schema::id::{InstanceName, OperationId};
use tenantry_schema::name::RelativePath;
use tenantry_schema::wire::BackupFailure;

/// Bytes of the longest one.
const LIMIT: u64 = 4 << 20;

/// How far a restore is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Nothing has changed places: what stands beside is of no use any more.
    Preparing,
    /// Data changes places. It can be back, or there, or both.
    Moving,
    /// The same, and databases that cannot be renamed are loaded.
    Loading,
    /// Everything is in its new place: what stands beside is what was there before.
    Exchanged,
}

/// One thing that changes places.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "kind")]
pub enum Move {
    /// A folder or a file.
    Place(Place),
    /// A database that is renamed.
    Renamed {
        /// Its server.
        server: Database,
        /// Its name.
        name: String,
        /// Whether there is one of this name.
        existed: bool,
    },
    /// A database that cannot be renamed: it is loaded in its place.
    Loaded {
        /// Its server.
        server: Database,
        /// Its name.
        name: String,
        /// The dump that comes there.
        dump: PathBuf,
        /// Rows of its tables.
        tables: BTreeMap<String, u64>,
        /// Whether there is one of this name.
        existed: bool,
        /// What is there now, dumped.
        before: Option<Before>,
    },
}

/// A database as it was before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before {
    /// Its dump.
    pub dump: PathBuf,
    /// Rows of its tables.
    pub tables: BTreeMap<String, u64>,
}

/// One exchange.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    /// The operation.
    pub operation: OperationId,
    /// Whose data it is.
    pub instance: InstanceName,
    /// How far it is.
    pub stage: Stage,
    /// The backup that is put back.
    pub snapshot: String,
    /// The backup of what is overwritten.
    pub before: Option<String>,
    /// Containers of database servers. They go on; all others of the instance stand still.
    pub servers: BTreeSet<String>,
    /// Containers that stand still.
    pub still: BTreeSet<String>,
    /// What changes places, in this order.
    pub moves: Vec<Move>,
    /// What can be said of it once it is done.
    pub evidence: Vec<String>,
    /// Why it could not be put in order yet. The next agent tries at once.
    #[serde(skip)]
    pub trouble: Option<BackupFailure>,
}

impl Move {
    /// Whether something is overwritten.
    pub fn overwrites(&self) -> bool {
        match self {
            Self::Place(place) => place.existed,
            Self::Renamed { existed, .. } | Self::Loaded { existed, .. } => *existed,
        }
    }
}

impl Exchange {
    /// One of which nothing is done yet.
    pub fn new(operation: OperationId, instance: InstanceName) -> Self {
        Self {
            operation,
            instance,
            stage: Stage::Preparing,
            snapshot: String::new(),
            before: None,
            servers: BTreeSet::new(),
            still: BTreeSet::new(),
            moves: Vec::new(),
            evidence: Vec::new(),
            trouble: None,
        }
    }

    /// Whether some of the data may be in its new place and some not.
    pub fn is_mixed(&self) -> bool {
        matches!(self.stage, Stage::Moving | Stage::Loading)
    }

    /// Notes that it could not be put in order. Returns whether that is news.
    pub fn note_trouble(&mut self, message: String, at: Timestamp) -> bool {
        let before = self.trouble.as_ref();
        let news = before.is_none_or(|trouble| trouble.message != message);
        let attempts = before.map_or(0, |trouble| trouble.attempts) + 1;
        self.trouble = Some(BackupFailure {
            at,
            message,
            attempts,
        });
        news
    }
}

/// The exchanges that have not come to their end.
#[derive(Debug)]
pub struct Journal {
    root: Root,
    open: BTreeMap<InstanceName, Exchange>,
    damaged: BTreeMap<InstanceName, String>,
}

impl Journal {
    /// Reads them. What cannot be read counts as an exchange of which nobody knows how far it came.
    pub fn open(root: Root) -> Result<Self, FilesError> {
        let mut journal = Self {
            root,
            open: BTreeMap::new(),
            damaged: BTreeMap::new(),
        };
        // Of what is being written just now the place shows the content before.
        let all = journal.root.list()?.into_keys();
        for path in all.filter(|path| !is_temporary(path)) {
            let Some(name) = path.as_str().strip_suffix(".json") else {
                continue;
            };
            let Ok(instance) = InstanceName::try_from(name.to_owned()) else {
                continue;
            };
            let Some(bytes) = journal.root.read(&path, LIMIT)? else {
                // It has ended meanwhile.
                continue;
            };
            match serde_json::from_slice::<Exchange>(&bytes) {
                Ok(exchange) if exchange.instance == instance => {
                    journal.open.insert(instance, exchange);
                }
                Ok(_) => {
                    let why = "it is about another instance".to_owned();
                    journal.damaged.insert(instance, why);
                }
                Err(error) => {
                    journal.damaged.insert(instance, error.to_string());
                }
            }
        }
        Ok(journal)
    }

    /// Those that can be read.
    pub fn exchanges(&self) -> &BTreeMap<InstanceName, Exchange> {
        &self.open
    }

    /// One of them, to note something that need not outlive this agent.
    pub fn exchange_mut(&mut self, instance: &InstanceName) -> Option<&mut Exchange> {
        self.open.get_mut(instance)
    }

    /// Those that cannot, and why.
    pub fn damaged(&self) -> &BTreeMap<InstanceName, String> {
        &self.damaged
    }

    /// Notes how far an exchange is. Where that cannot be written it is remembered all the same: nothing may then be removed.
    pub fn note(&mut self, exchange: Exchange) -> Result<(), FilesError> {
        let written = self.write(&exchange);
        self.open.insert(exchange.instance.clone(), exchange);
        written
    }

    /// Notes a new one; not where that cannot be written.
    pub fn begin(&mut self, exchange: Exchange) -> Result<(), FilesError> {
        self.write(&exchange)?;
        self.open.insert(exchange.instance.clone(), exchange);
        Ok(())
    }

    /// It has come to its end.
    pub fn end(&mut self, instance: &InstanceName) -> Result<(), FilesError> {
        self.root.remove_file(&file(instance))?;
        self.open.remove(instance);
        Ok(())
    }

    fn write(&self, exchange: &Exchange) -> Result<(), FilesError> {
        let path = file(&exchange.instance);
        // A path that is no text cannot be written down.
        let bytes = serde_json::to_vec_pretty(exchange).map_err(|_| FilesError::Io {
            path: self.root.path().join(path.as_str()),
            error: rustix::io::Errno::ILSEQ,
        })?;
        self.root.write(&path, &bytes)
    }
}

fn file(instance: &InstanceName) -> RelativePath {
    RelativePath::try_from(format!("{instance}.json").as_str()).expect("a plain name")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(instance: &str) -> Exchange {
        let instance = InstanceName::try_from(instance.to_owned()).unwrap();
        let operation = "2026-11-20-restore".try_into().unwrap();
        Exchange::new(operation, instance)
    }

    #[test]
    fn what_was_noted_is_known_to_the_next_agent() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Journal::open(Root::private(folder.path()).unwrap()).unwrap();
        let mut one = exchange("web-db");
        open().begin(one.clone()).unwrap();
        one.stage = Stage::Moving;
        one.moves.push(Move::Place(Place::beside(
            "volume x".into(),
            "/v/_data".into(),
            "/v".into(),
            "_data",
        )));
        open().note(one.clone()).unwrap();
        let mut journal = open();
        assert_eq!(journal.exchanges().values().collect::<Vec<_>>(), [&one]);
        assert!(one.is_mixed());
        journal.end(&one.instance).unwrap();
        assert!(journal.exchanges().is_empty() && open().exchanges().is_empty());
    }

    #[test]
    fn what_is_damaged_is_never_none() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("web-db.json"), "{").unwrap();
        let text = serde_json::to_string(&exchange("web-other")).unwrap();
        std::fs::write(folder.path().join("web-one.json"), text).unwrap();
        let journal = Journal::open(Root::private(folder.path()).unwrap()).unwrap();
        let damaged: Vec<_> = journal.damaged().keys().map(InstanceName::as_str).collect();
        assert_eq!(damaged, ["web-db", "web-one"]);
    }

    #[test]
    fn what_cannot_be_written_is_not_begun_but_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(Root::private(folder.path()).unwrap()).unwrap();
        std::fs::create_dir_all(folder.path().join("web-db.json/full")).unwrap();
        journal.begin(exchange("web-db")).unwrap_err();
        assert!(journal.exchanges().is_empty());
        journal.note(exchange("web-db")).unwrap_err();
        assert_eq!(journal.exchanges().len(), 1);
    }

    #[test]
    fn the_same_trouble_is_news_once() {
        let mut one = exchange("web-db");
        let at = Timestamp::UNIX_EPOCH;
        assert!(one.note_trouble("full".into(), at));
        assert!(!one.note_trouble("full".into(), at));
        assert!(one.note_trouble("other".into(), at));
        assert_eq!(one.trouble.unwrap().attempts, 3);
    }
}
