//! What was used: kept once, coarser with age, bounded, and forgotten.

use super::*;
use crate::store::SqliteStore;
use std::collections::BTreeMap;
use tenantry_schema::id::InstanceName;
use tenantry_schema::wire::{ContainerUsage, HostUsage, LogMatch, UsageWindow};

/// The beginning of an hour.
const NOW: i64 = 1_760_000_400;
const DAY: i64 = 86_400;

fn second(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// A minute in which processors did `cpu`.
fn window(from: i64, cpu: u64) -> UsageWindow {
    let web = ContainerUsage {
        cpu: Some([cpu, cpu, cpu].into()),
        ..ContainerUsage::default()
    };
    let instance = "site-html".to_owned().try_into().unwrap();
    UsageWindow {
        from: second(from),
        until: second(from + 60),
        host: HostUsage {
            cpu: Some([cpu / 2, cpu, cpu * 2].into()),
            disk_size: Some(1 << 30),
            ..HostUsage::default()
        },
        containers: BTreeMap::from([(instance, BTreeMap::from([("web".to_owned(), web)]))]),
    }
}

/// Reports of an hour each, up to now.
fn deliver(store: &dyn StateStore, name: &str, days: i64) {
    let begin = NOW - days * DAY;
    for hour in 0..days * 24 {
        let mut batch = batch("l", &[u64::try_from(hour).unwrap() + 1]);
        let minutes = (0..60).map(|minute| window(begin + hour * 3600 + minute * 60, 100));
        batch.reports[0].usage = minutes.collect();
        store
            .record_reports(server(name), batch, second(begin + (hour + 1) * 3600))
            .wait()
            .unwrap();
    }
}

fn open(folder: &tempfile::TempDir) -> SqliteStore {
    let store = untold(folder);
    store.keep_usage(History::default());
    store
}

/// One that nobody has told how long to keep what.
fn untold(folder: &tempfile::TempDir) -> SqliteStore {
    SqliteStore::open(&folder.path().join("hub.db")).unwrap()
}

fn rows(folder: &tempfile::TempDir) -> Vec<(i64, i64)> {
    let db = rusqlite::Connection::open(folder.path().join("hub.db")).unwrap();
    let mut query = db
        .prepare(
            "SELECT (key >> 28) & 15 AS series, count(*) FROM used GROUP BY series ORDER BY series",
        )
        .unwrap();
    let found = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    found.unwrap().collect::<Result<_, _>>().unwrap()
}

fn usage(store: &dyn StateStore, name: &str, span: UsageSpan) -> UsageHistory {
    store.usage(server(name), span, second(NOW)).wait().unwrap()
}

#[test]
fn ten_days_are_kept_ever_coarser() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    deliver(&store, "one", 10);
    let spans: Vec<_> = UsageSpan::WORDS
        .map(|(span, word)| {
            let history = usage(&store, "one", span);
            let web: usize = history
                .containers
                .values()
                .flat_map(BTreeMap::values)
                .map(Vec::len)
                .sum();
            (
                word,
                history.step,
                history.host.len(),
                history.containers_step,
                web,
            )
        })
        .into();
    insta::assert_debug_snapshot!(spans, @r#"
    [
        (
            "6h",
            60,
            360,
            900,
            24,
        ),
        (
            "24h",
            900,
            96,
            900,
            96,
        ),
        (
            "7d",
            900,
            672,
            3600,
            168,
        ),
        (
            "all",
            3600,
            240,
            3600,
            240,
        ),
    ]
    "#);
    let day = usage(&store, "one", UsageSpan::Day);
    let point = day.host.last().unwrap();
    assert_eq!(
        point.at,
        second(NOW - NOW % 900 - if NOW % 900 == 0 { 900 } else { 0 })
    );
    assert_eq!(point.usage.cpu, Some([50, 100, 200].into()));
    assert_eq!(point.usage.disk_size, Some(1 << 30));
    for (series, count) in rows(&folder) {
        let most = [362, 674, 242, 194, 242][usize::try_from(series).unwrap()];
        assert!(count <= most, "series {series} has {count} rows");
    }
}

#[test]
fn nothing_is_counted_twice_and_nobody_elses() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    let mut batch = batch("l", &[1]);
    batch.reports[0].usage = vec![window(NOW - 900, 100), window(NOW - 840, 300)];
    for _ in 0..3 {
        store
            .record_reports(server("one"), batch.clone(), second(NOW))
            .wait()
            .unwrap();
    }
    let day = usage(&store, "one", UsageSpan::Day);
    let means: Vec<_> = day
        .host
        .iter()
        .map(|point| point.usage.cpu.unwrap())
        .collect();
    assert_eq!(means, [[50, 200, 600].into()]);
    assert!(usage(&store, "two", UsageSpan::Day).host.is_empty());
    let latest = store.latest_reports().wait().unwrap();
    assert!(latest[&server("one")].report.usage.is_empty(), "kept once");
}

#[test]
fn a_clock_that_is_wrong_spoils_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    let mut batch = batch("l", &[1]);
    batch.reports[0].usage = vec![
        window(NOW + 2 * DAY, 1),
        window(NOW - 400 * DAY, 1),
        window(0, 1),
        window(NOW - 120, 1),
    ];
    store
        .record_reports(server("one"), batch, second(NOW))
        .wait()
        .unwrap();
    assert_eq!(rows(&folder), [(0, 1), (1, 1), (2, 1), (3, 1), (4, 1)]);
}

