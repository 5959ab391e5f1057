//! No room for more open files, and a disk that nothing can be written to: what cannot be seen is not taken for missing, containers
//! are looked after, the hub is told, and everything goes on when there is room again.

use crate::common::skip_without;
use crate::common::small::Small;
use crate::lab::lab;
use crate::rig::{Agent, Rig};
use crate::shape::ids;
use bollard::query_parameters::KillContainerOptions;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use tenantry_schema::wire::{EventKind, Report};

const ENGINE: &str = "/var/run/docker.sock";

/// Lets a process open so many more files and no more; without a number as many as it likes.
fn allow(agent: &Agent, more: Option<usize>) {
    let open: BTreeSet<usize> = std::fs::read_dir(format!("/proc/{}/fd", agent.id()))
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok())
        .collect();
    let limit = more.map_or(4096, |more| {
        let mut free = (0..).filter(|number| !open.contains(number));
        free.nth(more).unwrap()
    });
    let done = Command::new("prlimit")
        .arg(format!("--pid={}", agent.id()))
        .arg(format!("--nofile={limit}:"))
        .status();
    assert!(done.unwrap().success());
}

fn told(rig: &Rig, text: &str) -> bool {
    let reports = rig.hub.read(|said| serde_json::to_string(&said.reports));
    reports.unwrap().contains(text)
}

#[test]
fn an_agent_that_may_open_no_more_files_destroys_nothing_and_goes_on() {
    if skip_without("prlimit") {
        return;
    }
    lab(|lab| async move {
        let mut rig = Rig::new(lab, Path::new(ENGINE)).await;
        let clean = rig.clean().await;
        let mut agent = rig.at_work().await;
        let calm = format!("/{}-calm-side-1", rig.lab.project);
        let before = ids(&rig.lab).await[&calm].clone();
        for more in [0, 2, 5] {
            allow(&agent, Some(more));
            // What it has to read again.
            let touched = Command::new("touch").arg(rig.calm_page()).status();
            assert!(touched.unwrap().success());
            let step = rig.publish_next();
            tokio::time::sleep(Duration::from_secs(2)).await;
            assert!(!agent.is_dead(), "{}", rig.log());
            assert_eq!(ids(&rig.lab).await[&calm], before, "{more} more files");
            allow(&agent, None);
            rig.until_done(&mut agent, step.generation).await;
            assert_eq!(rig.shape().await, clean[step.which], "{more} more files");
            assert_eq!(
                ids(&rig.lab).await[&calm],
                before,
                "{more} more files:\n{}",
                rig.log()
            );
        }
        let why = "open files";
        assert!(told(&rig, why) || rig.log().contains(why), "{}", rig.log());
    });
}

/// Kills a container of the stack and waits until it runs again.
pub(crate) async fn killed_and_back(rig: &Rig) {
    let name = rig.lab.name("web");
    let started = async || {
        let details = rig.lab.inspect("web").await?;
        let state = details.state?;
        (state.running == Some(true)).then_some(state.started_at)?
    };
    let before = started().await;
    assert!(before.is_some());
    rig.lab
        .docker
        .kill_container(&name, None::<KillContainerOptions>)
        .await
        .unwrap();
    let begun = Instant::now();
    loop {
        let now = started().await;
        if now.is_some() && now != before {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{}", rig.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[test]
fn containers_are_healed_and_the_hub_is_told_although_nothing_can_be_written() {
    lab(|lab| async move {
        let mut rig = Rig::new(lab, Path::new(ENGINE)).await;
        let state = rig.world.config.state.clone();
        let saved = rig.world.folder.path().join("saved");
        std::fs::rename(&state, &saved).unwrap();
        let Some(small) = Small::mount(&state, 64) else {
            crate::common::skip_for_want_of("a place to mount something at");
            return;
        };
        let copied = Command::new("cp")
            .arg("-a")
            .arg(saved.join("."))
            .arg(&state)
            .status();
        assert!(copied.unwrap().success());
        let clean = rig.clean().await;
        let agent = rig.at_work().await;

        small.read_only(true);
        killed_and_back(&rig).await;
        let step = rig.publish_next();
        let says = |text: &'static str| {
            move |all: &[Report]| {
                let mut events = all.iter().flat_map(|report| &report.events);
                events.any(|event| {
                    event.kind == EventKind::Failed
                        && event.message.contains(text)
                        && event.message.contains("Read-only file system")
                })
            }
        };
        rig.hub
            .until_all("told of the slice", says("the slice cannot be kept"))
            .await;
        // The agent of a server that was started again so.
        agent.kill();
        let agent = rig.start(&[], &[]);
        killed_and_back(&rig).await;
        assert!(!rig.agrees(step.generation));
        agent.kill();

        small.read_only(false);
        let mut agent = rig.start(&[], &[]);
        rig.until_done(&mut agent, step.generation).await;
        assert_eq!(rig.shape().await, clean[step.which], "{}", rig.log());
        agent.kill();
        drop(small);
        std::fs::create_dir_all(&state).unwrap();
    });
}
