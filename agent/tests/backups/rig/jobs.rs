//! A version with a job that changes the data, and a repository that takes no backup.

use super::Rig;
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

impl Rig {
    /// Asks for a version with another image and a job that changes the data.
    pub(crate) fn migrating_version(&self, generation: u64) {
        let begins = Timestamp::now() - SignedDuration::from_hours(1);
        let mut all = self.slice(Some(begins));
        let mut edit = |name: &str, from: &str, to: &str| super::edit(&mut all, name, from, to);
        edit(
            "host.yaml",
            "has_data: true\n",
            "has_data: true\n    upgrade: {timeout: 60, backup_before: true}\n",
        );
        let compose = format!("stacks/{}/compose.yaml", self.lab.project);
        edit(&compose, "busybox:1", "busybox:2");
        let job = "services:\n  migrate:\n    image: tenantry-test/busybox:2\n    command: [sh, -c, 'echo migrated > /uploads/picture']\n    restart: 'no'\n    volumes: ['uploads:/uploads']\n";
        edit(&compose, "services:\n", job);
        self.hub.publish(&self.world, generation, all);
    }

    /// Makes the program that the agent runs one that saves nothing.
    pub(crate) fn broken_restic(&self) {
        self.restic_with("[ \"$1\" != backup ] || exit 1\n");
    }

    /// Stops the container of a service, and waits until it runs again.
    pub(crate) async fn stop_and_see(&self, service: &str) {
        let name = self.lab.name(service);
        let stopped = self.lab.docker.stop_container(&name, None);
        stopped.await.unwrap();
        for _ in 0..300 {
            let state = self.lab.inspect(service).await.and_then(|it| it.state);
            if state.and_then(|state| state.running) == Some(true) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{service} stays down");
    }

    pub(crate) async fn is_there(&self, service: &str) -> bool {
        self.lab.inspect(service).await.is_some()
    }
}
