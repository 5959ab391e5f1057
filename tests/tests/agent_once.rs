//! `tenantry-agent converge --once` and what the agent tells people, against a real hub, engine and web server.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::time::Duration;
use tenantry_schema::wire::{Report, ReportBatch};
use tenantry_tests::lab::{Port, wait_until};
use tenantry_tests::rig::{Middleman, World, page_until};

const SOON: Duration = Duration::from_secs(30);
const SETUP: Duration = Duration::from_mins(2);
const DOCUMENT: &str = "fleet/customers/acme/servers/acme-1.yaml";

/// Exit code, and everything that a command of the agent printed.
fn agent(world: &World, arguments: &[&str]) -> (Option<i32>, String) {
    let output = world.servers[0].run_agent(arguments).unwrap();
    let said = [&output.stdout[..], &output.stderr[..]].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(!said.contains('\u{1b}'), "colours in a pipe: {said}");
    (output.status.code(), said)
}

fn once(world: &World) -> (Option<i32>, String) {
    agent(world, &["converge", "--once", "--patience", "90"])
}

/// Enrols once more, as it was enrolled.
fn enrol(world: &World) -> (Option<i32>, String) {
    let server = &world.servers[0];
    let at = |path: &str| server.dir().join(path).display().to_string();
    let secrets = world.memory(0).display().to_string();
    let (facts, state, nginx) = (
        at("hub-facts.yaml"),
        at("state"),
        at("nginx/conf/nginx.conf"),
    );
    let arguments = [
        "enrol",
        "--hub-file",
        &facts,
        "--state",
        &state,
        "--secrets",
        &secrets,
        "--nginx-configuration",
        &nginx,
        "--nginx-control",
        "direct",
    ];
    agent(world, &arguments)
}

fn commit_server(world: &World) {
    let fleet = &world.home.fleet;
    let document = world.servers[0].document("");
    fleet.write(DOCUMENT, &document).unwrap();
    fleet
        .write("fleet/customers/acme/customer.yaml", "language: en\n")
        .unwrap();
}

async fn until_published(world: &World) {
    let head = world.home.fleet.head().unwrap();
    let published = |status: &tenantry_planner::status::FleetStatus| {
        let known = status.commit.as_ref();
        known.is_some_and(|commit| commit.id == head)
            && status
                .servers
                .iter()
                .all(|server| server.published.is_some())
            && !status.servers.is_empty()
    };
    let hub = world.home.hub();
    hub.wait_for(SETUP, "the slice", published).await.unwrap();
}

