//! The vocabulary of [`super::converge`]: steps with everything resolved, and what is waited for. No choices are left to
//! [`super::execute`].

mod new;
mod sentence;

use super::bounds::Update;
use super::desired::{AttachmentSpec, Condition, ContainerSpec, NetworkSpec, VolumeSpec};
use super::images::Login;
use super::inputs::Digest;
use super::state::Told;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// What one pass over one instance comes to.
#[derive(Debug, Clone, Default)]
pub struct Pass {
    /// To be taken in this order. A step that fails ends the pass of its instance; other instances go on.
    pub steps: Vec<Step>,
    /// What cannot be done yet, or is not as it should be and cannot be helped now.
    pub waiting: Vec<Waiting>,
}

impl Pass {
    /// The steps that fetch images.
    pub fn fetches(&self) -> impl Iterator<Item = &Step> {
        let fetches = |step: &&Step| matches!(step.action, Action::EnsureImage { .. });
        self.steps.iter().filter(fetches)
    }

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
    /// Whether something that works now stops working for a moment. Never set while something is [`super::Facts::held`].
    pub disruptive: bool,
}

impl Step {
    /// The container that took files in by this step, by name, and which.
    pub fn tells(&self) -> Option<(String, Told)> {
        let (container, files) = match &self.action {
            Action::Signal {
                container, files, ..
            } => (container, files),
            Action::Start { container, spec }
            | Action::Restart {
                container, spec, ..
            } => (container, spec.watched.as_ref()?),
            _ => return None,
        };
        // One that this pass made has no id here, and its label says what it saw.
        let known = container.id != container.name;
        known.then(|| {
            let told = Told {
                container: container.id.clone(),
                files: files.clone(),
            };
            (container.name.clone(), told)
        })
    }
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
        /// How its registry is logged in to.
        login: Option<Login>,
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
    /// The container has these bounds, and is started again like this.
    Update {
        /// Which.
        container: Target,
        /// What changes.
        update: Update,
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
    /// The container was started after what it follows was made or started.
    Restart {
        /// Which.
        container: Target,
        /// When it was started last; if it was started since, nothing is done.
        started: Option<Timestamp>,
        /// What it was made from.
        spec: Box<ContainerSpec>,
    },
    /// The container was told to read its files again.
    Signal {
        /// Which.
        container: Target,
        /// Such as `SIGHUP`.
        signal: &'static str,
        /// Digest of the files that it takes in.
        files: String,
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
    /// It goes on seeing a file that was replaced.
    Detached,
    /// Files that it sees through a folder changed.
    Files,
    /// What it follows was made anew or started again.
    Follows,
    /// It has another name.
    Renamed,
    /// It is connected to other networks, or in another way.
    Rewired,
    /// Its bounds, or what the engine does when it ends, were changed.
    Bounds,
    /// A replacement of it was begun and not finished.
    Unfinished,
    /// Another one has its name.
    Twin,
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
                | Self::Detached
                | Self::Renamed
                | Self::Rewired
                | Self::Bounds
                | Self::Unfinished
                | Self::Twin
        )
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
