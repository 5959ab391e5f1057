//! The file itself: reopened, deleted, damaged, of a newer release, and synced.

use super::*;
use crate::store::SqliteStore;
use std::fs;
use std::path::{Path, PathBuf};

fn fill(store: &SqliteStore) {
    store
        .record_reports(server("one"), batch("a", &[1, 2]), at(1))
        .wait()
        .unwrap();
    store
        .set_meta(vec![("k".into(), Some("v".into()))])
        .wait()
        .unwrap();
}

fn is_empty(store: &SqliteStore) -> bool {
    store.latest_reports().wait().unwrap().is_empty()
}

fn aside(dir: &Path) -> Vec<PathBuf> {
    let names = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path());
    names
        .filter(|p| {
            p.file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .starts_with("hub.db.corrupt-")
        })
        .collect()
}

#[test]
fn what_was_written_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("new/folder/hub.db");
    fill(&SqliteStore::open(&file).unwrap());
    let store = SqliteStore::open(&file).unwrap();
    let latest = store
        .latest_reports()
        .wait()
        .unwrap()
        .remove(&server("one"))
        .unwrap();
    assert_eq!(
        (
            latest.report.sequence,
            latest.received_at,
            latest.ledger.as_str()
        ),
        (2, at(1), "a")
    );
    assert_eq!(store.history(server("one"), 9).wait().unwrap().len(), 2);
    assert_eq!(store.meta("k".into()).wait().unwrap()["k"], "v");
}

#[test]
fn answers_can_be_awaited_and_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&dir.path().join("hub.db")).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        drop(store.record_reports(server("one"), batch("a", &[1]), at(1)));
        let second = store
            .record_reports(server("one"), batch("a", &[2]), at(1))
            .await
            .unwrap();
        assert_eq!(second.receipt.accepted, 2);
    });
    assert_eq!(store.history(server("one"), 9).wait().unwrap().len(), 2);
}

#[test]
fn a_deleted_database_is_made_anew_while_running() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("hub.db");
    let store = SqliteStore::open(&file).unwrap();
    fill(&store);
    for part in ["hub.db", "hub.db-wal", "hub.db-shm"] {
        fs::remove_file(dir.path().join(part)).unwrap();
    }
    assert!(is_empty(&store));
    fill(&store);
    assert!(!is_empty(&store));
    fs::remove_file(&file).unwrap();
    fill(&store);
    drop(store);
    assert!(
        !is_empty(&SqliteStore::open(&file).unwrap()),
        "what is written afterwards is kept"
    );
}

#[test]
fn a_damaged_database_is_put_aside_at_opening() {
    for damage in [
        b"not a database at all, and long enough to have a header".to_vec(),
        vec![0xA5; 40_000],
    ] {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("hub.db");
        fs::write(&file, &damage).unwrap();
        let store = SqliteStore::open(&file).unwrap();
        assert!(is_empty(&store));
        fill(&store);
        let kept = aside(dir.path());
        assert_eq!(kept.len(), 1, "{kept:?}");
        assert_eq!(fs::read(&kept[0]).unwrap(), damage);
    }
}

#[test]
fn damage_in_the_middle_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("hub.db");
    let store = SqliteStore::open(&file).unwrap();
    for n in 0..200 {
        store
            .record_reports(server(&format!("s{n}")), batch("a", &[1, 2, 3]), at(1))
            .wait()
            .unwrap();
    }
    drop(store);
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[4096..middle].fill(0x5A);
    fs::write(&file, bytes).unwrap();
    let store = SqliteStore::open(&file).unwrap();
    assert!(is_empty(&store));
    assert_eq!(aside(dir.path()).len(), 1);
}

#[test]
fn damage_while_running_costs_an_error_or_two() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("hub.db");
    let store = SqliteStore::open(&file).unwrap();
    fill(&store);
    drop(store);
    let store = SqliteStore::open(&file).unwrap();
    // In place, so that the file stays the same one.
    let length = fs::metadata(&file).unwrap().len() as usize;
    fs::write(&file, vec![0x5A; length]).unwrap();
    let mut failures = 0;
    let latest = loop {
        let kept = store
            .record_reports(server("one"), batch("a", &[3]), at(1))
            .wait();
        match kept.and_then(|_| store.latest_reports().wait()) {
            Ok(latest) if latest.contains_key(&server("one")) => break latest,
            _ => failures += 1,
        }
        assert!(failures < 4);
    };
    assert_eq!(latest[&server("one")].report.sequence, 3);
    assert_eq!(
        aside(dir.path())
            .iter()
            .filter(|p| !p.to_str().unwrap().ends_with("-wal")
                && !p.to_str().unwrap().ends_with("-shm"))
            .count(),
        1
    );
}

#[test]
fn a_database_of_a_newer_release_is_put_aside() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("hub.db");
    fill(&SqliteStore::open(&file).unwrap());
    rusqlite::Connection::open(&file)
        .unwrap()
        .pragma_update(None, "user_version", 99)
        .unwrap();
    assert!(is_empty(&SqliteStore::open(&file).unwrap()));
    assert_eq!(aside(dir.path()).len(), 1);
}

#[test]
fn a_folder_in_its_place_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    assert!(SqliteStore::open(dir.path()).is_err());
}

#[test]
fn the_log_is_synced_at_every_commit() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("hub.db");
    drop(SqliteStore::open(&file).unwrap());
    let trace = dir.path().join("trace");
    #[expect(
        clippy::disallowed_methods,
        reason = "how a test hands a folder to itself"
    )]
    if let Some(file) = std::env::var_os("TENANTRY_TEST_STORE") {
        fill(&SqliteStore::open(Path::new(&file)).unwrap());
        return;
    }
    let ran = std::process::Command::new("strace")
        .args(["-f", "-y", "-e", "trace=fsync,fdatasync", "-o"])
        .arg(&trace)
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            &format!(
                "{}::the_log_is_synced_at_every_commit",
                module_path!().split_once("::").unwrap().1
            ),
        ])
        .env("TENANTRY_TEST_STORE", &file)
        .output();
    let Ok(ran) = ran else {
        eprintln!("not tested: strace is not installed");
        return;
    };
    assert!(ran.status.success());
    let synced = fs::read_to_string(trace).unwrap();
    let of_ours = synced
        .lines()
        .filter(|line| line.contains(dir.path().to_str().unwrap()) && line.contains("hub.db-wal>"))
        .count();
    assert!(of_ours >= 2, "{synced}");
}
