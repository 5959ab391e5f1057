//! Images with a real engine and a real private registry: log-ins, names that move on, fetching again by digest, and removing what nothing
//! needs any more.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;
#[allow(dead_code, reason = "made for other tests too")]
#[path = "containers/lab.rs"]
mod lab;

use bollard::query_parameters::{RemoveContainerOptions, TagImageOptions};
use common::hub::Hub;
use common::registry::{self, PASSWORD, Registry};
use common::small::Small;
use common::{Files, Running, World, files};
use lab::{Lab, lab};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tenantry_agent::containers::{
    Action, Engine, Ensured, ErrorKind, Login, RESERVE, Step, Why, execute,
};
use tenantry_schema::wire::{InstancePhase, InstanceReport};

struct Rig {
    world: World,
    hub: Arc<Hub>,
    lab: Lab,
    registry: Registry,
}

impl Rig {
    async fn new(lab: Lab) -> Self {
        let mut world = World::on_this_engine(&lab.project, |_| {});
        let hub = Hub::start(&mut world).await;
        Self {
            world,
            hub,
            lab,
            registry: Registry::start(),
        }
    }

    fn repository(&self) -> String {
        self.registry.repository(&self.lab.project)
    }

    async fn push(&self, tag: &str, colour: &str) -> String {
        let docker = &self.lab.docker;
        self.registry
            .push(docker, &self.lab.project, tag, colour)
            .await
    }

    async fn forget(&self, image: &str) {
        registry::forget(&self.lab.docker, image).await;
    }

    fn slice(&self, tag: &str, password: &str, version: u8) -> Files {
        let project = &self.lab.project;
        let host = format!(
            "server: {{customer: acme, server: acme-1}}\nmanage: full\nweb: {{http: 80, https: 443}}\nregistries: {{'{}': {{user: acme, password: PASSWORD_0}}}}\ninstances:\n  {project}: {{order: web, tool: html, state: running, has_data: false, upgrade: {{timeout: 8}}, sites: {{}}}}\n",
            self.registry.address
        );
        let compose = format!(
            "services:\n  web:\n    image: {}:{tag}\n    init: true\n    stop_grace_period: 1s\n    command: [sleep, '100000']\n    environment: {{ VERSION: '{version}' }}\n",
            self.repository()
        );
        let secrets = self
            .world
            .secrets_for(self.world.agent.age.as_str(), &[("PASSWORD_0", password)]);
        let stack = |name: &str| format!("stacks/{project}/{name}");
        files(&[
            ("host.yaml", &host),
            ("registries.secrets.yaml", &secrets),
            (&stack("compose.yaml"), &compose),
            (&stack(".env"), ""),
        ])
    }

    async fn until(&self, what: &str, good: impl Fn(&InstanceReport) -> bool) -> InstanceReport {
        self.hub.until_one(what, good).await
    }

