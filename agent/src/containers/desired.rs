//! What should be on the engine, as plain data: resolved, nothing missing, sorted where the order means nothing.
//! Built by [`super::spec`] from a Compose project; nothing here knows Compose or the engine's API.

mod limits;
mod network;

pub use limits::{Limits, Modes};
pub use network::{IpamPool, NetworkSpec, VolumeSpec};

use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use tenantry_schema::secret::Secret;

/// One instance: a Compose project that should run, or be stopped, on this server.
#[derive(Debug, Clone)]
pub struct InstanceInput {
    /// Compose project, and name of the instance.
    pub project: String,
    /// The keeper; what carries another keeper's mark is never touched.
    pub keeper: String,
    /// Whether it runs.
    pub state: Wanted,
    /// Folder of the Compose file, for Compose's own labels.
    pub working_dir: PathBuf,
    /// The services, by name.
    pub services: BTreeMap<String, ServiceSpec>,
    /// The networks that they use, by name on the engine.
    pub networks: BTreeMap<String, NetworkSpec>,
    /// The volumes that they use, by name on the engine.
    pub volumes: BTreeMap<String, VolumeSpec>,
}

/// Whether an instance runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Wanted {
    /// Its services run.
    Running,
    /// Its containers are kept, stopped. What does not exist is not made.
    Stopped,
}

/// One service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceSpec {
    /// The container that it runs as.
    pub container: ContainerSpec,
    /// What must be there before it starts, by service.
    pub depends_on: BTreeMap<String, Dependency>,
    /// Whether it ends by itself: an ended container with exit code 0 is then as it should be.
    pub job: bool,
    /// Whether a missing image is fetched.
    pub pull: Pull,
    /// Digests (any fixed length text) of the content of every file that the container sees through bind mounts, by path on the server.
    pub files: BTreeMap<PathBuf, String>,
    /// The same of files whose changes the service takes in without a new container; they are not among `files`.
    pub watched: BTreeMap<PathBuf, String>,
    /// The signal that tells it of such a change. Absent: it needs none.
    pub signal: Option<&'static str>,
    /// Services whose namespaces its container shares.
    pub shares: BTreeSet<String>,
}

/// A condition on another service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dependency {
    /// What must hold.
    pub condition: Condition,
    /// Whether the service may start although the other does not exist.
    pub required: bool,
    /// Whether the service is started again when the other's container was made anew.
    pub restart: bool,
}

/// What must hold of a dependency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Condition {
    /// It was started.
    Started,
    /// Its health check passes.
    Healthy,
    /// It ended with exit code 0.
    Completed,
}

impl Condition {
    /// As Compose writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Started => "service_started",
            Self::Healthy => "service_healthy",
            Self::Completed => "service_completed_successfully",
        }
    }
}

/// Whether a missing image is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pull {
    /// If it is not there.
    Missing,
    /// Not at all: it must be there.
    Never,
}

/// Environment of a container. Its values cannot be printed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment(pub BTreeMap<String, Secret<String>>);

/// Everything that a container is made from.
///
/// Serialised for one purpose: the digest of [`super::inputs`], into which every field goes that is not skipped. What is skipped
/// is either given to the digest separately (`env`) or can be put right without making the container anew (`name`), or is
/// represented by something more exact (`image`, by the id that it stands for).
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct ContainerSpec {
    /// Name on the engine.
    #[serde(skip)]
    pub name: String,
    /// Image as the Compose file names it.
    #[serde(skip)]
    pub image: String,
    /// Digest of [`ServiceSpec::watched`], where a change of them is told by a signal.
    #[serde(skip)]
    pub watched: Option<String>,
    /// Variables.
    #[serde(skip)]
    pub env: Environment,
    /// Arguments. Absent: the image's own.
    pub command: Option<Vec<String>>,
    /// Program. Absent: the image's own. Empty: none.
    pub entrypoint: Option<Vec<String>>,
    /// Folder to start in.
    pub working_dir: Option<String>,
    /// `user[:group]`.
    pub user: Option<String>,
    /// Host name inside.
    pub hostname: Option<String>,
    /// Domain name inside.
    pub domainname: Option<String>,
    /// Labels from the Compose file.
    pub labels: BTreeMap<String, String>,
    /// Mounts by path inside.
    pub mounts: BTreeMap<String, MountSpec>,
    /// Published ports.
    pub ports: BTreeSet<PortSpec>,
    /// Ports (`80/tcp`) that are only declared.
    pub expose: BTreeSet<String>,
    /// Where it is connected to.
    pub network: NetworkChoice,
    /// Health check. Absent: the image's own.
    pub healthcheck: Option<HealthSpec>,
    /// What the engine does when it ends.
    pub restart: Restart,
    /// Limits.
    pub limits: Limits,
    /// Log driver.
    pub log_driver: String,
    /// Its options.
    pub log_options: BTreeMap<String, String>,
    /// Security options such as `no-new-privileges:true`.
    pub security_opt: BTreeSet<String>,
    /// Capabilities added.
    pub cap_add: BTreeSet<String>,
    /// Capabilities dropped.
    pub cap_drop: BTreeSet<String>,
    /// All privileges.
    pub privileged: bool,
    /// Signal that asks it to end. Absent: the image's own.
    pub stop_signal: Option<String>,
    /// Seconds it gets to end. Absent: the engine's 10.
    pub stop_grace: Option<i64>,
    /// A small init process as number 1.
    pub init: Option<bool>,
    /// Its own file system cannot be written.
    pub read_only: bool,
    /// `soft, hard` by name.
    pub ulimits: BTreeMap<String, (i64, i64)>,
    /// Kernel settings of its namespaces.
    pub sysctls: BTreeMap<String, String>,
    /// `host:address`, in the order of the file.
    pub extra_hosts: Vec<String>,
    /// Name servers, first asked first.
    pub dns: Vec<String>,
    /// Search domains.
    pub dns_search: Vec<String>,
    /// Resolver options.
    pub dns_opt: Vec<String>,
    /// Bytes of `/dev/shm`.
    pub shm_size: Option<i64>,
    /// Devices, `host:container:permissions`.
    pub devices: BTreeSet<DeviceSpec>,
    /// Additional groups.
    pub group_add: BTreeSet<String>,
    /// A terminal.
    pub tty: bool,
    /// Standard input stays open.
    pub stdin_open: bool,
    /// Namespaces and the like that are passed through as written, by field of the engine's API.
    pub modes: Modes,
}

