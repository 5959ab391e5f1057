//! Every kind of drift with a real engine, one after the other and 200 at random; a service that ends again and again; drift that is only
//! reported; a paused agent.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;
#[allow(dead_code, reason = "made for other tests too")]
#[path = "containers/lab.rs"]
mod lab;

use bollard::models::{
    ContainerCreateBody, ContainerUpdateBody, EndpointIpamConfig, EndpointSettings,
    NetworkConnectRequest, NetworkCreateRequest, NetworkDisconnectRequest, RestartPolicy,
    RestartPolicyNameEnum,
};
use bollard::query_parameters::{
    CreateContainerOptions, KillContainerOptions, RemoveContainerOptions, RenameContainerOptions,
    StopContainerOptions,
};
use common::hub::Hub;
use common::{Files, Running, World, files, host};
use lab::{Lab, lab};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tenantry_schema::wire::{AgentWait, EventKind, InstancePhase, InstanceReport, Report};

const SEED: u64 = 0x7e4a_0d21;
const IMAGE: &str = "tenantry-test/busybox:1";
const COMPOSE: &str = "
services:
  web:
    image: tenantry-test/busybox:1
    init: true
    restart: unless-stopped
    stop_grace_period: 1s
    command: [sh, -c, '${COMMAND}']
    networks: { front: { aliases: [page] }, back: {} }
    volumes: ['./files/www:/www:ro']
  db:
    image: tenantry-test/busybox:1
    init: true
    restart: unless-stopped
    stop_grace_period: 1s
    command: [sleep, '100000']
    networks: [back]
networks: { front: {}, back: {} }
";

/// With fixed addresses and bounds.
const FIXED: &str = "
services:
  web:
    image: tenantry-test/busybox:1
    init: true
    restart: unless-stopped
    stop_grace_period: 1s
    mem_limit: 64m
    pids_limit: 100
    command: [sleep, '100000']
    networks: { front: { ipv4_address: '${ADDRESSES}.9', link_local_ips: [169.254.13.8] }, back: {} }
networks:
  front: { ipam: { config: [{ subnet: '${ADDRESSES}.0/24' }] } }
  back: { ipam: { config: [{ subnet: '${ADDRESSES_OF_BACK}.0/24' }] } }
";

/// Doubles what it holds until the kernel ends it.
const EATS: &str = "x=0123456789abcdef; while :; do x=$x$x; done";

struct Rig {
    world: World,
    hub: Arc<Hub>,
    lab: Lab,
    compose: &'static str,
    /// The beginning of addresses that nothing else on this machine has.
    addresses: [String; 2],
}

/// What can happen to a server behind the agent's back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Drift {
    Kill,
    Stop,
    Remove,
    Pause,
    Rename,
    Disconnect,
    Connect,
    DropAliases,
    LoseNetwork,
    EditFile,
    LoseFile,
    LoseFolder,
}

const ALL: [Drift; 12] = [
    Drift::Kill,
    Drift::Stop,
    Drift::Remove,
    Drift::Pause,
    Drift::Rename,
    Drift::Disconnect,
    Drift::Connect,
    Drift::DropAliases,
    Drift::LoseNetwork,
    Drift::EditFile,
    Drift::LoseFile,
    Drift::LoseFolder,
];

/// What people can tell of the server, without what is drawn anew with each container.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Shape {
    /// State and networks with aliases, by container.
    containers: BTreeMap<String, (String, BTreeMap<String, Vec<String>>)>,
    /// What the container sees.
    page: Option<String>,
    /// What is on disk.
    file: Option<String>,
}

impl Rig {
    async fn new(lab: Lab) -> Self {
        let mut world = World::on_this_engine(&lab.project, |_| {});
        let hub = Hub::start(&mut world).await;
        let third = rand::rng().random_range(0..127u8) * 2;
        let addresses = [third, third + 1].map(|third| format!("10.214.{third}"));
        Self {
            world,
            hub,
            lab,
            compose: COMPOSE,
            addresses,
        }
    }

    fn slice(&self, command: &str, drift: &str) -> Files {
        let project = &self.lab.project;
        let more = format!("drift: {drift}, sites: {{}}");
        let host = host("", [(project.as_str(), more.as_str())]);
        let stack = |name: &str| format!("stacks/{project}/{name}");
        files(&[
            ("host.yaml", &host),
            (&stack("compose.yaml"), self.compose),
            (
                &stack(".env"),
                &format!(
                    "COMMAND='{command}'\nADDRESSES='{}'\nADDRESSES_OF_BACK='{}'\n",
                    self.addresses[0], self.addresses[1]
                ),
            ),
            (&stack("files/www/index.html"), "one"),
        ])
    }