#[tokio::test]
async fn a_server_is_made_right_in_one_go() {
    let Some(mut world) = World::open(&["acme/acme-1"]).await else {
        return;
    };
    // The hub does not know the server, and its hint gets to where people look.
    let hint = "add the keys that `tenantry-agent enrol` prints";
    for (what, (code, said)) in [("converge", once(&world)), ("enrol", enrol(&world))] {
        assert!(
            said.contains("unknown_key") && said.contains(hint),
            "{what}: {said}"
        );
        assert_eq!(code, Some(i32::from(what == "converge")), "{said}");
    }
    let (_, said) = agent(&world, &["status"]);
    assert!(
        said.contains("hub: no answer about slices since") && said.contains(hint),
        "{said}"
    );

    let order = world.lab.name("site");
    let path = format!("fleet/customers/acme/orders/{order}.yaml");
    commit_server(&world);
    world
        .home
        .fleet
        .write(&path, "plan: pro\ndomain: acme.test\ntools:\n  html:\n    parameters: { TITLE: First title }\n")
        .unwrap();
    world.home.fleet.commit("an order").unwrap();
    world
        .home
        .hub()
        .wait_for(SETUP, "decisions", |status| {
            status
                .servers
                .iter()
                .any(|server| server.published.is_some())
                && status
                    .orders
                    .iter()
                    .any(|order| order.tools.iter().any(|tool| tool.pin.is_some()))
        })
        .await
        .unwrap();
    until_published(&world).await;
    let (code, said) = enrol(&world);
    assert_eq!(code, Some(0));
    assert!(said.contains("knows this server"), "{said}");

    let (code, said) = once(&world);
    assert_eq!(code, Some(2), "{said}");
    page_until(&world.servers[0], "acme.test", "First title", SOON)
        .await
        .unwrap();
    let heard = |status: &tenantry_planner::status::FleetStatus| {
        status.servers.iter().all(|server| server.in_sync) && status.totals.fulfilled == 1
    };
    let hub = world.home.hub();
    hub.wait_for(SOON, "the report", heard).await.unwrap();
    let (code, said) = once(&world);
    assert_eq!((code, said.as_str()), (Some(0), "Nothing to do.\n"));
    let (code, said) = agent(&world, &["status"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("-web-1") && said.contains(" running\n") && said.contains(" healthy\n"),
        "{said}"
    );
    assert!(
        !said.contains("Running") && !said.contains("hub:"),
        "{said}"
    );

    // Drift, then a change.
    let name = format!("{order}-html-web-1");
    world.docker(&["kill", &name]).unwrap();
    let (code, said) = once(&world);
    assert_eq!(code, Some(2), "{said}");
    assert!(world.running().unwrap().contains_key(&name));
    let fleet = &world.home.fleet;
    fleet.pull().unwrap();
    fleet.edit(&path, "First title", "Second title").unwrap();
    fleet.commit("an edit").unwrap();
    let changed = wait_until(SETUP, "the change", async || {
        (once(&world).0 == Some(2)).then_some(())
    });
    changed.await.unwrap();
    page_until(&world.servers[0], "acme.test", "Second title", SOON)
        .await
        .unwrap();

    // Without its hub it goes on with what it has, says so, and keeps what it has to tell.
    world.home.kill();
    let (code, said) = once(&world);
    assert_eq!(code, Some(0), "{said}");
    for part in [
        "Nothing to do.\n",
        "hub: the hub cannot be reached",
        "1 report waits for the hub\n",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    world.home.start().await.unwrap();
    let (code, said) = once(&world);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.starts_with("Nothing to do.\n") && said.contains("the hub answers again"),
        "{said}"
    );
    assert!(
        !said.contains("wait for") && !said.contains("waits for"),
        "{said}"
    );
    let (_, said) = agent(&world, &["status"]);
    assert!(!said.contains("hub:"), "{said}");
}

/// As the agent writes them.
fn waiting_report(like: &Report, sequence: u64, bytes: usize) -> Vec<u8> {
    let mut report = like.clone();
    report.sequence = sequence;
    let event = serde_json::json!({ "at": report.taken_at, "kind": "failed", "message": "x".repeat(bytes) });
    report.events = vec![serde_json::from_value(event).unwrap()];
    serde_json::to_vec(&report).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_of_a_long_absence_are_taken_by_the_hub() {
    let port = Port::reserve().unwrap();
    let Some(mut world) = World::open_behind(&["acme/acme-1"], port.number()).await else {
        return;
    };
    let middleman = Middleman::start(port.number(), &world.home.url())
        .await
        .unwrap();
    commit_server(&world);
    world.home.fleet.commit("a server").unwrap();
    until_published(&world).await;
    let json = world.servers[0].run_agent(&["status", "--json"]).unwrap();
    let like: Report = serde_json::from_slice(&json.stdout).unwrap();
    let outbox = world.servers[0].dir().join("state/outbox");
    std::fs::create_dir_all(&outbox).unwrap();
    // Together three times what the hub takes at once; one alone more than it ever takes.
    for sequence in 1..=60 {
        let bytes = if sequence == 31 { 5 << 20 } else { 200_000 };
        std::fs::write(
            outbox.join(format!("{sequence}.json")),
            waiting_report(&like, sequence, bytes),
        )
        .unwrap();
    }
    world.servers[0].start().unwrap();
    let delivered = wait_until(SETUP, "delivery", async || {
        let mut left = std::fs::read_dir(&outbox).ok()?;
        left.next().is_none().then_some(())
    });
    delivered.await.unwrap();
    let bodies = middleman.reports();
    assert!(bodies.iter().all(|body| body.len() <= 4 << 20));
    let numbers: Vec<u64> = bodies
        .iter()
        .flat_map(|body| serde_json::from_slice::<ReportBatch>(body).unwrap().reports)
        .map(|report| report.sequence)
        .collect();
    let expected: Vec<u64> = (1..=60).filter(|number| *number != 31).collect();
    assert_eq!(numbers[..59], expected);
    let (_, said) = agent(&world, &["status"]);
    assert!(said.contains("1 report is set aside"), "{said}");
    // The hub says of which server one is missing.
    let line = "reports 31 to 31 of acme/acme-1 never arrived";
    let told = wait_until(SOON, line, async || {
        let log = std::fs::read_to_string(&world.home.place.log).ok()?;
        log.contains(line).then_some(())
    });
    told.await.unwrap();
}
