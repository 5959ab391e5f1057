//! Minutes of many servers, into a store of the hub's.

use super::super::child::{busy, ms, peak_memory};
use super::super::{BenchError, Doing as _};
use super::server::Server;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tenantry::store::{Recorded, Reply, SqliteStore, StateStore as _, UsageSpan};
use tenantry_schema::document::History;
use tenantry_schema::wire::ReportBatch;

/// Reports that are under way at the same time.
const CROWD: usize = 64;
const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;
/// Minutes that are kept by the minute.
const MINUTES: usize = 360;
/// Servers whose room is taken for that of all.
const FULL: usize = 20;
/// Servers whose history is read.
const READ: usize = 50;

/// What it costs.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) minute_ms: Vec<f64>,
    pub(super) busy_ms: Vec<f64>,
    pub(super) written_mb: Vec<f64>,
    pub(super) alone_ms: f64,
    pub(super) report_kb: f64,
    pub(super) size_mb: f64,
    pub(super) full_kb: f64,
    pub(super) week_ms: Vec<f64>,
    pub(super) forget_ms: f64,
    pub(super) peak_mb: f64,
}

/// The role: a folder, the number of servers, the number of minutes.
pub(in crate::bench) fn role(arguments: &[String]) -> Result<String, BenchError> {
    let wrong = || BenchError::Wrong("a folder and two numbers are needed".to_owned());
    let [folder, servers, minutes] = arguments else {
        return Err(wrong());
    };
    let number = |text: &String| text.parse::<usize>().map_err(|_| wrong());
    let (servers, minutes) = (number(servers)?, number(minutes)?);
    let mut diary = Diary::open(Path::new(folder), "hub.db", servers)?;
    let mut kept = Kept::default();
    diary.remember(six_hours)?;
    for _ in 0..minutes {
        diary.minute(CROWD, &mut kept)?;
    }
    kept.size_mb = diary.size()? / 1e6;
    let mut alone = Kept::default();
    diary.minute(1, &mut alone)?;
    kept.alone_ms = alone.minute_ms.iter().sum();
    diary.read(&mut kept)?;
    kept.peak_mb = peak_memory("self");
    kept.full_kb = full_kb(Path::new(folder))?;
    serde_json::to_string(&kept).doing("telling what was measured")
}

/// Everything by the minute, containers by the quarter of an hour.
fn six_hours() -> impl Iterator<Item = (i64, i64, bool)> {
    let minutes = i64::try_from(MINUTES).unwrap_or(0);
    (1..=minutes)
        .rev()
        .map(|minute| (minute * 60, 60, minute % 15 == 0))
}

/// Room that a server takes of which everything is known, on average of some.
fn full_kb(folder: &Path) -> Result<f64, BenchError> {
    let mut diary = Diary::open(folder, "full.db", FULL)?;
    let rule = History::default();
    let (all, containers) = (i64::from(rule.servers), i64::from(rule.containers));
    let past = move || {
        let hours = (1..=all * 24).rev().map(|hour| hour * HOUR);
        let hours = hours.filter(|before| *before > 7 * DAY);
        let quarters = (1..=7 * 96).rev().map(|quarter| quarter * HOUR / 4);
        let quarters = quarters.filter(|before| *before > DAY / 4);
        hours
            .map(move |before| (before, HOUR, before <= containers * DAY))
            .chain(quarters.map(|before| (before, HOUR / 4, true)))
            .chain(six_hours())
    };
    diary.remember(past)?;
    Ok(diary.size()? / 1e3 / FULL as f64)
}

struct Diary {
    store: SqliteStore,
    file: PathBuf,
    servers: Vec<Server>,
    now: Timestamp,
}

impl Diary {
    fn open(folder: &Path, name: &str, servers: usize) -> Result<Self, BenchError> {
        let file = folder.join(name);
        let store = SqliteStore::open(&file).doing("opening the store")?;
        store.keep_usage(History::default());
        let mut servers = (0..servers)
            .map(Server::new)
            .collect::<Result<Vec<_>, _>>()?;
        // They report in an order that has nothing to do with their names.
        let count = servers.len();
        for at in 0..count {
            servers.swap(at, at * 7919 % count);
        }
        Ok(Self {
            store,
            file,
            servers,
            now: "2026-11-28T12:00:00Z".parse().doing("reading a time")?,
        })
    }

