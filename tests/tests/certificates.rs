//! From a line in `hub.yaml` to a padlock: real hub, real agent, real nginx, and the real pebble as the authority.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

#[allow(dead_code, unreachable_pub, reason = "made for the agent's tests")]
#[path = "../../agent/tests/common/pebble.rs"]
mod pebble;

use pebble::{Behaviour, Pebble};
use std::path::Path;
use std::time::Duration;
use tenantry_planner::status::{FleetStatus, Phase};
use tenantry_planner::waiting::WaitingOn;
use tenantry_tests::lab::https::{Trust, client};
use tenantry_tests::lab::{Config, wait_until};
use tenantry_tests::rig::World;

const SOON: Duration = Duration::from_secs(30);
const SETUP: Duration = Duration::from_mins(2);
const FAST: &[(&str, &str)] = &[("PEBBLE_WFE_NONCEREJECT", "0"), ("PEBBLE_VA_NOSLEEP", "1")];

/// Whether pebble is not there, and need not be.
#[expect(clippy::disallowed_methods, reason = "tests have no config.rs")]
fn skip() -> bool {
    let paths = std::env::var("PATH").unwrap_or_default();
    if paths
        .split(':')
        .any(|path| Path::new(path).join("pebble").exists())
    {
        return false;
    }
    assert!(
        !Config::from_environment().peers_required,
        "pebble is missing"
    );
    println!("skipped: pebble is missing");
    true
}

/// The one order, if the hub shows it.
fn waits_for_certificate(status: &FleetStatus) -> Option<String> {
    let order = status.orders.first()?;
    order.waiting.iter().find_map(|waiting| match waiting {
        WaitingOn::Certificate { message, .. } => Some(message.clone()),
        _ => None,
    })
}

#[tokio::test]
async fn an_order_is_fulfilled_when_browsers_trust_its_sites() {
    if skip() {
        return;
    }
    let Some(mut world) = World::open(&["acme/acme-1"]).await else {
        return;
    };
    let ports = world.servers[0].ports();
    let behaviour = Behaviour {
        http_port: ports.http,
        validity: 90 * 24 * 3600,
        environment: FAST,
    };
    let authority = Pebble::start(behaviour).await;
    // A customer who has not moved the name yet: nothing listens there.
    authority.lead("acme.test", "127.66.66.66").await;
    let fleet = &world.home.fleet;
    let settings = fleet.read("fleet/hub.yaml").unwrap();
    let root = authority.https_root.replace('\n', "\n    ");
    let directory = authority.directory();
    let certificates = format!(
        "{}\ncertificates:\n  terms_agreed: true\n  directory: {directory}\n  contact: hosting@example.com\n  root: |\n    {}\n",
        settings.trim_end(),
        root.trim_end()
    );
    fleet.write("fleet/hub.yaml", &certificates).unwrap();
    let server = world.servers[0].document("");
    fleet
        .write("fleet/customers/acme/servers/acme-1.yaml", &server)
        .unwrap();
    let order = world.lab.name("site");
    let path = format!("fleet/customers/acme/orders/{order}.yaml");
    let text =
        "plan: pro\ndomain: acme.test\ntools:\n  html: { headers: { X-Robots-Tag: noindex } }\n";
    fleet.write(&path, text).unwrap();
    fleet.commit("an order, and an authority").unwrap();
    world.servers[0].start().unwrap();

    let hub = world.home.hub();
    let told = |status: &FleetStatus| {
        let live = status.servers.first().is_some_and(|server| {
            server
                .sites
                .values()
                .any(|site| site.live && site.self_signed)
        });
        live && waits_for_certificate(status).is_some_and(|told| told.contains("127.66.66.66"))
    };
    let status = hub
        .wait_for(
            SETUP,
            "the site is served, and the order says what it waits for",
            told,
        )
        .await
        .unwrap();
    assert_ne!(status.orders[0].phase, Phase::Fulfilled);
    let sites = &status.servers[0].sites;
    assert_eq!(sites.keys().next().unwrap().as_str(), "acme.test");

    // The name is moved, and an old one is to lead to it: other names, so they are asked for at once.
    authority.lead("acme.test", "127.0.0.1").await;
    fleet.pull().unwrap();
    let more = "html: { redirect_from: [old.acme.test], headers:";
    fleet.edit(&path, "html: { headers:", more).unwrap();
    fleet.commit("an old name").unwrap();
    let fulfilled = |status: &FleetStatus| {
        let order = status.orders.first();
        order.is_some_and(|order| order.phase == Phase::Fulfilled && order.waiting.is_empty())
    };
    let status = hub.wait_for(SETUP, "fulfilled", fulfilled).await.unwrap();
    let site = status.servers[0].sites.iter().next().unwrap().1;
    let certificate = site.certificate.as_ref().unwrap();
    assert!(
        certificate.issuer.as_ref().unwrap().contains("Pebble"),
        "{certificate:?}"
    );

    let root = authority.root().await;
    let client = client(
        &["acme.test", "old.acme.test", "stranger.test"],
        Trust::Pem(root.as_bytes()),
    )
    .unwrap();
    let url = |host: &str| format!("https://{host}:{}/a?b=c", ports.https);
    let answer = wait_until(SOON, "an answer that is trusted", async || {
        let target = format!("https://acme.test:{}/", ports.https);
        client.get(target).send().await.ok()
    });
    let answer = answer.await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["x-robots-tag"], "noindex");
    assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
    // It may have been fulfilled a moment before the old name was asked for.
    let moved = wait_until(SOON, "the old name is trusted as well", async || {
        client.get(url("old.acme.test")).send().await.ok()
    });
    let moved = moved.await.unwrap();
    assert_eq!(
        (moved.status().as_u16(), &moved.headers()["location"]),
        (301, &url("acme.test").parse().unwrap())
    );
    assert!(client.get(url("stranger.test")).send().await.is_err());
    let page = reqwest::get(format!("{}/servers/acme/acme-1", world.home.url()))
        .await
        .unwrap();
    let page = page.text().await.unwrap();
    assert!(
        page.contains("certificate valid") && page.contains("Issued by Pebble"),
        "{page}"
    );
}
