//! The vocabulary of [`super::converge`]: steps with everything resolved, and what is waited for. No choices are left to
//! [`super::execute`].

use super::desired::{
    AttachmentSpec, Condition, ContainerSpec, InstanceInput, NetworkSpec, ServiceSpec, VolumeSpec,
};
use super::inputs::Digest;
use super::{labels, names};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::fmt;

/// What one pass over one instance comes to.
#[derive(Debug, Clone, Default)]
pub struct Pass {
    /// To be taken in this order. A step that fails ends the pass of its instance; other instances go on.
    pub steps: Vec<Step>,
    /// What cannot be done yet, or is not as it should be and cannot be helped now.
    pub waiting: Vec<Waiting>,
}

impl Pass {
    /// Whether everything is as it should be, healthy included.
    pub fn is_converged(&self) -> bool {
        self.steps.is_empty() && self.waiting.is_empty()
    }
}

/// One thing to do.
#[derive(Debug, Clone)]
pub struct Step {
    /// The instance.
    pub project: String,
    /// The service, where it is about one.
    pub service: Option<String>,
    /// What to do.
    pub action: Action,
    /// Why.
    pub why: Why,
    /// Whether something that works now stops working for a moment. Never set when [`super::Facts::hold_disruptive`] is.
    pub disruptive: bool,
}

/// What to do. Each states what must be true afterwards, so doing it twice is doing it once.
#[derive(Debug, Clone)]
pub enum Action {
    /// The image is here.
    EnsureImage {
        /// As the Compose file names it.
        image: String,
        /// `os/architecture`, where the file asks for one.
        platform: Option<String>,
    },
    /// The network exists.
    EnsureNetwork(NewNetwork),
    /// The network is this one and not the one with this id; containers are connected again by later steps.
    ReplaceNetwork {
        /// The old one.
        id: String,
        /// Containers that are connected to it.
        connected: Vec<String>,
        /// The new one.
        new: NewNetwork,
    },
    /// The network is gone.
    RemoveNetwork {
        /// Its id.
        id: String,
    },
    /// The volume exists.
    EnsureVolume(NewVolume),
    /// The container exists, connected to its networks, not started.
    Create(Box<NewContainer>),
    /// The new container runs in place of the old ones, which are gone. If it does not start, the first old one is put back.
    Recreate {
        /// The old ones, the one that is to be put back first.
        old: Vec<Old>,
        /// The new one.
        new: Box<NewContainer>,
    },
    /// The container is connected to the network.
    Connect {
        /// Which.
        container: Target,
        /// Name on the engine.
        network: String,
        /// How.
        attachment: AttachmentSpec,
        /// Whether a connection that is there is of the wrong kind and must be dropped first.
        replace: bool,
    },
    /// The container is not connected to the network.
    Disconnect {
        /// Which.
        container: Target,
        /// Name on the engine.
        network: String,
    },
    /// The container has this name.
    Rename {
        /// Which.
        container: Target,
        /// Name on the engine.
        to: String,
    },
    /// The container is not frozen.
    Unpause {
        /// Which.
        container: Target,
    },
    /// The container was started.
    Start {
        /// Which; addressed by its name if an earlier step makes it.
        container: Target,
        /// What it was made from; only for messages.
        spec: Box<ContainerSpec>,
    },
    /// The container does not run.
    Stop {
        /// Which.
        container: Target,
    },
    /// The container is gone. Its volumes stay.
    Remove {
        /// Which.
        container: Target,
    },
}

/// A container that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its id, or its name where it has no id yet.
    pub id: String,
    /// Its name, for messages.
    pub name: String,
}

/// A container that is replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Old {
    /// Its id.
    pub id: String,
    /// Whether it ran.
    pub was_up: bool,
}

/// A container to be made.
#[derive(Debug, Clone)]
pub struct NewContainer {
    /// From what.
    pub spec: ContainerSpec,
    /// All its labels: the file's, Compose's and ours.
    pub labels: BTreeMap<String, String>,
    /// Digest of its inputs, also among the labels.
    pub inputs: Digest,
    /// Id of the image; what the name stands for may have changed in the meantime.
    pub image_id: String,
}

