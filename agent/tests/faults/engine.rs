//! The container engine breaks down in the middle of a roll-out: its answers get lost, it hangs, it is stopped or killed and started
//! again. What is known stays known, the rest of the server is looked after meanwhile, and in the end nobody can tell.

use crate::common::{self, sample};
use crate::lab::{lab, lab_on};
use crate::middle::{Middle, Mishap, Mood};
use crate::own_engine::OwnEngine;
use crate::rig::{Agent, Rig};
use crate::shape::{Shape, ids};
use bollard::query_parameters::RemoveContainerOptions;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tenantry_schema::wire::{EventKind, InstancePhase, Report};

const ENGINE: &str = "/var/run/docker.sock";

/// Every `stride`-th change that the agent makes on the engine comes to grief, in each way, but for so many at the beginning.
async fn grief(rig: &mut Rig, middle: &Middle, leave: usize, stride: usize) {
    let clean = rig.clean().await;
    let mut agent = rig.start(&[], &[]);
    let mut struck = 0;
    let ways = [Mishap::LoseAnswer, Mishap::Refuse, Mishap::Vanish];
    for (first, way) in ways.into_iter().enumerate() {
        for after in (leave + first..60).step_by(stride) {
            middle.plan(after, way);
            let step = rig.publish_next();
            rig.until_done(&mut agent, step.generation).await;
            rig.is_as(&clean, step, &format!("{way:?} after {after}"))
                .await;
            if !middle.seen().struck {
                break;
            }
            struck += 1;
        }
    }
    assert!(struck * stride > 24, "only {struck} mishaps");
    let refused = |report: &Report| {
        let mut events = report.events.iter();
        events
            .any(|event| event.kind == EventKind::Failed && event.message.contains("out of order"))
    };
    rig.hub
        .until_all("told what the engine said", |all| all.iter().any(refused))
        .await;
}

#[test]
fn a_change_that_comes_to_grief_is_made_all_the_same() {
    let leave = usize::try_from(sample(8)).unwrap();
    lab(move |lab| async move {
        let middle = Middle::before(Path::new(ENGINE));
        let mut rig = Rig::new(lab, middle.socket()).await;
        grief(&mut rig, &middle, leave, 14).await;
    });
}

/// Run with `--ignored`: every single change.
#[test]
#[ignore = "takes some minutes"]
fn each_change_that_comes_to_grief_is_made_all_the_same() {
    lab(|lab| async move {
        let middle = Middle::before(Path::new(ENGINE));
        let mut rig = Rig::new(lab, middle.socket()).await;
        grief(&mut rig, &middle, 0, 1).await;
    });
}

fn text(path: &Path) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

#[test]
fn an_engine_that_hangs_in_the_middle_of_a_pass_holds_up_nothing_else() {
    lab(|lab| async move {
        let middle = Middle::before(Path::new(ENGINE));
        let mut rig = Rig::new(lab, middle.socket()).await;
        let clean = rig.clean().await;
        let before = ids(&rig.lab).await;
        let mut agent = rig.at_work().await;
        middle.plan(6, Mishap::Hang);
        let first = rig.publish_next();
        rig.until("in the middle", || middle.seen().struck).await;

        // It is told, and nothing is forgotten: neither which slice it is, nor what should run.
        let report = rig
            .hub
            .until("told", |report| !report.host.engine_reachable)
            .await;
        assert_eq!(report.slice.unwrap().generation, first.generation);
        assert_eq!(report.instances.len(), 2);
        for instance in report.instances.values() {
            assert_ne!(instance.phase, InstancePhase::Healthy);
            let message = instance.message.clone().unwrap_or_default();
            assert!(message.contains("engine does not answer"), "{message}");
        }

        // Files are healed, slices taken.
        let page = rig.calm_page();
        let begun = Instant::now();
        std::fs::write(&page, "edited").unwrap();
        rig.until("healed", || text(&page).as_deref() == Some("calm"))
            .await;
        assert!(begun.elapsed() < common::PROMPT);
        let second = rig.publish_next();
        rig.hub
            .until("taken", |report| {
                let slice = report.slice.as_ref();
                slice.is_some_and(|slice| slice.generation == second.generation)
            })
            .await;
        assert!(begun.elapsed() < common::PROMPT * 2);
        assert!(!agent.is_dead() && !rig.agrees(second.generation));

        middle.become_(Mood::Open);
        rig.until_done(&mut agent, second.generation).await;
        rig.is_as(&clean, second, "after it hung").await;
        let calm = format!("/{}-calm-side-1", rig.lab.project);
        assert!(before.contains_key(&calm), "{before:?}");
        // The file that it mounts was put in place anew.
        assert!(ids(&rig.lab).await.contains_key(&calm));
    });
}

