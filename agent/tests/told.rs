//! What a report says of containers beside their state, with a real engine: what a failing health check printed, how often a container ended,
//! what it wrote to disk, and which of them are published to the world.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;
#[allow(dead_code, reason = "made for other tests too")]
#[path = "containers/lab.rs"]
mod lab;

use bollard::models::{ContainerCreateBody, HostConfig, PortBinding};
use bollard::query_parameters::CreateContainerOptions;
use common::hub::Hub;
use common::{Files, Running, World, files, host};
use lab::{Lab, lab};
use std::path::Path;
use std::sync::Arc;
use tenantry_agent::config::Intervals;
use tenantry_schema::document::HostArea;
use tenantry_schema::wire::{ContainerHealth, ContainerReport, ContainerUsage, Report};

const IMAGE: &str = "tenantry-test/busybox:1";
const SECRET: &str = "hunter2-hunter2";
/// One whose check tells a secret and fails, one that ends all the time, and one that writes 20 MB to its volume again and again.
const COMPOSE: &str = "
services:
  ill:
    image: tenantry-test/busybox:1
    init: true
    stop_grace_period: 1s
    command: [sleep, '100000']
    secrets: [token]
    healthcheck:
      test: [CMD, sh, -c, 'echo nobody takes; cat /run/secrets/token; echo; echo any more; exit 1']
      interval: 1s
      timeout: 5s
      retries: 1
  ends:
    image: tenantry-test/busybox:1
    restart: always
    command: [sh, -c, 'sleep 1; exit 3']
  writes:
    image: tenantry-test/busybox:1
    init: true
    stop_grace_period: 1s
    command: [sh, -c, 'while true; do busybox dd if=/dev/zero of=/data/file bs=1M count=20 conv=fsync; sleep 1; done']
    volumes: ['data:/data']
volumes: { data: {} }
secrets: { token: { environment: TOKEN } }
";

struct Rig {
    world: World,
    hub: Arc<Hub>,
    lab: Lab,
}

impl Rig {
    /// An agent's surroundings, with one that looks, measures and reports all the time.
    async fn new(lab: Lab) -> Self {
        let mut world = World::on_this_engine(&lab.project, |config| {
            config.intervals = Intervals {
                patrol: 2,
                report: 2,
                sample: 1,
            };
        });
        let hub = Hub::start(&mut world).await;
        Self { world, hub, lab }
    }

    fn slice(&self) -> Files {
        let project = &self.lab.project;
        let stack = |name: &str| format!("stacks/{project}/{name}");
        let recipient = self.world.agent.age.as_str();
        let secrets = self.world.secrets_for(recipient, &[("TOKEN", SECRET)]);
        let host = host("", [(project.as_str(), "sites: {}")]);
        files(&[
            ("host.yaml", &host),
            (&stack("compose.yaml"), COMPOSE),
            (&stack(".env"), ""),
            (&stack("secrets.yaml"), &secrets),
        ])
    }

    /// What the report says of a service.
    async fn until(&self, service: &str, good: impl Fn(&ContainerReport) -> bool) {
        let seen = |report: &Report| {
            let all = report.instances.values().flat_map(|one| &one.containers);
            all.clone().any(|one| one.service == service && good(one))
        };
        self.hub.until(service, seen).await;
    }
}

/// What was measured of a service.
fn used(reports: &[Report], service: &str) -> Vec<ContainerUsage> {
    let windows = reports.iter().flat_map(|report| &report.usage);
    let all = windows.flat_map(|window| window.containers.values());
    let mine = all.filter_map(|by_service| by_service.get(service).copied());
    mine.collect()
}

