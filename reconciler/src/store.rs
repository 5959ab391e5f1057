//! The hub's diary: agents' reports, failed attempts, what the hub did. Nothing here decides anything, and all of it may be deleted (law 3).

mod attempts;
mod error;
mod reply;
mod sqlite;
mod types;
mod usage;

#[cfg(test)]
mod tests;

pub use attempts::{LONGEST_JITTER, RETRIES, next_attempt};
pub use error::StoreError;
pub use reply::Reply;
pub use sqlite::SqliteStore;
pub use types::{Attempt, AuditEntry, Happening, HistoryEntry, News, Recorded, StoredReport};
pub use usage::{ContainerPoint, HostPoint, UsageHistory, UsageSpan};

use jiff::Timestamp;
use std::collections::BTreeMap;
use tenantry_schema::document::History;
use tenantry_schema::id::ServerKey;
use tenantry_schema::wire::ReportBatch;

/// How many rows of history a server has at most. Older ones are dropped.
pub const HISTORY_PER_SERVER: usize = 1000;
/// How many rows the audit has at most.
pub const AUDIT_ROWS: usize = 100_000;

/// Where the diary is kept.
///
/// # Guarantees
/// What a write answered with success is on disk. Writes that are under way at the same time share one sync. Each [`Reply`] can be awaited, waited
/// for on a thread, or dropped; the work is done in any case.
///
/// # Caveats
/// A store that finds its own files damaged puts them aside and goes on empty: an error once, then answers as on the first day.
pub trait StateStore: Send + Sync {
    /// Keeps what an agent reported. Reports that were kept before are recognised by ledger and sequence and change nothing.
    fn record_reports(
        &self,
        server: ServerKey,
        batch: ReportBatch,
        received_at: Timestamp,
    ) -> Reply<Recorded>;
    /// The newest report of every server. For the start; afterwards [`Recorded::news`] tells what changed.
    fn latest_reports(&self) -> Reply<BTreeMap<ServerKey, StoredReport>>;
    /// The last `limit` things that happened on a server, oldest first.
    fn history(&self, server: ServerKey, limit: usize) -> Reply<Vec<HistoryEntry>>;
    /// As [`StateStore::history`], for every server that has reported.
    fn recent_history(&self, per_server: usize) -> Reply<BTreeMap<ServerKey, Vec<HistoryEntry>>>;

    /// How long it is remembered what was used. Holds for reports from now on. Before it is said nothing goes that any setting would keep.
    fn keep_usage(&self, rule: History);
    /// What a server and its containers used, up to `now`.
    fn usage(&self, server: ServerKey, span: UsageSpan, now: Timestamp) -> Reply<UsageHistory>;
    /// Forgets what servers used that have been silent for longer than it is remembered. Once a day is enough. Nothing, where that was not said.
    fn forget_usage(&self, now: Timestamp) -> Reply<()>;

    /// Counts a failed attempt at the action `key`. `jitter` is random, from −1 to 1. Answers with what stands in the journal now.
    fn attempt_failed(
        &self,
        key: String,
        error: String,
        now: Timestamp,
        jitter: f64,
    ) -> Reply<Attempt>;
    /// Forgets failed attempts: the action succeeded, its inputs changed, or a person wants it tried again.
    fn attempts_done(&self, keys: Vec<String>) -> Reply<()>;
    /// All failed attempts, by key.
    fn attempts(&self) -> Reply<BTreeMap<String, Attempt>>;

    /// Keeps small facts, such as the last good commit of a customer, all or none. `None` removes one.
    fn set_meta(&self, values: Vec<(String, Option<String>)>) -> Reply<()>;
    /// The facts whose keys start with `prefix`.
    fn meta(&self, prefix: String) -> Reply<BTreeMap<String, String>>;

    /// Writes down what the hub did.
    fn audit(&self, entries: Vec<AuditEntry>) -> Reply<()>;
    /// The last `limit` entries, newest first.
    fn audit_log(&self, limit: usize) -> Reply<Vec<AuditEntry>>;
}
