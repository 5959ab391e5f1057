//! What an agent must survive (DESIGN 10): being killed anywhere, losing its ledger or its hub, and people who change things behind its back.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod alone;
mod by_hand;
mod killed;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use tenantry_planner::status::FleetStatus;
use tenantry_schema::wire::InstancePhase;
use tenantry_tests::lab::wait_until;
use tenantry_tests::rig::{World, page_until};

const SOON: Duration = Duration::from_secs(30);
const SETUP: Duration = Duration::from_mins(2);

/// A stack of two services, whose variable goes into both and whose file is seen by one.
const COMPOSE: &str = "services:
  web:
    image: nginx:1.30
    ports: [\"127.0.0.1:${SITE_PORT}:80\"]
    environment: { COLOUR: \"${COLOUR:-none}\" }
    depends_on: [side]
    stop_grace_period: 1s
    volumes: [\"./files/html:/usr/share/nginx/html:ro\", \"kept:/kept\"]
  side:
    image: nginx:1.30
    environment: { COLOUR: \"${COLOUR:-none}\" }
    stop_grace_period: 1s
volumes:
  kept: {}
";
const STACK: &str = "title: Pair
site: { service: web, port: 80, host: \"@\" }
parameters:
  TITLE: { default: none }
smoke: GET /
";
const PAGE: &str = "<!doctype html><title>{{ TITLE }}</title><p>{{ TITLE }}</p></html>\n";

/// One server with one order of the stack `pair`.
struct One {
    world: World,
    order: String,
}

fn order(number: usize) -> String {
    format!(
        "plan: pro\ndomain: acme.test\ntools:\n  pair:\n    parameters: {{ TITLE: title-{number} }}\n    env: {{ COLOUR: colour-{} }}\n",
        number / 2
    )
}

impl One {
    async fn start(world: Option<World>) -> Option<Self> {
        let mut world = world?;
        let order_id = world.lab.name("site");
        let fleet = &world.home.fleet;
        fleet.write("stacks/pair/compose.yaml", COMPOSE).unwrap();
        fleet.write("stacks/pair/stack.yaml", STACK).unwrap();
        fleet
            .write("stacks/pair/files/html/index.html.j2", PAGE)
            .unwrap();
        fleet
            .write(
                "fleet/customers/acme/servers/acme-1.yaml",
                &world.servers[0].document(""),
            )
            .unwrap();
        fleet
            .write(
                &format!("fleet/customers/acme/orders/{order_id}.yaml"),
                &order(0),
            )
            .unwrap();
        fleet.commit("an order").unwrap();
        world.servers[0].start().unwrap();
        let one = Self {
            world,
            order: order_id,
        };
        one.world
            .home
            .hub()
            .wait_for(SETUP, "fulfilment", |status| status.totals.fulfilled == 1)
            .await
            .unwrap();
        Some(one)
    }

    fn edit(&self, number: usize) {
        let fleet = &self.world.home.fleet;
        fleet.pull().unwrap();
        fleet
            .write(
                &format!("fleet/customers/acme/orders/{}.yaml", self.order),
                &order(number),
            )
            .unwrap();
        fleet.commit(&format!("title {number}")).unwrap();
    }

    fn state(&self) -> std::path::PathBuf {
        self.world.servers[0].dir().join("state")
    }

    fn container(&self, service: &str) -> String {
        format!("{}-pair-{service}-1", self.order)
    }

    async fn page(&self, text: &str) {
        page_until(&self.world.servers[0], "acme.test", text, SETUP)
            .await
            .unwrap();
    }

    /// Waits until the hub hears that the server agrees with its slice and everything is healthy.
    async fn agrees(&self) -> FleetStatus {
        let agrees = |status: &FleetStatus| {
            status.servers.iter().all(|server| {
                server.in_sync
                    && server.accepted == server.published
                    && server
                        .instances
                        .iter()
                        .all(|i| i.phase == InstancePhase::Healthy)
            })
        };
        let status = self
            .world
            .home
            .hub()
            .wait_for(SETUP, "agreement", agrees)
            .await
            .unwrap();
        let names = [self.container("side"), self.container("web")];
        let calm = wait_until(SOON, "two containers and no more", async || {
            let running = self.world.running().ok()?;
            (running.keys().eq(&names) && self.world.containers().ok()?.keys().eq(&names))
                .then_some(())
        });
        calm.await.unwrap();
        status
    }

    /// What the server is, without what is drawn anew each time: settings of containers, live files, sites, secret files.
    fn shape(&self) -> BTreeMap<String, String> {
        let mut shape = BTreeMap::new();
        let world = &self.world;
        for name in world.containers().unwrap().keys() {
            let facts: serde_json::Value =
                serde_json::from_str(&world.docker(&["inspect", name]).unwrap()).unwrap();
            let facts = &facts[0];
            let mut labels = facts["Config"]["Labels"].clone();
            // Compose writes the ids of what a container depends on here, and we the time of making.
            labels
                .as_object_mut()
                .unwrap()
                .retain(|key, _| !key.contains("depends") && !key.contains("replace"));
            let networks: Vec<_> = facts["NetworkSettings"]["Networks"]
                .as_object()
                .unwrap()
                .keys()
                .cloned()
                .collect();
            let text = format!(
                "{} {} {} {labels} {} {} {networks:?}",
                facts["State"]["Running"],
                facts["Image"],
                facts["Config"]["Env"],
                facts["HostConfig"]["PortBindings"],
                facts["HostConfig"]["Binds"]
            );
            shape.insert(name.clone(), text);
        }
        let dir = world.servers[0].dir();
        for folder in [
            world.live(0),
            world.memory(0),
            dir.join("nginx/conf/tenantry/sites"),
        ] {
            walk(&folder, &mut |path, bytes| {
                shape.insert(
                    path.display().to_string(),
                    String::from_utf8_lossy(bytes).into_owned(),
                );
            });
        }
        shape
    }
}

fn walk(folder: &Path, found: &mut impl FnMut(&Path, &[u8])) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            walk(&entry.path(), found);
        } else if let Ok(bytes) = std::fs::read(entry.path()) {
            found(&entry.path(), &bytes);
        }
    }
}
