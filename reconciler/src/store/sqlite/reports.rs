//! Reports: which of them are new, the newest of each server, and what happened.

use super::usage;
use super::{micros, rows, server_key, time};
use crate::store::HISTORY_PER_SERVER;
use crate::store::error::StoreError;
use crate::store::types::{Happening, HistoryEntry, News, Recorded, StoredReport};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::BTreeMap;
use std::sync::Arc;
use tenantry_schema::document::History;
use tenantry_schema::id::ServerKey;
use tenantry_schema::wire::{Receipt, Report, ReportBatch};

/// How many ledgers of a server are remembered. More than one, for a delivery that was on its way while the ledger was made anew.
const LEDGERS_PER_SERVER: usize = 8;
const LONGEST_LEDGER: usize = 128;

/// See [`crate::store::StateStore::record_reports`].
///
/// Of each ledger the highest number is kept. A number that was jumped over is taken for lost, because an agent sends in order; it is written down
/// as a gap. Which ledger is the server's present one: one never seen before, else the one with the newest report by the server's own clock.
pub(super) fn record(
    db: &Connection,
    server: &ServerKey,
    batch: ReportBatch,
    received_at: Timestamp,
    keep: History,
) -> Result<Recorded, StoreError> {
    let (ledger, mut reports) = checked(batch)?;
    reports.sort_by_key(|report| report.sequence);
    reports.dedup_by_key(|report| report.sequence);
    let name = server.to_string();
    let known = accepted(db, &name, &ledger)?;
    reports.retain(|report| known.is_none_or(|known| report.sequence > known));
    let Some(last) = reports.last() else {
        return Ok(Recorded {
            receipt: Receipt {
                accepted: known.unwrap_or_default(),
            },
            news: None,
        });
    };
    let receipt = Receipt {
        accepted: last.sequence,
    };

    db.prepare_cached(
        "INSERT INTO ledgers VALUES (?1, ?2, ?3, ?4) ON CONFLICT (server, ledger) DO UPDATE SET accepted = excluded.accepted",
    )?
    .execute(params![name, ledger, last.sequence as i64, micros(received_at)])?;
    let is_latest = match present(db, &name)? {
        None => true,
        Some((present, _)) if present == ledger || known.is_none() => true,
        Some((_, taken_at)) => micros(last.taken_at) > taken_at,
    };
    if known.is_none() {
        drop_old_ledgers(db, &name)?;
    }
    let used = reports
        .iter_mut()
        .flat_map(|report| std::mem::take(&mut report.usage));
    usage::keep(db, &name, used.collect(), received_at, keep)?;
    let history = happenings(known, &mut reports, received_at);
    keep_history(db, &name, &history)?;
    let latest = match reports.pop() {
        Some(report) if is_latest => Some(keep_report(db, &name, ledger, report, received_at)?),
        _ => None,
    };
    Ok(Recorded {
        receipt,
        news: Some(News { latest, history }),
    })
}

fn checked(batch: ReportBatch) -> Result<(String, Vec<Report>), StoreError> {
    let ReportBatch { ledger, reports } = batch;
    if ledger.is_empty() || ledger.len() > LONGEST_LEDGER {
        return Err(StoreError::BadBatch(
            "the id of the ledger has 1 to 128 bytes",
        ));
    }
    if reports.is_empty() {
        return Err(StoreError::BadBatch("it is empty"));
    }
    if reports
        .iter()
        .any(|report| i64::try_from(report.sequence).is_err())
    {
        return Err(StoreError::BadBatch("nobody counts that far"));
    }
    Ok((ledger, reports))
}

fn accepted(db: &Connection, server: &str, ledger: &str) -> Result<Option<u64>, StoreError> {
    let mut query =
        db.prepare_cached("SELECT accepted FROM ledgers WHERE server = ?1 AND ledger = ?2")?;
    let accepted = query
        .query_row([server, ledger], |row| row.get::<_, i64>(0))
        .optional()?;
    Ok(accepted.map(i64::cast_unsigned))
}

