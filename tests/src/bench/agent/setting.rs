//! A fleet with one server and a real agent, and stacks of light containers.

use super::super::fleet::commit_file;
use super::super::{BenchError, Doing as _};
use crate::rig::World;
use bollard::models::ContainerInspectResponse;
use std::time::Duration;
use tenantry_planner::status::FleetStatus;

/// Stacks of the catalogue; the first so many have a site.
pub(super) const STACKS: usize = 10;
const WITH_SITE: usize = 8;
const SETUP: Duration = Duration::from_mins(5);
const SERVER: &str = "bench/bench-1";

/// The setting.
pub(super) struct Setting {
    pub(super) world: World,
    /// Id of the order. It marks everything on the engine.
    pub(super) order: String,
}

/// How much runs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    /// Stacks of the catalogue.
    pub(super) stacks: usize,
    /// Containers of each: two, or three.
    pub(super) services: usize,
}

impl Size {
    /// What most measurements are made with.
    pub(super) const USUAL: Self = Self {
        stacks: STACKS,
        services: 2,
    };
}

/// The Compose file of the stack `number`.
pub(super) fn compose(number: usize, services: usize) -> String {
    let ports = if number < WITH_SITE {
        "    ports: [\"127.0.0.1:${SITE_PORT}:80\"]\n"
    } else {
        ""
    };
    let side = if services > 2 {
        "  side:\n    image: nginx:1.30\n    restart: unless-stopped\n"
    } else {
        ""
    };
    format!(
        "services:\n  front:\n    image: nginx:1.30\n    restart: unless-stopped\n    depends_on: [back]\n{ports}  back:\n    image: nginx:1.30\n    restart: unless-stopped\n{side}"
    )
}

fn manifest(number: usize) -> String {
    let site = if number < WITH_SITE {
        "site: { service: front, port: 80 }\nsmoke: GET /\n"
    } else {
        ""
    };
    // Its containers do not see the parameter: another value makes the agent begin anew with the instance, and leave them as they are.
    let edition = "parameters: { EDITION: { default: \"0\" } }\n";
    format!("title: Pair {number}\n{site}{edition}memory: 16M\n")
}

/// Name of the stack `number`.
pub(super) fn tool(number: usize) -> String {
    format!("pair-{number}")
}

impl Setting {
    /// Everything but the order is there, and the agent runs.
    pub(super) async fn begin(tools: usize) -> Result<Self, BenchError> {
        Self::sized(tools, Size::USUAL).await
    }

    /// The same with another catalogue.
    pub(super) async fn sized(tools: usize, size: Size) -> Result<Self, BenchError> {
        let world = World::open(&[SERVER]).await;
        let mut world = world.ok_or_else(|| {
            BenchError::Wrong("there is no laboratory; `./x setup` prepares it".to_owned())
        })?;
        let order = world.lab.name("o");
        let fleet = &world.home.fleet;
        for number in 0..size.stacks {
            fleet.write(
                &format!("stacks/{}/stack.yaml", tool(number)),
                &manifest(number),
            )?;
            fleet.write(
                &format!("stacks/{}/compose.yaml", tool(number)),
                &compose(number, size.services),
            )?;
        }
        fleet.write(
            "fleet/customers/bench/servers/bench-1.yaml",
            &world.servers[0].document(""),
        )?;
        fleet.write(&order_path(&order), &order_text(tools))?;
        fleet.commit("a server and an order")?;
        world.servers[0].start()?;
        let setting = Self { world, order };
        setting.quiet(tools).await?;
        Ok(setting)
    }

    /// Waits until so many tools run and are recorded, and the hub has nothing left to write.
    pub(super) async fn quiet(&self, tools: usize) -> Result<FleetStatus, BenchError> {
        let mut still = 0;
        let done = |status: &FleetStatus| {
            let head = self.world.home.fleet.head().unwrap_or_default();
            let seen = status
                .commit
                .as_ref()
                .is_some_and(|commit| commit.id == head);
            let all = status
                .orders
                .iter()
                .flat_map(|order| &order.tools)
                .filter(|tool| tool.fulfilled_at.is_some())
                .count();
            let good = seen && all == tools && status.servers.iter().all(|server| server.in_sync);
            still = if good { still + 1 } else { 0 };
            still >= 10
        };
        Ok(self
            .world
            .home
            .hub()
            .wait_for(SETUP, "every tool at work", done)
            .await?)
    }

    /// Commits the same order once more, with another value of a parameter that no container sees.
    pub(super) async fn edit(&self, tools: usize, edition: usize) -> Result<(), BenchError> {
        let tool = |number| {
            format!(
                "{}: {{ parameters: {{ EDITION: \"{edition}\" }} }}",
                tool(number)
            )
        };
        let tools_text: Vec<String> = (0..tools).map(tool).collect();
        let text = format!(
            "plan: pro\ndomain: bench.test\ntools: {{ {} }}\n",
            tools_text.join(", ")
        );
        commit_file(
            self.world.home.fleet.repository(),
            "another edition",
            &order_path(&self.order),
            &text,
        )?;
        self.quiet(tools).await?;
        Ok(())
    }

    /// Name of a container.
    pub(super) fn container(&self, number: usize, service: &str) -> String {
        format!("{}-{}-{service}-1", self.order, tool(number))
    }

    /// What the engine says of a container, if it is there.
    async fn inspect(&self, name: &str) -> Option<ContainerInspectResponse> {
        let client = self.world.lab.engine().client();
        client.inspect_container(name, None).await.ok()
    }

    /// When the container was started, if it runs.
    pub(super) async fn started(&self, name: &str) -> Option<String> {
        running_since(&self.inspect(name).await?)
    }

    /// Waits, looking closely, until the container runs and was started at another time than `before`.
    pub(super) async fn until_running(
        &self,
        name: &str,
        before: Option<&str>,
    ) -> Result<(), BenchError> {
        self.until(name, |seen| {
            let now = running_since(seen);
            now.is_some() && now.as_deref() != before
        })
        .await
    }

    /// Waits, looking closely, until what the engine says of the container is good.
    pub(super) async fn until(
        &self,
        name: &str,
        good: impl Fn(&ContainerInspectResponse) -> bool,
    ) -> Result<(), BenchError> {
        let wait = async {
            while !self.inspect(name).await.is_some_and(|seen| good(&seen)) {
                tokio::time::sleep(Duration::from_millis(3)).await;
            }
        };
        tokio::time::timeout(Duration::from_mins(1), wait)
            .await
            .doing("waiting for a container")
    }
}

fn running_since(seen: &ContainerInspectResponse) -> Option<String> {
    let state = seen.state.as_ref()?;
    let running = state.running == Some(true);
    state.started_at.clone().filter(|_| running)
}

/// Where the order stands.
pub(super) fn order_path(order: &str) -> String {
    format!("fleet/customers/bench/orders/{order}.yaml")
}

/// An order of the first `tools` stacks.
pub(super) fn order_text(tools: usize) -> String {
    let names: Vec<String> = (0..tools).map(tool).collect();
    format!(
        "plan: pro\ndomain: bench.test\ntools: [{}]\n",
        names.join(", ")
    )
}
