//! What happened on a server since its last report: events, and slices that were refused.

use crate::id::InstanceName;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A slice that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub kind: RefusalKind,
    /// In a sentence.
    pub detail: String,
}

/// Why a slice or an answer is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalKind {
    /// It cannot be read at all.
    Malformed,
    /// A layout that this release does not know.
    UnknownFormat,
    /// Larger than the limits.
    TooLarge,
    /// A path that leaves the slice, a link, a device, a duplicate.
    UnsafePath,
    /// The signature does not fit the manifest.
    BadSignature,
    /// Signed by a key that is not the pinned one.
    WrongSigner,
    /// For another server.
    WrongServer,
    /// Of another fleet.
    WrongFleet,
    /// A file does not match its digest, is missing, or is not listed.
    TamperedFile,
    /// Older than what was accepted before.
    OldGeneration,
    /// As old as what was accepted before, with other content.
    SameGenerationOtherContent,
    /// There is no ledger, and the answer is not to our own nonce.
    NotFresh,
    /// Its secrets cannot be decrypted with the agent's key.
    Undecryptable,
}

/// Something that happened on a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// What kind.
    pub kind: EventKind,
    /// The tool that it is about.
    #[serde(default)]
    pub instance: Option<InstanceName>,
    /// In a sentence.
    pub message: String,
}

/// Kinds of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// A new slice was accepted.
    SliceAccepted,
    /// Something was made or changed to match the slice.
    Changed,
    /// Something that had drifted was put right.
    Repaired,
    /// A container ended by itself or was killed.
    ContainerDied,
    /// The kernel ended a process of a container for lack of memory.
    OutOfMemory,
    /// A container was stopped by somebody.
    ContainerStopped,
    /// The engine, or somebody, started a container again.
    ContainerRestarted,
    /// A step failed.
    Failed,
    /// The agent started.
    Started,
}