fn present(db: &Connection, server: &str) -> Result<Option<(String, i64)>, StoreError> {
    let mut query = db.prepare_cached("SELECT ledger, taken_at FROM reports WHERE server = ?1")?;
    Ok(query
        .query_row([server], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?)
}

fn drop_old_ledgers(db: &Connection, server: &str) -> Result<(), StoreError> {
    db.prepare_cached(
        "DELETE FROM ledgers WHERE server = ?1 AND ledger NOT IN
           (SELECT ledger FROM ledgers WHERE server = ?1 ORDER BY first_at DESC, ledger LIMIT ?2)",
    )?
    .execute(params![server, rows(LEDGERS_PER_SERVER)])?;
    Ok(())
}

/// Takes events and refusals out of the reports, so that they are kept once.
fn happenings(
    known: Option<u64>,
    reports: &mut [Report],
    received_at: Timestamp,
) -> Vec<HistoryEntry> {
    let mut all = Vec::new();
    let mut before = known;
    for report in reports {
        // One that carries the news of others stands for them.
        let first = report.since.unwrap_or(report.sequence).min(report.sequence);
        if let Some(before) = before.filter(|before| first.saturating_sub(*before) > 1) {
            all.push(Happening::Gap {
                from: before + 1,
                to: first - 1,
            });
        }
        before = Some(report.sequence);
        all.extend(
            std::mem::take(&mut report.refusals)
                .into_iter()
                .map(Happening::Refusal),
        );
        all.extend(
            std::mem::take(&mut report.events)
                .into_iter()
                .map(Happening::Event),
        );
        all.extend(
            std::mem::take(&mut report.matches)
                .into_iter()
                .map(|found| Happening::Match(Box::new(found))),
        );
    }
    let surplus = all.len().saturating_sub(HISTORY_PER_SERVER);
    all.drain(..surplus);
    all.into_iter()
        .map(|what| HistoryEntry { received_at, what })
        .collect()
}

fn keep_history(db: &Connection, server: &str, entries: &[HistoryEntry]) -> Result<(), StoreError> {
    if entries.is_empty() {
        return Ok(());
    }
    let mut insert =
        db.prepare_cached("INSERT INTO history (server, received_at, body) VALUES (?1, ?2, ?3)")?;
    for entry in entries {
        insert.execute(params![
            server,
            micros(entry.received_at),
            to_json(&entry.what)?
        ])?;
    }
    db.prepare_cached(
        "DELETE FROM history WHERE server = ?1 AND id <=
           (SELECT id FROM history WHERE server = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
    )?
    .execute(params![server, rows(HISTORY_PER_SERVER)])?;
    Ok(())
}

fn keep_report(
    db: &Connection,
    server: &str,
    ledger: String,
    report: Report,
    received_at: Timestamp,
) -> Result<StoredReport, StoreError> {
    db.prepare_cached(
        "INSERT INTO reports VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (server) DO UPDATE SET
           ledger = excluded.ledger, taken_at = excluded.taken_at, received_at = excluded.received_at, report = excluded.report",
    )?
    .execute(params![server, ledger, micros(report.taken_at), micros(received_at), to_json(&report)?])?;
    Ok(StoredReport {
        ledger,
        report: Arc::new(report),
        received_at,
    })
}

/// See [`crate::store::StateStore::latest_reports`]. A report that this release cannot read is left out: the agent's next one replaces it.
pub(super) fn latest(db: &Connection) -> Result<BTreeMap<ServerKey, StoredReport>, StoreError> {
    let mut query = db.prepare_cached("SELECT server, ledger, received_at, report FROM reports")?;
    let mut found = query.query([])?;
    let mut all = BTreeMap::new();
    while let Some(row) = found.next()? {
        let name = row.get_ref(0)?.as_str().unwrap_or_default();
        let report = row
            .get_ref(3)?
            .as_str()
            .ok()
            .and_then(|text| serde_json::from_str(text).ok());
        if let (Some(server), Some(report)) = (server_key(name), report) {
            let stored = StoredReport {
                ledger: row.get(1)?,
                report: Arc::new(report),
                received_at: time(row.get(2)?),
            };
            all.insert(server, stored);
        } else {
            tracing::warn!(
                server = name,
                "a stored report cannot be read and is left out until the next one comes"
            );
        }
    }
    Ok(all)
}

/// See [`crate::store::StateStore::history`].
pub(super) fn history(
    db: &Connection,
    server: &ServerKey,
    limit: usize,
) -> Result<Vec<HistoryEntry>, StoreError> {
    let mut query = db.prepare_cached(
        "SELECT received_at, body FROM history WHERE server = ?1 ORDER BY id DESC LIMIT ?2",
    )?;
    let mut found = query.query(params![server.to_string(), rows(limit)])?;
    let mut newest_first = Vec::new();
    while let Some(row) = found.next()? {
        if let Some(what) = row
            .get_ref(1)?
            .as_str()
            .ok()
            .and_then(|text| serde_json::from_str(text).ok())
        {
            newest_first.push(HistoryEntry {
                received_at: time(row.get(0)?),
                what,
            });
        }
    }
    newest_first.reverse();
    Ok(newest_first)
}

/// See [`crate::store::StateStore::recent_history`].
pub(super) fn recent(
    db: &Connection,
    per_server: usize,
) -> Result<BTreeMap<ServerKey, Vec<HistoryEntry>>, StoreError> {
    let mut query = db.prepare_cached("SELECT server FROM reports")?;
    let names = query
        .query_map([], |row| row.get::<_, String>(0))?
        .collect::<Result<Vec<_>, _>>()?;
    let servers = names.iter().filter_map(|name| server_key(name));
    servers
        .map(|server| Ok((server.clone(), history(db, &server, per_server)?)))
        .collect()
}

fn to_json(value: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|_| StoreError::BadBatch("it cannot be written as JSON"))
}