impl fmt::Debug for ContainerSpec {
    /// Commands, health checks and labels can hold interpolated secrets, so only names are printed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContainerSpec")
            .field("name", &self.name)
            .field("image", &self.image)
            .finish_non_exhaustive()
    }
}

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MountSpec {
    /// What is mounted.
    pub source: MountSource,
    /// Whether it cannot be written.
    pub read_only: bool,
}

/// What is mounted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum MountSource {
    /// A file or folder of the server. It must exist: it is never made.
    Bind {
        /// Absolute.
        path: PathBuf,
        /// `rprivate`, `rshared`, … Absent: the engine's default.
        propagation: Option<String>,
    },
    /// A volume by its name on the engine.
    Volume {
        /// Name on the engine.
        name: String,
        /// Whether the image's files at that place are not copied into a new volume.
        nocopy: bool,
        /// Folder within the volume.
        subpath: Option<String>,
    },
    /// A volume without a name, that stays with the service when its container is made anew.
    Anonymous,
    /// Memory.
    Tmpfs {
        /// Bytes.
        size: Option<i64>,
        /// Permission bits.
        mode: Option<u32>,
    },
    /// Memory, with options as `mount` takes them (`size=64m,mode=1777`).
    TmpfsOptions(String),
}

/// One published port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct PortSpec {
    /// Port inside.
    pub container: u16,
    /// `tcp`, `udp` or `sctp`.
    pub protocol: String,
    /// Address on the server. Absent: all.
    pub host_ip: Option<String>,
    /// Port, or `first-last`, on the server. Absent: any.
    pub host: Option<String>,
}

/// Where a container is connected to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum NetworkChoice {
    /// Networks by their name on the engine; at least one.
    Networks(BTreeMap<String, AttachmentSpec>),
    /// `host` or `none`.
    Mode(String),
}

impl NetworkChoice {
    /// The networks, none for a mode.
    pub fn networks(&self) -> impl Iterator<Item = (&String, &AttachmentSpec)> {
        match self {
            Self::Networks(networks) => Some(networks.iter()),
            Self::Mode(_) => None,
        }
        .into_iter()
        .flatten()
    }

    /// The network that is joined at creation: the one of highest priority, else the first by its name in the file, as for Compose. The
    /// engine's API before 1.44 takes one only.
    pub fn primary(&self) -> Option<(&String, &AttachmentSpec)> {
        self.networks().min_by_key(|(name, attachment)| {
            (-attachment.priority, attachment.key.as_str(), name.as_str())
        })
    }
}

/// How a container is connected to one network.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct AttachmentSpec {
    /// Name of the network within the project.
    pub key: String,
    /// Names that it answers to there; the service's name is one.
    pub aliases: BTreeSet<String>,
    /// Fixed address.
    pub ipv4: Option<String>,
    /// Fixed address.
    pub ipv6: Option<String>,
    /// Addresses of the link beside it.
    pub link_local: Vec<String>,
    /// Options of the network's driver.
    pub options: BTreeMap<String, String>,
    /// The highest is joined first.
    pub priority: i64,
}

impl AttachmentSpec {
    /// Its fixed addresses.
    pub fn fixed(&self) -> BTreeSet<IpAddr> {
        let all = self.ipv4.iter().chain(&self.ipv6).chain(&self.link_local);
        all.filter_map(|text| text.parse().ok()).collect()
    }
}

/// A health check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HealthSpec {
    /// `["CMD", …]`, `["CMD-SHELL", …]` or `["NONE"]`. Absent: the image's own.
    pub test: Option<Vec<String>>,
    /// Nanoseconds.
    pub interval: Option<i64>,
    /// Nanoseconds.
    pub timeout: Option<i64>,
    /// Nanoseconds.
    pub start_period: Option<i64>,
    /// Nanoseconds.
    pub start_interval: Option<i64>,
    /// Failures in a row before it counts as unhealthy.
    pub retries: Option<i64>,
}

/// What the engine does when a container ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub enum Restart {
    /// Nothing.
    No,
    /// Starts it again.
    Always,
    /// Starts it again, unless somebody stopped it.
    UnlessStopped,
    /// Starts it again after a failure, so many times at most.
    OnFailure {
        /// Absent: without limit.
        max: Option<i64>,
    },
}

/// A device.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct DeviceSpec {
    /// Path on the server.
    pub host: String,
    /// Path inside.
    pub container: String,
    /// Of `rwm`.
    pub permissions: String,
}

impl ContainerSpec {
    /// Names of the volumes that it mounts.
    pub fn volumes(&self) -> impl Iterator<Item = &str> {
        self.mounts
            .values()
            .filter_map(|mount| match &mount.source {
                MountSource::Volume { name, .. } => Some(name.as_str()),
                _ => None,
            })
    }
}
