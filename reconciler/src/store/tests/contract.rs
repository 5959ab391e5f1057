//! What every store must do. A new store adds one line to `every_store!`.

use super::*;
use tenantry_schema::wire::Receipt;

macro_rules! every_store {
    ($($test:ident),+ $(,)?) => {
        mod sqlite {
            use crate::store::SqliteStore;
            $(#[test] fn $test() {
                let dir = tempfile::tempdir().unwrap();
                super::$test(&SqliteStore::open(&dir.path().join("hub.db")).unwrap());
            })+
        }
    };
}

every_store! {
    duplicates_change_nothing, disorder_within_a_batch, gaps_are_written_down, a_new_ledger_counts_anew, a_late_old_ledger, ledgers_are_bounded,
    history_is_bounded, bad_batches, attempts_are_counted, meta_values, the_audit, servers_do_not_mix, many_at_once,
}

fn record(store: &dyn StateStore, ledger: &str, sequences: &[u64]) -> Recorded {
    store
        .record_reports(server("one"), batch(ledger, sequences), at(100))
        .wait()
        .unwrap()
}

fn latest_sequence(store: &dyn StateStore) -> (String, u64) {
    let stored = store
        .latest_reports()
        .wait()
        .unwrap()
        .remove(&server("one"))
        .unwrap();
    (stored.ledger, stored.report.sequence)
}

/// The numbers of the events, and gaps as pairs.
fn told(history: &[HistoryEntry]) -> Vec<String> {
    history
        .iter()
        .map(|entry| match &entry.what {
            Happening::Event(event) => event.message.trim_start_matches("event ").to_owned(),
            Happening::Refusal(refusal) => refusal.detail.clone(),
            Happening::Gap { from, to } => format!("lost {from}-{to}"),
            Happening::Match(found) => found.line.clone(),
        })
        .collect()
}

fn history_of(store: &dyn StateStore) -> Vec<String> {
    told(&store.history(server("one"), 10_000).wait().unwrap())
}

fn duplicates_change_nothing(store: &dyn StateStore) {
    let first = record(store, "a", &[1, 2, 3]);
    assert_eq!(first.receipt.accepted, 3);
    let news = first.news.unwrap();
    assert_eq!(news.latest.unwrap().report.sequence, 3);
    assert_eq!(told(&news.history), ["1", "2", "3"]);
    for again in [&[1, 2, 3][..], &[2], &[3, 3]] {
        let repeated = record(store, "a", again);
        assert_eq!((repeated.receipt.accepted, repeated.news), (3, None));
    }
    let overlapping = record(store, "a", &[2, 3, 4, 5]);
    assert_eq!(told(&overlapping.news.unwrap().history), ["4", "5"]);
    assert_eq!(latest_sequence(store), ("a".into(), 5));
    assert_eq!(history_of(store), ["1", "2", "3", "4", "5"]);
}

fn disorder_within_a_batch(store: &dyn StateStore) {
    assert_eq!(record(store, "a", &[3, 1, 2, 2]).receipt.accepted, 3);
    assert_eq!(history_of(store), ["1", "2", "3"]);
    assert_eq!(latest_sequence(store).1, 3);
}

fn gaps_are_written_down(store: &dyn StateStore) {
    // A hub that has just lost its data joins in the middle: nothing is missing from its point of view.
    assert_eq!(record(store, "a", &[500]).receipt.accepted, 500);
    assert_eq!(record(store, "a", &[503, 506]).receipt.accepted, 506);
    assert_eq!(
        history_of(store),
        ["500", "lost 501-502", "503", "lost 504-505", "506"]
    );
    // What was lost and comes late was acknowledged before; it is not counted twice.
    assert_eq!(record(store, "a", &[501]).news, None);
}

fn a_new_ledger_counts_anew(store: &dyn StateStore) {
    record(store, "a", &[7, 8, 9]);
    let anew = record(store, "b", &[1]);
    assert_eq!(anew.receipt.accepted, 1);
    assert_eq!(anew.news.unwrap().latest.unwrap().report.sequence, 1);
    assert_eq!(latest_sequence(store), ("b".into(), 1));
    assert_eq!(history_of(store), ["7", "8", "9", "1"]);
}

fn a_late_old_ledger(store: &dyn StateStore) {
    record(store, "a", &[1, 2]);
    record(store, "b", &[5]);
    // Delivered before and delivered again: only acknowledged.
    assert_eq!(
        record(store, "a", &[1, 2]),
        Recorded {
            receipt: Receipt { accepted: 2 },
            news: None
        }
    );
    // On its way for long: its events are news, its state is not.
    let late = record(store, "a", &[3]).news.unwrap();
    assert_eq!(
        (late.latest, told(&late.history)),
        (None, vec!["3".to_owned()])
    );
    assert_eq!(latest_sequence(store), ("b".into(), 5));
    // The machine was put back to an older disk: what it says now is newer by its own clock.
    let back = record(store, "a", &[6]).news.unwrap();
    assert_eq!(back.latest.unwrap().ledger, "a");
    assert_eq!(latest_sequence(store), ("a".into(), 6));
}

fn ledgers_are_bounded(store: &dyn StateStore) {
    for n in 0..40 {
        let name = format!("ledger-{n}");
        store
            .record_reports(server("one"), batch(&name, &[1]), at(n))
            .wait()
            .unwrap();
    }
    assert_eq!(latest_sequence(store).0, "ledger-39");
    assert_eq!(
        record(store, "ledger-39", &[1]).news,
        None,
        "recent ones are remembered"
    );
}

