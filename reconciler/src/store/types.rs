//! What the store takes and gives. Rows of tables are not here.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tenantry_schema::wire::{Event, LogMatch, Receipt, Refusal, Report};

/// The newest report of a server.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredReport {
    /// The ledger that it was counted in.
    pub ledger: String,
    /// The report.
    pub report: Arc<Report>,
    /// When it arrived, by the hub's clock.
    pub received_at: Timestamp,
}

/// What came of a batch of reports.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// For the agent.
    pub receipt: Receipt,
    /// What was new in it. Nothing if all of it had been kept before.
    pub news: Option<News>,
}

/// What was new in a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct News {
    /// The server's newest report, if it came with this batch. A late delivery from an older ledger brings none.
    pub latest: Option<StoredReport>,
    /// What happened, oldest first. Reports that were never delivered are a [`Happening::Gap`].
    pub history: Vec<HistoryEntry>,
}

/// Something that happened on a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    /// When the hub heard of it.
    pub received_at: Timestamp,
    /// What.
    pub what: Happening,
}

/// Kinds of history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "history")]
pub enum Happening {
    /// The agent tells of an event.
    Event(Event),
    /// The agent refused a slice.
    Refusal(Refusal),
    /// A rule found a line in a log.
    Match(Box<LogMatch>),
    /// Reports with these numbers, first and last included, never arrived.
    Gap {
        /// The first.
        from: u64,
        /// The last.
        to: u64,
    },
}

/// An action that was tried and failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// How often it failed.
    pub count: u32,
    /// What went wrong last.
    pub error: String,
    /// When it failed last.
    pub failed_at: Timestamp,
    /// When it may be tried again; `None` means dead: until a commit or a retry operation says otherwise.
    pub next: Option<Timestamp>,
}

/// Something that the hub did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// When.
    pub at: Timestamp,
    /// What, in a word or two: `commit decisions`, `publish slice`.
    pub act: String,
    /// To what: a server, an order, a branch.
    pub subject: String,
    /// The fleet commit that it was done for.
    pub commit: Option<String>,
    /// Why, in a sentence, without personal data or secrets.
    pub reason: String,
}
