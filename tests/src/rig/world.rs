//! A fleet, its hub and, where wanted, servers with real agents, set up for one test and taken down with it.

use super::{Fleet, Hub, Place, Ports, Server, trouble};
use crate::lab::{Lab, LabError, Port, PortRange, https, wait_until, with_causes};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;
use tenantry_planner::status::{FleetStatus, Mode};

/// A fleet and its hub, without servers.
pub struct HubBox {
    hub: Option<Hub>,
    /// The fleet.
    pub fleet: Fleet,
    /// Where the hub runs.
    pub place: Place,
    dir: TempDir,
    _port: Port,
}

impl HubBox {
    /// A new, activated fleet with the id `id`. The hub does not run yet.
    pub fn new(id: &str) -> Result<Self, LabError> {
        Self::reached_at(id, None)
    }

    fn reached_at(id: &str, url: Option<&str>) -> Result<Self, LabError> {
        let dir = tempfile::tempdir().map_err(LabError::io("cannot make a folder"))?;
        let port = Port::reserve()?;
        let url = url.map_or_else(
            || format!("http://127.0.0.1:{}", port.number()),
            str::to_owned,
        );
        let fleet = Fleet::init(dir.path(), &url, id)?;
        fleet.activate()?;
        let place = Place {
            data: dir.path().join("hub"),
            port: port.number(),
            log: dir.path().join("hub.log"),
        };
        Ok(Self {
            hub: None,
            fleet,
            place,
            dir,
            _port: port,
        })
    }

    /// A copy of this fleet as it is, with a hub of its own at another port.
    pub fn duplicate(&self) -> Result<Self, LabError> {
        let dir = tempfile::tempdir().map_err(LabError::io("cannot make a folder"))?;
        let port = Port::reserve()?;
        let fleet = self.fleet.duplicate(dir.path())?;
        let place = Place {
            data: dir.path().join("hub"),
            port: port.number(),
            log: dir.path().join("hub.log"),
        };
        Ok(Self {
            hub: None,
            fleet,
            place,
            dir,
            _port: port,
        })
    }

    /// The folder that everything is in.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Address of the hub.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.place.port)
    }

    /// Starts the hub.
    pub async fn start(&mut self) -> Result<&Hub, LabError> {
        self.hub = None;
        let hub = Hub::start(&self.fleet, &self.place, &[]).await?;
        Ok(self.hub.insert(hub))
    }

    /// Starts the hub with more options.
    pub async fn start_with(&mut self, more: &[&str]) -> Result<&Hub, LabError> {
        self.hub = None;
        let hub = Hub::start(&self.fleet, &self.place, more).await?;
        Ok(self.hub.insert(hub))
    }

    /// The hub, which must run.
    pub fn hub(&self) -> &Hub {
        self.hub.as_ref().expect("the hub was started")
    }

    /// Kills the hub as a power cut would.
    pub fn kill(&mut self) {
        if let Some(mut hub) = self.hub.take() {
            hub.process().kill9();
        }
    }

    /// Kills the hub and deletes its data directory.
    pub fn wipe(&mut self) -> Result<(), LabError> {
        self.kill();
        std::fs::remove_dir_all(&self.place.data)
            .map_err(LabError::io("cannot delete the data directory"))
    }

    /// Deletes the data directory of the hub while it runs.
    pub fn wipe_running(&self) -> Result<(), LabError> {
        let failed = |error| LabError::io("cannot delete the data directory")(error);
        // Moved first, so that nothing is written into it while it is deleted.
        let aside = self.place.data.with_extension("deleted");
        std::fs::rename(&self.place.data, &aside).map_err(failed)?;
        std::fs::remove_dir_all(&aside).map_err(failed)
    }

    /// The data directory of the hub.
    pub fn data(&self) -> &Path {
        &self.place.data
    }

    /// Waits until the hub has decided everything that it can for `orders` orders, and stays there.
    pub async fn decided(&self, orders: usize, timeout: Duration) -> Result<FleetStatus, LabError> {
        let fleet = &self.fleet;
        let mut still = 0;
        let quiet = |status: &FleetStatus| {
            let head = fleet.head().unwrap_or_default();
            let good = status.mode == Mode::Active
                && status
                    .commit
                    .as_ref()
                    .is_some_and(|commit| commit.id == head)
                && status.orders.len() == orders
                && status.orders.iter().all(|order| {
                    order.server.is_some() && order.tools.iter().all(|tool| tool.pin.is_some())
                })
                && status
                    .servers
                    .iter()
                    .all(|server| server.published.is_some());
            still = if good { still + 1 } else { 0 };
            still >= 10
        };
        self.hub()
            .wait_for(timeout, "the end of deciding", quiet)
            .await
    }
}

/// A fleet, its hub, and servers with real agents on the shared container engine.
pub struct World {
    /// The servers, as named at the start.
    pub servers: Vec<Server>,
    /// Fleet and hub.
    pub home: HubBox,
    /// What must be there while they run.
    held: (Vec<Port>, Vec<PortRange>, TempDir),
    /// The laboratory; removes what is left on the engine.
    pub lab: Lab,
}

