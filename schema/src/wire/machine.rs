//! How the machine and the agent's own program stand, in reports.

use super::AgentWait;
use crate::document::{Release, Sha256};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Bytes of one piece of the agent's program, as `/agent/v1/program` serves it; the last piece is shorter.
pub const PROGRAM_PIECE: usize = 1 << 20;

/// How one area of the machine stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AreaReport {
    /// Where it is.
    pub state: AreaState,
    /// What is wrong or worth knowing, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What it waits for, if anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<AgentWait>,
}

/// Where an area of the machine is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AreaState {
    /// As it should be.
    Good,
    /// Being changed.
    Changing,
    /// Not as it should be, and nothing can be done right now.
    Waiting,
    /// What is asked for would do harm, and is not done.
    Refused,
    /// It was tried and failed; it is tried again.
    Failed,
}

/// How it stands with another program for the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum AgentUpdate {
    /// It is being fetched.
    Fetching {
        /// The release.
        release: Release,
        /// Bytes that are here.
        done: u64,
    },
    /// It will be tried as soon as nothing else is being done.
    Ready {
        /// The release.
        release: Release,
    },
    /// It was tried and did not become healthy. It is not tried again.
    Rejected {
        /// The release.
        release: Release,
        /// The program.
        sha256: Sha256,
        /// When.
        at: Timestamp,
        /// What was wrong, in a sentence.
        reason: String,
    },
    /// It is not even tried.
    Refused {
        /// The release.
        release: Release,
        /// Why, in a sentence.
        reason: String,
    },
    /// It could not be fetched or kept; it is tried again.
    Failed {
        /// The release.
        release: Release,
        /// Why, in a sentence.
        reason: String,
    },
}
