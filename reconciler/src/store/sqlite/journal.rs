//! Failed attempts, small facts, and what the hub did.

use super::{micros, rows, time};
use crate::store::AUDIT_ROWS;
use crate::store::error::StoreError;
use crate::store::types::{Attempt, AuditEntry};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::collections::BTreeMap;

/// Attempts that nobody has asked for in this long (in days) belong to inputs that are long gone.
const FORGOTTEN_AFTER: i64 = 90;
/// Longest error that is kept, in characters.
const LONGEST_ERROR: usize = 4000;

fn read_attempt(row: &Row<'_>, first: usize) -> rusqlite::Result<Attempt> {
    Ok(Attempt {
        count: row.get(first)?,
        error: row.get(first + 1)?,
        failed_at: time(row.get(first + 2)?),
        next: row.get::<_, Option<i64>>(first + 3)?.map(time),
    })
}

pub(super) fn attempt(db: &Connection, key: &str) -> Result<Option<Attempt>, StoreError> {
    let mut query =
        db.prepare_cached("SELECT count, error, failed_at, next_at FROM attempts WHERE key = ?1")?;
    Ok(query
        .query_row([key], |row| read_attempt(row, 0))
        .optional()?)
}

pub(super) fn put_attempt(db: &Connection, key: &str, attempt: &Attempt) -> Result<(), StoreError> {
    let error: String = attempt.error.chars().take(LONGEST_ERROR).collect();
    let failed_at = micros(attempt.failed_at);
    db.prepare_cached("INSERT OR REPLACE INTO attempts VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![
            key,
            attempt.count,
            error,
            failed_at,
            attempt.next.map(micros)
        ])?;
    let long_ago = failed_at - FORGOTTEN_AFTER * 86_400_000_000;
    db.prepare_cached("DELETE FROM attempts WHERE failed_at < ?1")?
        .execute([long_ago])?;
    Ok(())
}

pub(super) fn forget(db: &Connection, keys: &[String]) -> Result<(), StoreError> {
    let mut delete = db.prepare_cached("DELETE FROM attempts WHERE key = ?1")?;
    for key in keys {
        delete.execute([key])?;
    }
    Ok(())
}

pub(super) fn attempts(db: &Connection) -> Result<BTreeMap<String, Attempt>, StoreError> {
    let mut query =
        db.prepare_cached("SELECT key, count, error, failed_at, next_at FROM attempts")?;
    Ok(query
        .query_map([], |row| Ok((row.get(0)?, read_attempt(row, 1)?)))?
        .collect::<Result<_, _>>()?)
}

pub(super) fn set_meta(
    db: &Connection,
    values: &[(String, Option<String>)],
) -> Result<(), StoreError> {
    let mut put = db.prepare_cached("INSERT OR REPLACE INTO meta VALUES (?1, ?2)")?;
    let mut delete = db.prepare_cached("DELETE FROM meta WHERE key = ?1")?;
    for (key, value) in values {
        match value {
            Some(value) => put.execute([key, value])?,
            None => delete.execute([key])?,
        };
    }
    Ok(())
}

pub(super) fn meta(db: &Connection, prefix: &str) -> Result<BTreeMap<String, String>, StoreError> {
    let mut query = db.prepare_cached(
        "SELECT key, value FROM meta WHERE key >= ?1 AND substr(key, 1, length(?1)) = ?1",
    )?;
    Ok(query
        .query_map([prefix], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?)
}

pub(super) fn audit(db: &Connection, entries: &[AuditEntry]) -> Result<(), StoreError> {
    let mut insert = db.prepare_cached(
        "INSERT INTO audit (at, act, subject, fleet_commit, reason) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    for entry in entries {
        insert.execute(params![
            micros(entry.at),
            entry.act,
            entry.subject,
            entry.commit,
            entry.reason
        ])?;
    }
    db.prepare_cached("DELETE FROM audit WHERE id <= (SELECT max(id) FROM audit) - ?1")?
        .execute([rows(AUDIT_ROWS)])?;
    Ok(())
}

pub(super) fn audit_log(db: &Connection, limit: usize) -> Result<Vec<AuditEntry>, StoreError> {
    let mut query = db.prepare_cached(
        "SELECT at, act, subject, fleet_commit, reason FROM audit ORDER BY id DESC LIMIT ?1",
    )?;
    let found = query.query_map([rows(limit)], |row| {
        Ok(AuditEntry {
            at: time(row.get(0)?),
            act: row.get(1)?,
            subject: row.get(2)?,
            commit: row.get(3)?,
            reason: row.get(4)?,
        })
    })?;
    Ok(found.collect::<Result<_, _>>()?)
}
