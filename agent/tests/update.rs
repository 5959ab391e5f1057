//! Another program for the agent, with the real one: a new one takes over, bad ones are given up, nothing goes in circles.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;
#[path = "update/deaths.rs"]
mod deaths;

use common::hub::Hub;
use common::{Files, World, files};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tenantry_agent::files::digest;
use tenantry_schema::wire::{AgentUpdate, Report};

const OWN: &str = env!("CARGO_PKG_VERSION");

/// A server with a hub, and the agent as a process of its own.
struct Story {
    world: World,
    hub: Arc<Hub>,
    agent: Child,
    generation: u64,
    first: Vec<u8>,
}

impl Drop for Story {
    fn drop(&mut self) {
        let _ = self.agent.kill();
        let _ = self.agent.wait();
    }
}

/// The agent's program without what only debuggers read: it is copied, hashed and sent many times here.
fn small(folder: &Path) -> Vec<u8> {
    let built = env!("CARGO_BIN_EXE_tenantry-agent");
    let stripped = folder.join("stripped");
    let strip = Command::new("strip")
        .args(["-o".as_ref(), stripped.as_os_str(), built.as_ref()])
        .status();
    match strip {
        Ok(status) if status.success() => std::fs::read(stripped).unwrap(),
        _ => std::fs::read(built).unwrap(),
    }
}

fn put(path: &Path, data: &[u8]) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, data).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn start(world: &World) -> Child {
    start_in(world, None)
}

/// The same in an environment that has this variable.
fn start_in(world: &World, variable: Option<(&str, &str)>) -> Child {
    Command::new(&world.config.program)
        .arg("--config")
        .arg(world.folder.path().join("agent.yaml"))
        .arg("run")
        .env("TENANTRY_LOG", "info")
        .envs(variable)
        .stdin(Stdio::null())
        .spawn()
        .unwrap()
}

impl Story {
    async fn begin() -> Self {
        let mut world = World::with(|config| config.trial_seconds = 60);
        let hub = Hub::start(&mut world).await;
        let config = serde_yaml::to_string(&world.config).unwrap();
        std::fs::write(world.folder.path().join("agent.yaml"), config).unwrap();
        let first = small(world.folder.path());
        put(&world.config.program, &first);
        let agent = start(&world);
        let mut story = Self {
            world,
            hub,
            agent,
            generation: 0,
            first,
        };
        story.ask(None);
        story
            .hub
            .until("came up", |report| report.slice.is_some())
            .await;
        story
    }

    /// Another program that the hub has; its digest.
    fn offer(&self, data: Vec<u8>) -> String {
        let name = digest(&data);
        self.hub
            .change(|said| drop(said.programs.insert(name.clone(), data)));
        name
    }

    /// The same program with a few bytes behind its end, which nobody reads.
    fn variant(&self, more: &str) -> Vec<u8> {
        [&self.first, more.as_bytes()].concat()
    }

    /// Publishes a slice that asks for this release and digest.
    fn ask(&mut self, wanted: Option<(&str, &str, bool)>) {
        self.generation += 1;
        let agent = wanted.map_or(String::new(), |(release, sha256, older)| {
            let arch = std::env::consts::ARCH;
            format!("agent: {{release: {release}, sha256: {{{arch}: {sha256}}}, allow_older: {older}}}\n")
        });
        let host = format!(
            "server: {{customer: acme, server: acme-1}}\nmanage: full\nweb: {{http: 80, https: 443}}\n{agent}instances: {{}}\n"
        );
        let files: Files = files(&[("host.yaml", &host)]);
        self.hub.publish(&self.world, self.generation, files);
    }

    async fn until(&self, what: &str, good: impl Fn(&Report) -> bool) -> Report {
        let generation = self.generation;
        let now = |report: &Report| {
            report
                .slice
                .as_ref()
                .is_some_and(|it| it.generation == generation)
        };
        self.hub
            .until(what, |report| now(report) && good(report))
            .await
    }

    /// Digest of what the process runs right now.
    fn runs(&self) -> String {
        let exe = PathBuf::from(format!("/proc/{}/exe", self.agent.id()));
        std::fs::read(exe).map_or(String::new(), |data| digest(&data))
    }