/// A network to be made.
#[derive(Debug, Clone)]
pub struct NewNetwork {
    /// Name on the engine.
    pub name: String,
    /// From what.
    pub spec: NetworkSpec,
    /// All its labels.
    pub labels: BTreeMap<String, String>,
}

/// A volume to be made.
#[derive(Debug, Clone)]
pub struct NewVolume {
    /// Name on the engine.
    pub name: String,
    /// From what.
    pub spec: VolumeSpec,
    /// All its labels.
    pub labels: BTreeMap<String, String>,
}

impl NewContainer {
    pub(super) fn of(
        input: &InstanceInput,
        name: &str,
        service: &ServiceSpec,
        inputs: Digest,
        image_id: &str,
    ) -> Self {
        let depends_on: Vec<_> = service
            .depends_on
            .iter()
            .map(|(other, dependency)| format!("{other}:{}:false", dependency.condition.as_str()))
            .collect();
        let mut all = service.container.labels.clone();
        let working_dir = input.working_dir.display().to_string();
        for (label, value) in [
            (labels::PROJECT, input.project.clone()),
            (labels::SERVICE, name.to_owned()),
            (labels::NUMBER, "1".to_owned()),
            (labels::ONE_OFF, "False".to_owned()),
            (labels::CONFIG_HASH, inputs.to_string()),
            (labels::CONFIG_FILES, format!("{working_dir}/compose.yaml")),
            (labels::WORKING_DIR, working_dir),
            (labels::VERSION, labels::RELEASE.to_owned()),
            (labels::DEPENDS_ON, depends_on.join(",")),
            (labels::IMAGE, image_id.to_owned()),
            (labels::INPUTS, inputs.to_string()),
            (labels::FLEET, input.fleet.clone()),
            (labels::INSTANCE, input.project.clone()),
        ] {
            all.insert(label.to_owned(), value);
        }
        Self {
            spec: service.container.clone(),
            labels: all,
            inputs,
            image_id: image_id.to_owned(),
        }
    }
}

impl NewNetwork {
    pub(super) fn of(
        input: &InstanceInput,
        name: &str,
        spec: &NetworkSpec,
        inputs: &Digest,
    ) -> Self {
        let mut labels = scoped(input, &spec.labels, labels::NETWORK, &spec.key);
        labels.insert(labels::INPUTS.to_owned(), inputs.to_string());
        Self {
            name: name.to_owned(),
            spec: spec.clone(),
            labels,
        }
    }
}

impl NewVolume {
    pub(super) fn of(input: &InstanceInput, name: &str, spec: &VolumeSpec) -> Self {
        let labels = scoped(input, &spec.labels, labels::VOLUME, &spec.key);
        Self {
            name: name.to_owned(),
            spec: spec.clone(),
            labels,
        }
    }
}

fn scoped(
    input: &InstanceInput,
    own: &BTreeMap<String, String>,
    kind: &str,
    key: &str,
) -> BTreeMap<String, String> {
    let mut all = own.clone();
    for (label, value) in [
        (kind, key),
        (labels::PROJECT, &input.project),
        (labels::VERSION, labels::RELEASE),
        (labels::FLEET, &input.fleet),
        (labels::INSTANCE, &input.project),
    ] {
        all.insert(label.to_owned(), value.to_owned());
    }
    all
}

/// Why a step is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Why {
    /// It is not there.
    Missing,
    /// What it is made from changed.
    Changed,
    /// It was not made by us.
    NotOurs,
    /// It does not run.
    Down,
    /// It is frozen.
    Paused,
    /// The engine gave it up.
    Dead,
    /// It has another name.
    Renamed,
    /// It is connected to other networks, or in another way.
    Rewired,
    /// A replacement of it was begun and not finished.
    Unfinished,
    /// It should be stopped.
    Stopped,
    /// Nothing asks for it any more.
    Unwanted,
}

impl Why {
    /// Whether the step only puts back what already was as it should be.
    pub fn is_repair(self) -> bool {
        matches!(
            self,
            Self::Down
                | Self::Paused
                | Self::Dead
                | Self::Renamed
                | Self::Rewired
                | Self::Unfinished
        )
    }

