//! Wake-ups: they come for every way a branch moves on this machine, and not for our own reading.

use super::*;
use std::time::Duration;
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(4);
const QUIET: Duration = Duration::from_millis(300);
const NEVER: Duration = Duration::from_hours(1);

async fn wakes(watcher: &mut crate::git::Watcher, what: &str) {
    timeout(SOON, watcher.wait())
        .await
        .unwrap_or_else(|_| panic!("no wake-up: {what}"));
    while timeout(QUIET, watcher.wait()).await.is_ok() {}
}

#[tokio::test]
async fn every_way_a_branch_moves() {
    let world = World::new(Layout::Bare);
    let fleet = world.fleet("data");
    let mut watcher = fleet.watch(NEVER).unwrap();
    commit(&fleet, &[put("x", "1")], "x");
    wakes(&mut watcher, "our own commit").await;
    world.git(&["pack-refs", "--all"]);
    wakes(&mut watcher, "pack-refs").await;
    world.git(&["update-ref", "refs/heads/main", &world.first.to_string()]);
    wakes(&mut watcher, "update-ref").await;
    std::fs::rename(world.repo(), world.data("old")).unwrap();
    let files = [put("fleet/hub.yaml", "fleet_id: other\n")];
    init_repository(
        &world.repo(),
        "main",
        Layout::Bare,
        &files,
        &author(),
        "Other",
        at(50),
    )
    .unwrap();
    wakes(&mut watcher, "replaced").await;
    commit(&fleet, &[put("x", "2")], "x");
    wakes(&mut watcher, "a commit in the replacement").await;
}

#[tokio::test]
async fn a_work_tree_is_watched_by_its_git_folder() {
    let world = World::new(Layout::WorkTree);
    let mut watcher = world.fleet("data").watch(NEVER).unwrap();
    world.git(&["commit", "-q", "--allow-empty", "-m", "x"]);
    wakes(&mut watcher, "a person's commit").await;
}

#[tokio::test]
async fn looking_does_not_wake() {
    let world = World::new(Layout::WorkTree);
    let fleet = world.fleet("data");
    let mut watcher = fleet.watch(NEVER).unwrap();
    while timeout(QUIET, watcher.wait()).await.is_ok() {}
    for _ in 0..3 {
        fleet.fetch().unwrap();
    }
    assert!(timeout(QUIET, watcher.wait()).await.is_err());
}

#[tokio::test]
async fn what_is_written_beside_a_repository_does_not_wake() {
    let world = World::new(Layout::Bare);
    let mut watcher = world.fleet("data").watch(NEVER).unwrap();
    while timeout(QUIET, watcher.wait()).await.is_ok() {}
    // Such as the hub's own log, which grows with every pass.
    let log = world.repo().with_file_name("serve.log");
    std::fs::write(&log, "a pass\n").unwrap();
    std::fs::rename(&log, log.with_extension("old")).unwrap();
    assert!(timeout(QUIET, watcher.wait()).await.is_err());
}

#[tokio::test]
async fn without_a_folder_it_polls() {
    let poll = Duration::from_millis(40);
    let mut watcher = crate::git::Watcher::new(None, poll).unwrap();
    for _ in 0..3 {
        let before = std::time::Instant::now();
        watcher.wait().await;
        assert!(
            before.elapsed() >= poll.mul_f64(0.9),
            "{:?}",
            before.elapsed()
        );
    }
}
