//! A running hub.

use super::{Fleet, program};
use crate::lab::{LabError, Process, wait_until};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tenantry_planner::status::FleetStatus;

/// A process of `tenantry serve`.
pub struct Hub {
    process: Process,
    url: String,
    client: reqwest::Client,
}

/// Where and how a hub runs.
#[derive(Debug, Clone)]
pub struct Place {
    /// Data directory.
    pub data: PathBuf,
    /// Port on 127.0.0.1.
    pub port: u16,
    /// Log file.
    pub log: PathBuf,
}

impl Hub {
    /// Starts a hub on `fleet` and waits until it answers. `more` are further options, such as `--observe`.
    pub async fn start(fleet: &Fleet, place: &Place, more: &[&str]) -> Result<Self, LabError> {
        Self::start_at(fleet.repository(), Some(&fleet.hub_key()), place, more).await
    }

    /// Starts a hub on `fleet` and does not wait for anything.
    pub fn spawn(fleet: &Fleet, place: &Place, more: &[&str]) -> Result<Process, LabError> {
        Self::spawn_at(fleet.repository(), Some(&fleet.hub_key()), place, more)
    }

    /// Starts a hub on any repository and does not wait for anything.
    pub fn spawn_at(
        repository: &Path,
        key: Option<&Path>,
        place: &Place,
        more: &[&str],
    ) -> Result<Process, LabError> {
        Self::spawn_in(repository, key, place, more, &[])
    }

    /// Starts a hub with more in its environment and does not wait for anything.
    fn spawn_in(
        repository: &Path,
        key: Option<&Path>,
        place: &Place,
        more: &[&str],
        environment: &[(String, String)],
    ) -> Result<Process, LabError> {
        let mut command = Command::new(program("tenantry")?);
        command.envs(environment.iter().cloned());
        command
            .arg("serve")
            .arg(repository)
            .arg("--data")
            .arg(&place.data);
        if !more.contains(&"--poll") {
            command.args(["--poll", "1"]);
        }
        command
            .arg("--listen")
            .arg(format!("127.0.0.1:{}", place.port))
            .args(more);
        if let Some(key) = key {
            command.arg("--key").arg(key);
        }
        Process::spawn("tenantry", command, Some(&place.log))
    }

    /// Starts a hub on any repository, with or without a key.
    pub async fn start_at(
        repository: &Path,
        key: Option<&Path>,
        place: &Place,
        more: &[&str],
    ) -> Result<Self, LabError> {
        Self::start_in(repository, key, place, more, &[]).await
    }

    /// Starts a hub with more in its environment.
    pub async fn start_in(
        repository: &Path,
        key: Option<&Path>,
        place: &Place,
        more: &[&str],
        environment: &[(String, String)],
    ) -> Result<Self, LabError> {
        let mut process = Self::spawn_in(repository, key, place, more, environment)?;
        let url = format!("http://127.0.0.1:{}", place.port);
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(5))
            .build()
            .map_err(|error| http(&error))?;
        let probe = format!("{url}/healthz");
        let up = wait_until(
            Duration::from_secs(30),
            "the hub's first answer",
            async || {
                let answered = client
                    .get(&probe)
                    .send()
                    .await
                    .is_ok_and(|answer| answer.status().is_success());
                (answered || !process.is_running()).then_some(answered)
            },
        );
        if !matches!(up.await, Ok(true)) {
            let problem = format!("did not start:\n  {}", process.lines().join("\n  "));
            return Err(LabError::Program {
                program: "tenantry serve".to_owned(),
                problem,
            });
        }
        Ok(Self {
            process,
            url,
            client,
        })
    }

    /// Its address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its process, to be killed or looked at.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// What it says of the fleet.
    pub async fn status(&self) -> Result<FleetStatus, LabError> {
        let answer = self
            .client
            .get(format!("{}/api/v1/status", self.url))
            .send()
            .await
            .map_err(|error| http(&error))?;
        answer.json().await.map_err(|error| http(&error))
    }

    /// Waits until `condition` is true of the status, and gives that status.
    pub async fn wait_for(
        &self,
        timeout: Duration,
        what: &str,
        mut condition: impl FnMut(&FleetStatus) -> bool,
    ) -> Result<FleetStatus, LabError> {
        let mut last = None;
        let found = wait_until(timeout, what, async || {
            let status = self.status().await.ok()?;
            let good = condition(&status);
            last = Some(status.clone());
            good.then_some(status)
        });
        found.await.map_err(|error| {
            let state = last.map(|status| summary(&status)).unwrap_or_default();
            LabError::Program {
                program: "tenantry serve".to_owned(),
                problem: format!("{error}; the last status was:\n{state}"),
            }
        })
    }
}

/// The parts of a status that say why something has not happened.
fn summary(status: &FleetStatus) -> String {
    let mut lines = vec![format!(
        "  {:?} problem: {:?} commit: {:?}",
        status.mode, status.source_problem, status.commit
    )];
    for order in &status.orders {
        let reasons: Vec<String> = order.waiting.iter().map(ToString::to_string).collect();
        lines.push(format!(
            "  order {}/{}: {:?} {:?}: {}",
            order.customer,
            order.order,
            order.phase,
            order.health,
            reasons.join("; ")
        ));
    }
    for server in &status.servers {
        let reasons: Vec<String> = server.waiting.iter().map(ToString::to_string).collect();
        lines.push(format!(
            "  server {}/{}: {:?} in sync {}: {}",
            server.customer,
            server.server,
            server.health,
            server.in_sync,
            reasons.join("; ")
        ));
        lines.extend(server.instances.iter().map(|instance| {
            format!(
                "    {}: {:?} {:?} {:?}",
                instance.name, instance.phase, instance.smoke, instance.message
            )
        }));
    }
    lines.extend(
        status
            .diagnostics
            .iter()
            .map(|diagnostic| format!("  {diagnostic}")),
    );
    lines.join("\n")
}

fn http(error: &reqwest::Error) -> LabError {
    LabError::Program {
        program: "tenantry serve".to_owned(),
        problem: crate::lab::with_causes(error),
    }
}
