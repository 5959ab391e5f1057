//! The ledger: what this server has accepted and done, in one file that survives a power cut at any instant. It is written before
//! anything is acted on. What may be accepted is decided elsewhere.

use crate::containers::AllTold;
use crate::files::{FilesError, Root};
use crate::rollout::Rollout;
use rand::RngCore as _;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use tenantry_schema::id::InstanceName;
use tenantry_schema::name::{DomainName, RelativePath};
use tenantry_schema::wire::{SliceRef, SmokeResult};
use tenantry_wire::ledger::Accepted;

/// The file, in the state folder.
const FILE: &str = "ledger.json";
/// Where a damaged one is kept for people to look at.
const DAMAGED: &str = "ledger.damaged";
/// Far more than any ledger needs.
const LIMIT: u64 = 16 << 20;
const FORMAT: u32 = 1;

/// What must not be forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ledger {
    format: u32,
    /// Random; tells this ledger from one that was made after it was lost.
    pub id: String,
    /// Number of the last report that was made.
    pub sequence: u64,
    /// The slice that was accepted last.
    pub accepted: Option<SliceRef>,
    /// Digest of the content that the server was last in full agreement with.
    pub converged: Option<String>,
    /// Files of instances that we have written, by path in the folder of live files. Others there belong to containers.
    pub files: BTreeSet<RelativePath>,
    /// Digests of the site configurations that were published last.
    pub published: BTreeMap<DomainName, String>,
    /// Smoke checks that were run last.
    pub smoke: BTreeMap<InstanceName, SmokeRecord>,
    /// Images that we fetched, by name.
    #[serde(default)]
    pub pulled: BTreeSet<String>,
    /// Versions of instances: good ones, tried ones, rejected ones.
    #[serde(default)]
    pub rollouts: BTreeMap<InstanceName, Rollout>,
    /// Files that containers took in since they were made.
    #[serde(default)]
    pub told: AllTold,
}

/// A smoke check that was run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmokeRecord {
    /// What was checked: changes whenever the instance or one of its containers does.
    pub of: String,
    /// How it went.
    pub result: SmokeResult,
}

impl Ledger {
    fn new() -> Self {
        let mut id = [0; 16];
        rand::rng().fill_bytes(&mut id);
        Self {
            format: FORMAT,
            id: hex::encode(id),
            sequence: 0,
            accepted: None,
            converged: None,
            files: BTreeSet::new(),
            published: BTreeMap::new(),
            smoke: BTreeMap::new(),
            pulled: BTreeSet::new(),
            rollouts: BTreeMap::new(),
            told: AllTold::new(),
        }
    }

    /// Contents of slices that must be kept besides the accepted one: what the server last agreed with, and what holds a version to
    /// go back to.
    pub fn needed(&self) -> BTreeSet<&str> {
        let good = self.rollouts.values().filter_map(|it| it.good.as_ref());
        let good = good.map(|good| good.content.as_str());
        self.converged.as_deref().into_iter().chain(good).collect()
    }

    /// For [`tenantry_wire::ledger::judge`].
    pub fn judged_by(&self) -> Option<Accepted> {
        let accepted = self.accepted.as_ref()?;
        Some(Accepted {
            generation: accepted.generation,
            content: accepted.content.clone(),
        })
    }
}

/// How a ledger came to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// It was there.
    Read,
    /// There was none.
    New,
    /// What was there cannot be understood; it was set aside.
    Damaged(String),
}

/// The ledger and its file.
#[derive(Debug)]
pub struct LedgerFile {
    root: Root,
    ledger: Ledger,
}

impl LedgerFile {
    /// Reads the ledger in the state folder `root`. Without one, or with a damaged one, a new one is begun, which is not on disk
    /// until it is first changed.
    pub fn open(root: Root) -> Result<(Self, Origin), FilesError> {
        let (ledger, origin) = match root.read(&name(FILE), LIMIT)? {
            None => (Ledger::new(), Origin::New),
            Some(bytes) => match parse(&bytes) {
                Ok(ledger) => (ledger, Origin::Read),
                Err(why) => {
                    root.write(&name(DAMAGED), &bytes)?;
                    (Ledger::new(), Origin::Damaged(why))
                }
            },
        };
        Ok((Self { root, ledger }, origin))
    }

    /// What it says.
    pub fn get(&self) -> &Ledger {
        &self.ledger
    }

    /// Changes it. When this returns without an error the change is on disk; with one, nothing has changed.
    pub fn update(&mut self, change: impl FnOnce(&mut Ledger)) -> Result<(), FilesError> {
        let mut next = self.ledger.clone();
        change(&mut next);
        if next != self.ledger {
            let bytes = serde_json::to_vec_pretty(&next).expect("a ledger is text and numbers");
            self.root.write(&name(FILE), &bytes)?;
            self.ledger = next;
        }
        Ok(())
    }
}

fn parse(bytes: &[u8]) -> Result<Ledger, String> {
    let ledger: Ledger = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if ledger.format == FORMAT {
        Ok(ledger)
    } else {
        Err(format!(
            "format {} is not known to this release",
            ledger.format
        ))
    }
}

fn name(file: &str) -> RelativePath {
    RelativePath::try_from(file).expect("a plain name")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn open(folder: &tempfile::TempDir) -> (LedgerFile, Origin) {
        LedgerFile::open(Root::private(folder.path()).unwrap()).unwrap()
    }

    #[test]
    fn changes_are_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let (mut file, origin) = open(&folder);
        assert_eq!(origin, Origin::New);
        let id = file.get().id.clone();
        file.update(|ledger| ledger.sequence = 7).unwrap();
        let (again, origin) = open(&folder);
        assert_eq!(
            (origin, again.get().sequence, &again.get().id),
            (Origin::Read, 7, &id)
        );
    }

    #[test]
    fn a_damaged_ledger_is_set_aside_and_counts_as_none() {
        let folder = tempfile::tempdir().unwrap();
        open(&folder)
            .0
            .update(|ledger| ledger.sequence = 7)
            .unwrap();
        let whole = std::fs::read(folder.path().join(FILE)).unwrap();
        let newer = String::from_utf8(whole.clone())
            .unwrap()
            .replace("\"format\": 1", "\"format\": 2");
        for damaged in [&whole[..whole.len() / 2], b"", b"{}", newer.as_bytes()] {
            std::fs::write(folder.path().join(FILE), damaged).unwrap();
            let (file, origin) = open(&folder);
            assert!(matches!(origin, Origin::Damaged(_)), "{origin:?}");
            assert_eq!(file.get().accepted, None);
            assert_eq!(std::fs::read(folder.path().join(DAMAGED)).unwrap(), damaged);
        }
    }

    #[test]
    fn a_failed_write_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (mut file, _) = open(&folder);
        file.update(|ledger| ledger.sequence = 1).unwrap();
        std::fs::remove_file(folder.path().join(FILE)).unwrap();
        std::fs::create_dir_all(folder.path().join(FILE).join("in the way")).unwrap();
        assert!(file.update(|ledger| ledger.sequence = 2).is_err());
        assert_eq!(file.get().sequence, 1);
    }

    proptest! {
        #[test]
        fn arbitrary_files_are_answered(bytes in any::<Vec<u8>>()) {
            let _ = parse(&bytes);
        }
    }
}
