//! Containers of others on the same engine: the agent hears nothing of them, and yet tells of them in time; one that takes a name which
//! is needed is waited for.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;
#[allow(dead_code, reason = "made for other tests too")]
#[path = "containers/lab.rs"]
mod lab;
#[allow(dead_code, reason = "made for other tests too")]
#[path = "faults/middle.rs"]
mod middle;

use bollard::models::{ContainerCreateBody, HealthConfig};
use bollard::query_parameters::{
    CreateContainerOptions, RemoveContainerOptions, WaitContainerOptions,
};
use common::hub::Hub;
use common::{Files, Running, World, files, host};
use futures_util::StreamExt as _;
use lab::{Lab, lab};
use middle::{Middle, Mood, Seen};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tenantry_schema::wire::{InstancePhase, Report};

const IMAGE: &str = "tenantry-test/busybox:1";
/// With a health check that runs all the time.
const COMPOSE: &str = "
services:
  web:
    image: tenantry-test/busybox:1
    init: true
    restart: unless-stopped
    stop_grace_period: 1s
    command: [sleep, '100000']
    networks: [net]
    healthcheck: { test: [CMD, 'true'], interval: 1s, timeout: 5s }
networks: { net: {} }
";

/// Nothing of the hub's wakes the agent for so long.
const HOLD: Duration = Duration::from_mins(2);
/// The agent looks by itself every thirty seconds.
const PATROLLED: Duration = Duration::from_secs(50);
/// Strangers that come and go, and how long that takes at least.
const STRANGERS: usize = 12;
const CHURN: Duration = Duration::from_secs(12);

struct Rig {
    world: World,
    hub: Arc<Hub>,
    lab: Lab,
    middle: Middle,
}

impl Rig {
    async fn new(lab: Lab) -> Self {
        let middle = Middle::before(Path::new("/var/run/docker.sock"));
        let mut world = World::on(middle.socket(), &lab.project, |_| {});
        let hub = Hub::start(&mut world).await;
        hub.change(|said| said.hold = Some(HOLD));
        Self {
            world,
            hub,
            lab,
            middle,
        }
    }

    fn slice(&self) -> Files {
        let project = &self.lab.project;
        let host = host("", [(project.as_str(), "sites: {}")]);
        let stack = |name: &str| format!("stacks/{project}/{name}");
        files(&[
            ("host.yaml", &host),
            (&stack("compose.yaml"), COMPOSE),
            (&stack(".env"), ""),
        ])
    }

    /// An agent at rest.
    async fn start(&self) -> Running {
        self.hub.publish(&self.world, 1, self.slice());
        let agent = Running::start(&self.world);
        self.hub.until("healthy", is_healthy).await;
        self.until_calm().await;
        agent
    }