#[test]
fn a_failing_check_an_end_and_what_is_written_are_told_without_secrets() {
    lab(|lab| async move {
        let rig = Rig::new(lab).await;
        let _agent = Running::start(&rig.world);
        rig.hub.publish(&rig.world, 1, rig.slice());
        rig.until("ill", |ill| {
            let said = ill.health_output.as_deref();
            ill.health == ContainerHealth::Unhealthy
                && said == Some("nobody takes\n[redacted]\nany more")
        })
        .await;
        rig.until("ends", |ends| {
            ends.restarts >= 2 && ends.health_output.is_none()
        })
        .await;
        let measured = |reports: &[Report]| {
            let used = used(reports, "writes").into_iter();
            used.filter(|one| one.memory.is_some()).count() >= 3
        };
        rig.hub.until_all("measured", measured).await;
        let writes = rig.lab.inspect("writes").await.unwrap().id.unwrap();
        let used = rig.hub.read(|said| used(&said.reports, "writes"));
        let written = used.into_iter().map(|one| one.disk_write);
        if is_counted(&writes) {
            let most = written.flatten().map(|spread| spread.greatest).max();
            assert!(most > Some(1 << 20), "20 MB in seconds: {most:?}");
        } else {
            println!("this kernel does not count what containers write");
            assert!(written.clone().all(|one| one.is_none()), "it is not zero");
        }
        let all = rig.hub.read(|said| serde_json::to_string(&said.reports));
        assert!(!all.unwrap().contains(SECRET));
    });
}

/// Whether the kernel counts what the container reads from and writes to disks.
fn is_counted(id: &str) -> bool {
    let read = |path: &str| std::fs::read_to_string(Path::new("/sys/fs/cgroup").join(path));
    if let Ok(controllers) = read("cgroup.controllers") {
        return controllers.split_whitespace().any(|one| one == "io");
    }
    let path = format!("blkio/docker/{id}/blkio.throttle.io_service_bytes");
    read(&path).is_ok_and(|text| text.contains("Write"))
}

/// Somebody's container that publishes a port of its own at the address. Which one it is.
async fn publish(lab: &Lab, name: &str, address: &str) -> (String, u16) {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let name = lab.name(name);
    let binding = PortBinding {
        host_ip: Some(address.to_owned()),
        host_port: Some(port.to_string()),
    };
    let body = ContainerCreateBody {
        image: Some(IMAGE.to_owned()),
        cmd: Some(vec!["sleep".to_owned(), "100000".to_owned()]),
        exposed_ports: Some(vec!["80/tcp".to_owned()]),
        host_config: Some(HostConfig {
            port_bindings: Some([("80/tcp".to_owned(), Some(vec![binding]))].into()),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    };
    let options = CreateContainerOptions {
        name: Some(name.clone()),
        ..CreateContainerOptions::default()
    };
    let made = lab.docker.create_container(Some(options), body).await;
    made.unwrap();
    lab.docker.start_container(&name, None).await.unwrap();
    (name, port)
}

/// Only observed, for the firewall of the machine that tests run on is not theirs.
#[test]
fn a_port_that_the_engine_publishes_to_the_world_is_told_unless_it_is_asked_for() {
    lab(|lab| async move {
        let (open, port) = publish(&lab, "open", "0.0.0.0").await;
        let (shut, own) = publish(&lab, "shut", "127.0.0.1").await;
        let rig = Rig::new(lab).await;
        let packages = rig.world.config.root.join("var/lib/dpkg");
        std::fs::create_dir_all(&packages).unwrap();
        let installed = "Package: nftables\nStatus: install ok installed\n\n";
        std::fs::write(packages.join("status"), installed).unwrap();
        let _agent = Running::start(&rig.world);
        let ask = |generation, firewall: &str| {
            let host = format!(
                "server: {{customer: acme, server: acme-1}}\nmanage: observe\nweb: {{http: 80, https: 443}}\nhost:\n  firewall: {firewall}\ninstances: {{}}\n"
            );
            let files = files(&[("host.yaml", &host)]);
            rig.hub.publish(&rig.world, generation, files);
        };
        let message = |report: &Report| {
            let generation = report.slice.as_ref().map(|slice| slice.generation);
            let area = report.areas.get(&HostArea::Firewall);
            let message = area.and_then(|area| area.message.clone());
            (generation, message.unwrap_or_default())
        };
        ask(1, "{}");
        let told = format!("{port}/tcp of container {open}");
        let world = "published to the world and kept shut";
        let report = rig.hub.until("told of", |report| {
            let (_, message) = message(report);
            message.contains(world) && message.contains(&told)
        });
        let (_, said) = message(&report.await);
        assert!(said.starts_with("would "), "{said}");
        let loopback = format!("{own}/tcp of container {shut}");
        assert!(!said.contains(&loopback), "{said}");

        ask(2, &format!("{{open: [{port}]}}"));
        rig.hub
            .until("asked for", |report| {
                let (generation, message) = message(report);
                generation == Some(2) && message.starts_with("would ") && !message.contains(&told)
            })
            .await;
    });
}
