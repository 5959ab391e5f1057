//! Roll-outs: the rule that a slice gives for a tool, and what an agent tells of one that did not go well.

use super::report::{ContainerHealth, ContainerState};
use crate::document::UpgradeRollback;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How versions of a tool change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UpgradeRule {
    /// Seconds until a new version counts as one that does not become healthy.
    pub timeout: u32,
    /// What happens then to a tool that keeps data, if the image is another one.
    pub rollback: UpgradeRollback,
    /// Whether a verified backup comes before another image opens the data.
    pub backup_before: bool,
}

impl UpgradeRule {
    /// Seconds where the stack says nothing.
    pub const TIMEOUT: u32 = 300;

    /// Whether it is what holds where nothing is said.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Default for UpgradeRule {
    fn default() -> Self {
        Self {
            timeout: Self::TIMEOUT,
            rollback: UpgradeRollback::Hold,
            backup_before: false,
        }
    }
}

/// How the version that the slice asks for is doing, where it is not simply there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolloutReport {
    /// Where it is.
    pub state: RolloutState,
    /// Since when.
    pub since: Timestamp,
    /// What was seen when it was given up.
    #[serde(default)]
    pub evidence: Option<Evidence>,
}

/// Where a roll-out is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RolloutState {
    /// The new version runs and is not known to be good yet.
    Trying,
    /// The new version was given up; the last good one runs, until the slice asks for something else.
    RolledBack,
    /// The new version did not become healthy in time and stays, because a person has to decide what happens to its data, or because
    /// there is no version to go back to.
    Held,
}

/// What was seen when a version was given up. Secrets are cut out of every text, and every text is short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// When it was taken.
    pub at: Timestamp,
    /// Why the version was given up, in a sentence.
    pub reason: String,
    /// What the smoke check said.
    #[serde(default)]
    pub smoke: Option<String>,
    /// Its containers.
    #[serde(default)]
    pub containers: Vec<ContainerEvidence>,
}

/// One container of a version that was given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerEvidence {
    /// Compose service.
    pub service: String,
    /// Image as the Compose file names it.
    pub image: String,
    /// Whether it ran.
    pub state: ContainerState,
    /// What its health check said.
    pub health: ContainerHealth,
    /// Restarts by the engine.
    pub restarts: u64,
    /// Exit code, where it ended.
    #[serde(default)]
    pub exit_code: Option<i64>,
    /// Whether the kernel ended it for lack of memory.
    #[serde(default)]
    pub out_of_memory: bool,
    /// What the health check printed last.
    #[serde(default)]
    pub health_output: Option<String>,
    /// The last lines of its log, oldest first.
    #[serde(default)]
    pub log: Vec<String>,
}
