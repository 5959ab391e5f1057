//! What a change of the fleet does to servers: two plans of one inventory compared, container by container.
//!
//! The same rendering that makes slices makes what is compared here, with marks in the place of secrets: a mark differs exactly if the secret's
//! ciphertext does, so no key is needed.

mod compare;
mod cost;
mod effect;
mod files;
mod groups;
mod instance;
mod made;
mod names;
mod networks;
mod protections;
mod service;
mod settings;

use crate::object::ObjectId;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use tenantry_schema::id::{InstanceName, OrderId, ServerKey, ToolName};
use tenantry_schema::name::DomainName;

pub use compare::compare;
pub use cost::{Monthly, monthly, paid};
pub use effect::Effect;
pub use groups::{Group, groups};
pub use names::{NameChange, Target, names};

/// Stands in for the secrets of a SOPS file: a mark for each name. What cannot be read is no empty file: then nothing is compared.
pub type Marks<'a, E> = dyn Fn(ObjectId) -> Result<BTreeMap<String, String>, E> + 'a;

/// What happens on one server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServerChange {
    /// The server.
    pub server: ServerKey,
    /// Whether it comes, goes or stays.
    pub presence: Presence,
    /// Settings of the server itself that change, in words: `window daily 02:00-05:00 → any time`.
    pub settings: Vec<String>,
    /// What disrupts a tool that goes on waits for this window. None: it is done at once.
    pub window: Option<String>,
    /// Set where the agent only watches and reports.
    pub observed_only: bool,
    /// Set where the agent only watched before and acts from now on: what it finds to do there is no part of the comparison.
    pub begins: bool,
    /// Tools, by the name of their Compose project.
    pub instances: BTreeMap<InstanceName, InstanceChange>,
}

/// Whether something comes, goes or stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// It was not there before.
    Added,
    /// It is there before and after.
    Kept,
    /// It is not there afterwards.
    Removed,
}

/// What happens to one tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InstanceChange {
    /// Its order.
    pub order: OrderId,
    /// Which tool.
    pub tool: ToolName,
    /// Whether it comes, goes or stays.
    pub presence: Presence,
    /// Whether it ran before.
    pub ran: bool,
    /// Set where it is stopped or started: whether it runs afterwards.
    pub runs: Option<bool>,
    /// Trees of its stack, before and after, where they differ.
    pub version: Option<(ObjectId, ObjectId)>,
    /// Set where an override file lies on top of its stack: nobody else runs it like this.
    pub customised: bool,
    /// Containers, by service.
    pub services: BTreeMap<String, ServiceChange>,
    /// Public names.
    pub sites: BTreeMap<DomainName, SiteChange>,
    /// Volumes that are made, or that stay behind without a tool.
    pub volumes: BTreeMap<String, VolumeChange>,
    /// Networks that are made anew, by their keys in the Compose file: containers in them stay, and are cut off for a moment.
    pub networks: BTreeSet<String>,
    /// Data that the change touches, in words.
    pub at_risk: Vec<String>,
    /// What could not be compared, and why.
    pub unknown: Option<String>,
}

/// What happens to a container.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case", tag = "what")]
pub enum ServiceChange {
    /// It is made.
    Created {
        /// From this image.
        image: String,
    },
    /// It is removed.
    Removed,
    /// It is removed and made again.
    Replaced {
        /// What differs.
        why: BTreeSet<Why>,
    },
    /// It goes on; files that it sees through a mounted folder change.
    Files {
        /// Which, from the tool's folder.
        files: BTreeSet<String>,
    },
    /// It is stopped.
    Stopped,
    /// It is started.
    Started,
}

/// Why a container is replaced.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// Another image.
    Image {
        /// Before.
        from: String,
        /// After.
        to: String,
    },
    /// Variables of its environment.
    Environment(BTreeSet<String>),
    /// Secrets that it sees as files.
    Secrets(BTreeSet<String>),
    /// Files that are mounted one by one.
    Files(BTreeSet<String>),
    /// Published ports.
    Ports,
    /// What is mounted.
    Mounts,
    /// Networks that it is in.
    Networks,
    /// Anything else that a container is made with.
    Settings(BTreeSet<String>),
}

/// What happens to a public name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SiteChange {
    /// It answers afterwards.
    Added,
    /// It is served in another way.
    Changed,
    /// It answers no more.
    Removed,
}

/// What happens to a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum VolumeChange {
    /// It is made, empty.
    Created,
    /// It stays on the server with its data, and nothing uses it (law 8).
    Detached,
}

impl ServerChange {
    /// Whether nothing happens there.
    pub fn is_empty(&self) -> bool {
        self.presence == Presence::Kept && self.settings.is_empty() && self.instances.is_empty()
    }

    /// Whether an agent acts on it: not where it only watches, nor on a machine that left the fleet, which stays as it is.
    pub fn is_acted_on(&self) -> bool {
        matches!(self.effect(), Effect::Follows | Effect::Begins)
    }

    /// Whether visitors notice something that waits for no window; see [`InstanceChange::interrupts_at_once`].
    pub fn interrupts_at_once(&self) -> bool {
        let mut instances = self.instances.values();
        self.is_acted_on() && instances.any(InstanceChange::interrupts_at_once)
    }

    /// Whether visitors notice something that waits for the window, where there is one; see [`InstanceChange::interrupts_in_window`].
    pub fn interrupts_in_window(&self) -> bool {
        let mut instances = self.instances.values();
        self.is_acted_on() && instances.any(InstanceChange::interrupts_in_window)
    }
}

impl InstanceChange {
    /// Whether a visitor notices, sooner or later.
    pub fn interrupts(&self) -> bool {
        self.interrupts_at_once() || self.interrupts_in_window()
    }

    /// Whether a visitor notices at once, because agents do not wait for a window with it: the tool stops or goes as a whole, or a site goes.
    pub fn interrupts_at_once(&self) -> bool {
        let mut sites = self.sites.values();
        self.ran && (self.ends() || sites.any(|site| *site == SiteChange::Removed))
    }

    /// Whether a visitor notices something that agents do in the window, where there is one: of a tool that goes on, a container is replaced
    /// or removed, or a network is made anew.
    pub fn interrupts_in_window(&self) -> bool {
        let stops = |change: &ServiceChange| {
            matches!(
                change,
                ServiceChange::Removed | ServiceChange::Replaced { .. }
            )
        };
        let stops = self.services.values().any(stops) || !self.networks.is_empty();
        self.ran && !self.ends() && stops
    }

    fn ends(&self) -> bool {
        self.presence == Presence::Removed || self.runs == Some(false)
    }
}

impl Why {
    /// In a few words.
    pub fn words(&self) -> String {
        let list = |names: &BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>().join(", ");
        match self {
            Self::Image { from, to } => format!("image {from} → {to}"),
            Self::Environment(names) => format!("environment {}", list(names)),
            Self::Secrets(names) => format!("secret {}", list(names)),
            Self::Files(paths) => format!("file {}", list(paths)),
            Self::Ports => "ports".to_owned(),
            Self::Mounts => "mounts".to_owned(),
            Self::Networks => "networks".to_owned(),
            Self::Settings(names) => list(names),
        }
    }
}