impl World {
    /// An activated fleet with a running hub and enrolled servers, named `customer/server`, whose agents do not run yet. `None` where there is no
    /// laboratory.
    pub async fn open(servers: &[&str]) -> Option<Self> {
        let lab = Lab::open().await?;
        Some(
            Self::build(lab, servers, None)
                .await
                .expect("the world can be built"),
        )
    }

    /// The same with agents that reach their hub at `port` of this machine, where something else listens.
    pub async fn open_behind(servers: &[&str], port: u16) -> Option<Self> {
        let lab = Lab::open().await?;
        Some(
            Self::build(lab, servers, Some(port))
                .await
                .expect("the world can be built"),
        )
    }

    async fn build(lab: Lab, names: &[&str], port: Option<u16>) -> Result<Self, LabError> {
        let front = port.map(|port| format!("http://127.0.0.1:{port}"));
        let mut home = HubBox::reached_at(&lab.name("fleet"), front.as_deref())?;
        let memory = tempfile::Builder::new()
            .prefix("tenantry-")
            .tempdir_in("/dev/shm")
            .map_err(LabError::io("cannot make a folder in memory"))?;
        let (mut servers, mut ports, mut ranges) = (Vec::new(), Vec::new(), Vec::new());
        let url = front.unwrap_or_else(|| home.url());
        for name in names {
            let (http, https, sites) = (Port::reserve()?, Port::reserve()?, PortRange::reserve(8)?);
            let numbers = Ports {
                http: http.number(),
                https: https.number(),
                sites: sites.first(),
            };
            let short = name.rsplit('/').next().unwrap_or(name);
            let dir = home.dir().join(short);
            servers.push(Server::enrol(
                &dir,
                &home.fleet,
                &url,
                name,
                numbers,
                &memory.path().join(short),
            )?);
            ports.extend([http, https]);
            ranges.push(sites);
        }
        home.start().await?;
        Ok(Self {
            servers,
            home,
            held: (ports, ranges, memory),
            lab,
        })
    }

    /// Runs `docker` with these arguments.
    pub fn docker(&self, arguments: &[&str]) -> Result<String, LabError> {
        super::run(std::process::Command::new("docker").args(arguments))
    }

    /// Ids of this world's containers that are there, running or not, by name.
    pub fn containers(&self) -> Result<BTreeMap<String, String>, LabError> {
        let all = self.docker(&[
            "ps",
            "--all",
            "--no-trunc",
            "--format",
            "{{.Names}} {{.ID}} {{.Labels}}",
        ])?;
        let id = self.home.fleet.id();
        let ours = all.lines().filter(|line| line.contains(id));
        Ok(ours
            .filter_map(|line| line.split_once(' '))
            .map(|(name, rest)| {
                (
                    name.to_owned(),
                    rest.chars().take_while(|c| *c != ' ').collect(),
                )
            })
            .collect())
    }

    /// Name, id and start time of this world's running containers.
    pub fn running(&self) -> Result<BTreeMap<String, String>, LabError> {
        let names: Vec<String> = self.containers()?.into_keys().collect();
        let mut found = BTreeMap::new();
        for name in names {
            let facts = self.docker(&[
                "inspect",
                "--format",
                "{{.State.Running}} {{.Id}} {{.State.StartedAt}}",
                &name,
            ])?;
            if let Some(facts) = facts.trim().strip_prefix("true ") {
                found.insert(name, facts.to_owned());
            }
        }
        Ok(found)
    }

    /// Folder with the secret files of a server, in memory.
    pub fn memory(&self, server: usize) -> PathBuf {
        let dir = self.servers[server].dir();
        self.held.2.path().join(dir.file_name().unwrap_or_default())
    }

    /// Folder with the live files of a server.
    pub fn live(&self, server: usize) -> PathBuf {
        self.servers[server].dir().join("state/live")
    }
}

/// Asks a server for a page until it contains `text`. Returns its address.
pub async fn page_until(
    server: &Server,
    host: &str,
    text: &str,
    timeout: Duration,
) -> Result<String, LabError> {
    let url = format!("https://{host}:{}/", server.ports().https);
    let certificate = server.dir().join(format!(
        "nginx/conf/tenantry/certificates/{host}/fullchain.pem"
    ));
    let mut last = String::from("no answer");
    let what = format!("{url} with {text:?}");
    let found = wait_until(timeout, &what, async || {
        let pem = std::fs::read(&certificate).ok()?;
        // The self-signed certificate that the agent made is the only one that is trusted.
        let client = https::client(&[host], https::Trust::Pem(&pem)).ok()?;
        match client.get(&url).send().await {
            Ok(answer) => {
                let status = answer.status();
                let body = answer.text().await.unwrap_or_default();
                let good = status.is_success() && body.contains(text);
                last = format!("{status}: {}", body.chars().take(200).collect::<String>());
                good.then_some(())
            }
            Err(error) => {
                last = with_causes(&error);
                None
            }
        }
    });
    found
        .await
        .map_err(|error| trouble(&error.to_string(), &last))?;
    Ok(url)
}
