//! Reads what is on the engine: four lists a pass, and an inspection only of containers whose list entry changed. Writes nothing.
//!
//! Lists do not tell restart counts and network aliases, so these are remembered by container until its entry changes or
//! [`Observer::forget`] is called. A container whose engine-side settings were edited without a trace in the list is found at the
//! next [`Observer::forget_all`].

use super::engine::Engine;
use super::error::EngineError;
use super::state::{Attachment, Container, Details, EngineState, Network, Owner, State};
use super::{labels, mounts, names};
use bollard::models::{
    self, ContainerInspectResponse, ContainerSummary, ContainerSummaryStateEnum as Listed,
};
use bollard::query_parameters::{
    ListContainersOptionsBuilder, ListImagesOptions, ListNetworksOptions, ListVolumesOptions,
};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::time::Duration;
use tenantry_schema::document::Protocol;
use tenantry_schema::wire::ContainerHealth;

/// What is done here, for messages.
pub(super) const WHAT: &str = "list what is on the container engine";
/// An engine that has not listed everything by then counts as hanging.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a health check printed is no longer, in bytes: engines keep 4096.
const LONGEST_OUTPUT: usize = 8192;

/// Reads the engine, and remembers what it need not ask twice.
#[derive(Debug)]
pub struct Observer {
    engine: Engine,
    known: HashMap<String, Known>,
    /// Where the engine keeps images.
    folder: Option<PathBuf>,
}

/// What an inspection told, and the list entry that it belongs to.
#[derive(Debug)]
struct Known {
    entry: Entry,
    restarts: u64,
    started: Option<Timestamp>,
    aliases: BTreeMap<String, BTreeSet<String>>,
    /// Its process, if it runs and mounts something of the server.
    mounting: Option<i64>,
    made: Option<Timestamp>,
    details: Details,
}

/// The parts of a list entry that change when something happened to the container.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    name: String,
    state: State,
    exit_code: Option<i64>,
    health: ContainerHealth,
    endpoints: BTreeMap<String, String>,
}

impl Observer {
    /// An observer that knows nothing yet.
    pub fn new(engine: Engine) -> Self {
        Self {
            engine,
            known: HashMap::new(),
            folder: None,
        }
    }

    /// Inspects this container again in the next pass: something happened to it.
    pub fn forget(&mut self, container_id: &str) {
        self.known.remove(container_id);
    }

    /// Inspects every container again in the next pass.
    pub fn forget_all(&mut self) {
        self.known.clear();
    }

    /// Everything that is on the engine now.
    pub async fn observe(&mut self) -> Result<EngineState, EngineError> {
        let seen = tokio::time::timeout(PATIENCE, self.read(WHAT)).await;
        seen.unwrap_or_else(|_| {
            // What comes back may be another release.
            self.engine.disconnect();
            Err(EngineError::new(
                WHAT,
                super::error::ErrorKind::EngineUnreachable,
            ))
        })
    }

    async fn read(&mut self, what: &str) -> Result<EngineState, EngineError> {
        let (docker, version) = self.engine.client().await?;
        let (containers, networks, volumes, images) = tokio::try_join!(
            docker.list_containers(Some(ListContainersOptionsBuilder::new().all(true).build())),
            docker.list_networks(None::<ListNetworksOptions>),
            docker.list_volumes(None::<ListVolumesOptions>),
            docker.list_images(None::<ListImagesOptions>),
        )
        .map_err(|error| self.engine.judge(what, error, None))?;

        let mut state = EngineState {
            version,
            free: self.free(&docker).await,
            published: containers.iter().flat_map(published).collect(),
            folder: self.folder.clone(),
            containers: containers.into_iter().filter_map(container).collect(),
            networks: networks.into_iter().filter_map(network).collect(),
            volumes: volumes
                .volumes
                .into_iter()
                .flatten()
                .map(|volume| volume.name)
                .collect(),
            images: images.into_iter().flat_map(image_names).collect(),
        };
        self.complete(&docker, &mut state).await?;
        Ok(state)
    }

    /// Bytes that are free where the engine keeps images.
    async fn free(&mut self, docker: &bollard::Docker) -> Option<u64> {
        if self.folder.is_none() {
            let root = docker.info().await.ok()?.docker_root_dir;
            self.folder = root.map(PathBuf::from);
        }
        let space = rustix::fs::statvfs(self.folder.as_deref()?).ok()?;
        Some(space.f_bavail.saturating_mul(space.f_frsize))
    }

