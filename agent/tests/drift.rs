//! Drift with a real engine: a restored file reaches the containers that mount it, and a change that waits does not keep files from
//! being restored.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;
#[allow(dead_code, reason = "made for other tests too")]
#[path = "containers/lab.rs"]
mod lab;

use common::hub::Hub;
use common::{Files, Running, World, files, host};
use lab::{Lab, lab};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tenantry_schema::wire::{AgentWait, EventKind, InstancePhase, Report};

const COMPOSE: &str = "
services:
  file:
    image: tenantry-test/busybox:1
    init: true
    restart: unless-stopped
    stop_grace_period: 1s
    command: [sleep, '100000']
    environment: { COLOUR: '${COLOUR}' }
    volumes: ['./files/page.html:/page.html:ro']
  folder:
    image: tenantry-test/busybox:1
    init: true
    restart: unless-stopped
    stop_grace_period: 1s
    command: [sleep, '100000']
    environment: { COLOUR: '${COLOUR}' }
    volumes: ['./files/www:/www:ro']
  secret:
    image: tenantry-test/busybox:1
    init: true
    restart: unless-stopped
    stop_grace_period: 1s
    command: [sleep, '100000']
    secrets: [token]
secrets: { token: { environment: TOKEN } }
";

struct Rig {
    world: World,
    hub: Arc<Hub>,
    lab: Lab,
}

impl Rig {
    async fn new(lab: Lab) -> Self {
        let mut world = World::on_this_engine(&lab.project, |_| {});
        let hub = Hub::start(&mut world).await;
        Self { world, hub, lab }
    }

    /// With an agent, and in order.
    async fn begin(lab: Lab) -> (Self, Running) {
        let rig = Self::new(lab).await;
        rig.hub.publish(&rig.world, 1, rig.slice("", "red", "one"));
        let agent = Running::start(&rig.world);
        rig.until_seen("file", "/page.html", "one").await;
        rig.until_healthy().await;
        (rig, agent)
    }

    fn slice(&self, window: &str, colour: &str, page: &str) -> Files {
        let project = &self.lab.project;
        let host = host(window, [(project.as_str(), "sites: {}")]);
        let secrets = self
            .world
            .secrets_for(self.world.agent.age.as_str(), &[("TOKEN", "hunter2")]);
        let stack = |name: &str| format!("stacks/{project}/{name}");
        files(&[
            ("host.yaml", &host),
            (&stack("compose.yaml"), COMPOSE),
            (&stack(".env"), &format!("COLOUR='{colour}'\n")),
            (&stack("files/page.html"), page),
            (&stack("files/www/index.html"), page),
            (&stack("secrets.yaml"), &secrets),
        ])
    }

    fn live(&self, name: &str) -> PathBuf {
        self.world
            .state("live")
            .join(&self.lab.project)
            .join("files")
            .join(name)
    }

    async fn id(&self, service: &str) -> Option<String> {
        self.lab.inspect(service).await?.id
    }

    /// What the container sees, looked at through its process.
    async fn sees(&self, service: &str, path: &str) -> Option<String> {
        let pid = self.lab.inspect(service).await?.state?.pid?;
        std::fs::read_to_string(format!("/proc/{pid}/root{path}")).ok()
    }