    /// Waits until nobody has looked for a while.
    async fn until_calm(&self) {
        let (mut looks, mut since, begun) = (0, Instant::now(), Instant::now());
        while since.elapsed() < Duration::from_secs(12) {
            if self.middle.seen().looks != looks {
                (looks, since) = (self.middle.seen().looks, Instant::now());
            }
            assert!(begun.elapsed() < HOLD, "{:?}", self.middle.seen());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Somebody else's container. It runs for ever, or does nothing and ends.
    async fn stranger(&self, name: &str, project: Option<&str>, for_ever: bool) -> String {
        let name = if name.starts_with(&self.lab.project) {
            name.to_owned()
        } else {
            format!("{}-{name}", self.lab.project)
        };
        let command = if for_ever { "sleep 100000" } else { "true" };
        let labels = project.map(|project| ("com.docker.compose.project", project));
        self.run(&name, command, labels).await;
        name
    }

    async fn run<'l>(
        &self,
        name: &str,
        command: &str,
        labels: impl IntoIterator<Item = (&'l str, &'l str)>,
    ) {
        let labels = labels.into_iter();
        let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let docker = &self.lab.docker;
        let body = ContainerCreateBody {
            image: Some(IMAGE.to_owned()),
            cmd: Some(command.split(' ').map(str::to_owned).collect()),
            labels: Some(labels.collect()),
            healthcheck: Some(HealthConfig {
                test: Some(vec!["CMD".into(), "true".into()]),
                interval: Some(1_000_000_000),
                ..HealthConfig::default()
            }),
            ..ContainerCreateBody::default()
        };
        let options = CreateContainerOptions {
            name: Some(name.to_owned()),
            ..CreateContainerOptions::default()
        };
        docker.create_container(Some(options), body).await.unwrap();
        docker.start_container(name, None).await.unwrap();
    }

    async fn gone(&self, name: &str) {
        let now = RemoveContainerOptions {
            force: true,
            ..RemoveContainerOptions::default()
        };
        self.lab
            .docker
            .remove_container(name, Some(now))
            .await
            .unwrap();
    }

    async fn come_and_go(&self, number: usize) {
        // Every other one is of somebody's Compose project: of those the engine tells.
        let project = format!("{}-other", self.lab.project);
        let project = (number % 2 == 1).then_some(project.as_str());
        let name = self
            .stranger(&format!("guest-{number}"), project, false)
            .await;
        let mut ends = Box::pin(
            self.lab
                .docker
                .wait_container(&name, None::<WaitContainerOptions>),
        );
        let _ = ends.next().await;
        self.gone(&name).await;
    }
}

fn is_healthy(report: &Report) -> bool {
    let mut instances = report.instances.values();
    instances.len() == 1 && instances.all(|one| one.phase == InstancePhase::Healthy)
}

#[test]
fn strangers_cost_no_look_and_are_told_of_in_time() {
    lab(|lab| async move {
        let rig = Rig::new(lab).await;
        let _agent = rig.start().await;
        let (before, begun) = (rig.middle.seen(), Instant::now());
        let mut number = 0;
        while number < STRANGERS || begun.elapsed() < CHURN {
            rig.come_and_go(number).await;
            number += 1;
        }
        let (after, took) = (rig.middle.seen(), begun.elapsed());
        let counted = |count: fn(&Seen) -> usize| count(&after) - count(&before);
        let (looks, requests) = (counted(|seen| seen.looks), counted(|seen| seen.requests));
        let heard = counted(|seen| seen.events[0]);
        println!(
            "{number} strangers in {took:?}: {looks} looks, {requests} requests, {heard} events"
        );
        // A patrol every thirty seconds, and a report that is due.
        let patrols = usize::try_from(took.as_secs() / 30).unwrap() + 2;
        assert!(looks <= patrols, "{looks} looks in {took:?}");
        // Four lists a look, and an inspection of strangers that were there at that moment.
        assert!(requests <= patrols * 8, "{requests} requests in {took:?}");
        assert!(heard > 0, "nothing was there to be left alone");

        let name = rig.stranger("stays", None, true).await;
        let begun = Instant::now();
        rig.hub
            .until("told of", |report| report.unmanaged.contains(&name))
            .await;
        let told = begun.elapsed();
        println!("told of after {told:?}");
        assert!(told < PATROLLED, "{told:?}");

        // What concerns us is heard of as ever.
        let web = rig.lab.name("web");
        rig.lab.docker.pause_container(&web).await.unwrap();
        let begun = Instant::now();
        loop {
            let state = rig.lab.inspect("web").await.and_then(|it| it.state);
            if state.unwrap().paused == Some(false) {
                break;
            }
            assert!(begun.elapsed() < common::PROMPT);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
}

/// As `docker compose -p <instance> up debug` leaves it, and as an older Compose file of somebody else did.
#[test]
fn what_runs_under_the_name_of_an_instance_and_is_no_service_of_it_is_told_of_and_left_alone() {
    lab(|lab| async move {
        let rig = Rig::new(lab).await;
        let _agent = rig.start().await;
        let debug = rig.lab.name("debug");
        let labels = [
            ("com.docker.compose.project", rig.lab.project.as_str()),
            ("com.docker.compose.service", "debug"),
            ("com.docker.compose.oneoff", "False"),
        ];
        rig.run(&debug, "sleep 100000", labels).await;
        let told = |report: &Report| report.unmanaged.contains(&debug);
        rig.hub.until("told of", told).await;
        // Long enough for more than one look at everything.
        rig.until_calm().await;
        let found = rig.lab.inspect("debug").await.and_then(|it| it.state);
        assert_eq!(found.unwrap().running, Some(true));
        rig.gone(&debug).await;
        let told = |report: &Report| !report.unmanaged.contains(&debug);
        rig.hub.until("no longer told of", told).await;
    });
}

#[test]
fn a_stranger_that_takes_a_name_is_told_of_and_waited_for() {
    lab(|lab| async move {
        let rig = Rig::new(lab).await;
        let _agent = rig.start().await;
        let web = rig.lab.name("web");
        // Nobody hears of the removal before the name is taken.
        rig.middle.become_(Mood::Hung);
        rig.gone(&web).await;
        rig.stranger(&web, None, true).await;
        rig.middle.become_(Mood::Open);
        let waits = |report: &Report| {
            let mut instances = report.instances.values();
            let message = instances.next().and_then(|one| one.message.clone());
            message.is_some_and(|text| text.contains("taken by something that is not ours"))
        };
        rig.hub.until("waiting for the name", waits).await;
        rig.until_waited_for(&web).await;
    });
}

impl Rig {
    /// The stranger goes, which no event tells; the name is asked for all the same.
    async fn until_waited_for(&self, web: &str) {
        self.gone(web).await;
        let begun = Instant::now();
        while self.lab.inspect("web").await.is_none() {
            assert!(begun.elapsed() < common::PROMPT, "not made again");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        println!("made again after {:?}", begun.elapsed());
        self.hub.until("healthy again", is_healthy).await;
    }
}
