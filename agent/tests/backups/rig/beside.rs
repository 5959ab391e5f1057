//! What a restore puts beside what it replaces, seen from outside, and what gets in its way.

use super::Rig;
use std::path::PathBuf;
use std::time::Duration;
use tenantry_agent::containers::exec::{self, Program};

/// What stands beside what it replaces, or what it was replaced by.
impl Rig {
    /// The databases of the server.
    pub(crate) async fn databases(&self) -> String {
        self.sql("SELECT datname FROM pg_catalog.pg_database ORDER BY 1")
            .await
    }

    /// Nothing of a restore is left, neither in the server of the databases nor beside a volume nor in the agent's folder. What was fetched goes with
    /// the job after the restore.
    pub(crate) async fn nothing_stands_beside(&self) {
        let databases = self.databases().await;
        assert!(!databases.contains("tenantry_"), "{databases}");
        let mut left = self.left_beside().await;
        for _ in 0..300 {
            if left.is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            left = self.left_beside().await;
        }
        panic!("it stays: {left:?}");
    }

    async fn left_beside(&self) -> Vec<PathBuf> {
        let mut left = Vec::new();
        for folder in [
            self.volume("data").await.parent().unwrap().to_owned(),
            self.volume("uploads").await.parent().unwrap().to_owned(),
            self.world.state("backups/exchanges"),
            self.world.state("backups/kept"),
            self.world.state("backups/scratch"),
        ] {
            let entries = std::fs::read_dir(folder).into_iter().flatten();
            left.extend(entries.map(|entry| entry.unwrap().path()));
        }
        left.retain(|path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            name != "_data" && name != "opts.json"
        });
        left
    }

    /// What is written down of the exchange that is at work.
    pub(crate) fn exchange(&self) -> String {
        let name = format!("backups/exchanges/{}.json", self.lab.project);
        std::fs::read_to_string(self.world.state(&name)).unwrap_or_default()
    }

    /// Waits until the exchange is so.
    pub(crate) async fn until_exchange(&self, what: &str, good: impl Fn(&str) -> bool) {
        for _ in 0..30_000 {
            if good(&self.exchange()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        panic!("never {what}: {}", self.exchange());
    }

    /// Keeps the database from being renamed until [`Rig::unlock_database`]: a session that is nobody's of the agent.
    pub(crate) async fn lock_database(&self) {
        let statement = "BEGIN; COMMENT ON DATABASE guests IS 'locked'; SELECT pg_sleep(300)";
        let fixed = ["psql", "-U", "app", "-d", "postgres", "-c", statement];
        let (engine, program) = (
            self.engine.clone(),
            Program::new(&self.lab.name("db"), fixed),
        );
        tokio::spawn(async move {
            let _ = exec::output(&engine, &program, 100).await;
        });
        while !self.is_locked().await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub(crate) async fn is_locked(&self) -> bool {
        let held = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
        self.sql(held).await.trim() == "1"
    }

    pub(crate) async fn unlock_database(&self) {
        let end =
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
        self.sql(end).await;
    }

    /// The state of the container that is no database server, and when it was started.
    pub(crate) async fn app(&self) -> (bool, String) {
        let name = self.lab.name("app");
        let found = self.lab.docker.inspect_container(
            &name,
            None::<bollard::query_parameters::InspectContainerOptions>,
        );
        let state = found.await.unwrap().state.unwrap();
        (state.running == Some(true), state.started_at.unwrap())
    }

    /// Makes the program that the agent runs take its time, but only for what is saved while the tool stands still.
    pub(crate) fn slow_last_backup(&self) {
        let exchanges = self.world.state("backups/exchanges");
        self.restic_with(&format!(
            "[ \"$1\" != backup ] || ! grep -q tenantry-restored -r '{}' || sleep 30\n",
            exchanges.display()
        ));
    }
}
