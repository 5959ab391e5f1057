//! Reports that the hub will not take: too many at once, too large, without sense. What stands behind them is delivered.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;

use common::hub::Hub;
use common::{Running, World};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use tenantry_schema::wire::Report;

async fn world() -> (World, Arc<Hub>) {
    let mut world = World::new();
    let hub = Hub::start(&mut world).await;
    (world, hub)
}

/// Puts a report with one event where reports wait.
fn wait_in_outbox(world: &World, sequence: u64, message: &str) {
    let report = serde_json::json!({
        "sequence": sequence, "taken_at": "2026-11-21T10:00:00Z", "release": "0", "instances": {}, "sites": {},
        "events": [{ "at": "2026-11-21T10:00:00Z", "kind": "failed", "message": message }],
    });
    let report: Report = serde_json::from_value(report).unwrap();
    let folder = world.state("outbox");
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(format!("{sequence}.json"));
    std::fs::write(path, serde_json::to_vec(&report).unwrap()).unwrap();
}

fn numbers(hub: &Hub) -> Vec<u64> {
    hub.read(|said| said.reports.iter().map(|report| report.sequence).collect())
}

async fn until_number(hub: &Hub, number: u64) {
    hub.until_all("delivered", |reports| {
        reports
            .last()
            .is_some_and(|report| report.sequence >= number)
    })
    .await;
}

fn files(folder: &Path) -> usize {
    std::fs::read_dir(folder).map_or(0, Iterator::count)
}

fn status(world: &World, arguments: &[&str]) -> String {
    let path = world.folder.path().join("agent.yaml");
    std::fs::write(&path, serde_yaml::to_string(&world.config).unwrap()).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_tenantry-agent"))
        .arg("--config")
        .arg(&path)
        .arg("status")
        .args(arguments)
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_much_at_once_goes_in_parts() {
    let (world, hub) = world().await;
    for sequence in 1..=12 {
        wait_in_outbox(&world, sequence, &"x".repeat(100_000));
    }
    hub.change(|said| said.largest = Some(250_000));
    let _agent = Running::start(&world);
    until_number(&hub, 13).await;
    let delivered = numbers(&hub);
    assert_eq!(delivered, (1..=delivered.len() as u64).collect::<Vec<_>>());
    assert!(hub.read(|said| said.bodies.iter().all(|bytes| *bytes <= 250_000)));
    assert_eq!(files(&world.state("refused-reports")), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_batch_is_larger_than_web_servers_take() {
    let (world, hub) = world().await;
    for sequence in 1..=40 {
        wait_in_outbox(&world, sequence, &"x".repeat(200_000));
    }
    let _agent = Running::start(&world);
    until_number(&hub, 41).await;
    let bodies = hub.read(|said| said.bodies.clone());
    assert!(bodies.iter().all(|bytes| *bytes <= 1 << 20), "{bodies:?}");
    assert!(bodies.len() <= 15, "many go at once: {bodies:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_makes_no_sense_is_set_aside_and_shown() {
    let (world, hub) = world().await;
    for sequence in 1..=20 {
        let message = if sequence == 7 { "poison" } else { "good" };
        wait_in_outbox(&world, sequence, message);
    }
    // One alone is larger than any hub takes.
    wait_in_outbox(&world, 21, &"x".repeat(5 << 20));
    hub.change(|said| said.poison = Some("poison"));
    let agent = Running::start(&world);
    until_number(&hub, 22).await;
    let expected: Vec<u64> = (1..=22).filter(|n| ![7, 21].contains(n)).collect();
    assert_eq!(numbers(&hub)[..20], expected);
    let aside = world.state("refused-reports");
    assert_eq!(files(&aside), 2);
    let kept = std::fs::read_dir(&aside)
        .unwrap()
        .map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap())
        .find(|text| text.contains("poison"))
        .unwrap();
    assert!(kept.contains("malformed: this makes no sense"), "{kept}");

    let text = status(&world, &[]);
    assert!(text.contains("2 reports are set aside"), "{text}");
    let json: serde_json::Value = serde_json::from_str(&status(&world, &["--json"])).unwrap();
    assert_eq!(json["refused_reports"]["count"], 2);
    drop(agent);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_cannot_make_reports_vanish() {
    let (world, hub) = world().await;
    wait_in_outbox(&world, 1, "poison");
    wait_in_outbox(&world, 2, "good");
    hub.change(|said| {
        said.poison = Some("poison");
        said.stranger = true;
    });
    let _agent = Running::start(&world);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(numbers(&hub).is_empty());
    // Whoever takes nothing at all is not believed either.
    hub.change(|said| said.largest = Some(10));
    until_status(&world, |text| {
        text.contains("hub: reports cannot be delivered since") && text.contains("too_large")
    })
    .await;
    assert_eq!(files(&world.state("refused-reports")), 0);
    hub.change(|said| (said.largest, said.poison) = (None, None));
    until_number(&hub, 3).await;
    assert_eq!(numbers(&hub)[..3], [1, 2, 3]);
    until_status(&world, |text| !text.contains("cannot be delivered")).await;
}

/// Until `tenantry-agent status` says so. The agent takes longer and longer breaths while it is refused.
async fn until_status(world: &World, good: impl Fn(&str) -> bool) {
    for _ in 0..600 {
        if good(&status(world, &[])) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{}", status(world, &[]));
}