    fn publish(&self, generation: u64, command: &str, drift: &str) {
        self.hub
            .publish(&self.world, generation, self.slice(command, drift));
    }

    fn page(&self) -> PathBuf {
        let path = format!("live/{}/files/www/index.html", self.lab.project);
        self.world.state(&path)
    }

    async fn one(&self, what: &str, good: impl Fn(&InstanceReport) -> bool) -> InstanceReport {
        self.hub.until_one(what, good).await
    }

    async fn until_healthy(&self) {
        self.one("healthy", |one| one.phase == InstancePhase::Healthy)
            .await;
    }

    async fn shape(&self) -> Shape {
        let mut containers = BTreeMap::new();
        let mut page = None;
        for service in ["web", "db"] {
            let Some(details) = self.lab.inspect(service).await else {
                continue;
            };
            let state = details.state.unwrap_or_default();
            let id = details.id.unwrap_or_default();
            let networks = details.network_settings.and_then(|it| it.networks);
            let networks = networks.unwrap_or_default().into_iter().map(|(name, at)| {
                let mut aliases = at.aliases.unwrap_or_default();
                // The engine adds this one by itself, now and then.
                aliases.retain(|alias| !id.starts_with(alias.as_str()));
                aliases.sort();
                (name, aliases)
            });
            let status = state.status.map(|status| status.to_string());
            let name = details.name.unwrap_or_default();
            containers.insert(name, (status.unwrap_or_default(), networks.collect()));
            if let Some(pid) = state.pid.filter(|pid| service == "web" && *pid > 0) {
                page = std::fs::read_to_string(format!("/proc/{pid}/root/www/index.html")).ok();
            }
        }
        Shape {
            containers,
            page,
            file: std::fs::read_to_string(self.page()).ok(),
        }
    }

    /// Makes one thing happen.
    async fn suffer(&self, drift: Drift) {
        let (docker, web) = (&self.lab.docker, self.lab.name("web"));
        let (front, back) = (
            format!("{}_front", self.lab.project),
            format!("{}_back", self.lab.project),
        );
        match drift {
            Drift::Kill => docker
                .kill_container(&web, None::<KillContainerOptions>)
                .await
                .unwrap(),
            Drift::Stop => {
                let options = StopContainerOptions {
                    t: Some(0),
                    ..StopContainerOptions::default()
                };
                docker.stop_container(&web, Some(options)).await.unwrap();
            }
            Drift::Remove => {
                let options = RemoveContainerOptions {
                    force: true,
                    ..RemoveContainerOptions::default()
                };
                docker.remove_container(&web, Some(options)).await.unwrap();
            }
            Drift::Pause => docker.pause_container(&web).await.unwrap(),
            Drift::Rename => {
                let name = format!("{}-stolen", self.lab.project);
                let options = RenameContainerOptions { name };
                docker.rename_container(&web, options).await.unwrap();
            }
            Drift::Disconnect => self.disconnect(&front, &web).await,
            Drift::Connect => {
                let db = self.lab.name("db");
                self.connect(&front, &db).await;
            }
            Drift::DropAliases => {
                self.disconnect(&front, &web).await;
                self.connect(&front, &web).await;
            }
            Drift::LoseNetwork => {
                for name in ["web", "db"] {
                    self.disconnect(&back, &self.lab.name(name)).await;
                }
                // The agent may have connected somebody again already.
                let _ = docker.remove_network(&back).await;
            }
            Drift::EditFile => std::fs::write(self.page(), "defaced").unwrap(),
            Drift::LoseFile => std::fs::remove_file(self.page()).unwrap(),
            Drift::LoseFolder => {
                std::fs::remove_dir_all(self.page().parent().unwrap()).unwrap();
            }
        }
    }

    async fn disconnect(&self, network: &str, container: &str) {
        let request = NetworkDisconnectRequest {
            container: container.to_owned(),
            force: Some(true),
        };
        let _ = self.lab.docker.disconnect_network(network, request).await;
    }

    async fn connect(&self, network: &str, container: &str) {
        let request = NetworkConnectRequest {
            container: container.to_owned(),
            endpoint_config: None,
        };
        let _ = self.lab.docker.connect_network(network, request).await;
    }

