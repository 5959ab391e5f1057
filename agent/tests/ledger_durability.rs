//! The ledger on disk: readable after a kill at any instant, and synced before it takes the place of the old one.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;

use rand::Rng as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tenantry_agent::files::Root;
use tenantry_agent::ledger::{LedgerFile, Origin};

/// What the killed process does: counts up in the ledger of its working directory, and says so only after it is written.
#[test]
#[ignore = "run by the other tests as a process of its own"]
fn writer() {
    let (mut file, _) = LedgerFile::open(Root::private(Path::new(".")).unwrap()).unwrap();
    for _ in 0..100_000 {
        file.update(|ledger| ledger.sequence += 1).unwrap();
        std::fs::write("said", file.get().sequence.to_string()).unwrap();
    }
}

fn start(folder: &Path, before: &[&str]) -> Child {
    let own = std::env::current_exe().unwrap();
    let mut words = before
        .iter()
        .map(ToString::to_string)
        .chain([own.display().to_string()]);
    let mut command = Command::new(words.next().unwrap());
    command
        .args(words)
        .args(["--exact", "writer", "--ignored"])
        .current_dir(folder);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn killed_at_random_instants_it_can_always_be_read_and_never_goes_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut rng = rand::rng();
    let (mut last, mut id) = (0, None);
    for round in 0..60 {
        let mut child = start(folder.path(), &[]);
        std::thread::sleep(Duration::from_micros(rng.random_range(3_000..40_000)));
        child.kill().unwrap();
        child.wait().unwrap();
        let (file, origin) = LedgerFile::open(Root::private(folder.path()).unwrap()).unwrap();
        let said: u64 = std::fs::read_to_string(folder.path().join("said"))
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(0);
        match origin {
            Origin::Read => {}
            Origin::New => assert_eq!(last, 0, "the ledger is gone in round {round}"),
            Origin::Damaged(why) => panic!("round {round}: {why}"),
        }
        assert!(
            file.get().sequence >= last.max(said),
            "what was said to be written is written"
        );
        last = file.get().sequence;
        if last > 0 {
            let known = id.get_or_insert_with(|| file.get().id.clone());
            assert_eq!(*known, file.get().id);
        }
    }
    assert!(last > 0, "the writer never got to write");
}

#[test]
fn content_is_synced_before_the_rename_and_the_folder_after_it() {
    if common::skip_without("strace") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("strace.log");
    let calls = "trace=openat,write,fsync,fdatasync,rename,renameat,renameat2";
    let mut child = start(
        folder.path(),
        &[
            "strace",
            "-f",
            "-y",
            "-o",
            log.to_str().unwrap(),
            "-e",
            calls,
        ],
    );
    let said = folder.path().join("said");
    for _ in 0..500 {
        std::thread::sleep(Duration::from_millis(20));
        if std::fs::read_to_string(&said).is_ok_and(|text| text.parse().unwrap_or(0) > 20) {
            break;
        }
    }
    // The tracer takes its tracee along.
    child.kill().unwrap();
    child.wait().unwrap();
    let text = std::fs::read_to_string(&log).unwrap();
    let lines: Vec<_> = text
        .lines()
        .filter(|line| line.contains("ledger.json") || line.contains("fsync("))
        .collect();
    let renames: Vec<_> = lines
        .iter()
        .enumerate()
        .filter(|(_, line)| line.contains("rename") && line.contains(", \"ledger.json\""))
        .collect();
    assert!(renames.len() > 10, "{text}");
    for (at, rename) in renames.iter().take(renames.len() - 1) {
        let temporary = rename.split('"').nth(1).unwrap();
        let synced = lines[..*at]
            .iter()
            .rev()
            .take_while(|line| !line.contains("openat"))
            .any(|line| line.contains("fsync(") && line.contains(temporary));
        assert!(synced, "no fsync of {temporary} before {rename}");
        let after = lines.get(at + 1).copied().unwrap_or_default();
        let root = folder.path().display().to_string();
        assert!(
            after.contains("fsync(") && after.contains(&format!("<{root}>")),
            "no fsync of the folder after {rename}: {after}"
        );
    }
}
