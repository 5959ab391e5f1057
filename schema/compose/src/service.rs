//! One service as a type: what a container of it shall be; no reading.

use crate::device::Device;
use crate::health::Healthcheck;
use crate::image::ImageRef;
use crate::mount::Mount;
use crate::names::{NetworkName, ServiceName};
use crate::namespaces::Namespaces;
use crate::port::{Exposed, Port};
use crate::resources::{Logging, Resources, Tuning, Ulimit};
use crate::values::{Pairs, Words};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

/// What the engine does when a container ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restart {
    /// Nothing.
    No,
    /// Start it again.
    Always,
    /// Start it again after a failure, so many times at most.
    OnFailure {
        /// `None` for no bound.
        retries: Option<u32>,
    },
    /// Start it again unless a person stopped it.
    UnlessStopped,
}

/// When an image is pulled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullPolicy {
    /// Never.
    Never,
    /// If it is not there.
    Missing,
}

/// What must be true of another service before this one starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// It runs.
    Started,
    /// Its health check succeeds.
    Healthy,
    /// It ended without failure.
    Completed,
}

/// An entry of `depends_on`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dependency {
    /// What is waited for.
    pub condition: Condition,
    /// Without it this service does not start.
    pub required: bool,
    /// A restart of it restarts this service.
    pub restart: bool,
}

/// How a service is connected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetworkMode {
    /// The networks of `Service::networks`.
    Networks,
    /// The server's own.
    Host,
    /// None.
    None,
    /// That of another service's container.
    Service(ServiceName),
    /// The engine's own bridge, on which nobody has a name.
    Bridge,
}

/// A network that a service joins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attachment {
    /// Further names of the service there, besides its own.
    pub aliases: Vec<String>,
    /// Fixed address.
    pub ipv4: Option<IpAddr>,
    /// Fixed address.
    pub ipv6: Option<IpAddr>,
    /// Addresses of the link beside it.
    pub link_local: Vec<IpAddr>,
    /// The network of highest priority is joined first.
    pub priority: i64,
    /// Options of the network's driver.
    pub driver_opts: Pairs,
}

/// One container to be, with nothing left to interpolate.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Service {
    pub image: ImageRef,
    /// `None` leaves the image's; an empty list clears it.
    pub command: Option<Words>,
    /// `None` leaves the image's; an empty list clears it.
    pub entrypoint: Option<Words>,
    pub environment: Pairs,
    pub labels: Pairs,
    pub ports: Vec<Port>,
    pub expose: Vec<Exposed>,
    /// `volumes` and `tmpfs`; see [`Service::all_mounts`].
    pub volumes: Vec<Mount>,
    /// Secrets as files.
    pub secrets: Vec<Mount>,
    /// Configs as files.
    pub configs: Vec<Mount>,
    pub network_mode: NetworkMode,
    /// With `default` where nothing else is said.
    pub networks: BTreeMap<NetworkName, Attachment>,
    pub depends_on: BTreeMap<ServiceName, Dependency>,
    pub healthcheck: Option<Healthcheck>,
    /// `None` where the file does not say: the engine then does what `no` says, as under Compose.
    pub restart: Option<Restart>,
    pub user: Option<String>,
    pub group_add: Vec<String>,
    pub working_dir: Option<String>,
    pub hostname: Option<String>,
    pub domainname: Option<String>,
    pub namespaces: Namespaces,
    pub cgroup_parent: Option<String>,
    pub runtime: Option<String>,
    pub devices: Vec<Device>,
    pub device_cgroup_rules: Vec<String>,
    pub storage_opt: Pairs,
    pub read_only: bool,
    pub init: Option<bool>,
    pub privileged: bool,
    pub stdin_open: bool,
    pub tty: bool,
    pub cap_add: Vec<String>,
    pub cap_drop: Vec<String>,
    pub security_opt: Vec<String>,
    /// Bytes of `/dev/shm`.
    pub shm_size: Option<u64>,
    pub ulimits: BTreeMap<String, Ulimit>,
    pub sysctls: Pairs,
    /// Host names with their addresses; `host-gateway` is the server.
    pub extra_hosts: Vec<(String, String)>,
    pub dns: Vec<IpAddr>,
    pub dns_search: Vec<String>,
    pub dns_opt: Vec<String>,
    pub stop_signal: Option<String>,
    pub stop_grace_period: Option<Duration>,
    pub logging: Option<Logging>,
    pub limits: Resources,
    /// Shares of processors and memory beside the limits.
    pub tuning: Tuning,
    pub reservations: Resources,
    pub pull_policy: Option<PullPolicy>,
    pub platform: Option<String>,
    pub profiles: Vec<String>,
}

impl Service {
    /// Everything that is mounted: volumes, tmpfs, secrets, configs.
    pub fn all_mounts(&self) -> impl Iterator<Item = &Mount> {
        self.volumes
            .iter()
            .chain(&self.secrets)
            .chain(&self.configs)
    }

    /// Services whose namespaces this one's container shares.
    pub fn shares(&self) -> impl Iterator<Item = &ServiceName> {
        let network = match &self.network_mode {
            NetworkMode::Service(name) => Some(name),
            _ => None,
        };
        network.into_iter().chain(self.namespaces.services())
    }

    /// Whether the service runs when these profiles are active.
    pub fn is_active(&self, profiles: &[&str]) -> bool {
        self.profiles.is_empty()
            || self
                .profiles
                .iter()
                .any(|name| profiles.contains(&name.as_str()))
    }
}
