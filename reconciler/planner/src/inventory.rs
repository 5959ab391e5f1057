//! What was observed, with the time of each observation (law 7). Filled by the hub, read by [`crate::plan`].

use crate::status::MatchNote;
use jiff::Timestamp;
use std::collections::HashMap;
use std::sync::Arc;
use tenantry_schema::id::ServerKey;
use tenantry_schema::wire::{Event, Refusal, Report};

/// Everything observed so far. A server that is not in it was not observed, which is not the same as empty.
#[derive(Debug, Clone, Default)]
pub struct Inventory {
    /// By server.
    pub servers: HashMap<ServerKey, ServerObservation>,
    /// What was published for whom.
    pub published: HashMap<ServerKey, Published>,
}

/// The newest report of a server's agent.
#[derive(Debug, Clone)]
pub struct ServerObservation {
    /// Counts up with every change of this observation.
    pub revision: u64,
    /// The report.
    pub report: Arc<Report>,
    /// When it arrived, by the hub's clock.
    pub received_at: Timestamp,
    /// Slices refused lately, oldest first.
    pub refusals: Vec<Refusal>,
    /// Events lately, oldest first.
    pub events: Vec<Event>,
    /// Where rules found lines in logs lately, oldest first. The lines themselves are for those who ask for them by name.
    pub matches: Vec<MatchNote>,
}

/// A slice as it was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Digest of what it was rendered from (see [`crate::slice_input::SliceInput::digest`]).
    pub inputs: String,
    /// Its generation.
    pub generation: u64,
    /// Digest of its content.
    pub content: String,
    /// When it was rendered.
    pub at: Timestamp,
}

/// A thing that was tried and failed. It is forgotten as soon as its inputs change, since the key names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// How often.
    pub count: u32,
    /// What went wrong last.
    pub error: String,
    /// When it is tried again; none means dead.
    pub next: Option<Timestamp>,
}

/// What planning reads besides [`crate::Desired`].
#[derive(Debug, Clone, Copy)]
pub struct Observed<'a> {
    /// What was observed.
    pub inventory: &'a Inventory,
    /// Failed attempts by key (see [`slice_key`]).
    pub attempts: &'a HashMap<String, Attempt>,
    /// Counts up with every change of `attempts`.
    pub attempts_revision: u64,
    /// The time.
    pub now: Timestamp,
}

/// The key under which attempts at publishing a slice are counted: the server and what it would be rendered from.
pub fn slice_key(server: &ServerKey, inputs: &str) -> String {
    format!("slice {server} {inputs}")
}
