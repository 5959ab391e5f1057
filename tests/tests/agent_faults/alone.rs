//! An agent whose hub is away.

use crate::{One, SETUP, SOON};
use std::time::Duration;
use tenantry_planner::status::{FleetStatus, Phase};
use tenantry_schema::wire::{EventKind, Report, ReportBatch};
use tenantry_tests::lab::{Port, wait_until};
use tenantry_tests::rig::{Middleman, World};

#[tokio::test(flavor = "multi_thread")]
async fn without_its_hub_an_agent_heals_and_reports_afterwards_in_order_and_once() {
    let port = Port::reserve().unwrap();
    let Some(world) = World::open_behind(&["acme/acme-1"], port.number()).await else {
        return;
    };
    let middleman = Middleman::start(port.number(), &world.home.url())
        .await
        .unwrap();
    let Some(mut one) = One::start(Some(world)).await else {
        return;
    };
    one.page("title-0").await;
    one.agrees().await;
    let heard = reports(&middleman).len();
    one.world.home.kill();
    for round in 0..3 {
        one.world.docker(&["kill", &one.container("web")]).unwrap();
        let name = one.container("web");
        let killed = wait_until(SOON, "healing without a hub", async || {
            one.world.running().ok()?.contains_key(&name).then_some(())
        });
        killed.await.unwrap();
        one.page("title-0").await;
        tokio::time::sleep(Duration::from_millis(600)).await;
        if round == 1 {
            // The agent, too, is restarted meanwhile: what it had to tell is on disk.
            one.world.servers[0].kill_agent();
            one.world.servers[0].start().unwrap();
            tokio::time::sleep(Duration::from_millis(600)).await;
        }
    }
    assert_eq!(reports(&middleman).len(), heard, "nobody was there to hear");
    one.world.home.start().await.unwrap();
    let outbox = one.state().join("outbox");
    let delivered = wait_until(SETUP, "delivery of what waited", async || {
        std::fs::read_dir(&outbox)
            .ok()?
            .next()
            .is_none()
            .then_some(())
    });
    delivered.await.unwrap();
    let all = reports(&middleman);
    let numbers: Vec<u64> = all.iter().map(|report| report.sequence).collect();
    let expected: Vec<u64> = (numbers[0]..=*numbers.last().unwrap()).collect();
    assert_eq!(numbers, expected, "in order, once, none missing");
    assert!(
        all.windows(2)
            .all(|pair| pair[0].taken_at <= pair[1].taken_at)
    );
    let count = |kind| {
        all[heard..]
            .iter()
            .flat_map(|report| &report.events)
            .filter(|event| event.kind == kind)
            .count()
    };
    assert!(
        count(EventKind::ContainerDied) >= 3 && count(EventKind::Repaired) >= 3,
        "{:?}",
        all[heard..]
            .iter()
            .flat_map(|r| &r.events)
            .collect::<Vec<_>>()
    );
    let deaths = |status: &FleetStatus| {
        let events = status.servers[0].events.iter();
        events
            .filter(|event| event.kind == EventKind::ContainerDied)
            .count()
    };
    // What the hub has acknowledged it shows a moment later.
    let hub = one.world.home.hub();
    let shown = hub.wait_for(SOON, "every death is shown", |status| deaths(status) >= 3);
    assert_eq!(deaths(&shown.await.unwrap()), 3);
    let status = one.agrees().await;
    assert_eq!(deaths(&status), 3, "{:#?}", status.servers[0].events);
    assert_eq!(status.orders[0].phase, Phase::Fulfilled);
}

/// Every report that the hub has acknowledged, in the order of delivery.
fn reports(middleman: &Middleman) -> Vec<Report> {
    let batches = middleman.reports();
    batches
        .iter()
        .flat_map(|body| serde_json::from_slice::<ReportBatch>(body).unwrap().reports)
        .collect()
}
