//! What is known about programs that were tried, in `update.json` of the state folder. What was given up is not tried again, also after a
//! restart.

use crate::files::{FilesError, Root};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::path::Path;
use tenantry_schema::document::{Release, Sha256};
use tenantry_schema::name::RelativePath;

const FILE: &str = "update.json";
/// Far more than it needs.
const LIMIT: u64 = 64 << 10;

/// What is remembered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// The program that was given up last.
    pub rejected: Option<Told>,
    /// The program that could not be fetched or kept.
    pub failed: Option<Told>,
    /// The program that is being tried, and how often that was begun.
    pub trying: Option<Trying>,
}

/// What became of a program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Its release.
    pub release: Release,
    /// Its digest.
    pub sha256: Sha256,
    /// When.
    pub at: Timestamp,
    /// Why, in a sentence.
    pub reason: String,
}

/// A trial that was begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trying {
    /// Digest of the program.
    pub sha256: Sha256,
    /// How often it was begun.
    pub times: u32,
}

/// Where it is kept.
#[derive(Debug)]
pub struct UpdateFile {
    root: Root,
    memory: Memory,
}

impl UpdateFile {
    /// In the state folder. A damaged file counts as none: a bad program is given up once more.
    pub fn open(state: &Path) -> Result<Self, FilesError> {
        let root = Root::private(state)?;
        let bytes = root.read(&name(), LIMIT)?;
        let memory = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Ok(Self {
            root,
            memory: memory.unwrap_or_default(),
        })
    }

    /// What is remembered.
    pub fn get(&self) -> &Memory {
        &self.memory
    }

    /// Changes it, on disk first.
    pub fn update(&mut self, change: impl FnOnce(&mut Memory)) -> Result<(), FilesError> {
        let mut memory = self.memory.clone();
        change(&mut memory);
        if memory != self.memory {
            let text = serde_json::to_vec_pretty(&memory).unwrap_or_default();
            self.root.write(&name(), &text)?;
            self.memory = memory;
        }
        Ok(())
    }
}

fn name() -> RelativePath {
    RelativePath::try_from(FILE).expect("a plain name")
}