    /// What was before.
    fn remember<I: Iterator<Item = (i64, i64, bool)>>(
        &mut self,
        windows: impl Fn() -> I,
    ) -> Result<(), BenchError> {
        let now = self.now;
        for some in self.servers.chunks_mut(CROWD) {
            let mut replies = Vec::new();
            for server in some {
                let batch = server.past(now, windows())?;
                replies.push(self.store.record_reports(server.key.clone(), batch, now));
            }
            all_new(replies)?;
        }
        Ok(())
    }

    /// Every server reports once, so many at the same time. What agents do is not in the time.
    fn minute(&mut self, at_once: usize, kept: &mut Kept) -> Result<(), BenchError> {
        self.now += SignedDuration::from_secs(60);
        let (mut took, mut used) = (Duration::ZERO, Duration::ZERO);
        let (written, now) = (written(), self.now);
        for some in self.servers.chunks_mut(at_once) {
            let mut texts = Vec::new();
            for server in some.iter_mut() {
                let text = serde_json::to_vec(&server.minute(now)?).doing("writing a report")?;
                kept.report_kb = text.len() as f64 / 1e3;
                texts.push((server.key.clone(), text));
            }
            let (begun, before) = (Instant::now(), busy("self"));
            let mut replies = Vec::new();
            for (server, text) in texts {
                let batch: ReportBatch = serde_json::from_slice(&text).doing("reading a report")?;
                replies.push(self.store.record_reports(server, batch, now));
            }
            all_new(replies)?;
            took += begun.elapsed();
            used += busy("self").saturating_sub(before);
        }
        kept.minute_ms.push(ms(took));
        kept.busy_ms.push(ms(used));
        kept.written_mb.push((self::written() - written) / 1e6);
        Ok(())
    }

    /// That all is there, that what is too old is not, and how long it takes to read.
    fn read(&self, kept: &mut Kept) -> Result<(), BenchError> {
        let latest = self
            .store
            .latest_reports()
            .wait()
            .doing("reading reports")?;
        if latest.len() != self.servers.len() {
            return Err(BenchError::Wrong(format!(
                "{} reports are kept",
                latest.len()
            )));
        }
        for server in self.servers.iter().take(READ) {
            let usage = |span| self.store.usage(server.key.clone(), span, self.now).wait();
            let begun = Instant::now();
            let week = usage(UsageSpan::Week).doing("reading what was used")?;
            kept.week_ms.push(ms(begun.elapsed()));
            let hours = usage(UsageSpan::Hours).doing("reading what was used")?;
            let containers: usize = week.containers.values().map(BTreeMap::len).sum();
            let good = (MINUTES..MINUTES + 2).contains(&hours.host.len())
                && week.host.len() >= 24
                && containers == 20;
            if !good {
                return Err(BenchError::Wrong(format!(
                    "{} minutes, {} quarters of an hour and {containers} containers are kept",
                    hours.host.len(),
                    week.host.len()
                )));
            }
        }
        let begun = Instant::now();
        let forgotten = self.store.forget_usage(self.now).wait();
        forgotten.doing("forgetting silent servers")?;
        kept.forget_ms = ms(begun.elapsed());
        Ok(())
    }

    /// Bytes of the database, without what is written ahead.
    fn size(&self) -> Result<f64, BenchError> {
        let file = std::fs::metadata(&self.file).doing("looking at the database")?;
        Ok(file.len() as f64)
    }
}

/// Each must have been taken for new.
fn all_new(replies: Vec<Reply<Recorded>>) -> Result<(), BenchError> {
    for reply in replies {
        let recorded = reply.wait().doing("keeping a report")?;
        if recorded.news.and_then(|news| news.latest).is_none() {
            return Err(BenchError::Wrong("a report was not taken for new".into()));
        }
    }
    Ok(())
}

/// Bytes that this process has had written to disks so far (`proc(5)`, `/proc/<pid>/io`).
fn written() -> f64 {
    let text = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("write_bytes: "));
    line.and_then(|line| line.trim().parse().ok())
        .unwrap_or(f64::NAN)
}