fn history_is_bounded(store: &dyn StateStore) {
    let mut full = report(1);
    full.events = (0..HISTORY_PER_SERVER as u64 + 50).map(event).collect();
    let batch_of = |report| ReportBatch {
        ledger: "a".into(),
        reports: vec![report],
    };
    store
        .record_reports(server("one"), batch_of(full), at(1))
        .wait()
        .unwrap();
    let mut next = report(2);
    next.events = vec![event(9999)];
    next.refusals = vec![refusal(5)];
    store
        .record_reports(server("one"), batch_of(next), at(2))
        .wait()
        .unwrap();
    let all = history_of(store);
    assert_eq!(all.len(), HISTORY_PER_SERVER);
    assert_eq!(all[all.len() - 2..], ["old", "9999"]);
    assert_eq!(all[0], "52");
    assert_eq!(
        told(&store.history(server("one"), 1).wait().unwrap()),
        ["9999"]
    );
    assert_eq!(
        told(&store.recent_history(1).wait().unwrap()[&server("one")]),
        ["9999"]
    );
}

fn bad_batches(store: &dyn StateStore) {
    for bad in [
        batch("a", &[]),
        batch("", &[1]),
        batch(&"x".repeat(129), &[1]),
        batch("a", &[1, u64::MAX]),
    ] {
        let answer = store.record_reports(server("one"), bad, at(1)).wait();
        assert!(matches!(answer, Err(StoreError::BadBatch(_))), "{answer:?}");
    }
    assert!(store.latest_reports().wait().unwrap().is_empty());
}

fn attempts_are_counted(store: &dyn StateStore) {
    let fail = |key: &str| {
        store
            .attempt_failed(key.into(), "no".into(), at(0), 0.0)
            .wait()
            .unwrap()
    };
    assert_eq!(fail("a").next, Some(at(60)));
    assert_eq!(fail("a").next, Some(at(300)));
    assert_eq!(fail("b").count, 1);
    assert_eq!(fail("a").next, Some(at(900)));
    let dead = fail("a");
    assert_eq!((dead.count, dead.next), (4, None));
    let all = store.attempts().wait().unwrap();
    assert_eq!((all.len(), &all["a"]), (2, &dead));
    store
        .attempts_done(vec!["a".into(), "unknown".into()])
        .wait()
        .unwrap();
    assert_eq!(
        store.attempts().wait().unwrap().keys().collect::<Vec<_>>(),
        ["b"]
    );
    assert_eq!(fail("a").count, 1, "forgotten");
}

fn meta_values(store: &dyn StateStore) {
    let set = |pairs: &[(&str, Option<&str>)]| {
        let pairs = pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), v.map(str::to_owned)))
            .collect();
        store.set_meta(pairs).wait().unwrap();
    };
    set(&[
        ("good/acme", Some("1")),
        ("good/bolt", Some("2")),
        ("goods", Some("3")),
        ("good_", Some("4")),
        ("a", Some("5")),
    ]);
    set(&[
        ("good/acme", Some("6")),
        ("good/bolt", None),
        ("nothing", None),
    ]);
    let good = store.meta("good/".into()).wait().unwrap();
    assert_eq!(
        good,
        BTreeMap::from([("good/acme".to_owned(), "6".to_owned())])
    );
    assert_eq!(store.meta(String::new()).wait().unwrap().len(), 4);
}

fn the_audit(store: &dyn StateStore) {
    let entry = |n: i64| AuditEntry {
        at: at(n),
        act: "publish slice".into(),
        subject: format!("acme/{n}"),
        commit: (n % 2 == 0).then(|| "abc".to_owned()),
        reason: "content changed".into(),
    };
    store.audit((0..5).map(entry).collect()).wait().unwrap();
    store.audit(vec![]).wait().unwrap();
    assert_eq!(store.audit_log(2).wait().unwrap(), [entry(4), entry(3)]);
    assert_eq!(store.audit_log(100).wait().unwrap().len(), 5);
}

fn servers_do_not_mix(store: &dyn StateStore) {
    record(store, "a", &[1, 2]);
    let other = store
        .record_reports(server("two"), batch("a", &[1]), at(1))
        .wait()
        .unwrap();
    assert_eq!(told(&other.news.unwrap().history), ["1"]);
    assert_eq!(history_of(store), ["1", "2"]);
    let latest = store.latest_reports().wait().unwrap();
    assert_eq!(
        latest
            .iter()
            .map(|(k, r)| (k.to_string(), r.report.sequence))
            .collect::<Vec<_>>(),
        [("acme/one".to_owned(), 2), ("acme/two".to_owned(), 1)]
    );
    assert!(store.history(server("three"), 5).wait().unwrap().is_empty());
}

fn many_at_once(store: &dyn StateStore) {
    let started = std::time::Instant::now();
    let count: u32 = 2000;
    let replies: Vec<_> = (0..count)
        .map(|n| store.record_reports(server(&format!("s{n}")), batch("a", &[1]), at(1)))
        .collect();
    for reply in replies {
        assert_eq!(reply.wait().unwrap().receipt.accepted, 1);
    }
    let each = started.elapsed() / count;
    eprintln!("a report costs {each:?}");
    assert!(each < std::time::Duration::from_millis(2), "{each:?}");
    assert_eq!(store.latest_reports().wait().unwrap().len(), count as usize);
}
