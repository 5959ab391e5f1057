//! Roll-outs with a real engine: a good version, one that does not work, and what becomes of it by the stack's rule.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;
#[path = "rollout/held.rs"]
mod held;
#[allow(dead_code, reason = "made for other tests too")]
#[path = "containers/lab.rs"]
mod lab;

use bollard::query_parameters::{RemoveImageOptions, TagImageOptions};
use common::hub::Hub;
use common::{Files, Running, World, files};
use lab::{Lab, lab};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tenantry_schema::wire::{
    AgentWait, ContainerState, EventKind, InstancePhase, InstanceReport, Report, RolloutState,
};

const COMPOSE: &str = "
services:
  web:
    image: ${IMAGE}
    init: true
    restart: unless-stopped
    stop_grace_period: 1s
    command: [sh, -c, '${COMMAND}']
    environment: { PASSWORD: '${PASSWORD}', VERSION: '${VERSION}' }
    ports: ['127.0.0.1:${SITE_PORT}:8080']
    volumes: ['./files/www:/www:ro', 'data:/data']
volumes: { data: {} }
";
const WORKS: &str = "busybox httpd -f -p 8080 -h /www";
/// It answers, but not with what is asked for, and it says too much.
const BROKEN: &str = "echo connecting to postgres://app:$$PASSWORD@db; echo no such table; busybox httpd -f -p 8080 -h /bin";
/// It ends again and again.
const CRASHES: &str = "echo cannot bind; sleep 1; exit 3";
const IMAGE: &str = "tenantry-test/busybox:1";

struct Rig {
    world: World,
    hub: Arc<Hub>,
    lab: Lab,
    port: u16,
}

/// A version of the tool.
#[derive(Clone, Copy)]
struct Version {
    number: u8,
    command: &'static str,
    image: &'static str,
    /// Of `host.yaml`, besides what is always there.
    spec: &'static str,
    smoke: bool,
}

const FIRST: Version = Version {
    number: 1,
    command: WORKS,
    image: IMAGE,
    spec: "has_data: false, upgrade: {timeout: 8}",
    smoke: true,
};

impl Rig {
    async fn new(lab: Lab) -> Self {
        let mut world = World::on_this_engine(&lab.project, |_| {});
        let hub = Hub::start(&mut world).await;
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        Self {
            world,
            hub,
            lab,
            port,
        }
    }

    /// Has `first`, and it is good.
    async fn begin(&self, first: Version) {
        self.publish(1, first, "red");
        self.answers("version 1").await;
        self.until_good(1, "the first").await;
    }

    /// A slice with one version of the tool, and with another tool beside it.
    fn slice(&self, version: Version, other: &str) -> Files {
        let project = &self.lab.project;
        let smoke = if version.smoke {
            "smoke: GET /index.html, "
        } else {
            ""
        };
        let host = format!(
            "server: {{customer: acme, server: acme-1}}\nmanage: full\nweb: {{http: 80, https: 443}}\ninstances:\n  {project}: {{order: web, tool: html, state: running, {smoke}{}, sites: {{site: {{host: html.acme.example, port: {}}}}}}}\n  {project}-other: {{order: web, tool: other, state: running, has_data: false, sites: {{}}}}\n",
            version.spec, self.port
        );
        let secrets = self.world.secrets_for(
            self.world.agent.age.as_str(),
            &[("PASSWORD", "hunter2-hunter2")],
        );
        let env = format!(
            "SITE_PORT='{}'\nCOMMAND='{}'\nVERSION='{}'\nIMAGE='{}'\n",
            self.port,
            version.command.replace("$$", "$"),
            version.number,
            version.image
        );
        let beside = format!(
            "services:\n  beside:\n    image: {IMAGE}\n    init: true\n    stop_grace_period: 1s\n    command: [sleep, '100000']\n    environment: {{ COLOUR: '{other}' }}\n"
        );
        let stack = |name: &str| format!("stacks/{project}/{name}");
        let other = |name: &str| format!("stacks/{project}-other/{name}");
        files(&[
            ("host.yaml", &host),
            (&stack("compose.yaml"), COMPOSE),
            (&stack(".env"), &env),
            (
                &stack("files/www/index.html"),
                &format!("version {}", version.number),
            ),
            (&stack("secrets.yaml"), &secrets),
            (&other("compose.yaml"), &beside),
            (&other(".env"), ""),
        ])
    }

    fn publish(&self, generation: u64, version: Version, other: &str) {
        self.hub
            .publish(&self.world, generation, self.slice(version, other));
    }