    /// Adds what only an inspection tells, for containers of Compose projects.
    async fn complete(
        &mut self,
        docker: &bollard::Docker,
        state: &mut EngineState,
    ) -> Result<(), EngineError> {
        for container in &mut state.containers {
            if container.owner.project.is_none() {
                continue;
            }
            let entry = Entry::of(container);
            if self
                .known
                .get(&container.id)
                .is_none_or(|known| known.entry != entry)
            {
                match docker.inspect_container(&container.id, None).await {
                    Ok(details) => self
                        .known
                        .insert(container.id.clone(), Known::of(entry, &details)),
                    // Removed since it was listed; the next pass will not see it.
                    Err(error) if super::error::status(&error) == Some(404) => continue,
                    Err(error) => {
                        return Err(self.engine.judge(
                            &format!("inspect container {}", container.name),
                            error,
                            None,
                        ));
                    }
                };
            }
            if let Some(known) = self.known.get(&container.id) {
                container.restarts = known.restarts;
                container.made = known.made;
                container.details = known.details.clone();
                container.started = known.started.filter(|_| container.state.is_up());
                if let Some(pid) = known.mounting.filter(|_| container.state.is_up()) {
                    container.replaced = mounts::replaced(pid, &container.id);
                }
                for (name, attachment) in &mut container.networks {
                    attachment.aliases = known.aliases.get(name).cloned();
                }
            }
        }
        let listed: BTreeSet<_> = state
            .containers
            .iter()
            .map(|container| container.id.as_str())
            .collect();
        self.known.retain(|id, _| listed.contains(id.as_str()));
        Ok(())
    }
}

impl Entry {
    fn of(container: &Container) -> Self {
        Self {
            name: container.name.clone(),
            state: container.state,
            exit_code: container.exit_code,
            health: container.health,
            endpoints: container
                .networks
                .iter()
                .map(|(name, at)| (name.clone(), at.endpoint_id.clone()))
                .collect(),
        }
    }
}

impl Known {
    fn of(entry: Entry, details: &ContainerInspectResponse) -> Self {
        let networks = details
            .network_settings
            .as_ref()
            .and_then(|settings| settings.networks.as_ref());
        let aliases = networks.into_iter().flatten().map(|(name, endpoint)| {
            (
                name.clone(),
                endpoint.aliases.iter().flatten().cloned().collect(),
            )
        });
        let pid = details.state.as_ref().and_then(|state| state.pid);
        let binds = details
            .mounts
            .iter()
            .flatten()
            .any(|mount| mount.typ.as_deref() == Some("bind"));
        let started = details
            .state
            .as_ref()
            .and_then(|state| state.started_at.as_ref());
        Self {
            entry,
            details: details_of(details),
            made: details.created.as_ref().and_then(time),
            started: started.and_then(time),
            mounting: pid.filter(|pid| *pid > 0 && binds),
            restarts: details
                .restart_count
                .and_then(|count| u64::try_from(count).ok())
                .unwrap_or(0),
            aliases: aliases.collect(),
        }
    }
}

fn details_of(details: &ContainerInspectResponse) -> Details {
    let Some(state) = &details.state else {
        return Details::default();
    };
    let bad = state
        .health
        .as_ref()
        .filter(|health| health.status == Some(models::HealthStatusEnum::UNHEALTHY));
    let output = bad.and_then(|health| health.log.as_ref()?.last()?.output.as_deref());
    Details {
        pid: state
            .pid
            .and_then(|pid| u32::try_from(pid).ok())
            .filter(|pid| *pid > 0),
        out_of_memory: state.oom_killed.unwrap_or_default(),
        ended: state.finished_at.as_ref().and_then(time),
        health_output: output
            .filter(|text| text.len() <= LONGEST_OUTPUT)
            .map(Into::into),
    }
}

/// As the engine writes it; the year 1 stands for never.
pub(super) fn time(text: &impl ToString) -> Option<Timestamp> {
    let time: Timestamp = text.to_string().parse().ok()?;
    (time > Timestamp::UNIX_EPOCH).then_some(time)
}

/// Ports of a container that others than this machine can reach.
fn published(summary: &ContainerSummary) -> Vec<((u16, Protocol), String)> {
    use bollard::models::PortSummaryTypeEnum as Listed;
    let name = summary.names.iter().flatten().next();
    let name = name.map_or("", |name| name.trim_start_matches('/'));
    let ports = summary.ports.iter().flatten();
    ports
        .filter_map(|port| {
            let own = |ip: &String| {
                let ip = ip.parse::<std::net::IpAddr>();
                ip.is_ok_and(|ip| ip.is_loopback())
            };
            let protocol = match port.typ {
                Some(Listed::UDP) => Protocol::Udp,
                Some(Listed::SCTP) => return None,
                _ => Protocol::Tcp,
            };
            let public = port.public_port?;
            (!port.ip.as_ref().is_some_and(own)).then(|| ((public, protocol), name.to_owned()))
        })
        .collect()
}

