//! The embedded store: one SQLite file in the data directory, one thread that writes, one that reads.

mod files;
mod journal;
mod reports;
mod usage;
mod worker;

use super::error::StoreError;
use super::reply::Reply;
use super::types::{Attempt, AuditEntry, HistoryEntry, Recorded, StoredReport};
use super::usage::{UsageHistory, UsageSpan};
use super::{StateStore, attempts};
use files::Database;
use jiff::Timestamp;
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use tenantry_schema::document::History;
use tenantry_schema::id::ServerKey;
use tenantry_schema::wire::ReportBatch;
use worker::Worker;

/// A [`StateStore`] in one file.
///
/// WAL with `synchronous=FULL`: an answered write survives a power cut. Writes that wait while the disk syncs are done together in the next
/// transaction (group commit), so a thousand agents cost a few syncs a second.
pub struct SqliteStore {
    writer: Worker,
    reader: Worker,
    /// How long usage is kept. None: nobody has said so yet.
    keep: Mutex<Option<History>>,
}

impl SqliteStore {
    /// Opens or makes the database at `file`. One that is damaged or of a newer release is put aside as `<file>.corrupt-<seconds>`.
    pub fn open(file: &Path) -> Result<Self, StoreError> {
        let writer = Worker::start("store-write", Database::open(file)?, worker::Kind::Writer)?;
        let reader = Worker::start("store-read", Database::open(file)?, worker::Kind::Reader)?;
        let keep = Mutex::default();
        Ok(Self {
            writer,
            reader,
            keep,
        })
    }

    fn rule(&self) -> Option<History> {
        *self.keep.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Reply<T> {
        self.writer.ask(work)
    }

    fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Reply<T> {
        self.reader.ask(work)
    }
}

impl StateStore for SqliteStore {
    fn record_reports(
        &self,
        server: ServerKey,
        batch: ReportBatch,
        received_at: Timestamp,
    ) -> Reply<Recorded> {
        // Until somebody says how long it is kept, nothing goes that anybody may want to keep.
        let keep = self.rule().unwrap_or(History::LONGEST);
        self.write(move |db| reports::record(db, &server, batch, received_at, keep))
    }

    fn keep_usage(&self, rule: History) {
        *self.keep.lock().unwrap_or_else(PoisonError::into_inner) = Some(rule);
    }

    fn usage(&self, server: ServerKey, span: UsageSpan, now: Timestamp) -> Reply<UsageHistory> {
        self.read(move |db| usage::read(db, &server, span, now))
    }

    fn forget_usage(&self, now: Timestamp) -> Reply<()> {
        let keep = self.rule();
        self.write(move |db| keep.map_or(Ok(()), |keep| usage::forget_silent(db, now, keep)))
    }

    fn latest_reports(&self) -> Reply<BTreeMap<ServerKey, StoredReport>> {
        self.read(reports::latest)
    }

    fn history(&self, server: ServerKey, limit: usize) -> Reply<Vec<HistoryEntry>> {
        self.read(move |db| reports::history(db, &server, limit))
    }

    fn recent_history(&self, per_server: usize) -> Reply<BTreeMap<ServerKey, Vec<HistoryEntry>>> {
        self.read(move |db| reports::recent(db, per_server))
    }

    fn attempt_failed(
        &self,
        key: String,
        error: String,
        now: Timestamp,
        jitter: f64,
    ) -> Reply<Attempt> {
        self.write(move |db| {
            let attempt =
                attempts::next_attempt(journal::attempt(db, &key)?.as_ref(), error, now, jitter);
            journal::put_attempt(db, &key, &attempt)?;
            Ok(attempt)
        })
    }

    fn attempts_done(&self, keys: Vec<String>) -> Reply<()> {
        self.write(move |db| journal::forget(db, &keys))
    }

    fn attempts(&self) -> Reply<BTreeMap<String, Attempt>> {
        self.read(journal::attempts)
    }

    fn set_meta(&self, values: Vec<(String, Option<String>)>) -> Reply<()> {
        self.write(move |db| journal::set_meta(db, &values))
    }

    fn meta(&self, prefix: String) -> Reply<BTreeMap<String, String>> {
        self.read(move |db| journal::meta(db, &prefix))
    }

    fn audit(&self, entries: Vec<AuditEntry>) -> Reply<()> {
        self.write(move |db| journal::audit(db, &entries))
    }

    fn audit_log(&self, limit: usize) -> Reply<Vec<AuditEntry>> {
        self.read(move |db| journal::audit_log(db, limit))
    }
}

/// Times are kept as microseconds since 1970.
fn micros(time: Timestamp) -> i64 {
    time.as_microsecond()
}

fn time(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// A count for SQL, which knows signed numbers only.
fn rows(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Servers are kept as `<customer>/<server>`; what does not read as one is not ours.
fn server_key(text: &str) -> Option<ServerKey> {
    let (customer, server) = text.split_once('/')?;
    Some(ServerKey {
        customer: customer.try_into().ok()?,
        server: server.try_into().ok()?,
    })
}
