//! The agent dies after each change that it makes, one after the other, and the next one ends where an undisturbed one does.

use crate::common::sample;
use crate::lab::lab;
use crate::rig::Rig;
use std::path::Path;

/// Every `stride`-th change from the one with this number on.
async fn die_after_each(rig: &mut Rig, first: u32, stride: usize) {
    let clean = rig.clean().await;
    let mut deaths = 0;
    for changes in (first..400).step_by(stride) {
        let step = rig.publish_next();
        let mut agent = rig.start(&[], &[("TENANTRY_FAULT_AFTER", &changes.to_string())]);
        let died = rig.until_dead_or_done(&mut agent, step.generation).await;
        agent.kill();
        if died {
            deaths += 1;
            let mut agent = rig.start(&[], &[]);
            rig.until_done(&mut agent, step.generation).await;
            agent.kill();
        }
        let what = format!("after {changes} changes");
        rig.is_as(&clean, step, &what).await;
        if !died {
            println!("{deaths} deaths, the last before change {changes}");
            assert!(deaths * stride > 30, "only {deaths} deaths");
            return;
        }
    }
    panic!("it never came to an end by itself");
}

#[test]
fn an_agent_that_dies_after_any_change_ends_where_it_would_have() {
    let first = sample(4);
    lab(move |lab| async move {
        let mut rig = Rig::new(lab, Path::new("/var/run/docker.sock")).await;
        die_after_each(&mut rig, first, 4).await;
    });
}

/// Run with `--ignored`: every single change.
#[test]
#[ignore = "takes some minutes"]
fn an_agent_that_dies_after_each_change_ends_where_it_would_have() {
    lab(|lab| async move {
        let mut rig = Rig::new(lab, Path::new("/var/run/docker.sock")).await;
        die_after_each(&mut rig, 0, 1).await;
    });
}