    fn sentence(self) -> &'static str {
        match self {
            Self::Missing => "it does not exist",
            Self::Changed => "what it is made from changed",
            Self::NotOurs => "it was not made by Tenantry",
            Self::Down => "it does not run",
            Self::Paused => "it is paused",
            Self::Dead => "the engine gave it up",
            Self::Renamed => "it was renamed",
            Self::Rewired => "its networks are not as they should be",
            Self::Unfinished => "its replacement was interrupted",
            Self::Stopped => "it should be stopped",
            Self::Unwanted => "nothing asks for it any more",
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sentence())
    }
}

impl fmt::Display for Step {
    /// Such as `start container acme-web-1, because it does not run`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, because {}", self.action, self.why)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EnsureImage { image, .. } => write!(f, "fetch image {image}"),
            Self::EnsureNetwork(new) => write!(f, "make network {}", new.name),
            Self::ReplaceNetwork { new, .. } => write!(f, "make network {} anew", new.name),
            Self::RemoveNetwork { id } => write!(f, "remove network {}", names::short(id)),
            Self::EnsureVolume(new) => write!(f, "make volume {}", new.name),
            Self::Create(new) => write!(f, "make container {}", new.spec.name),
            Self::Recreate { new, .. } => write!(f, "make container {} anew", new.spec.name),
            Self::Connect {
                container, network, ..
            } => write!(
                f,
                "connect container {} to network {network}",
                container.name
            ),
            Self::Disconnect { container, network } => {
                write!(
                    f,
                    "disconnect container {} from network {network}",
                    container.name
                )
            }
            Self::Rename { container, to } => {
                write!(f, "rename container {} to {to}", container.name)
            }
            Self::Unpause { container } => write!(f, "unpause container {}", container.name),
            Self::Start { spec, .. } => write!(f, "start container {}", spec.name),
            Self::Stop { container } => write!(f, "stop container {}", container.name),
            Self::Remove { container } => write!(f, "remove container {}", container.name),
        }
    }
}

/// Something that is not as it should be, and has to wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The instance.
    pub project: String,
    /// The service.
    pub service: String,
    /// For what.
    pub on: WaitingOn,
}

/// What a service waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WaitingOn {
    /// Another service.
    Dependency {
        /// Which.
        service: String,
        /// What must hold of it.
        condition: Condition,
    },
    /// Its own health check.
    Healthy,
    /// Its health check fails.
    Unhealthy,
    /// The engine starts it again and again.
    Restarting,
    /// The engine is removing its container.
    Removing,
    /// Disruptive steps are held.
    Window,
    /// It was started too often lately.
    Pace {
        /// When it is started again.
        at: Timestamp,
        /// How often it was started.
        attempts: u32,
    },
    /// An image that must not be fetched and is not here.
    Image {
        /// As the Compose file names it.
        image: String,
    },
    /// A network or volume of somebody else that does not exist.
    External {
        /// `network` or `volume`.
        what: &'static str,
        /// Name on the engine.
        name: String,
    },
    /// Something that is not ours has the name.
    NameTaken {
        /// `container` or `network`.
        what: &'static str,
        /// The name.
        name: String,
    },
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let service = &self.service;
        match &self.on {
            WaitingOn::Dependency {
                service: other,
                condition,
            } => {
                let until = match condition {
                    Condition::Started => "has started",
                    Condition::Healthy => "is healthy",
                    Condition::Completed => "has completed",
                };
                write!(f, "{service} waits until {other} {until}")
            }
            WaitingOn::Healthy => write!(f, "{service} is not healthy yet"),
            WaitingOn::Unhealthy => write!(f, "the health check of {service} fails"),
            WaitingOn::Restarting => write!(f, "{service} ends again and again"),
            WaitingOn::Removing => write!(f, "the engine is removing {service}"),
            WaitingOn::Window => write!(f, "{service} is changed in the maintenance window"),
            WaitingOn::Pace { at, attempts } => {
                write!(
                    f,
                    "{service} was started {attempts} times lately and is started again at {at}"
                )
            }
            WaitingOn::Image { image } => write!(
                f,
                "image {image} of {service} is not here and must not be fetched"
            ),
            WaitingOn::External { what, name } => {
                write!(f, "{what} {name}, which {service} needs, does not exist")
            }
            WaitingOn::NameTaken { what, name } => {
                write!(
                    f,
                    "the name of {what} {name}, which {service} needs, is taken by something that is not ours"
                )
            }
        }
    }
}
