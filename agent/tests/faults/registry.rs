//! The registry is down, or hangs, while a version is rolled out: the one before stays as it is, others are not held up, and when the
//! registry is back it goes on.

use crate::common::registry::{PASSWORD, Registry, forget};
use crate::common::{Files, PROMPT, files, host, skip_without};
use crate::lab::{Lab, lab};
use crate::middle::Middle;
use crate::rig::Rig;
use crate::shape::ids;
use std::path::Path;
use std::time::{Duration, Instant};
use tenantry_schema::wire::{InstancePhase, InstanceReport, Report};
use tokio::net::TcpListener;

struct Setting {
    rig: Rig,
    middle: Middle,
    registry: Registry,
}

impl Setting {
    async fn new(lab: Lab) -> Self {
        let middle = Middle::before(Path::new("/var/run/docker.sock"));
        Self {
            rig: Rig::new(lab, middle.socket()).await,
            middle,
            registry: Registry::start(),
        }
    }

    fn image(&self, tag: &str) -> String {
        let repository = self.registry.repository(&self.rig.lab.project);
        format!("{repository}:{tag}")
    }

    /// A version that runs the image with this tag, and that would be given up two seconds after it was tried in vain.
    fn slice(&self, tag: &str, version: u8) -> Files {
        let project = &self.rig.lab.project;
        let registries = format!(
            "registries: {{'{}': {{user: acme, password: PASSWORD_0}}}}\n",
            self.registry.address
        );
        let host = host(
            &registries,
            [(project.as_str(), "upgrade: {timeout: 2}, sites: {}")],
        );
        let compose = format!(
            "services:\n  web:\n    image: {}\n    init: true\n    stop_grace_period: 1s\n    command: [sleep, '100000']\n    environment: {{ VERSION: '{version}' }}\n    volumes: ['./files/page.html:/page.html:ro']\n",
            self.image(tag)
        );
        let world = &self.rig.world;
        let secrets = world.secrets_for(world.agent.age.as_str(), &[("PASSWORD_0", PASSWORD)]);
        let stack = |name: &str| format!("stacks/{project}/{name}");
        files(&[
            ("host.yaml", &host),
            ("registries.secrets.yaml", &secrets),
            (&stack("compose.yaml"), &compose),
            (&stack(".env"), ""),
            (&stack("files/page.html"), &format!("version {version}")),
        ])
    }

    /// Makes an image that only the registry has; its id.
    async fn push(&self, tag: &str) -> String {
        let lab = &self.rig.lab;
        let id = self
            .registry
            .push(&lab.docker, &lab.project, tag, tag)
            .await;
        forget(&lab.docker, &self.image(tag)).await;
        id
    }

    async fn until(&self, what: &str, good: impl Fn(&InstanceReport) -> bool) {
        self.rig
            .hub
            .until(what, |report: &Report| report.instances.values().any(&good))
            .await;
    }

    async fn runs(&self) -> Option<String> {
        self.rig.lab.inspect("web").await?.image
    }

    /// Stops the container, and waits until it runs again.
    async fn stop_and_see(&self, what: &str) {
        let lab = &self.rig.lab;
        let name = lab.name("web");
        let stopped = lab.docker.stop_container(&name, None);
        stopped.await.unwrap();
        let begun = Instant::now();
        loop {
            let state = lab.inspect("web").await.and_then(|found| found.state);
            if state.and_then(|state| state.running) == Some(true) {
                return;
            }
            assert!(begun.elapsed() < PROMPT, "{what}: {}", self.rig.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn forget_images(&self) {
        for tag in ["1", "2"] {
            forget(&self.rig.lab.docker, &self.image(tag)).await;
        }
    }
}

#[test]
fn a_registry_that_is_down_is_asked_again_and_the_version_before_stays() {
    if skip_without("docker-registry") || skip_without("htpasswd") {
        return;
    }
    lab(|lab| async move {
        let mut it = Setting::new(lab).await;
        let (one, two) = (it.push("1").await, it.push("2").await);
        let mut agent = it.rig.start(&[], &[]);
        let generation = it.rig.publish(it.slice("1", 1));
        it.rig.until_done(&mut agent, generation).await;
        let before = ids(&it.rig.lab).await;
        assert_eq!(it.runs().await, Some(one));

        it.registry.stop();
        let asked = it.middle.seen().pulls.len();
        let generation = it.rig.publish(it.slice("2", 2));
        it.until("told", |one| {
            let message = one.message.clone().unwrap_or_default();
            message.contains("is not available") && message.contains(&it.image("2"))
        })
        .await;
        it.rig
            .until("asked again", || it.middle.seen().pulls.len() >= asked + 2)
            .await;
        // What somebody stops meanwhile is started again, as the version before.
        it.stop_and_see("the registry is down").await;
        // Longer than a version gets to become healthy: it was not tried yet, so it is not given up.
        tokio::time::sleep(Duration::from_secs(3)).await;
        let pulls = it.middle.seen().pulls.split_off(asked);
        assert!(pulls.len() < 6, "it is asked all the time: {pulls:?}");
        let pause = pulls[1] - pulls[0];
        assert!(pause >= Duration::from_millis(900), "{pause:?}");
        assert_eq!(ids(&it.rig.lab).await, before, "{}", it.rig.log());
        let page = it.rig.world.config.live_folder();
        let page = page.join(&it.rig.lab.project).join("files/page.html");
        assert_eq!(std::fs::read_to_string(page).unwrap(), "version 1");

        it.registry.go_on();
        it.rig.until_done(&mut agent, generation).await;
        assert_eq!(it.runs().await, Some(two), "{}", it.rig.log());
        it.until("healthy", |one| one.phase == InstancePhase::Healthy)
            .await;
        it.forget_images().await;
    });
}

/// Takes connections and answers nothing.
async fn mute(address: &str) -> tokio::task::JoinHandle<()> {
    let listener = TcpListener::bind(address).await.unwrap();
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
        }
    })
}

#[test]
fn a_registry_that_hangs_keeps_nobody_from_taking_another_version() {
    if skip_without("docker-registry") || skip_without("htpasswd") {
        return;
    }
    lab(|lab| async move {
        let mut it = Setting::new(lab).await;
        let (one, two) = (it.push("1").await, it.push("2").await);
        let mut agent = it.rig.start(&[], &[]);
        let generation = it.rig.publish(it.slice("1", 1));
        it.rig.until_done(&mut agent, generation).await;
        let before = ids(&it.rig.lab).await;

        it.registry.stop();
        let hanging = mute(&it.registry.address).await;
        let asked = it.middle.seen().pulls.len();
        it.rig.publish(it.slice("2", 2));
        it.rig
            .until("asked", || it.middle.seen().pulls.len() > asked)
            .await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(ids(&it.rig.lab).await, before);
        it.stop_and_see("the registry hangs").await;
        assert_eq!(ids(&it.rig.lab).await, before);

        // Another version does without that image.
        let generation = it.rig.publish(it.slice("1", 3));
        it.rig.until_done(&mut agent, generation).await;
        assert_eq!(it.runs().await, Some(one), "{}", it.rig.log());
        assert_ne!(ids(&it.rig.lab).await, before);

        hanging.abort();
        let _ = hanging.await;
        it.registry.go_on();
        let generation = it.rig.publish(it.slice("2", 4));
        it.rig.until_done(&mut agent, generation).await;
        assert_eq!(it.runs().await, Some(two), "{}", it.rig.log());
        it.forget_images().await;
    });
}