    async fn until_runs(&mut self, wanted: &str) {
        for _ in 0..1800 {
            if self.runs() == wanted {
                assert_eq!(
                    digest(&std::fs::read(&self.world.config.program).unwrap()),
                    wanted
                );
                return;
            }
            assert!(
                self.agent.try_wait().unwrap().is_none(),
                "the process is the same one"
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!(
            "it never runs {wanted}: {:#?}",
            self.hub.read(|said| said.reports.last().cloned())
        );
    }

    fn pieces(&self, of: &str) -> Vec<u64> {
        self.hub.read(|said| {
            let of = said.pieces.iter().filter(|(name, _)| name == of);
            of.map(|(_, offset)| *offset).collect()
        })
    }
}

fn rejected(report: &Report) -> Option<&str> {
    match &report.agent_update {
        Some(AgentUpdate::Rejected { reason, .. }) => Some(reason),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn new_then_bad_then_back() {
    let mut story = Story::begin().await;
    let first = digest(&story.first);
    let second = story.offer(story.variant("second"));

    // A new one takes over the process, although its transfer was cut off once.
    story.hub.change(|said| said.cut = Some(1));
    story.ask(Some((OWN, &second, false)));
    story.until_runs(&second).await;
    story
        .until("settled", |report| report.agent_update.is_none())
        .await;
    let pieces = story.pieces(&second);
    assert_eq!(
        pieces.iter().filter(|offset| **offset == 0).count(),
        1,
        "it went on where it was cut off: {pieces:?}"
    );

    // One that ends by itself is given up; the one before goes on in the same process.
    let broken = story.offer(b"#!/bin/sh\nexit 3\n".to_vec());
    story.ask(Some(("99.0.0", &broken, false)));
    let report = story
        .until("given up", |report| rejected(report).is_some())
        .await;
    assert!(
        rejected(&report)
            .unwrap()
            .contains("ended by itself (exit status: 3)"),
        "{report:#?}"
    );
    assert_eq!(story.runs(), second);

    // It is not tried again, not even after a restart.
    let asked = story.pieces(&broken).len();
    story.agent.kill().unwrap();
    story.agent.wait().unwrap();
    story.agent = start(&story.world);
    let reports = story.hub.read(|said| said.reports.len());
    story
        .hub
        .until_all("reports again", |all| all.len() > reports)
        .await;
    story
        .until("still given up", |report| rejected(report).is_some())
        .await;
    assert_eq!(story.pieces(&broken).len(), asked);
    assert_eq!(story.runs(), second);

    // An older release is taken only where that is meant.
    let back = story.offer(story.first.clone());
    story.ask(Some(("0.0.0", &back, false)));
    let refused = |report: &Report| matches!(&report.agent_update, Some(AgentUpdate::Refused { reason, .. }) if reason.contains("allow_older"));
    story.until("refused", refused).await;
    story.ask(Some(("0.0.0", &back, true)));
    story.until_runs(&first).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_hangs_and_one_that_is_not_what_was_asked_for() {
    let mut story = Story::begin().await;
    let first = digest(&story.first);
    // Shorter, by its own file, which the next start reads.
    story.world.config.trial_seconds = 3;
    let config = serde_yaml::to_string(&story.world.config).unwrap();
    std::fs::write(story.world.folder.path().join("agent.yaml"), config).unwrap();

    let sleeper = story.offer(b"#!/bin/sh\nexec sleep 600\n".to_vec());
    story.ask(Some(("99.0.0", &sleeper, false)));
    let report = story
        .until("given up", |report| rejected(report).is_some())
        .await;
    assert!(
        rejected(&report).unwrap().contains("within 3 seconds"),
        "{report:#?}"
    );
    assert_eq!(story.runs(), first);

    // What comes must have the digest that was asked for; nothing of it is started.
    let wanted = "ab".repeat(32);
    let marker = story.world.folder.path().join("started");
    let evil = format!("#!/bin/sh\ntouch {}\n", marker.display());
    story
        .hub
        .change(|said| drop(said.programs.insert(wanted.clone(), evil.into_bytes())));
    story.ask(Some(("99.0.1", &wanted, false)));
    let failed = |report: &Report| matches!(&report.agent_update, Some(AgentUpdate::Failed { reason, .. }) if reason.contains("has the digest"));
    story.until("failed", failed).await;
    assert!(!marker.exists());

    // A hub that does not have it.
    let missing = "cd".repeat(32);
    story.ask(Some(("99.0.2", &missing, false)));
    let failed = |report: &Report| matches!(&report.agent_update, Some(AgentUpdate::Failed { reason, .. }) if reason.contains("the hub does not give it"));
    story.until("failed", failed).await;
    assert_eq!(story.runs(), first);
}