#[test]
fn the_setting_says_how_long() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    store.keep_usage(History {
        servers: 3,
        containers: 1,
    });
    deliver(&store, "one", 6);
    let all = usage(&store, "one", UsageSpan::All);
    let web: usize = all
        .containers
        .values()
        .flat_map(BTreeMap::values)
        .map(Vec::len)
        .sum();
    assert!(
        (72..=74).contains(&all.host.len()) && (24..=26).contains(&web),
        "{} {web}",
        all.host.len()
    );
    // A server that is gone is forgotten, one that reports is not.
    store.forget_usage(second(NOW)).wait().unwrap();
    assert!(!rows(&folder).is_empty());
    store.forget_usage(second(NOW + 5 * DAY)).wait().unwrap();
    assert!(rows(&folder).is_empty());
    assert!(usage(&store, "one", UsageSpan::All).host.is_empty());
}

#[test]
fn nothing_goes_before_it_is_said_how_long_it_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let hours = |store: &dyn StateStore| {
        let all = usage(store, "one", UsageSpan::All);
        let web: usize = all.containers[&InstanceName::try_from("site-html".to_owned()).unwrap()]
            .values()
            .map(Vec::len)
            .sum();
        (all.host.len(), web)
    };
    let long = History {
        servers: 365,
        containers: 365,
    };
    let store = untold(&folder);
    store.keep_usage(long);
    deliver(&store, "one", 20);
    drop(store);

    // A hub that starts and cannot read the fleet knows nothing of the year that is asked for. Reports and days go on.
    let store = untold(&folder);
    let mut batch = batch("l", &[1000]);
    batch.reports[0].usage = vec![window(NOW, 100)];
    let late = second(NOW + 30 * DAY);
    store
        .record_reports(server("one"), batch, late)
        .wait()
        .unwrap();
    store.forget_usage(second(NOW + 120 * DAY)).wait().unwrap();
    assert_eq!(hours(&store), (481, 481));
    store.keep_usage(History::default());
    store.forget_usage(second(NOW + 120 * DAY)).wait().unwrap();
    assert!(usage(&store, "one", UsageSpan::All).host.is_empty());
}

#[test]
fn found_lines_are_history_and_put_together_reports_leave_no_gap() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    store
        .record_reports(server("one"), batch("l", &[1, 2]), at(1))
        .wait()
        .unwrap();
    let mut batch = batch("l", &[9, 12]);
    batch.reports[0].since = Some(3);
    batch.reports[1].since = Some(11);
    batch.reports[0].matches.push(LogMatch {
        at: at(7),
        rule: "down".try_into().unwrap(),
        instance: "site-html".to_owned().try_into().unwrap(),
        service: "web".into(),
        line: "connection refused".into(),
        before: vec![],
        after: vec![],
        untold: 4,
    });
    store
        .record_reports(server("one"), batch, at(10))
        .wait()
        .unwrap();
    let history = store.history(server("one"), 100).wait().unwrap();
    let told: Vec<_> = history
        .iter()
        .filter_map(|entry| match &entry.what {
            Happening::Gap { from, to } => Some(format!("lost {from}-{to}")),
            Happening::Match(found) => Some(format!("{} {}", found.rule, found.line)),
            _ => None,
        })
        .collect();
    assert_eq!(told, ["down connection refused", "lost 10-10"]);
}

/// `cargo test --release -p tenantry --lib usage -- --ignored --nocapture`
#[test]
#[ignore = "a measurement"]
fn ten_thousand_servers_a_minute() {
    const SERVERS: usize = 10_000;
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    let mut one = window(0, 200);
    let services = |number: usize| {
        (
            format!("service-{number}"),
            one.containers.values().next().unwrap()["web"],
        )
    };
    let all: BTreeMap<_, _> = (0..20).map(services).collect();
    one.containers = BTreeMap::from([("site-html".to_owned().try_into().unwrap(), all)]);
    for minute in 0..4u32 {
        let from = NOW + i64::from(minute) * 60;
        let begun = std::time::Instant::now();
        let replies: Vec<_> = (0..SERVERS)
            .map(|number| {
                let mut batch = batch("l", &[u64::from(minute) + 1]);
                batch.reports[0].events.clear();
                batch.reports[0].usage = vec![UsageWindow {
                    from: second(from),
                    until: second(from + 60),
                    ..one.clone()
                }];
                store.record_reports(server(&format!("s{number}")), batch, second(from + 60))
            })
            .collect();
        for reply in replies {
            reply.wait().unwrap();
        }
        let took = begun.elapsed().as_secs_f64();
        let bytes = std::fs::metadata(folder.path().join("hub.db"))
            .unwrap()
            .len();
        println!(
            "minute {minute}: {SERVERS} reports with 20 containers each in {took:.2} s: {:.0} reports/s, {:.0} rows/s, {} MiB",
            SERVERS as f64 / took,
            SERVERS as f64 * 5.0 / took,
            bytes >> 20
        );
    }
}

/// A database as releases before had it: the same points come out of it.
#[test]
fn what_was_kept_under_other_keys_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    deliver(&store, "one", 2);
    deliver(&store, "two", 1);
    let spans = UsageSpan::WORDS.map(|(span, _)| span);
    let seen = |store: &SqliteStore| spans.map(|span| usage(store, "two", span));
    let before = seen(&store);
    assert!(!before[0].host.is_empty() && !before[0].containers.is_empty());
    drop(store);
    let db = rusqlite::Connection::open(folder.path().join("hub.db")).unwrap();
    db.execute_batch(
        "CREATE TABLE usage (
            server INTEGER NOT NULL, series INTEGER NOT NULL, at INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (server, series, at)
        ) STRICT, WITHOUT ROWID;
        INSERT INTO usage SELECT key >> 32, (key >> 28) & 15, (key & 268435455) * 60, body FROM used;
        DROP TABLE used;
        PRAGMA user_version = 2;",
    )
    .unwrap();
    drop(db);
    let store = open(&folder);
    assert_eq!(seen(&store), before);
}
