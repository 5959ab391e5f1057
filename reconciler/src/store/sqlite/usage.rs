//! What was used, in rows of several series: fine ones for a short time, coarse ones for long. A report touches five rows, whatever it
//! says, so a thousand servers cost what a thousand servers cost.

mod pack;

use super::server_key;
use crate::store::error::StoreError;
use crate::store::usage::{
    ContainerPoint, Containers, HostPoint, Together, UsageHistory, UsageSpan, Weighed,
};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};
use std::collections::BTreeMap;
use tenantry_schema::document::History;
use tenantry_schema::id::ServerKey;
use tenantry_schema::wire::UsageWindow;

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;
/// A clock may be wrong by so much, in seconds, before what it says is not believed.
const AHEAD: i64 = HOUR;
/// Windows of a batch that are kept: of more the newest. A week of an agent that was alone has 10,000.
const MOST_WINDOWS: usize = 20_000;
/// Containers of a server that are kept.
const MOST_CONTAINERS: usize = 1000;
/// Longest name of a service.
const LONGEST_SERVICE: usize = 128;
/// Points that are given out at most; older ones are put together.
const MOST_POINTS: i64 = 720;

/// A series of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Series {
    /// Its number in the table.
    id: i64,
    /// Seconds of a step.
    step: i64,
}

const HOST_MINUTE: Series = Series { id: 0, step: 60 };
const HOST_QUARTER: Series = Series { id: 1, step: 900 };
const HOST_HOUR: Series = Series { id: 2, step: HOUR };
const CONTAINERS_QUARTER: Series = Series { id: 3, step: 900 };
const CONTAINERS_HOUR: Series = Series { id: 4, step: HOUR };

impl Series {
    /// Seconds that its rows are kept.
    fn keep(self, rule: History) -> i64 {
        let servers = i64::from(rule.servers) * DAY;
        let containers = i64::from(rule.containers) * DAY;
        match self.id {
            0 => servers.min(DAY / 4),
            1 => servers.min(7 * DAY),
            2 => servers,
            3 => containers.min(2 * DAY),
            _ => containers,
        }
    }
}

/// Bits of a key that count minutes since 1970: up to the year 2480.
const MINUTE_BITS: u32 = 28;
/// Bits of a key below the server's number.
const SERVER_BITS: u32 = 32;

/// Where a point is kept: the server's number, the series, the minute, from the highest bits to the lowest, so that what is read together
/// lies together.
fn key(server: i64, series: Series, at: i64) -> i64 {
    let minute = at.div_euclid(60).clamp(0, (1 << MINUTE_BITS) - 1);
    (server << SERVER_BITS) | (series.id << MINUTE_BITS) | minute
}

/// The time of a key.
fn time_of(key: i64) -> i64 {
    (key & ((1 << MINUTE_BITS) - 1)) * 60
}

/// The first key of a series, and the last.
fn ends(server: i64, series: Series) -> (i64, i64) {
    (key(server, series, 0), key(server, series, i64::MAX))
}

/// Keeps what was used. Windows that are older than what is kept, or that say they are from the future, are left out.
pub(super) fn keep(
    db: &Connection,
    server: &str,
    mut windows: Vec<UsageWindow>,
    received_at: Timestamp,
    rule: History,
) -> Result<(), StoreError> {
    if windows.is_empty() {
        return Ok(());
    }
    windows.drain(..windows.len().saturating_sub(MOST_WINDOWS));
    let table = Table {
        db,
        server: number(db, server)?,
        now: received_at.as_second(),
        rule,
    };
    // Windows of one step are put together before the row is touched.
    let mut host = Pending::new([HOST_MINUTE, HOST_QUARTER, HOST_HOUR]);
    let mut containers = Pending::new([CONTAINERS_QUARTER, CONTAINERS_HOUR]);
    for window in windows {
        let (from, until) = (window.from.as_second(), window.until.as_second());
        if until > table.now + AHEAD || until < from {
            continue;
        }
        let minutes = u64::try_from((until - from + 30) / 60).unwrap_or(0).max(1);
        host.add(
            from,
            &Weighed {
                minutes,
                usage: window.host,
            },
        );
        let all = bounded(window.containers);
        if !all.is_empty() {
            containers.add(
                from,
                &Weighed {
                    minutes,
                    usage: all,
                },
            );
        }
    }
    for (series, at, point) in host.all() {
        table.join(series, at, point, pack::host, pack::read_host)?;
    }
    for (series, at, point) in containers.all() {
        table.join(series, at, point, pack::containers, pack::read_containers)?;
    }
    Ok(())
}

