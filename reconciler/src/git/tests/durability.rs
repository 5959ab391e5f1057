//! What is acknowledged is on disk: a committer is run under `strace`, and every file of the commit must have been synced before it returns.

use super::*;
use std::collections::BTreeSet;

const MARKER: &str = "commit-has-returned";

/// Not a test of its own: the committer that the others run under `strace`. Does nothing without its folder.
#[test]
fn committer() {
    #[expect(
        clippy::disallowed_methods,
        reason = "how a test hands a folder to itself"
    )]
    let Some(dir) = std::env::var_os("TENANTRY_TEST_COMMITTER") else {
        return;
    };
    let dir = PathBuf::from(dir);
    let fleet = Fleet::open(
        Location::parse(dir.join("repo").to_str().unwrap()).unwrap(),
        "main",
        &dir.join("data"),
    )
    .unwrap();
    fleet.fetch().unwrap();
    let many = dir.join("many").exists();
    let changes: Vec<Change> = (0..if many { 100 } else { 1 })
        .map(|n| put(&format!("fleet/decisions/d{n}.yaml"), &format!("{n}")))
        .collect();
    commit(&fleet, &changes, "Decide");
    std::fs::write(dir.join(MARKER), "").unwrap();
}

/// The paths that were synced, and those that were renamed or linked into place, before the marker was made.
fn trace(world: &World) -> Option<(BTreeSet<String>, String)> {
    let log = world.data("strace.log");
    let calls =
        "trace=fsync,fdatasync,sync,syncfs,rename,renameat,renameat2,link,linkat,openat,open,creat";
    let ran = Command::new("strace")
        .args(["-f", "-y", "-s", "4096", "-e", calls, "-o"])
        .arg(&log)
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            &format!("{}::committer", module_path!().split_once("::").unwrap().1),
            "--nocapture",
        ])
        .env("TENANTRY_TEST_COMMITTER", world.data("."))
        .output();
    let Ok(ran) = ran else {
        eprintln!("not tested: strace is not installed");
        return None;
    };
    assert!(
        ran.status.success(),
        "{}",
        String::from_utf8_lossy(&ran.stdout)
    );
    let log = std::fs::read_to_string(log).unwrap();
    let before = log.split(MARKER).next().unwrap().to_owned();
    assert!(before.len() < log.len(), "the marker is in the trace");
    let synced = before
        .lines()
        .filter(|line| line.contains(" fsync(") || line.contains(" fdatasync("))
        .filter_map(|line| Some(line.split_once('<')?.1.split_once('>')?.0.to_owned()))
        .collect();
    Some((synced, before))
}

fn assert_synced(synced: &BTreeSet<String>, what: &str, fits: impl Fn(&str) -> bool) {
    assert!(
        synced.iter().any(|path| fits(path)),
        "{what} was not synced; only: {synced:#?}"
    );
}

#[test]
fn a_small_commit_is_on_disk_when_it_is_acknowledged() {
    let world = World::new(Layout::Bare);
    // As a person's own repository: without our settings.
    for name in ["core.fsync", "core.fsyncMethod"] {
        world.git(&["config", "--unset", name]);
    }
    let Some((synced, _)) = trace(&world) else {
        return;
    };
    let objects = synced
        .iter()
        .filter(|p| p.contains("/repo/objects/") && p.contains("tmp_obj_"))
        .count();
    assert_eq!(objects, 5, "one blob, three trees, one commit: {synced:#?}");
    let folders = synced
        .iter()
        .filter(|p| p.rsplit('/').next().is_some_and(|name| name.len() == 2))
        .count();
    assert!(folders >= 1, "{synced:#?}");
    assert_synced(&synced, "the folder of object folders", |p| {
        p.ends_with("/repo/objects")
    });
    assert_synced(&synced, "the reference", |p| {
        p.ends_with("/repo/refs/heads/main.lock")
    });
    assert_synced(&synced, "the reference's folder", |p| {
        p.ends_with("/repo/refs/heads")
    });
}

#[test]
fn a_large_commit_is_on_disk_when_it_is_acknowledged() {
    let world = World::new(Layout::Bare);
    std::fs::write(world.data("many"), "").unwrap();
    let Some((synced, _)) = trace(&world) else {
        return;
    };
    assert_synced(&synced, "the pack", |p| {
        p.contains("/repo/objects/pack/tmp_") && p.ends_with(".pack")
    });
    assert_synced(&synced, "the index", |p| {
        p.contains("/repo/objects/pack/tmp_") && p.ends_with(".idx")
    });
    assert_synced(&synced, "the packs' folder", |p| {
        p.ends_with("/repo/objects/pack")
    });
    assert_synced(&synced, "the reference", |p| {
        p.ends_with("/repo/refs/heads/main.lock")
    });
}

#[test]
fn a_push_to_this_machine_is_on_disk_when_it_is_acknowledged() {
    let world = World::new(Layout::WorkTree);
    for name in ["core.fsync", "core.fsyncMethod"] {
        world.git(&["config", "--unset", name]);
    }
    let Some((synced, log)) = trace(&world) else {
        return;
    };
    assert_synced(&synced, "an object at the far end", |p| {
        p.contains("/repo/.git/objects/")
    });
    assert_synced(&synced, "the reference at the far end", |p| {
        p.ends_with("/repo/.git/refs/heads/main.lock")
    });
    let syncs: Vec<&str> = log.lines().filter(|line| line.contains("fsync(")).collect();
    let first_reference = syncs
        .iter()
        .position(|line| line.contains("/repo/.git/refs/heads/main.lock"));
    let last_object = syncs
        .iter()
        .rposition(|line| line.contains("/repo/.git/objects/"));
    assert!(last_object < first_reference, "objects first: {syncs:#?}");
}