    /// Waits until the server is as it was; how long that took.
    async fn until_as(&self, before: &Shape, what: &str) -> Duration {
        let begun = Instant::now();
        loop {
            let now = self.shape().await;
            if now == *before {
                return begun.elapsed();
            }
            assert!(
                begun.elapsed() < Duration::from_secs(30),
                "{what}: {now:#?} instead of {before:#?}: {:#?}",
                self.hub.read(|said| said.reports.last().cloned())
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn start(&self) -> (Running, Shape) {
        let agent = Running::start(&self.world);
        self.publish(1, "sleep 100000", "repair");
        self.until_healthy().await;
        let before = self.shape().await;
        assert_eq!(before.containers.len(), 2, "{before:?}");
        (agent, before)
    }
}

#[test]
fn every_kind_of_drift_is_put_right_and_strangers_are_left_alone() {
    lab(|lab| async move {
        let rig = Rig::new(lab).await;
        let docker = &rig.lab.docker;
        // Somebody else's container, and somebody else's network.
        let stranger = format!("{}-stranger", rig.lab.project);
        let network = NetworkCreateRequest {
            name: format!("{}-strange", rig.lab.project),
            labels: Some([("com.docker.compose.project".into(), stranger.clone())].into()),
            ..NetworkCreateRequest::default()
        };
        docker.create_network(network).await.unwrap();
        let body = ContainerCreateBody {
            image: Some(IMAGE.to_owned()),
            cmd: Some(vec!["sleep".to_owned(), "100000".to_owned()]),
            labels: Some([("com.docker.compose.project".into(), stranger.clone())].into()),
            ..ContainerCreateBody::default()
        };
        let options = CreateContainerOptions {
            name: Some(stranger.clone()),
            ..CreateContainerOptions::default()
        };
        docker.create_container(Some(options), body).await.unwrap();
        docker.start_container(&stranger, None).await.unwrap();
        let strange = async || {
            let details = docker.inspect_container(&stranger, None).await.unwrap();
            (details.id, details.state.unwrap().started_at)
        };
        let theirs = strange().await;

        let (_agent, before) = rig.start().await;
        for drift in ALL {
            rig.suffer(drift).await;
            let took = rig.until_as(&before, &format!("{drift:?}")).await;
            println!("{drift:?}: put right after {took:?}");
            rig.until_healthy().await;
            // The flap guard holds starts that come too often; here they are wanted.
            rig.publish(
                u64::try_from(ALL.iter().position(|one| *one == drift).unwrap()).unwrap() + 2,
                "sleep 100000",
                "repair",
            );
        }
        let told = |reports: &[Report]| {
            let repaired = |report: &Report| {
                let mut events = report.events.iter();
                events.any(|event| event.kind == EventKind::Repaired)
            };
            reports.iter().filter(|report| repaired(report)).count() >= 6
        };
        rig.hub.until_all("told", told).await;
        assert_eq!(strange().await, theirs);
        rig.hub
            .until("listed", |report| report.unmanaged.contains(&stranger))
            .await;
    });
}

/// Restart policy, bounds, and fixed addresses by network, of the web server.
async fn settings(rig: &Rig) -> (String, String) {
    let details = rig.lab.inspect("web").await.unwrap();
    let settings = details.host_config.unwrap_or_default();
    let bounds = format!(
        "{:?} {:?} {:?}",
        settings.restart_policy.and_then(|policy| policy.name),
        settings.memory,
        settings.pids_limit
    );
    let networks = details.network_settings.and_then(|it| it.networks);
    let mut fixed: Vec<_> = networks
        .unwrap_or_default()
        .into_iter()
        .map(|(name, at)| (name, at.ipam_config.unwrap_or_default()))
        .collect();
    fixed.sort_by(|one, other| one.0.cmp(&other.0));
    (bounds, format!("{fixed:?}"))
}

async fn until_set(rig: &Rig, wanted: &(String, String), what: &str) {
    let begun = Instant::now();
    loop {
        let now = settings(rig).await;
        if now == *wanted {
            return;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "{what}: {now:#?} instead of {wanted:#?}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[test]
fn other_addresses_and_other_limits_are_put_right_in_the_same_container() {
    lab(|lab| async move {
        let mut rig = Rig::new(lab).await;
        rig.compose = FIXED;
        let _agent = Running::start(&rig.world);
        rig.publish(1, "", "repair");
        rig.until_healthy().await;
        let id = async || rig.lab.inspect("web").await.unwrap().id;
        let (first, wanted) = (id().await, settings(&rig).await);
        assert!(
            wanted.0 == "Some(UNLESS_STOPPED) Some(67108864) Some(100)"
                && wanted.1.contains(&format!("{}.9", rig.addresses[0])),
            "{wanted:?}"
        );
        let (docker, web) = (&rig.lab.docker, rig.lab.name("web"));
        let update = ContainerUpdateBody {
            restart_policy: Some(RestartPolicy {
                name: Some(RestartPolicyNameEnum::NO),
                maximum_retry_count: None,
            }),
            memory: Some(512 << 20),
            memory_swap: Some(1024 << 20),
            pids_limit: Some(-1),
            ..ContainerUpdateBody::default()
        };
        docker.update_container(&web, update).await.unwrap();
        until_set(&rig, &wanted, "limits").await;

        let networks = ["front", "back"].map(|name| format!("{}_{name}", rig.lab.project));
        for (network, address) in networks.iter().zip(&rig.addresses) {
            rig.disconnect(network, &web).await;
            let request = NetworkConnectRequest {
                container: web.clone(),
                endpoint_config: Some(EndpointSettings {
                    aliases: Some(vec!["web".to_owned()]),
                    ipam_config: Some(EndpointIpamConfig {
                        ipv4_address: Some(format!("{address}.77")),
                        ..EndpointIpamConfig::default()
                    }),
                    ..EndpointSettings::default()
                }),
            };
            // The agent may have connected it again already.
            let _ = docker.connect_network(network, request).await;
            until_set(&rig, &wanted, network).await;
        }
        assert_eq!(id().await, first, "nothing was made anew");
        rig.until_healthy().await;
    });
}

/// Run with `--ignored`: takes some minutes, and its figures depend on what else the machine does.
#[test]
#[ignore = "a measurement of some minutes"]
fn two_hundred_random_drifts_are_put_right() {
    lab(|lab| async move {
        let rig = Rig::new(lab).await;
        let (_agent, before) = rig.start().await;
        let mut rng = StdRng::seed_from_u64(SEED);
        let mut times = Vec::new();
        for round in 0..200u64 {
            let drift = ALL[rng.random_range(0..ALL.len())];
            rig.suffer(drift).await;
            times.push(rig.until_as(&before, &format!("{drift:?}")).await);
            rig.until_healthy().await;
            // Another version of the instance, so that the flap guard begins anew: it is not what is measured.
            rig.publish(
                round + 2,
                &format!("sleep 1000{:02}", round % 100),
                "repair",
            );
            tokio::time::sleep(Duration::from_millis(500)).await;
            rig.until_healthy().await;
        }
        times.sort();
        println!(
            "200 drifts: median {:?}, p95 {:?}, longest {:?}",
            times[100], times[190], times[199]
        );
        assert!(times[190] < Duration::from_secs(3), "{:?}", times[190]);
    });
}

#[test]
fn what_ends_again_and_again_is_held_back_says_so_and_recovers() {
    lab(|lab| async move {
        let rig = Rig::new(lab).await;
        let (_agent, _) = rig.start().await;
        let is_held = |one: &InstanceReport| {
            let says = one.message.as_ref();
            matches!(one.waiting, Some(AgentWait::Retry { .. }))
                && says.is_some_and(|says| says.contains("times lately"))
        };
        let begun = Instant::now();
        loop {
            let last = rig.hub.read(|said| said.reports.last().cloned()).unwrap();
            if last.instances.values().any(is_held) {
                break;
            }
            assert!(begun.elapsed() < Duration::from_mins(3), "{last:#?}");
            // Only what runs is removed: the pauses grow until the slowest machine shows them.
            let state = rig.lab.inspect("web").await.and_then(|it| it.state);
            if state.is_some_and(|it| it.running == Some(true)) {
                let options = RemoveContainerOptions {
                    force: true,
                    ..RemoveContainerOptions::default()
                };
                let name = rig.lab.name("web");
                let removed = rig.lab.docker.remove_container(&name, Some(options));
                removed.await.unwrap();
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        // Nobody removes it any more: it comes back when its time is over.
        rig.until_healthy().await;
    });
}

#[test]
fn drift_that_is_only_reported_stays_and_changes_are_made() {
    lab(|lab| async move {
        let rig = Rig::new(lab).await;
        let _agent = Running::start(&rig.world);
        rig.publish(1, "sleep 100000", "report");
        rig.until_healthy().await;
        rig.suffer(Drift::EditFile).await;
        rig.suffer(Drift::Pause).await;
        let told = |one: &InstanceReport| {
            let message = one.message.clone().unwrap_or_default();
            one.waiting == Some(AgentWait::DriftReported)
                && message.contains("index.html")
                && message.contains("is paused")
        };
        rig.one("told", told).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let shape = rig.shape().await;
        assert_eq!(shape.file.as_deref(), Some("defaced"));
        assert!(
            shape
                .containers
                .values()
                .any(|(state, _)| state == "paused")
        );
        // A change of the fleet.
        rig.publish(2, "sleep 100001", "report");
        rig.until_healthy().await;
        assert_eq!(rig.shape().await.page.as_deref(), Some("one"));
    });
}

#[test]
fn a_paused_agent_leaves_everything_as_people_leave_it() {
    lab(|lab| async move {
        let rig = Rig::new(lab).await;
        let (agent, before) = rig.start().await;
        let config = rig.world.folder.path().join("agent.yaml");
        std::fs::write(&config, serde_yaml::to_string(&rig.world.config).unwrap()).unwrap();
        let command = |words: &[&str]| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_tenantry-agent"));
            let output = command.arg("--config").arg(&config).args(words);
            let output = output.output().unwrap();
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            (output.status.code(), text)
        };
        assert_eq!(command(&["pause", "--for", "8d"]).0, Some(1));
        let (code, text) = command(&["pause", "--for", "2h"]);
        assert!(
            code == Some(0) && text.starts_with("paused until"),
            "{text}"
        );
        rig.hub
            .until("paused", |report| report.host.paused_until.is_some())
            .await;
        rig.suffer(Drift::Stop).await;
        rig.suffer(Drift::EditFile).await;
        // A slice comes, and the agent is restarted.
        rig.publish(2, "sleep 100001", "repair");
        let paused = |one: &InstanceReport| matches!(one.waiting, Some(AgentWait::Paused { .. }));
        rig.one("waiting", paused).await;
        drop(agent);
        let _agent = Running::start(&rig.world);
        let accepted = |report: &Report| {
            let slice = report.slice.as_ref();
            slice.is_some_and(|slice| slice.generation == 2) && report.host.paused_until.is_some()
        };
        rig.hub.until("accepted", accepted).await;
        assert!(command(&["status"]).1.contains("paused until"));
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(rig.shape().await.file.as_deref(), Some("defaced"));
        assert_eq!(
            command(&["resume"]),
            (Some(0), "the pause is over\n".into())
        );
        rig.until_as(&before, "after the pause").await;
        rig.until_healthy().await;
        assert_eq!(
            command(&["resume"]),
            (Some(0), "there was no pause\n".into())
        );
    });
}

/// The kernel ends what takes more memory than it may have: the report says so, of that container alone.
#[test]
fn what_the_kernel_ends_for_lack_of_memory_is_told() {
    lab(|lab| async move {
        let rig = Rig::new(lab).await;
        let _agent = Running::start(&rig.world);
        let mut files = rig.slice(EATS, "repair");
        let path = format!("stacks/{}/compose.yaml", rig.lab.project);
        let path: tenantry_schema::name::RelativePath = path.try_into().unwrap();
        let limits = "    mem_limit: 16M\n    memswap_limit: 16M\n    restart: 'no'\n";
        let compose = COMPOSE.replacen("    restart: unless-stopped\n", limits, 1);
        files.insert(path, compose.into_bytes());
        rig.hub.publish(&rig.world, 1, files);
        let ended = |report: &Report| {
            let containers = report.instances.values().flat_map(|it| &it.containers);
            let ended: Vec<_> = containers
                .filter(|one| one.out_of_memory)
                .cloned()
                .collect();
            ended
        };
        // Looked at between the kernel's blow and the end, it has no exit code yet.
        rig.hub
            .until_all("told", |all| {
                let mut ended = all.iter().flat_map(ended);
                ended.any(|one| one.exit_code == Some(137))
            })
            .await;
        let all = rig.hub.read(|said| said.reports.clone());
        for one in all.iter().flat_map(ended) {
            assert_eq!(one.service.as_str(), "web");
        }
    });
}
