//! What is on the engine, as plain data: what [`super::observe`] saw, and all that [`super::converge`] knows.

use super::bounds::Bounds;
use super::labels;
use super::mounts::Replaced;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tenantry_schema::document::Protocol;
use tenantry_schema::wire::{ContainerHealth, ContainerReport, ContainerState};

/// Everything on the engine that matters, at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EngineState {
    /// Release of the engine.
    pub version: String,
    /// All containers, also those that are not ours.
    pub containers: Vec<Container>,
    /// All networks by name.
    pub networks: BTreeMap<String, Network>,
    /// Those that have a name which another one among them has, too: two that were asked for at the same time.
    pub twins: Vec<(String, Network)>,
    /// All volumes by name.
    pub volumes: BTreeSet<String>,
    /// Bytes that are free where the engine keeps images. Absent: not known.
    pub free: Option<u64>,
    /// Where the engine keeps images and volumes. Absent: not known.
    pub folder: Option<PathBuf>,
    /// Ids of images by name, in the form of [`super::names::image`].
    pub images: BTreeMap<String, String>,
    /// Ports that containers publish to more than this machine itself, with the name of one that does.
    pub published: BTreeMap<(u16, Protocol), String>,
}

/// One container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Id of its image.
    pub image_id: String,
    /// When it was made, in seconds since 1970.
    pub created: i64,
    /// Whose it is.
    pub owner: Owner,
    /// Whether it runs.
    pub state: State,
    /// What its health check says.
    pub health: ContainerHealth,
    /// Exit code, where it ended.
    pub exit_code: Option<i64>,
    /// Restarts by the engine.
    pub restarts: u64,
    /// When its process was started. Known of running containers of Compose projects only.
    pub started: Option<Timestamp>,
    /// The networks that it is connected to, by name.
    pub networks: BTreeMap<String, Attachment>,
    /// What can be changed of it while it exists. Absent: not known.
    pub bounds: Option<Bounds>,
    /// Mounts that show what is not there any more. Known of running containers only.
    pub replaced: Vec<Replaced>,
    /// When it was made. Absent: not known.
    pub made: Option<Timestamp>,
    /// Digest of the files that it took in last, where it is told of changes by a signal.
    pub files: Option<String>,
    /// What people and meters want to know, and nothing is decided by.
    pub details: Details,
}

/// What only an inspection tells. Known of containers of Compose projects only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Details {
    /// Its first process, while it runs.
    pub pid: Option<u32>,
    /// Whether the kernel ended it for lack of memory.
    pub out_of_memory: bool,
    /// When it ended last, if it ever did.
    pub ended: Option<Timestamp>,
    /// What its health check printed when it was last found bad, as it is: secrets may be in it.
    pub health_output: Option<Arc<str>>,
}

/// Labels that say whose a container is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Owner {
    /// [`labels::PROJECT`].
    pub project: Option<String>,
    /// [`labels::SERVICE`].
    pub service: Option<String>,
    /// [`labels::ONE_OFF`].
    pub one_off: bool,
    /// [`labels::KEEPER`].
    pub keeper: Option<String>,
    /// [`labels::INPUTS`].
    pub inputs: Option<String>,
}

impl Owner {
    /// Reads the labels of a container.
    pub fn read<'a>(get: impl Fn(&str) -> Option<&'a String>) -> Self {
        let text = |label| get(label).filter(|text| !text.is_empty()).cloned();
        Self {
            project: text(labels::PROJECT),
            service: text(labels::SERVICE),
            one_off: get(labels::ONE_OFF).is_some_and(|text| text.eq_ignore_ascii_case("true")),
            keeper: text(labels::KEEPER),
            inputs: text(labels::INPUTS),
        }
    }

    /// Whether it may be touched on behalf of this service: it carries the service's labels, and no other keeper's mark.
    pub fn serves(&self, keeper: &str, project: &str, service: &str) -> bool {
        !self.one_off
            && self.project.as_deref() == Some(project)
            && self.service.as_deref() == Some(service)
            && self.keeper.as_deref().is_none_or(|mark| mark == keeper)
    }

    /// Whether we made it.
    pub fn made_by(&self, keeper: &str) -> bool {
        self.keeper.as_deref() == Some(keeper) && !self.one_off
    }
}

/// Whether a container runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Made, never started.
    Created,
    /// Runs.
    Running,
    /// Frozen.
    Paused,
    /// The engine starts it again.
    Restarting,
    /// Ended.
    Exited,
    /// The engine is removing it.
    Removing,
    /// The engine gave it up.
    Dead,
}

impl State {
    /// Whether it has a process, or the engine is about to give it one.
    pub fn is_up(self) -> bool {
        matches!(self, Self::Running | Self::Paused | Self::Restarting)
    }
}

