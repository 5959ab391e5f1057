//! A change that waits for the maintenance window: a service that it renames runs on, and is healed, as it was.

use super::*;
use crate::common::shut_window;
use bollard::query_parameters::RemoveContainerOptionsBuilder;

impl Rig {
    /// A version whose service is called `site`.
    fn renamed(&self, version: Version, window: Option<&str>) -> Files {
        let mut all = self.slice(version, "red");
        let mut edit = |name: &str, from: &str, to: &str| {
            let content = all.get_mut(name).unwrap();
            let text = String::from_utf8(content.clone()).unwrap();
            assert!(text.contains(from), "{text}");
            *content = text.replace(from, to).into_bytes();
        };
        let compose = format!("stacks/{}/compose.yaml", self.lab.project);
        edit(&compose, "  web:\n", "  site:\n");
        if let Some(window) = window {
            let line = format!("manage: full\nwindow: {window}\n");
            edit("host.yaml", "manage: full\n", &line);
        }
        all
    }

    async fn is_first(&self, what: &str) {
        self.answers("version 1").await;
        let name = self.lab.name("web");
        let version = self.variable(&name, "VERSION").await;
        assert_eq!(version.as_deref(), Some("1"), "{what}");
        assert!(self.lab.inspect("site").await.is_none(), "{what}");
    }
}

#[test]
fn a_renamed_service_runs_on_and_is_healed_until_the_window_opens() {
    lab(|lab| async move {
        let rig = Rig::new(lab).await;
        let agent = Running::start(&rig.world);
        rig.begin(FIRST).await;
        let id = rig.lab.inspect("web").await.unwrap().id;
        let second = Version { number: 2, ..FIRST };
        let files = rig.renamed(second, Some(&shut_window()));
        rig.hub.publish(&rig.world, 2, files);
        let waits = |one: &InstanceReport| matches!(one.waiting, Some(AgentWait::Window { .. }));
        rig.until("waits", waits).await;
        rig.is_first("it waits").await;
        assert_eq!(rig.lab.inspect("web").await.unwrap().id, id, "untouched");

        let (docker, name) = (rig.lab.docker.clone(), rig.lab.name("web"));
        docker.kill_container(&name, None).await.unwrap();
        rig.is_first("killed").await;
        docker.stop_container(&name, None).await.unwrap();
        rig.is_first("stopped").await;
        let page = format!("live/{}/files/www/index.html", rig.lab.project);
        std::fs::write(rig.world.state(&page), "defaced").unwrap();
        rig.answers("version 1").await;
        let force = RemoveContainerOptionsBuilder::new().force(true).build();
        docker.remove_container(&name, Some(force)).await.unwrap();
        rig.is_first("removed").await;

        // An agent that is new knows it as well.
        drop(agent);
        let force = RemoveContainerOptionsBuilder::new().force(true).build();
        docker.remove_container(&name, Some(force)).await.unwrap();
        let _agent = Running::start(&rig.world);
        rig.is_first("removed while no agent ran").await;
        rig.until("still waits", waits).await;

        rig.hub.publish(&rig.world, 3, rig.renamed(second, None));
        rig.answers("version 2").await;
        rig.until("healthy", |one| one.phase == InstancePhase::Healthy)
            .await;
        assert!(rig.lab.inspect("web").await.is_none());
    });
}
