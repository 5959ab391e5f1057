//! A server: a web server and an agent with folders and ports of their own, on the shared container engine.

use super::{Fleet, program, run, write};
use crate::lab::{LabError, Nginx, Process};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Ports of a server on 127.0.0.1.
#[derive(Debug, Clone, Copy)]
pub struct Ports {
    /// Plain HTTP.
    pub http: u16,
    /// HTTPS.
    pub https: u16,
    /// First of those that sites are published at.
    pub sites: u16,
}

/// A server with its agent.
pub struct Server {
    dir: PathBuf,
    ports: Ports,
    snippet: String,
    nginx: Nginx,
    agent: Option<Process>,
}

impl Server {
    /// Starts the web server and enrols the agent as `name` (`customer/server`) of the hub at `url`. Everything is below `dir`; secrets are at
    /// `secrets`, which must be in memory.
    pub fn enrol(
        dir: &Path,
        fleet: &Fleet,
        url: &str,
        name: &str,
        ports: Ports,
        secrets: &Path,
    ) -> Result<Self, LabError> {
        let nginx = Nginx::start(&dir.join("nginx"))?;
        let facts = hub_facts(fleet, url, name)?;
        let hub_file = dir.join("hub-facts.yaml");
        write(&hub_file, &facts)?;
        let mut enrol = Command::new(program("tenantry-agent")?);
        enrol
            .arg("--config")
            .arg(dir.join("agent.yaml"))
            .arg("enrol");
        enrol
            .arg("--hub-file")
            .arg(&hub_file)
            .arg("--state")
            .arg(dir.join("state"))
            .arg("--secrets")
            .arg(secrets);
        enrol
            .arg("--nginx-configuration")
            .arg(nginx.configuration().join("nginx.conf"))
            .args(["--nginx-control", "direct"]);
        let snippet = run(&mut enrol)?;
        Ok(Self {
            dir: dir.to_owned(),
            ports,
            snippet,
            nginx,
            agent: None,
        })
    }

    /// What `enrol` printed: the part of the server's document that holds its keys.
    pub fn snippet(&self) -> &str {
        &self.snippet
    }

    /// The server's document, ready to be committed.
    pub fn document(&self, more: &str) -> String {
        let Ports { http, https, sites } = self.ports;
        format!(
            "provider: static\naddress: 127.0.0.1\nweb: {{ address: 127.0.0.1, http: {http}, https: {https}, sites: {sites} }}\n{}\n{more}",
            self.snippet.trim_end()
        )
    }

    /// The same with a web server that listens at all addresses, as on a customer's machine.
    pub fn document_everywhere(&self, more: &str) -> String {
        let here = "web: { address: 127.0.0.1, ";
        self.document(more).replacen(here, "web: { ", 1)
    }

    /// Has the agent do more often what nothing tells it to do: lines of `intervals` in its configuration, such as `patrol: 2`, in seconds.
    pub fn intervals(&self, lines: &str) -> Result<(), LabError> {
        let path = self.dir.join("agent.yaml");
        let failed = LabError::io("cannot configure the agent");
        let text = std::fs::read_to_string(&path).map_err(failed)?;
        write(&path, &format!("{text}intervals: {{{lines}}}\n"))
    }

    /// Starts the agent.
    pub fn start(&mut self) -> Result<(), LabError> {
        let mut command = Command::new(program("tenantry-agent")?);
        command
            .arg("--config")
            .arg(self.dir.join("agent.yaml"))
            .arg("run");
        self.agent = Some(Process::spawn(
            "tenantry-agent",
            command,
            Some(&self.dir.join("agent.log")),
        )?);
        Ok(())
    }

    /// The agent's process, if it was started.
    pub fn agent(&mut self) -> Option<&mut Process> {
        self.agent.as_mut()
    }

    /// Kills the agent as a power cut would.
    pub fn kill_agent(&mut self) {
        if let Some(mut agent) = self.agent.take() {
            agent.kill9();
        }
    }

    /// The web server.
    pub fn nginx(&mut self) -> &mut Nginx {
        &mut self.nginx
    }

    /// The folder that everything of it is in.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Its ports.
    pub fn ports(&self) -> Ports {
        self.ports
    }

    /// Runs a command of the agent and gives what it prints.
    pub fn run_agent(&self, arguments: &[&str]) -> Result<std::process::Output, LabError> {
        let mut command = Command::new(program("tenantry-agent")?);
        super::output(
            command
                .arg("--config")
                .arg(self.dir.join("agent.yaml"))
                .args(arguments),
        )
    }
}

/// What an agent must be told of its hub, from the fleet's `hub.yaml`.
fn hub_facts(fleet: &Fleet, url: &str, name: &str) -> Result<String, LabError> {
    let text = fleet.read("fleet/hub.yaml")?;
    let hub: serde_yaml::Value =
        serde_yaml::from_str(&text).map_err(|error| LabError::Program {
            program: "fleet/hub.yaml".to_owned(),
            problem: error.to_string(),
        })?;
    let at = |path: &[&str]| {
        path.iter()
            .try_fold(&hub, |value, key| value.get(*key))
            .and_then(|value| value.as_str())
            .unwrap_or_default()
    };
    let keys = |who: &str, which: &str| at(&["keys", who, which]);
    Ok(format!(
        "hub_url: {url}\nfleet_id: {}\nserver: {name}\nhub_key: {}\nhub_age: {}\nrecovery_key: {}\nrecovery_age: {}\n",
        at(&["fleet_id"]),
        keys("hub", "sign"),
        keys("hub", "age"),
        keys("recovery", "sign"),
        keys("recovery", "age")
    ))
}