fn bounded(containers: Containers) -> Containers {
    let mut room = MOST_CONTAINERS;
    let mut all = Containers::new();
    for (instance, mut services) in containers {
        services.retain(|service, _| {
            let fits = service.len() <= LONGEST_SERVICE && room > 0;
            room -= usize::from(fits);
            fits
        });
        if !services.is_empty() {
            all.insert(instance, services);
        }
    }
    all
}

/// Points of a batch by series and step.
struct Pending<T, const N: usize> {
    series: [Series; N],
    points: BTreeMap<(usize, i64), Weighed<T>>,
}

impl<T: Together + Clone, const N: usize> Pending<T, N> {
    fn new(series: [Series; N]) -> Self {
        Self {
            series,
            points: BTreeMap::new(),
        }
    }

    fn add(&mut self, at: i64, point: &Weighed<T>) {
        for (number, series) in self.series.iter().enumerate() {
            let step = at.div_euclid(series.step) * series.step;
            self.points
                .entry((number, step))
                .and_modify(|sum| sum.join(point))
                .or_insert_with(|| point.clone());
        }
    }

    fn all(self) -> impl Iterator<Item = (Series, i64, Weighed<T>)> {
        let series = self.series;
        self.points
            .into_iter()
            .map(move |((number, at), point)| (series[number], at, point))
    }
}

struct Table<'a> {
    db: &'a Connection,
    server: i64,
    now: i64,
    rule: History,
}

impl Table<'_> {
    /// Puts a point together with the one that is there.
    fn join<T: Together>(
        &self,
        series: Series,
        at: i64,
        point: Weighed<T>,
        write: impl Fn(&Weighed<T>) -> Vec<u8>,
        read: impl Fn(&[u8]) -> Option<Weighed<T>>,
    ) -> Result<(), StoreError> {
        let oldest = self.now - series.keep(self.rule);
        if at + series.step <= oldest {
            return Ok(());
        }
        let place = key(self.server, series, at);
        let mut query = self
            .db
            .prepare_cached("SELECT body FROM used WHERE key = ?1")?;
        let body: Option<Vec<u8>> = query.query_row([place], |row| row.get(0)).optional()?;
        let known = body.as_deref().and_then(read);
        let fresh = known.is_none();
        let sum = match known {
            Some(mut sum) => {
                sum.join(&point);
                sum
            }
            None => point,
        };
        self.db
            .prepare_cached("INSERT OR REPLACE INTO used VALUES (?1, ?2)")?
            .execute(params![place, write(&sum)])?;
        if fresh {
            let (first, _) = ends(self.server, series);
            let before = key(self.server, series, oldest - series.step + 59);
            self.db
                .prepare_cached("DELETE FROM used WHERE key >= ?1 AND key < ?2")?
                .execute([first, before])?;
        }
        Ok(())
    }
}

/// The number of a server in the table.
fn number(db: &Connection, server: &str) -> Result<i64, StoreError> {
    if let Some(known) = known(db, server)? {
        return Ok(known);
    }
    db.prepare_cached("INSERT INTO usage_servers (server) VALUES (?1)")?
        .execute([server])?;
    Ok(db.last_insert_rowid())
}

fn known(db: &Connection, server: &str) -> Result<Option<i64>, StoreError> {
    let mut query = db.prepare_cached("SELECT id FROM usage_servers WHERE server = ?1")?;
    Ok(query.query_row([server], |row| row.get(0)).optional()?)
}