#[test]
fn a_name_that_the_engine_has_not_let_go_of_is_waited_for() {
    lab(|lab| async move {
        let middle = Middle::before(Path::new(ENGINE));
        let mut rig = Rig::new(lab, middle.socket()).await;
        let clean = rig.clean().await;
        let _agent = rig.at_work().await;
        middle.plan(0, Mishap::NameTaken);
        let options = RemoveContainerOptions {
            force: true,
            ..RemoveContainerOptions::default()
        };
        let name = rig.lab.name("db");
        let removed = rig.lab.docker.remove_container(&name, Some(options)).await;
        removed.unwrap();
        let begun = Instant::now();
        while rig.shape().await != clean[1] {
            assert!(begun.elapsed() < common::PROMPT, "{}", rig.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(middle.seen().struck);
        assert!(!rig.log().contains("could not"), "{}", rig.log());
    });
}

#[test]
fn an_engine_that_is_away_for_a_while_is_as_it_was() {
    lab(|lab| async move {
        let middle = Middle::before(Path::new(ENGINE));
        let mut rig = Rig::new(lab, middle.socket()).await;
        let clean = rig.clean().await;
        let before = ids(&rig.lab).await;
        let _agent = rig.at_work().await;
        let healthy = |report: &Report| {
            let mut all = report.instances.values();
            report.host.engine_reachable && all.all(|one| one.phase == InstancePhase::Healthy)
        };
        for mood in [Mood::Hung, Mood::Shut] {
            let changes = middle.seen().changes;
            middle.become_(mood);
            let away = |report: &Report| !report.host.engine_reachable;
            // It may be some time until anybody looks.
            std::fs::write(rig.calm_page(), "edited").unwrap();
            let report = rig.hub.until("told", away).await;
            assert_eq!(report.instances.len(), 2);
            middle.become_(Mood::Open);
            rig.hub.until("healthy again", healthy).await;
            let made = middle.seen().changes - changes;
            println!("{mood:?}: {made} changes for one edited file");
        }
        assert_eq!(rig.shape().await, clean[1], "{}", rig.log());
        let calm = |name: &str| name.contains("-calm-");
        let after = ids(&rig.lab).await;
        for (name, id) in before.iter().filter(|(name, _)| !calm(name)) {
            assert_eq!(after.get(name), Some(id), "{name} was made anew");
        }
    });
}

/// Ends the engine after every `stride`-th change of a roll-out, but for so many at the beginning, asked to and not, and starts it again.
async fn interrupted(
    rig: &mut Rig,
    engine: &OwnEngine,
    middle: &Middle,
    leave: usize,
    stride: usize,
) {
    let clean = rig.clean().await;
    let mut agent = rig.at_work().await;
    let mut interruptions = 0;
    for (first, asked) in [true, false].into_iter().enumerate() {
        for after in (1 + leave + first..60).step_by(stride) {
            let live = Shape::of(&rig.lab, &rig.world.config).await;
            let changes = middle.seen().changes + after;
            let step = rig.publish_next();
            rig.until("in the middle", || {
                middle.seen().changes >= changes || rig.agrees(step.generation)
            })
            .await;
            if middle.seen().changes < changes {
                break;
            }
            if asked {
                engine.stop();
            } else {
                engine.kill();
            }
            let report = rig
                .hub
                .until("told", |report| !report.host.engine_reachable)
                .await;
            assert_eq!(report.slice.unwrap().generation, step.generation);
            assert_eq!(report.instances.len(), live_instances(&live));
            engine.run();
            rig.until_done(&mut agent, step.generation).await;
            let what = format!("after {after} changes, asked: {asked}");
            rig.is_as(&clean, step, &what).await;
            interruptions += 1;
        }
    }
    println!("{interruptions} interruptions");
    assert!(interruptions * stride > 16, "only {interruptions}");
    healthy(rig, &mut agent).await;
}

fn live_instances(live: &Shape) -> usize {
    let projects: std::collections::BTreeSet<_> = live
        .containers
        .keys()
        .map(|name| name.contains("-calm-"))
        .collect();
    projects.len()
}

async fn healthy(rig: &Rig, agent: &mut Agent) {
    rig.hub
        .until("healthy", |report| {
            let mut all = report.instances.values();
            all.all(|one| one.phase == InstancePhase::Healthy)
        })
        .await;
    assert!(!agent.is_dead());
}

fn with_own_engine(leave: usize, stride: usize) {
    let Some(engine) = OwnEngine::start() else {
        return;
    };
    let engine = Arc::new(engine);
    let theirs = engine.clone();
    lab_on(&engine.socket(), move |lab| async move {
        let middle = Middle::before(&theirs.socket());
        let mut rig = Rig::new(lab, middle.socket()).await;
        interrupted(&mut rig, &theirs, &middle, leave, stride).await;
    });
}

#[test]
fn an_engine_that_is_restarted_in_the_middle_of_a_pass_ends_where_it_would_have() {
    with_own_engine(usize::try_from(sample(9)).unwrap(), 9);
}

/// Run with `--ignored`: after every single change.
#[test]
#[ignore = "takes some minutes"]
fn an_engine_that_is_restarted_anywhere_ends_where_it_would_have() {
    with_own_engine(0, 1);
}

/// The engine comes back with everything stopped: what should run runs again, and nothing is made anew.
#[test]
fn an_engine_that_was_stopped_comes_back_with_the_same_containers() {
    let Some(engine) = OwnEngine::start() else {
        return;
    };
    let engine = Arc::new(engine);
    let theirs = engine.clone();
    lab_on(&engine.socket(), move |lab| async move {
        let mut rig = Rig::new(lab, &theirs.socket()).await;
        let clean = rig.clean().await;
        let before = ids(&rig.lab).await;
        let mut agent = rig.at_work().await;
        theirs.stop();
        rig.hub
            .until("told", |report| !report.host.engine_reachable)
            .await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        theirs.run();
        healthy(&rig, &mut agent).await;
        assert_eq!(rig.shape().await, clean[1], "{}", rig.log());
        assert_eq!(ids(&rig.lab).await, before);
    });
}
