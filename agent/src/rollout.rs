//! Roll-outs: what the ledger remembers of them, and which version of each instance is in force.
//!
//! ```text
//! another version is wanted ─▶ trying ─┬─ healthy, and stays so ─▶ good
//!                                      └─ not in time ─▶ rejected: back to the last good one, or held
//! ```
//!
//! What was rejected is never tried again until the slice asks for something else, also after a restart: the ledger says so before
//! anything is done about it. The decisions are in [`crate::converge`].

mod backup;
mod effective;

pub use backup::{Backups, PuttingBack, Standing, Standstill};
pub use effective::{Version, Versions, effective, rolled_back};

use crate::containers::Pins;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tenantry_schema::id::OperationId;
use tenantry_schema::wire::Evidence;

/// What is remembered of the versions of one instance.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rollout {
    /// The version that was last good.
    pub good: Option<Good>,
    /// The version that is being tried.
    pub trying: Option<Trying>,
    /// The version that was given up.
    pub rejected: Option<Rejected>,
    /// Since when data may have been opened by images other than those of the good version, which is not undone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opened: Option<Timestamp>,
    /// Since when a backup is waited for before a version is tried. Whoever makes backups makes one that is newer.
    pub asked: Option<Trying>,
}

/// A version that was good: healthy, and its smoke check passed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Good {
    /// Digest of the instance.
    pub digest: String,
    /// Content digest of a slice that holds it; that slice is kept.
    pub content: String,
    /// What the names of its images stood for.
    #[serde(default)]
    pub images: Pins,
}

/// A version and a moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trying {
    /// Digest of the instance.
    pub digest: String,
    /// Since when.
    pub since: Timestamp,
}

/// A version that did not become healthy in time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rejected {
    /// Digest of the instance.
    pub digest: String,
    /// What happens to it.
    pub outcome: Outcome,
    /// What was seen.
    pub evidence: Evidence,
    /// The data that is put back, after which the last good version takes over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub put_back: Option<PutBack>,
}

/// The data of before a version was tried (`upgrade.rollback: image+data`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PutBack {
    /// Names it among restores, so that it is begun once.
    pub id: OperationId,
    /// Since when the version was tried: the newest backup from before is meant.
    pub before: Timestamp,
}

/// What happens to a version that was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The last good one takes over.
    Back,
    /// It stays, and a person decides.
    Held,
}

impl Rollout {
    /// Whether this version was last good.
    pub fn is_good(&self, digest: &str) -> bool {
        self.good.as_ref().is_some_and(|good| good.digest == digest)
    }

    /// Since when this version is tried.
    pub fn tried_since(&self, digest: &str) -> Option<Timestamp> {
        let trying = self.trying.as_ref().filter(|it| it.digest == digest);
        trying.map(|trying| trying.since)
    }

    /// Since when a backup is waited for before this version is tried.
    pub fn asked_since(&self, digest: &str) -> Option<Timestamp> {
        let asked = self.asked.as_ref().filter(|it| it.digest == digest);
        asked.map(|asked| asked.since)
    }

    /// Whether and how this version was given up.
    pub fn rejected(&self, digest: &str) -> Option<&Rejected> {
        self.rejected
            .as_ref()
            .filter(|rejected| rejected.digest == digest)
    }
}