/// See [`crate::store::StateStore::usage`].
pub(super) fn read(
    db: &Connection,
    server: &ServerKey,
    span: UsageSpan,
    now: Timestamp,
) -> Result<UsageHistory, StoreError> {
    let (host, containers, seconds) = match span {
        UsageSpan::Hours => (HOST_MINUTE, CONTAINERS_QUARTER, DAY / 4),
        UsageSpan::Day => (HOST_QUARTER, CONTAINERS_QUARTER, DAY),
        UsageSpan::Week => (HOST_QUARTER, CONTAINERS_HOUR, 7 * DAY),
        UsageSpan::All => (HOST_HOUR, CONTAINERS_HOUR, i64::MAX),
    };
    let until = now.as_second();
    let number = known(db, &server.to_string())?;
    let limit = until.saturating_sub(seconds);
    let oldest = match number {
        Some(number) if span == UsageSpan::All => {
            first(db, number)?.unwrap_or(until - DAY).min(until - DAY)
        }
        _ => limit.max(until - 4000 * DAY),
    };
    let coarser = |series: Series| {
        let points = (until - oldest) / series.step;
        series.step * (points / MOST_POINTS + 1)
    };
    let mut history = UsageHistory {
        from: Timestamp::from_second(oldest).unwrap_or(now),
        until: now,
        step: coarser(host),
        host: Vec::new(),
        containers_step: coarser(containers),
        containers: BTreeMap::new(),
    };
    let Some(number) = number else {
        return Ok(history);
    };
    let points = points(db, number, host, (oldest, history.step), pack::read_host)?;
    history.host = points
        .into_iter()
        .filter_map(|(at, usage)| {
            Some(HostPoint {
                at: Timestamp::from_second(at).ok()?,
                usage,
            })
        })
        .collect();
    let points = self::points::<Containers>(
        db,
        number,
        containers,
        (oldest, history.containers_step),
        pack::read_containers,
    )?;
    for (at, all) in points {
        let Ok(at) = Timestamp::from_second(at) else {
            continue;
        };
        for (instance, services) in all {
            let instance = history.containers.entry(instance).or_default();
            for (service, usage) in services {
                instance
                    .entry(service)
                    .or_default()
                    .push(ContainerPoint { at, usage });
            }
        }
    }
    Ok(history)
}

/// The first step of which anything is known.
fn first(db: &Connection, server: i64) -> Result<Option<i64>, StoreError> {
    let (first, last) = ends(server, HOST_HOUR);
    let mut query = db.prepare_cached("SELECT min(key) FROM used WHERE key BETWEEN ?1 AND ?2")?;
    let found: Option<i64> = query.query_row([first, last], |row| row.get(0))?;
    Ok(found.map(time_of))
}

/// Points from a moment on, oldest first, put together to steps of so many seconds.
fn points<T: Together>(
    db: &Connection,
    server: i64,
    series: Series,
    (oldest, step): (i64, i64),
    read: impl Fn(&[u8]) -> Option<Weighed<T>>,
) -> Result<Vec<(i64, T)>, StoreError> {
    // The first minute that begins then or later.
    let from = key(server, series, oldest.saturating_add(59));
    let (_, last) = ends(server, series);
    let mut query =
        db.prepare_cached("SELECT key, body FROM used WHERE key BETWEEN ?1 AND ?2 ORDER BY key")?;
    let mut found = query.query([from, last])?;
    let mut all: Vec<(i64, Weighed<T>)> = Vec::new();
    while let Some(row) = found.next()? {
        let at = time_of(row.get(0)?);
        let Some(point) = row.get_ref(1)?.as_blob().ok().and_then(&read) else {
            continue;
        };
        let at = at.div_euclid(step) * step;
        match all.last_mut() {
            Some((last, sum)) if *last == at => sum.join(&point),
            _ => all.push((at, point)),
        }
    }
    Ok(all
        .into_iter()
        .map(|(at, point)| (at, point.usage))
        .collect())
}

/// See [`crate::store::StateStore::forget_usage`].
pub(super) fn forget_silent(
    db: &Connection,
    now: Timestamp,
    rule: History,
) -> Result<(), StoreError> {
    let oldest = now.as_second() - HOST_HOUR.keep(rule).max(CONTAINERS_HOUR.keep(rule));
    let servers = {
        let mut query = db.prepare_cached("SELECT id, server FROM usage_servers")?;
        query
            .query_map([], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))
            })?
            .collect::<Result<Vec<_>, _>>()?
    };
    for (id, name) in servers {
        let (first, last) = ends(id, HOST_HOUR);
        let newest: Option<i64> = db
            .prepare_cached("SELECT max(key) FROM used WHERE key BETWEEN ?1 AND ?2")?
            .query_row([first, last], |row| row.get(0))?;
        if server_key(&name).is_some() && newest.is_some_and(|newest| time_of(newest) >= oldest) {
            continue;
        }
        db.prepare_cached("DELETE FROM used WHERE key >= ?1 AND key < ?2")?
            .execute([id << SERVER_BITS, (id + 1) << SERVER_BITS])?;
        db.prepare_cached("DELETE FROM usage_servers WHERE id = ?1")?
            .execute([id])?;
    }
    Ok(())
}
