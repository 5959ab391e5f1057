//! The agent dies after each change that it makes, one after the other, and the next one ends where an undisturbed one does.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;
#[allow(dead_code, reason = "made for other tests too")]
#[path = "containers/lab.rs"]
mod lab;

use common::hub::Hub;
use common::{Files, World, files, tree};
use lab::{Lab, lab};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

const COMPOSE: &str = "
services:
  web:
    image: tenantry-test/busybox:1
    init: true
    restart: unless-stopped
    stop_grace_period: 1s
    command: [sleep, '100000']
    environment: { COLOUR: '${COLOUR}' }
    networks: [front, back]
    volumes: ['./files/page.html:/page.html:ro', 'data:/data']
    secrets: [token]
    depends_on: [db]
  db:
    image: tenantry-test/busybox:1
    init: true
    restart: unless-stopped
    stop_grace_period: 1s
    command: [sleep, '100000']
    environment: { COLOUR: '${COLOUR}' }
    networks: [back]
networks: { front: { labels: { colour: '${COLOUR}' } }, back: {} }
volumes: { data: {} }
secrets: { token: { environment: TOKEN } }
";

struct Rig {
    world: World,
    hub: Arc<Hub>,
    lab: Lab,
    config: PathBuf,
}

/// What people can tell of the server.
#[derive(Debug, PartialEq, Eq)]
struct Shape {
    /// Settings by container.
    containers: BTreeMap<String, String>,
    /// Live files and secret files.
    files: BTreeMap<PathBuf, Vec<u8>>,
}

impl Rig {
    async fn new(lab: Lab) -> Self {
        let mut world = World::with(|config| {
            config.docker = "/var/run/docker.sock".into();
            // Others work on this engine, too.
            config.fleet_id = lab.project.clone().try_into().unwrap();
        });
        let hub = Hub::start(&mut world).await;
        let config = world.folder.path().join("agent.yaml");
        std::fs::write(&config, serde_yaml::to_string(&world.config).unwrap()).unwrap();
        Self {
            world,
            hub,
            lab,
            config,
        }
    }

    fn slice(&self, colour: &str) -> Files {
        let project = &self.lab.project;
        let host = format!(
            "server: {{customer: acme, server: acme-1}}\nmanage: full\nweb: {{http: 80, https: 443}}\ninstances:\n  {project}: {{order: web, tool: html, state: running, has_data: false, sites: {{}}}}\n"
        );
        let token = format!("token-{colour}");
        let secrets = self
            .world
            .secrets_for(self.world.agent.age.as_str(), &[("TOKEN", &token)]);
        let stack = |name: &str| format!("stacks/{project}/{name}");
        files(&[
            ("host.yaml", &host),
            (&stack("compose.yaml"), COMPOSE),
            (&stack(".env"), &format!("COLOUR='{colour}'\n")),
            (&stack("files/page.html"), colour),
            (&stack(&format!("files/{colour}")), "only in this version"),
            (&stack("secrets.yaml"), &secrets),
        ])
    }

    /// An agent that dies after so many changes.
    fn start(&self, changes: Option<u32>) -> Agent {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenantry-agent"));
        command.arg("--config").arg(&self.config).arg("run");
        if let Some(changes) = changes {
            command.env("TENANTRY_FAULT_AFTER", changes.to_string());
        }
        command.stdout(Stdio::null()).stderr(Stdio::null());
        Agent(command.spawn().unwrap())
    }

    fn agrees(&self, generation: u64) -> bool {
        let text = std::fs::read(self.world.state("ledger.json")).unwrap_or_default();
        let ledger: serde_json::Value = serde_json::from_slice(&text).unwrap_or_default();
        let accepted = &ledger["accepted"];
        accepted["generation"] == generation && ledger["converged"] == accepted["content"]
    }

    /// Waits until the server agrees with the slice, or the agent died. Whether it died.
    async fn until_dead_or_done(&self, agent: &mut Agent, generation: u64) -> bool {
        let begun = Instant::now();
        loop {
            if agent.0.try_wait().unwrap().is_some() {
                return true;
            }
            if self.agrees(generation) {
                return false;
            }
            let last = || self.hub.read(|said| said.reports.last().cloned());
            assert!(
                begun.elapsed() < Duration::from_secs(40),
                "never in agreement: {:#?}",
                last()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn shape(&self) -> Shape {
        let mut containers = BTreeMap::new();
        let all = self.lab.docker.list_containers(Some(
            bollard::query_parameters::ListContainersOptionsBuilder::new()
                .all(true)
                .build(),
        ));
        for one in all.await.unwrap() {
            let labels = one.labels.unwrap_or_default();
            if labels.get("com.docker.compose.project") != Some(&self.lab.project) {
                continue;
            }
            let id = one.id.unwrap();
            let Ok(details) = self.lab.docker.inspect_container(&id, None).await else {
                continue;
            };
            let networks = details.network_settings.and_then(|it| it.networks);
            let mut networks: Vec<_> = networks.unwrap_or_default().into_keys().collect();
            networks.sort();
            let env = details.config.and_then(|config| config.env);
            let facts = format!(
                "{:?} {env:?} {networks:?} {:?} {:?}",
                details.state.and_then(|state| state.running),
                labels.get("dev.tenantry.inputs"),
                details.image
            );
            containers.insert(details.name.unwrap(), facts);
        }
        let mut files = tree(&self.world.state("live"));
        files.extend(tree(&self.world.config.secrets));
        Shape { containers, files }
    }
}

struct Agent(Child);

impl Agent {
    fn kill(mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Every `stride`-th change from the first on.
async fn die_after_each(rig: &Rig, stride: usize) {
    let colours = ["red", "blue"];
    let mut clean = Vec::new();
    let mut generation = 0;
    for colour in colours {
        generation += 1;
        rig.hub.publish(&rig.world, generation, rig.slice(colour));
        let mut agent = rig.start(None);
        assert!(!rig.until_dead_or_done(&mut agent, generation).await);
        agent.kill();
        clean.push(rig.shape().await);
        assert_eq!(clean.last().unwrap().containers.len(), 2);
    }
    let mut deaths = 0;
    for changes in (0..400u32).step_by(stride) {
        generation += 1;
        let which = usize::try_from(generation + 1).unwrap() % 2;
        rig.hub
            .publish(&rig.world, generation, rig.slice(colours[which]));
        let mut agent = rig.start(Some(changes));
        let died = rig.until_dead_or_done(&mut agent, generation).await;
        agent.kill();
        if died {
            deaths += 1;
            let mut agent = rig.start(None);
            assert!(!rig.until_dead_or_done(&mut agent, generation).await);
            agent.kill();
        }
        assert_eq!(rig.shape().await, clean[which], "after {changes} changes");
        if !died {
            println!("{deaths} deaths, the last before change {changes}");
            assert!(deaths * stride > 15, "only {deaths} deaths");
            return;
        }
    }
    panic!("it never came to an end by itself");
}

#[test]
fn an_agent_that_dies_after_any_change_ends_where_it_would_have() {
    lab(|lab| async move {
        let rig = Rig::new(lab).await;
        die_after_each(&rig, 4).await;
    });
}

/// Run with `--ignored`: every single change.
#[test]
#[ignore = "takes some minutes"]
fn an_agent_that_dies_after_each_change_ends_where_it_would_have() {
    lab(|lab| async move {
        let rig = Rig::new(lab).await;
        die_after_each(&rig, 1).await;
    });
}