/// An entry without id or name cannot be addressed, and is no container for us.
fn container(summary: ContainerSummary) -> Option<Container> {
    let status = summary.status.unwrap_or_default();
    let mut marks = summary.labels.unwrap_or_default();
    let name = summary
        .names?
        .into_iter()
        .map(|name| name.trim_start_matches('/').to_owned())
        .find(|name| !name.contains('/'))?;
    let networks = summary
        .network_settings
        .and_then(|settings| settings.networks)
        .unwrap_or_default();
    let state = match summary.state? {
        Listed::CREATED | Listed::EMPTY => State::Created,
        Listed::RUNNING | Listed::STOPPING => State::Running,
        Listed::PAUSED => State::Paused,
        Listed::RESTARTING => State::Restarting,
        Listed::EXITED => State::Exited,
        Listed::REMOVING => State::Removing,
        Listed::DEAD => State::Dead,
    };
    Some(Container {
        id: summary.id?,
        name,
        image_id: summary.image_id.unwrap_or_default(),
        created: summary.created.unwrap_or(0),
        owner: Owner::read(|label| marks.get(label)),
        files: marks.remove(labels::FILES),
        state,
        health: summary
            .health
            .and_then(|health| health.status)
            .map_or_else(|| health_in(&status), health),
        exit_code: (state == State::Exited)
            .then(|| exit_code_in(&status))
            .flatten(),
        restarts: 0,
        networks: networks
            .into_iter()
            .map(|(name, endpoint)| (name, attachment(endpoint)))
            .collect(),
        replaced: Vec::new(),
        made: None,
        started: None,
        details: Details::default(),
    })
}

fn attachment(endpoint: models::EndpointSettings) -> Attachment {
    Attachment {
        network_id: endpoint.network_id.unwrap_or_default(),
        endpoint_id: endpoint.endpoint_id.unwrap_or_default(),
        aliases: None,
    }
}

fn health(status: models::ContainerSummaryHealthStatusEnum) -> ContainerHealth {
    use models::ContainerSummaryHealthStatusEnum as Listed;
    match status {
        Listed::EMPTY | Listed::NONE => ContainerHealth::None,
        Listed::STARTING => ContainerHealth::Starting,
        Listed::HEALTHY => ContainerHealth::Healthy,
        Listed::UNHEALTHY => ContainerHealth::Unhealthy,
    }
}

/// Engines before 28 say it only in a text for people: `Up 3 minutes (healthy)`, `Up 2 hours (Paused)`.
fn health_in(status: &str) -> ContainerHealth {
    if status.ends_with("(healthy)") {
        ContainerHealth::Healthy
    } else if status.ends_with("(unhealthy)") {
        ContainerHealth::Unhealthy
    } else if status.ends_with("(health: starting)") {
        ContainerHealth::Starting
    } else {
        ContainerHealth::None
    }
}

/// `Exited (137) 3 seconds ago`.
fn exit_code_in(status: &str) -> Option<i64> {
    status
        .strip_prefix("Exited (")?
        .split_once(')')?
        .0
        .parse()
        .ok()
}

fn network(network: models::Network) -> Option<(String, Network)> {
    let labels = network.labels.unwrap_or_default();
    let found = Network {
        id: network.id?,
        inputs: labels.get(labels::INPUTS).cloned(),
        project: labels.get(labels::PROJECT).cloned(),
        keeper: labels.get(labels::KEEPER).cloned(),
    };
    Some((network.name?, found))
}

/// Every name that stands for an image, its id included.
fn image_names(image: models::ImageSummary) -> Vec<(String, String)> {
    let named = image
        .repo_tags
        .into_iter()
        .chain(image.repo_digests)
        .filter(|name| !name.contains("<none>"));
    let mut all: Vec<_> = named
        .map(|name| (names::image(&name), image.id.clone()))
        .collect();
    all.push((image.id.clone(), image.id));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_for_people_are_understood() {
        assert_eq!(
            health_in("Up 3 minutes (healthy)"),
            ContainerHealth::Healthy
        );
        assert_eq!(
            health_in("Up 1 second (health: starting)"),
            ContainerHealth::Starting
        );
        assert_eq!(
            health_in("Up About an hour (unhealthy)"),
            ContainerHealth::Unhealthy
        );
        assert_eq!(health_in("Up 3 minutes"), ContainerHealth::None);
        assert_eq!(health_in("Up 3 minutes (Paused)"), ContainerHealth::None);
        assert_eq!(exit_code_in("Exited (137) 3 seconds ago"), Some(137));
        assert_eq!(exit_code_in("Up 3 minutes"), None);
        assert_eq!(exit_code_in("Exited (x)"), None);
    }

    #[test]
    fn an_entry_from_an_engine_of_2020_is_understood() {
        let text = r#"{"Id":"abc","Names":["/acme-web-1","/acme-other-1/web"],"Image":"web:1","ImageID":"sha256:1","Command":"sh","Created":5,
            "Ports":[],"Labels":{"com.docker.compose.project":"acme","com.docker.compose.service":"web","com.docker.compose.oneoff":"False"},
            "State":"exited","Status":"Exited (2) 1 second ago","HostConfig":{"NetworkMode":"acme_default"},
            "NetworkSettings":{"Networks":{"acme_default":{"NetworkID":"n1","EndpointID":"e1"}}},"Mounts":[]}"#;
        let found = container(serde_json::from_str(text).unwrap()).unwrap();
        assert_eq!(
            (found.name.as_str(), found.state, found.exit_code),
            ("acme-web-1", State::Exited, Some(2))
        );
        assert!(found.owner.serves("f1", "acme", "web"));
        assert_eq!(found.networks["acme_default"].network_id, "n1");
    }
}
