//! Somebody else has the port that the web server is to listen on: it is told, everything else goes on, what is served is served on, and
//! when the port is free the site is there.

use crate::lab::lab;
use crate::rig::{COLOURS, Rig, free_port};
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;
use tenantry_schema::wire::{ContainerState, InstancePhase, Report};

const ENGINE: &str = "/var/run/docker.sock";

/// A site that is not served, because of the port.
fn is_told(report: &Report) -> bool {
    report.sites.values().any(|site| {
        let message = site.message.as_deref().unwrap_or_default();
        !site.live && message.contains("Address already in use")
    })
}

#[test]
fn a_port_that_is_taken_is_told_and_used_as_soon_as_it_is_free() {
    lab(|lab| async move {
        let mut rig = Rig::new(lab, Path::new(ENGINE)).await;
        let Some(port) = rig.site else { return };
        let stranger = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let mut agent = rig.start(&[], &[]);
        let step = rig.publish_next();
        let report = rig.hub.until("told", is_told).await;
        // Tools are nobody's web server.
        for (name, instance) in &report.instances {
            assert!(!instance.containers.is_empty(), "{name}");
            let mut all = instance.containers.iter();
            let up = all.all(|one| one.state == ContainerState::Running);
            assert!(up, "{instance:#?}");
        }
        assert!(!rig.agrees(step.generation));
        drop(stranger);
        rig.until_done(&mut agent, step.generation).await;
        rig.serves(step.which, "the port is free").await;
        let healthy = |report: &Report| {
            let mut all = report.instances.values();
            all.all(|one| one.phase == InstancePhase::Healthy)
        };
        rig.hub.until("healthy", healthy).await;
    });
}

/// A web server that runs says nothing to whoever tells it to read its configuration anew, and goes on with the old one.
#[test]
fn what_is_served_is_served_on_while_another_port_is_taken() {
    lab(|lab| async move {
        let mut rig = Rig::new(lab, Path::new(ENGINE)).await;
        let Some(before) = rig.site else { return };
        let mut agent = rig.start(&[], &[]);
        let first = rig.publish_next();
        rig.until_done(&mut agent, first.generation).await;
        rig.serves(first.which, "at first").await;

        let other = free_port();
        let stranger = TcpListener::bind(("127.0.0.1", other)).unwrap();
        rig.site = Some(other);
        let second = rig.publish_next();
        rig.hub.until("told", is_told).await;
        for _ in 0..20 {
            assert_eq!(rig.answer(before).await, COLOURS[first.which]);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert!(!rig.agrees(second.generation), "{}", rig.log());

        drop(stranger);
        rig.until_done(&mut agent, second.generation).await;
        rig.serves(second.which, "the port is free").await;
    });
}