impl From<State> for ContainerState {
    fn from(state: State) -> Self {
        match state {
            State::Created => Self::Created,
            State::Running => Self::Running,
            State::Paused => Self::Paused,
            State::Restarting => Self::Restarting,
            State::Exited => Self::Exited,
            State::Removing | State::Dead => Self::Dead,
        }
    }
}

/// Tells networks from those that only have the same name. The one that stays is the one that most containers are connected to, and, of several, the
/// one whose id comes first.
pub(in crate::containers) fn tell_apart(
    networks: impl IntoIterator<Item = (String, Network)>,
    containers: &[Container],
) -> (BTreeMap<String, Network>, Vec<(String, Network)>) {
    let connected = |network: &Network| {
        let attached = containers.iter().flat_map(|it| it.networks.values());
        attached.filter(|it| it.network_id == network.id).count()
    };
    let (mut one, mut twins) = (BTreeMap::new(), Vec::new());
    for (name, network) in networks {
        let Some(other) = one.insert(name.clone(), network) else {
            continue;
        };
        let stays = one.get_mut(&name).expect("it was put there");
        let order = |it: &Network| (std::cmp::Reverse(connected(it)), it.id.clone());
        let mut goes = other;
        if order(&goes) < order(stays) {
            std::mem::swap(&mut goes, stays);
        }
        twins.push((name, goes));
    }
    (one, twins)
}

/// How a container is connected to a network.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attachment {
    /// The network. Empty for a container that was never started.
    pub network_id: String,
    /// The connection itself; another each time the container starts.
    pub endpoint_id: String,
    /// Its names there. Absent: not known.
    pub aliases: Option<BTreeSet<String>>,
    /// Fixed addresses that it was connected with. Absent: not known.
    pub fixed: Option<BTreeSet<IpAddr>>,
}

/// A network.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Network {
    /// Its id.
    pub id: String,
    /// [`labels::INPUTS`].
    pub inputs: Option<String>,
    /// [`labels::PROJECT`].
    pub project: Option<String>,
    /// [`labels::KEEPER`].
    pub keeper: Option<String>,
}

/// Which files a container was told of last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Told {
    /// The container's id.
    pub container: String,
    /// Digest of the files.
    pub files: String,
}

/// By container name.
pub type AllTold = BTreeMap<String, Told>;

impl EngineState {
    /// Adds what containers were told of since they were made, which their labels do not say.
    pub fn note(&mut self, told: &AllTold) {
        for container in &mut self.containers {
            if let Some(told) = told.get(&container.name)
                && told.container == container.id
            {
                container.files = Some(told.files.clone());
            }
        }
    }

    /// The container of a service: of several the one with the right name, else the newest.
    pub fn container_of(
        &self,
        keeper: &str,
        project: &str,
        service: &str,
        name: &str,
    ) -> Option<&Container> {
        self.containers
            .iter()
            .filter(|container| container.owner.serves(keeper, project, service))
            .max_by_key(|container| (container.name == name, container.created))
    }

    /// What the hub is told about the service of an instance.
    pub fn report(
        &self,
        keeper: &str,
        project: &str,
        service: &str,
        name: &str,
        image: &str,
    ) -> ContainerReport {
        let found = self.container_of(keeper, project, service, name);
        ContainerReport {
            service: service.to_owned(),
            name: found.map_or(name, |container| &container.name).to_owned(),
            image: image.to_owned(),
            state: found.map_or(ContainerState::Missing, |container| container.state.into()),
            health: found.map_or(ContainerHealth::None, |container| container.health),
            restarts: found.map_or(0, |container| container.restarts),
            exit_code: found.and_then(|container| container.exit_code),
            out_of_memory: found.is_some_and(|container| container.details.out_of_memory),
            health_output: None,
        }
    }

    /// Names of the containers that this keeper did not make, and that are for none of its services, sorted. `is_ours` knows of a project and a
    /// service whether they are among these.
    pub fn unmanaged(&self, keeper: &str, is_ours: impl Fn(&str, &str) -> bool) -> Vec<String> {
        let ours = |owner: &Owner| {
            let for_us = match (&owner.project, &owner.service) {
                (Some(project), Some(service)) => is_ours(project, service),
                _ => false,
            };
            owner.made_by(keeper) || (!owner.one_off && owner.keeper.is_none() && for_us)
        };
        let mut names: Vec<_> = self
            .containers
            .iter()
            .filter(|container| !ours(&container.owner))
            .filter(|container| !container.name.starts_with(super::scratch::PREFIX))
            .map(|container| container.name.clone())
            .collect();
        names.sort();
        names
    }
}
