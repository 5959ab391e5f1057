//! What an agent refuses, over the real wire: a real hub, a real agent, and a man in the middle who has stolen the hub's key.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]
#![expect(unreachable_pub, reason = "the modules of a test are its own")]

mod thief;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tenantry_planner::status::{FleetStatus, Phase};
use tenantry_schema::wire::SliceRef;
use tenantry_tests::lab::{Port, wait_until};
use tenantry_tests::rig::read::server_key;
use tenantry_tests::rig::{Answered, FakeAgent, Forgery, Middleman, World, page_until};
use tenantry_wire::ledger::Verdict;
use thief::{OUTSIDER, Thief};

const SOON: Duration = Duration::from_secs(30);
const SETUP: Duration = Duration::from_mins(2);

/// Everything on the server that an accepted slice could have changed.
fn traces(world: &World) -> BTreeMap<String, Vec<u8>> {
    fn walk(folder: &std::path::Path, found: &mut BTreeMap<String, Vec<u8>>) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.path().is_dir() {
                walk(&entry.path(), found);
            } else {
                found.insert(
                    entry.path().display().to_string(),
                    std::fs::read(entry.path()).unwrap_or_default(),
                );
            }
        }
    }
    let mut found = BTreeMap::new();
    let dir = world.servers[0].dir();
    for folder in [
        world.live(0),
        world.memory(0),
        dir.join("state/slices"),
        dir.join("nginx/conf"),
    ] {
        walk(&folder, &mut found);
    }
    found.insert(
        "accepted".to_owned(),
        format!("{:?}", accepted(world)).into_bytes(),
    );
    found.insert(
        "running".to_owned(),
        format!("{:?}", world.running().unwrap()).into_bytes(),
    );
    found
}

fn accepted(world: &World) -> Option<SliceRef> {
    let ledger = std::fs::read(world.servers[0].dir().join("state/ledger.json")).unwrap();
    let ledger: serde_json::Value = serde_json::from_slice(&ledger).unwrap();
    serde_json::from_value(ledger["accepted"].clone()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_slices_and_answers_are_refused_reported_by_kind_and_change_nothing() {
    let port = Port::reserve().unwrap();
    let Some(mut world) = World::open_behind(&["acme/acme-1"], port.number()).await else {
        return;
    };
    let middleman = Middleman::start(port.number(), &world.home.url())
        .await
        .unwrap();
    let other = FakeAgent::new("acme/acme-2").unwrap();
    let order = world.lab.name("site");
    let fleet = &world.home.fleet;
    let document = format!("fleet/customers/acme/orders/{order}.yaml");
    fleet
        .write(
            "fleet/customers/acme/servers/acme-1.yaml",
            &world.servers[0].document(""),
        )
        .unwrap();
    fleet.write(&other.path(), &other.document("")).unwrap();
    fleet.write(&document, "plan: pro\ndomain: acme.test\nserver: acme-1\ntools:\n  html:\n    parameters: { TITLE: one }\n").unwrap();
    fleet
        .write(
            "fleet/customers/acme/orders/other.yaml",
            "plan: pro\ndomain: other.test\nserver: acme-2\ntools: [guestbook]\n",
        )
        .unwrap();
    fleet.commit("two orders").unwrap();
    world.servers[0].start().unwrap();
    let fulfilled = |status: &FleetStatus| {
        status
            .orders
            .iter()
            .any(|o| o.order.as_str() == order && o.phase == Phase::Fulfilled)
    };
    world
        .home
        .hub()
        .wait_for(SETUP, "fulfilment", fulfilled)
        .await
        .unwrap();
    let older = middleman.slices().last().unwrap().body.to_vec();
    fleet.pull().unwrap();
    fleet.edit(&document, "TITLE: one", "TITLE: two").unwrap();
    fleet.commit("another title").unwrap();
    page_until(&world.servers[0], "acme.test", "two", SOON)
        .await
        .unwrap();
    let newest = middleman.slices().last().unwrap().body.to_vec();
    assert_ne!(older, newest);
    let Answered::Slice(others, Verdict::Accept) =
        other.next(&world.home.url(), fleet, 10).await.unwrap()
    else {
        panic!("acme-2 has no slice")
    };
    let in_sync = |status: &FleetStatus| {
        status
            .servers
            .iter()
            .any(|server| server.server.as_str() == "acme-1" && server.in_sync)
    };
    world
        .home
        .hub()
        .wait_for(SOON, "agreement", in_sync)
        .await
        .unwrap();

    let thief = Thief {
        hub: Arc::new(fleet.hub_signing_key().unwrap()),
        server: server_key("acme/acme-1").unwrap(),
        fleet: fleet.id().to_owned(),
        older,
        newest,
        others: *others,
    };
    let before = traces(&world);
    let mut refused = 0;
    for (what, forgery, kind) in thief.attacks(&middleman) {
        middleman.forge(forgery);
        let seen = wait_until(SOON, what, async || {
            let status = world.home.hub().status().await.ok()?;
            let server = status
                .servers
                .iter()
                .find(|server| server.server.as_str() == "acme-1")?;
            // The status keeps the last twenty.
            (server.refusals.len() > refused).then(|| server.refusals.clone())
        });
        let seen = seen.await.unwrap();
        let kinds: Vec<_> = seen[refused..].iter().map(|refusal| refusal.kind).collect();
        assert_eq!(kinds, [kind], "{what}: {:?}", seen.last());
        assert_eq!(traces(&world), before, "{what}: something changed");
        refused = seen.len();
    }
    assert!(refused >= 15 && !std::path::Path::new(OUTSIDER).exists());
    // None of it keeps the agent from the next good slice.
    fleet.pull().unwrap();
    fleet.edit(&document, "TITLE: two", "TITLE: three").unwrap();
    fleet.commit("a third title").unwrap();
    page_until(
        &world.servers[0],
        "acme.test",
        "three",
        Duration::from_secs(70),
    )
    .await
    .unwrap();

    let name = format!("{order}-html-web-1");
    let calm = wait_until(SOON, "the end of the roll-out", async || {
        let running = world.running().ok()?;
        running.keys().eq([&name]).then_some(running)
    });
    let running = calm.await.unwrap();
    // Without its ledger the agent takes what a fresh answer brings; a slice that it has never seen is still not taken from a stale answer.
    world.servers[0].kill_agent();
    std::fs::remove_file(world.servers[0].dir().join("state/ledger.json")).unwrap();
    let stale = middleman.slices().first().unwrap().clone();
    middleman.forge(Forgery::Replayed(stale));
    world.servers[0].start().unwrap();
    let state = world.servers[0].dir().join("state");
    let back = wait_until(SETUP, "a new ledger with the newest slice", async || {
        let ledger: serde_json::Value =
            serde_json::from_slice(&std::fs::read(state.join("ledger.json")).ok()?).ok()?;
        let content = ledger["accepted"]["content"].as_str()?.to_owned();
        (ledger["converged"].as_str() == Some(content.as_str()))
            .then_some(ledger["accepted"]["generation"].as_u64()?)
    });
    let generation = back.await.unwrap();
    let status = world
        .home
        .hub()
        .wait_for(SOON, "agreement again", in_sync)
        .await
        .unwrap();
    let server = status
        .servers
        .iter()
        .find(|server| server.server.as_str() == "acme-1")
        .unwrap();
    assert_eq!(server.published, Some(generation));
    assert_eq!(
        world.running().unwrap(),
        running,
        "losing the ledger restarted something"
    );
    assert_eq!(middleman.pending(), 0, "the stale answer was given");
}
