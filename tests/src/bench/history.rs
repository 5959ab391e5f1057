//! The hub's diary under a report a minute of every server: what a minute's worth costs, and how much room it takes. The store is the hub's
//! own; minutes go by as fast as it keeps up.

mod diary;
mod server;

pub(super) use diary::role;

use super::child::ask;
use super::{Aim, BenchError, Doing as _, Figure, Options, Unit};
use diary::Kept;

/// Measures reports on their way into the diary.
pub(super) fn run(options: &Options) -> Result<Vec<Figure>, BenchError> {
    let folder = tempfile::tempdir().doing("making a folder")?;
    let path = folder.path().to_string_lossy().into_owned();
    let minutes = if options.quick { 3 } else { 16 };
    let servers = options.servers.to_string();
    let kept: Kept = ask("history", &[&path, &servers, &minutes.to_string()])?;
    let reports = f64::from(u32::try_from(options.servers).unwrap_or(u32::MAX));
    let rates = kept.minute_ms.iter().map(|ms| reports * 1e3 / ms);
    let rates = rates.collect();
    let one = |what: &str, unit, value| Figure::new(what, unit, vec![value]);
    Ok(vec![
        Figure::new(
            format!("a minute's reports of {servers} servers, 64 at a time"),
            Unit::Milliseconds,
            kept.minute_ms,
        )
        // A third of the minute, for a hub has more to do.
        .aim(Aim::AtMost(20_000.0)),
        Figure::new("the same: reports", Unit::PerSecond, rates),
        Figure::new(
            "the same: processor time of all threads",
            Unit::Milliseconds,
            kept.busy_ms,
        ),
        one("the same, one at a time", Unit::Milliseconds, kept.alone_ms)
            .aim(Aim::AtMost(60_000.0)),
        Figure::new(
            "of that, bytes written to disk",
            Unit::Megabytes,
            kept.written_mb,
        ),
        Figure::new(
            "a report as it comes",
            Unit::Kilobytes,
            vec![kept.report_kb],
        ),
        one(
            "the diary with six hours of all servers",
            Unit::Megabytes,
            kept.size_mb,
        ),
        one(
            "a server for which all is kept that is ever kept",
            Unit::Kilobytes,
            kept.full_kb,
        ),
        Figure::new(
            "a week of a server read for its page",
            Unit::Milliseconds,
            kept.week_ms,
        )
        .aim(Aim::AtMost(50.0)),
        one(
            "once a day: silent servers looked for",
            Unit::Milliseconds,
            kept.forget_ms,
        ),
        one("greatest memory", Unit::Megabytes, kept.peak_mb),
    ])
}
