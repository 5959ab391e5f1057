//! What a roll-out wants to know about backups. How they are made is not said here.

use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use tenantry_schema::id::InstanceName;

/// How putting back the data of before a roll-out stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PuttingBack {
    /// It is still to be begun.
    Waiting,
    /// It is at work.
    Running,
    /// The data is as it was.
    Done,
    /// It failed, or nobody knows what came of it. It is not begun again.
    Failed(String),
}

/// An instance whose data changes places, or is mixed: it must not be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standstill {
    /// Containers of its database servers, which go on. None: nobody knows, and nothing is started or stopped.
    pub servers: Option<BTreeSet<String>>,
    /// Whether it could not be put in order yet.
    pub failed: bool,
    /// Why, in a sentence.
    pub message: String,
}

/// How backups of an instance stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Standing {
    /// The slice sets up none, so none can come before a change.
    #[default]
    NotConfigured,
    /// There is none yet that was verified.
    None,
    /// The newest that was verified holds the data as it was at this moment.
    Verified(Timestamp),
}

impl Standing {
    /// Whether a verified backup of this moment or a later one exists.
    pub fn covers(self, since: Timestamp) -> bool {
        matches!(self, Self::Verified(at) if at >= since)
    }
}

/// How backups stand, by instance. An instance that is not named has none configured.
pub type Backups = BTreeMap<InstanceName, Standing>;