    async fn until(&self, what: &str, good: impl Fn(&InstanceReport) -> bool) -> InstanceReport {
        let project = self.lab.project.clone();
        let found = |report: &Report| {
            let mut instances = report.instances.iter();
            let one = instances.find(|(name, _)| name.as_str() == project);
            one.map(|(_, one)| one.clone())
        };
        let report = self
            .hub
            .until(what, |report| found(report).is_some_and(|one| good(&one)))
            .await;
        found(&report).unwrap()
    }

    async fn until_good(&self, generation: u64, digest_of: &str) {
        let ledger = self.world.state("ledger.json");
        let (project, begun) = (self.lab.project.clone(), Instant::now());
        loop {
            let text = std::fs::read_to_string(&ledger).unwrap_or_default();
            let ledger: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
            let accepted = &ledger["accepted"];
            let good = &ledger["rollouts"][&project]["good"];
            if accepted["generation"] == generation && good["content"] == accepted["content"] {
                return;
            }
            assert!(
                begun.elapsed() < Duration::from_secs(30),
                "{digest_of}: {text}"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn answers(&self, text: &str) {
        let begun = Instant::now();
        let url = format!("http://127.0.0.1:{}/index.html", self.port);
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        loop {
            let answer = client.get(&url).send().await;
            let found = match answer {
                Ok(answer) => answer.text().await.unwrap_or_default(),
                Err(error) => error.to_string(),
            };
            if found == text {
                return;
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "{found}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The value of a variable in a container of this project, or of the one beside it.
    async fn variable(&self, container: &str, name: &str) -> Option<String> {
        let details = self.lab.docker.inspect_container(container, None).await;
        let env = details.ok()?.config?.env?;
        let prefix = format!("{name}=");
        let mut found = env.iter().filter_map(|one| one.strip_prefix(&prefix));
        found.next().map(str::to_owned)
    }
}

fn rolled_back(one: &InstanceReport) -> bool {
    matches!(one.waiting, Some(AgentWait::RolledBack { .. }))
}

#[test]
fn a_version_that_does_not_work_goes_back_and_stays_there_until_another_is_wanted() {
    lab(|lab| async move {
        let rig = Rig::new(lab).await;
        let agent = Running::start(&rig.world);
        rig.publish(1, FIRST, "red");
        rig.answers("version 1").await;
        rig.until_good(1, "the first").await;

        let begun = Instant::now();
        let second = Version {
            number: 2,
            command: BROKEN,
            ..FIRST
        };
        rig.publish(2, second, "blue");
        let trying = |one: &InstanceReport| {
            let state = one.rollout.as_ref().map(|rollout| rollout.state);
            state == Some(RolloutState::Trying)
        };
        rig.until("trying", trying).await;
        // The tool beside it is not held up.
        let beside = format!("{}-other-beside-1", rig.lab.project);
        while rig.variable(&beside, "COLOUR").await.as_deref() != Some("blue") {
            assert!(begun.elapsed() < Duration::from_secs(8), "held up");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let report = rig.until("rolled back", rolled_back).await;
        println!("rolled back after {:?}", begun.elapsed());
        assert_eq!(report.phase, InstancePhase::Degraded);
        rig.answers("version 1").await;
        let name = rig.lab.name("web");
        assert_eq!(rig.variable(&name, "VERSION").await.as_deref(), Some("1"));

        // The evidence: what it said, without what nobody may see.
        let rollout = report.rollout.unwrap();
        assert_eq!(rollout.state, RolloutState::RolledBack);
        let evidence = rollout.evidence.unwrap();
        assert!(evidence.reason.contains("404"), "{evidence:?}");
        assert!(evidence.smoke.as_ref().unwrap().contains("404"));
        let web = &evidence.containers[0];
        assert_eq!(
            (web.service.as_str(), web.state),
            ("web", ContainerState::Running)
        );
        assert!(web.log.contains(&"no such table".to_owned()), "{web:?}");
        assert!(
            web.log
                .contains(&"connecting to postgres://app:[redacted]@db".to_owned())
        );
        let told = |reports: &[Report]| {
            let mut events = reports.iter().flat_map(|report| &report.events);
            events.any(|event| {
                event.kind == EventKind::Failed && event.message.contains("go back to the last")
            })
        };
        rig.hub.until_all("told", told).await;
        let all = serde_json::to_string(&rig.hub.read(|said| said.reports.clone())).unwrap();
        assert!(!all.contains("hunter2"));

        // Another slice with the same version, and a restarted agent: nothing is tried again.
        let id = rig.lab.inspect("web").await.unwrap().id;
        rig.publish(3, second, "green");
        drop(agent);
        let _agent = Running::start(&rig.world);
        while rig.variable(&beside, "COLOUR").await.as_deref() != Some("green") {
            assert!(begun.elapsed() < Duration::from_mins(1), "held up");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(rig.lab.inspect("web").await.unwrap().id, id);
        rig.until("still rolled back", rolled_back).await;

        // What drifts is put back to what is in force.
        let page = format!("live/{}/files/www/index.html", rig.lab.project);
        std::fs::write(rig.world.state(&page), "defaced").unwrap();
        rig.answers("version 1").await;

        // Another version is tried at once.
        rig.publish(4, Version { number: 3, ..FIRST }, "green");
        rig.answers("version 3").await;
        let well =
            |one: &InstanceReport| one.phase == InstancePhase::Healthy && one.rollout.is_none();
        rig.until("healthy", well).await;
        rig.until_good(4, "the third").await;
    });
}

#[test]
fn what_ends_again_and_again_is_given_up_also_without_any_check() {
    lab(|lab| async move {
        let rig = Rig::new(lab).await;
        let _agent = Running::start(&rig.world);
        // A quarter of the time is how long it must run to be good: more than a busy machine can take for a second.
        let first = Version {
            smoke: false,
            spec: "has_data: false, upgrade: {timeout: 32}",
            ..FIRST
        };
        rig.begin(first).await;
        let second = Version {
            number: 2,
            command: CRASHES,
            ..first
        };
        rig.publish(2, second, "red");
        let report = rig.until("rolled back", rolled_back).await;
        rig.answers("version 1").await;
        let evidence = report.rollout.unwrap().evidence.unwrap();
        let web = &evidence.containers[0];
        assert!(web.log.contains(&"cannot bind".to_owned()), "{web:?}");
        assert!(web.restarts > 0 || web.exit_code == Some(3), "{web:?}");
    });
}

#[test]
fn another_image_on_data_is_held_with_its_data_until_a_person_decides() {
    lab(|lab| async move {
        let rig = Rig::new(lab).await;
        let other: &'static str =
            Box::leak(format!("tenantry-test/{}:2", rig.lab.project).into_boxed_str());
        let tag = TagImageOptions {
            repo: Some(format!("tenantry-test/{}", rig.lab.project)),
            tag: Some("2".to_owned()),
        };
        rig.lab.docker.tag_image(IMAGE, Some(tag)).await.unwrap();
        let _agent = Running::start(&rig.world);
        let first = Version {
            spec: "has_data: true, upgrade: {timeout: 8, rollback: hold}",
            ..FIRST
        };
        rig.begin(first).await;
        let second = Version {
            number: 2,
            command: BROKEN,
            image: other,
            ..first
        };
        rig.publish(2, second, "red");
        let held = |one: &InstanceReport| matches!(one.waiting, Some(AgentWait::Held { .. }));
        let report = rig.until("held", held).await;
        assert_eq!(report.phase, InstancePhase::Failed);
        assert!(report.message.unwrap().contains("`hold`"));
        let name = rig.lab.name("web");
        assert_eq!(rig.variable(&name, "VERSION").await.as_deref(), Some("2"));
        // The person asks for the version before.
        rig.publish(3, first, "red");
        rig.answers("version 1").await;
        rig.until("healthy", |one| one.phase == InstancePhase::Healthy)
            .await;

        // The same where the stack lets images go back.
        let first = Version {
            number: 4,
            spec: "has_data: true, upgrade: {timeout: 8, rollback: image}",
            ..FIRST
        };
        rig.publish(4, first, "red");
        rig.answers("version 4").await;
        rig.until_good(4, "the fourth").await;
        let volume = format!("{}_data", rig.lab.project);
        let before = rig.lab.docker.inspect_volume(&volume).await.unwrap();
        let fifth = Version {
            number: 5,
            command: BROKEN,
            image: other,
            ..first
        };
        rig.publish(5, fifth, "red");
        rig.until("rolled back", rolled_back).await;
        rig.answers("version 4").await;
        let after = rig.lab.docker.inspect_volume(&volume).await.unwrap();
        assert_eq!(before.created_at, after.created_at, "the data is the same");
        let _ = rig
            .lab
            .docker
            .remove_image(other, None::<RemoveImageOptions>, None)
            .await;
    });
}