    /// Waits until this version is good, so that its images are remembered.
    async fn until_good(&self, generation: u64) {
        let ledger = self.world.state("ledger.json");
        let begun = Instant::now();
        loop {
            let text = std::fs::read_to_string(&ledger).unwrap_or_default();
            let all: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
            let good = &all["rollouts"][&self.lab.project]["good"];
            let accepted = &all["accepted"];
            if accepted["generation"] == generation && good["content"] == accepted["content"] {
                return;
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "{text}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn image(&self) -> Option<String> {
        self.lab.inspect("web").await?.image
    }

    async fn until_image(&self, id: &str) {
        let begun = Instant::now();
        while self.image().await.as_deref() != Some(id) {
            assert!(begun.elapsed() < Duration::from_secs(30), "{id}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

#[test]
fn private_images_are_fetched_kept_fetched_again_and_removed() {
    if common::skip_without("docker-registry") || common::skip_without("htpasswd") {
        return;
    }
    lab(|lab| async move {
        let rig = Rig::new(lab).await;
        let name = |tag: &str| format!("{}:{tag}", rig.repository());
        let red = rig.push("1", "red").await;
        rig.forget(&name("1")).await;
        let _agent = Running::start(&rig.world);

        // With a wrong password the registry says no, and nobody is told the password.
        let wrong = "not-the-password-9";
        rig.hub.publish(&rig.world, 1, rig.slice("1", wrong, 1));
        let refused = |one: &InstanceReport| {
            let message = one.message.clone().unwrap_or_default();
            message.contains("is not available")
        };
        rig.until("refused", refused).await;
        rig.hub.publish(&rig.world, 2, rig.slice("1", PASSWORD, 1));
        rig.until_image(&red).await;
        rig.until("healthy", |one| one.phase == InstancePhase::Healthy)
            .await;
        rig.until_good(2).await;
        let said = serde_json::to_string(&rig.hub.read(|said| said.reports.clone())).unwrap();
        assert!(!said.contains(wrong) && !said.contains(PASSWORD));

        // The tag moves on, in the registry and here: nothing changes.
        let id = rig.lab.inspect("web").await.unwrap().id;
        let blue = rig.push("1", "blue").await;
        assert_ne!(red, blue);
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(rig.lab.inspect("web").await.unwrap().id, id);

        // Container and image are gone: the same image comes again, by its digest.
        let remove = RemoveContainerOptions {
            force: true,
            ..RemoveContainerOptions::default()
        };
        let web = rig.lab.name("web");
        let docker = &rig.lab.docker;
        docker.pause_container(&web).await.unwrap();
        docker.remove_container(&web, Some(remove)).await.unwrap();
        rig.forget(&red).await;
        rig.until_image(&red).await;

        // Another version takes what the name stands for by then.
        rig.until("healthy", |one| one.phase == InstancePhase::Healthy)
            .await;
        rig.hub.publish(&rig.world, 3, rig.slice("1", PASSWORD, 2));
        rig.until_image(&blue).await;
        rig.until_good(3).await;

        // After some more versions nothing names the other image any more: it goes. What somebody else tagged stays.
        let green = rig.push("2", "green").await;
        rig.forget(&name("2")).await;
        let tag = TagImageOptions {
            repo: Some(format!("tenantry-test/{}", rig.lab.project)),
            tag: Some("theirs".to_owned()),
        };
        docker.tag_image(&blue, Some(tag)).await.unwrap();
        for generation in 4..8u64 {
            let version = u8::try_from(generation).unwrap();
            rig.hub
                .publish(&rig.world, generation, rig.slice("2", PASSWORD, version));
            rig.until_image(&green).await;
            rig.until_good(generation).await;
        }
        let begun = Instant::now();
        while docker.inspect_image(&name("1")).await.is_ok() {
            assert!(
                begun.elapsed() < Duration::from_secs(40),
                "{}",
                std::fs::read_to_string(rig.world.state("ledger.json")).unwrap()
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let theirs = format!("tenantry-test/{}:theirs", rig.lab.project);
        assert!(docker.inspect_image(&theirs).await.is_ok());
        assert!(
            docker
                .inspect_image("tenantry-test/busybox:1")
                .await
                .is_ok()
        );
        assert!(Path::new(&rig.world.config.docker).exists());
        for image in [&theirs, &name("2"), &red, &blue, &green] {
            rig.forget(image).await;
        }
    });
}

#[test]
fn fetching_what_the_disk_has_no_room_for_is_broken_off() {
    if common::skip_without("docker-registry") || common::skip_without("htpasswd") {
        return;
    }
    lab(|lab| async move {
        let rig = Rig::new(lab).await;
        let disk = tempfile::tempdir().unwrap();
        let Some(_small) = Small::mount(disk.path(), 64) else {
            common::skip_for_want_of("a place to mount something at");
            return;
        };
        let docker = &rig.lab.docker;
        let made = "head -c 20000000 /dev/urandom > /large";
        let project = &rig.lab.project;
        let pushed = rig.registry.push_made_by(docker, project, "1", "red", made);
        pushed.await;
        let image = format!("{}:1", rig.repository());
        rig.forget(&image).await;
        let login = Login {
            user: "acme".to_owned(),
            password: PASSWORD.to_owned().into(),
        };
        let step = Step {
            project: project.clone(),
            service: None,
            action: Action::EnsureImage {
                image: image.clone(),
                platform: None,
                login: Some(login),
            },
            why: Why::Missing,
            disruptive: false,
        };
        let engine = Engine::at("/var/run/docker.sock");
        engine.keeps_images_in(disk.path().to_owned());
        let error = execute(&engine, &step).await.unwrap_err();
        assert!(
            matches!(&error.kind, ErrorKind::NoRoom { image: of, .. } if *of == image),
            "{error:?}"
        );
        // Also when the engine is asked after a while, it has not gone on by itself.
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(docker.inspect_image(&image).await.is_err());
        let needed = engine.too_large()[&image];
        assert!(needed > RESERVE + 20_000_000, "{needed}");

        engine.keeps_images_in("/".into());
        assert_eq!(execute(&engine, &step).await.unwrap(), Ensured::Created);
        assert!(engine.too_large().is_empty());
        rig.forget(&image).await;
    });
}
