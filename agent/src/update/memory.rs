//! What is known about programs that were tried, in `update.json` of the state folder. What was given up is not tried again, also after a
//! restart.

use crate::files::{FilesError, Root};
use crate::state_file::StateFile;
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

/// The memory and its file. Where it was damaged, a bad program is given up once more.
pub type UpdateFile = StateFile<Memory>;

impl UpdateFile {
    /// In the state folder.
    pub fn of(state: &Path) -> Result<Self, FilesError> {
        let name = RelativePath::try_from(FILE).expect("a plain name");
        Self::open(Root::private(state)?, name, LIMIT)
    }
}