    async fn until_seen(&self, service: &str, path: &str, text: &str) -> Duration {
        let begun = Instant::now();
        while self.sees(service, path).await.as_deref() != Some(text) {
            assert!(
                begun.elapsed() < Duration::from_secs(20),
                "{service}: {:?} {:#?}",
                self.sees(service, path).await,
                self.hub.read(|said| said.reports.last().cloned())
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        begun.elapsed()
    }

    async fn until(&self, what: &str, good: impl Fn(&Report) -> bool) -> Report {
        self.hub
            .until(what, |report| !report.instances.is_empty() && good(report))
            .await
    }

    async fn until_healthy(&self) {
        let calm = |report: &Report| {
            let mut instances = report.instances.values();
            instances.all(|instance| instance.phase == InstancePhase::Healthy)
        };
        self.until("healthy", calm).await;
    }

    async fn until_file(&self, name: &str, text: &str) {
        let (begun, path) = (Instant::now(), self.live(name));
        while std::fs::read_to_string(&path).ok().as_deref() != Some(text) {
            assert!(begun.elapsed() < common::PROMPT, "{name}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[test]
fn a_restored_file_reaches_exactly_the_containers_that_mount_it() {
    lab(|lab| async move {
        let (rig, _agent) = Rig::begin(lab).await;
        let (file, folder, secret) = (
            rig.id("file").await,
            rig.id("folder").await,
            rig.id("secret").await,
        );

        // Written into: the container sees that.
        std::fs::write(rig.live("page.html"), "defaced").unwrap();
        let took = rig.until_seen("file", "/page.html", "one").await;
        println!("edited in place, seen again after {took:?}");
        assert_ne!(rig.id("file").await, file);
        rig.until_healthy().await;
        let told = |reports: &[Report]| {
            let mut events = reports.iter().flat_map(|report| &report.events);
            events.any(|event| {
                event.kind == EventKind::Repaired
                    && event.message.contains("a file that it mounts was put back")
            })
        };
        rig.hub.until_all("told", told).await;

        // Replaced: the container does not see that, and would see nothing that comes after.
        let file = rig.id("file").await;
        std::fs::write(rig.live(".new"), "replaced").unwrap();
        std::fs::rename(rig.live(".new"), rig.live("page.html")).unwrap();
        let begun = Instant::now();
        while rig.id("file").await == file {
            assert!(begun.elapsed() < Duration::from_secs(20));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        rig.until_seen("file", "/page.html", "one").await;
        rig.until_healthy().await;
        assert_eq!(rig.id("folder").await, folder);
        assert_eq!(rig.id("secret").await, secret);

        // In a mounted folder: seen without a new container. The folder itself gone: mounted anew.
        let file = rig.id("file").await;
        std::fs::write(rig.live("www/index.html"), "defaced").unwrap();
        rig.until_seen("folder", "/www/index.html", "one").await;
        assert_eq!(rig.id("folder").await, folder);
        std::fs::remove_dir_all(rig.live("www")).unwrap();
        rig.until_seen("folder", "/www/index.html", "one").await;
        assert_ne!(rig.id("folder").await, folder);

        // A secret file.
        let path = rig
            .world
            .config
            .secrets
            .join(&rig.lab.project)
            .join("TOKEN");
        std::fs::write(&path, "guessed").unwrap();
        let begun = Instant::now();
        while rig.id("secret").await == secret {
            assert!(begun.elapsed() < Duration::from_secs(20));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        rig.until_seen("secret", "/run/secrets/token", "hunter2")
            .await;
        assert_eq!(rig.id("file").await, file);

        // And then there is peace.
        rig.until_healthy().await;
        let all = async || {
            (
                rig.id("file").await,
                rig.id("folder").await,
                rig.id("secret").await,
            )
        };
        let before = all().await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(all().await, before);
    });
}

#[test]
fn a_change_that_waits_for_its_window_does_not_hold_repairs() {
    lab(|lab| async move {
        let (rig, agent) = Rig::begin(lab).await;
        let (file, folder) = (rig.id("file").await, rig.id("folder").await);

        // Far away: half a day from now.
        let hour = (jiff::Timestamp::now().as_second() / 3600 + 12) % 24;
        let shut = format!("window: daily {hour:02}:00-{hour:02}:30\n");
        rig.hub
            .publish(&rig.world, 2, rig.slice(&shut, "blue", "two"));
        let waits = |report: &Report| {
            report
                .instances
                .values()
                .all(|instance| matches!(instance.waiting, Some(AgentWait::Window { .. })))
        };
        rig.until("waiting", waits).await;

        // In a folder, and alone: put back to what runs, and nobody is disturbed.
        let drift = async || {
            for name in ["www/index.html", "page.html"] {
                std::fs::write(rig.live(name), "defaced").unwrap();
                rig.until_file(name, "one").await;
            }
            rig.until_seen("folder", "/www/index.html", "one").await;
        };
        drift().await;
        // Also by an agent that was not there when the change came.
        drop(agent);
        let _agent = Running::start(&rig.world);
        drift().await;
        rig.until("waiting again", waits).await;
        assert_eq!(
            (rig.id("file").await, rig.id("folder").await),
            (file, folder)
        );

        // The window opens.
        rig.hub.publish(&rig.world, 3, rig.slice("", "blue", "two"));
        rig.until_seen("file", "/page.html", "two").await;
        rig.until_seen("folder", "/www/index.html", "two").await;
        rig.until_healthy().await;
    });
}
