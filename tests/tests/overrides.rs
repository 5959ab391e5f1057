//! An override file with real parts: it reaches the container of one tool, one that is wrong changes nothing, and without it all is as before.

use std::time::Duration;
use tenantry_planner::status::{FleetStatus, Phase};
use tenantry_schema::wire::InstancePhase;
use tenantry_tests::lab::wait_until;
use tenantry_tests::rig::World;

const SETUP: Duration = Duration::from_mins(2);

fn settled(status: &FleetStatus) -> bool {
    let calm = |phase| matches!(phase, InstancePhase::Healthy | InstancePhase::Stopped);
    let orders = status
        .orders
        .iter()
        .all(|order| order.phase == Phase::Fulfilled);
    orders
        && !status.orders.is_empty()
        && status.servers.iter().all(|server| {
            server.in_sync && server.instances.iter().all(|instance| calm(instance.phase))
        })
}

/// One line of what the engine says of the tool's container: memory, a variable, a label.
fn facts(world: &World, order: &str) -> Option<String> {
    let format = "{{.HostConfig.Memory}} {{range .Config.Env}}{{if eq . \"LEVEL=debug\"}}debug{{end}}{{end}} {{index .Config.Labels \"example\"}} {{.State.Running}}";
    let name = format!("{order}-html-web-1");
    let said = world.docker(&["inspect", "--format", format, &name]).ok()?;
    Some(said.trim().to_owned())
}

#[tokio::test]
async fn an_override_reaches_one_container_and_goes_again() {
    let Some(mut world) = World::open(&["acme/acme-1"]).await else {
        return;
    };
    let order = world.lab.name("site");
    let fleet = &world.home.fleet;
    let document = world.servers[0].document("");
    fleet
        .write("fleet/customers/acme/servers/acme-1.yaml", &document)
        .unwrap();
    let path = format!("fleet/customers/acme/orders/{order}.yaml");
    fleet
        .write(&path, "plan: pro\ndomain: acme.test\ntools: [html]\n")
        .unwrap();
    fleet.commit("an order").unwrap();
    world.servers[0].start().unwrap();
    let hub = world.home.hub();
    hub.wait_for(SETUP, "fulfilment", settled).await.unwrap();
    let before = facts(&world, &order).unwrap();
    assert!(before.ends_with("true"), "{before}");
    assert!(!before.contains("debug"), "{before}");

    let over = format!("fleet/customers/acme/overrides/{order}.html.yaml");
    fleet.pull().unwrap();
    let text = "services:\n  web:\n    mem_limit: 96m\n    environment: { LEVEL: debug }\n    labels: { example: \"${SITE_HOST}\" }\n";
    fleet.write(&over, text).unwrap();
    fleet.commit("more for one tool").unwrap();
    let wanted = format!("{} debug acme.test true", 96 << 20);
    let there = wait_until(SETUP, "the container with the override", async || {
        (facts(&world, &order)? == wanted).then_some(())
    });
    there.await.unwrap();
    let status = hub.wait_for(SETUP, "calm", settled).await.unwrap();
    assert!(status.orders[0].tools[0].customised);
    // Beside the stack's own file, where `docker compose` looks for it.
    let live = world
        .live(0)
        .join(format!("{order}-html/compose.override.yaml"));
    assert_eq!(std::fs::read_to_string(&live).unwrap(), text);

    // One that does not compile changes nothing, and is told.
    fleet.pull().unwrap();
    fleet
        .write(&over, "services:\n  web:\n    mem_limti: 96m\n")
        .unwrap();
    fleet.commit("a slip").unwrap();
    let told = hub.wait_for(SETUP, "the mistake", |status| {
        status
            .diagnostics
            .iter()
            .any(|found| found.place.file == over && found.place.line == 3)
    });
    told.await.unwrap();
    assert_eq!(facts(&world, &order).unwrap(), wanted);

    // Without it the tool is what it was.
    fleet.pull().unwrap();
    fleet.git(&["rm", "-q", &over]).unwrap();
    fleet.commit("as before").unwrap();
    let back = wait_until(SETUP, "the container as before", async || {
        (facts(&world, &order)? == before).then_some(())
    });
    back.await.unwrap();
    let gone = wait_until(SETUP, "the end of the file", async || {
        (!live.exists()).then_some(())
    });
    gone.await.unwrap();
}
