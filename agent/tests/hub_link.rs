//! The agent and a hub: slices arrive at once, reports once and in order, and a hub that is away or lies stops nothing else.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;

use common::hub::Hub;
use common::{Running, World, key};
use std::time::{Duration, Instant};
use tenantry_schema::wire::{EventKind, RefusalKind};
use tenantry_wire::http::Nonce;

async fn world() -> (World, std::sync::Arc<Hub>) {
    let mut world = World::new();
    let hub = Hub::start(&mut world).await;
    (world, hub)
}

fn index(text: &str) -> [(&'static str, &str); 1] {
    [("stacks/web-html/files/index.html", text)]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slice_arrives_at_once_and_is_applied_and_reported() {
    let (world, hub) = world().await;
    let _agent = Running::start(&world);
    hub.until("started", |report| {
        report.slice.is_none() && report.host.memory > 0
    })
    .await;
    let published = Instant::now();
    hub.publish(&world, 1, world.html(&index("one")));
    hub.until("accepted", |report| {
        report
            .slice
            .as_ref()
            .is_some_and(|slice| slice.generation == 1)
    })
    .await;
    assert!(
        published.elapsed() < common::PROMPT,
        "{:?}",
        published.elapsed()
    );
    let file = world.state("live/web-html/files/index.html");
    wait(|| std::fs::read_to_string(&file).is_ok_and(|text| text == "one")).await;
    hub.publish(&world, 2, world.html(&index("two")));
    wait(|| std::fs::read_to_string(&file).is_ok_and(|text| text == "two")).await;
    let report = hub
        .until("told about the engine", |report| {
            !report.instances.is_empty()
        })
        .await;
    let instance = report.instances.values().next().unwrap();
    assert!(
        instance
            .message
            .as_ref()
            .unwrap()
            .contains("engine does not answer"),
        "{instance:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_off_it_heals_and_afterwards_reports_in_order_once() {
    let (world, hub) = world().await;
    hub.publish(&world, 1, world.html(&index("one")));
    let agent = Running::start(&world);
    let file = world.state("live/web-html/files/index.html");
    wait(|| file.exists()).await;
    hub.change(|said| said.down = true);
    for round in 0..3 {
        tokio::time::sleep(Duration::from_millis(400)).await;
        std::fs::write(&file, format!("drift {round}")).unwrap();
        let drifted = Instant::now();
        wait(|| std::fs::read_to_string(&file).is_ok_and(|text| text == "one")).await;
        assert!(
            drifted.elapsed() < common::PROMPT,
            "{:?}",
            drifted.elapsed()
        );
    }
    let deleted = Instant::now();
    std::fs::remove_dir_all(world.state("live/web-html/files")).unwrap();
    wait(|| file.exists()).await;
    assert!(
        deleted.elapsed() < common::PROMPT,
        "{:?}",
        deleted.elapsed()
    );
    // Also across a restart.
    tokio::time::sleep(Duration::from_millis(100)).await;
    drop(agent);
    std::fs::write(&file, "drift while down").unwrap();
    let _agent = Running::start(&world);
    wait(|| std::fs::read_to_string(&file).is_ok_and(|text| text == "one")).await;

    hub.change(|said| {
        said.down = false;
        said.lose_receipts = 1;
    });
    let written = |reports: &[tenantry_schema::wire::Report]| {
        let events = reports.iter().flat_map(|report| &report.events);
        events
            .filter(|event| {
                event.kind == EventKind::Changed && event.message.contains("index.html")
            })
            .count()
    };
    hub.until_all("delivered", |reports| written(reports) >= 6)
        .await;
    hub.until_all("settled", |reports| {
        reports.iter().filter(|report| started(report)).count() == 2
    })
    .await;
    let numbers: Vec<_> =
        hub.read(|said| said.reports.iter().map(|report| report.sequence).collect());
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    assert_eq!(
        numbers,
        (1..=numbers.len() as u64).collect::<Vec<_>>(),
        "none is missing"
    );
}

fn started(report: &tenantry_schema::wire::Report) -> bool {
    report
        .events
        .iter()
        .any(|event| event.kind == EventKind::Started)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_cannot_be_believed_are_refused_and_told() {
    let (world, hub) = world().await;
    hub.change(|said| said.impostor = Some(key()));
    hub.publish(&world, 1, world.html(&index("one")));
    let _agent = Running::start(&world);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!world.state("live/web-html").exists());
    hub.change(|said| {
        said.impostor = None;
        said.replay = Some(Nonce::generate(&mut rand::rng()));
    });
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(!world.state("live/web-html").exists());
    hub.change(|said| said.replay = None);
    let file = world.state("live/web-html/files/index.html");
    wait(|| file.exists()).await;
    let told = |reports: &[tenantry_schema::wire::Report], kind| {
        reports
            .iter()
            .flat_map(|report| &report.refusals)
            .any(|refusal| refusal.kind == kind)
    };
    hub.until_all("told", |reports| {
        told(reports, RefusalKind::WrongSigner) && told(reports, RefusalKind::NotFresh)
    })
    .await;
    // A slice that is not for us, in an answer that is: refused once, and not asked for in a tight loop.
    let other = World::with(|config| config.server = common::server("acme-2"));
    let mut draft = other.draft(7, other.html(&index("theirs")));
    draft.server = common::server("acme-2");
    let bundle =
        tenantry_wire::bundle::pack(&tenantry_wire::slice::seal(draft, &world.hub).unwrap());
    hub.change(|said| said.slice = Some((7, "00".repeat(32), bundle)));
    hub.news.notify_waiters();
    hub.until_all("told", |reports| told(reports, RefusalKind::WrongServer))
        .await;
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "one");
}

async fn wait(good: impl Fn() -> bool) {
    for _ in 0..2000 {
        if good() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it never comes to that");
}
