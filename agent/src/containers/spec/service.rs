//! One service of a Compose project as a container specification.

use super::{MountedFile, Place, SpecError, map};
use crate::containers::desired::{
    AttachmentSpec, Condition, ContainerSpec, Dependency, DeviceSpec, Environment, HealthSpec,
    Limits, Modes, NetworkChoice, PortSpec, Pull, Restart,
};
use crate::containers::labels;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;
use tenantry_compose::{
    self as compose, HealthTest, Namespace, NetworkMode, Project, ProjectName, Words,
};
use tenantry_schema::document::Protection;
use tenantry_schema::secret::Secret;

/// Of the engine's default driver, and rotated: an unbounded log fills a disk.
const LOG_DRIVER: &str = "json-file";
const LOG_DEFAULTS: [(&str, &str); 2] = [("max-size", "10m"), ("max-file", "3")];

pub(super) struct Translation<'a> {
    pub(super) project: &'a Project,
    pub(super) name: &'a ProjectName,
    pub(super) place: &'a Place<'a>,
    pub(super) key: &'a str,
    pub(super) service: &'a compose::Service,
}

/// Digests of the files that a container sees.
#[derive(Default)]
pub(super) struct Seen {
    /// A change of them makes the container anew.
    pub(super) files: BTreeMap<PathBuf, String>,
    /// A change of them is taken in.
    pub(super) watched: BTreeMap<PathBuf, String>,
}

impl Translation<'_> {
    /// The container, digests of the files that it sees, and files that must be written for it.
    pub(super) fn container(&self) -> Result<(ContainerSpec, Seen, Vec<MountedFile>), SpecError> {
        let service = self.service;
        let (mut seen, mut files) = (Seen::default(), Vec::new());
        let mut mounts = BTreeMap::new();
        for mount in service.all_mounts() {
            let spec = self.mount(mount, &mut seen, &mut files)?;
            if mounts.insert(mount.target.clone(), spec).is_some() {
                return Err(self.refuse(format!("two mounts at {}", mount.target)));
            }
        }
        let (log_driver, log_options) = self.logging();
        let spec = ContainerSpec {
            name: format!("{}-{}-1", self.name, self.key),
            image: service.image.as_str().to_owned(),
            watched: self.signal().map(|_| self.watched_digest(&seen.watched)),
            env: Environment(
                service
                    .environment
                    .iter()
                    .map(|(name, value)| (name.to_owned(), Secret::new(value.to_owned())))
                    .collect(),
            ),
            command: service.command.as_ref().map(words),
            entrypoint: service.entrypoint.as_ref().map(words),
            working_dir: service.working_dir.clone(),
            user: service.user.clone(),
            hostname: service.hostname.clone(),
            domainname: service.domainname.clone(),
            labels: self.labels()?,
            mounts,
            ports: service.ports.iter().map(port).collect(),
            expose: service
                .expose
                .iter()
                .map(|port| format!("{}/{}", port.target, port.protocol))
                .collect(),
            network: self.network(),
            healthcheck: service.healthcheck.as_ref().map(health),
            restart: restart(service.restart),
            limits: limits(service),
            log_driver,
            log_options,
            security_opt: set(&service.security_opt),
            cap_add: set(&service.cap_add),
            cap_drop: set(&service.cap_drop),
            privileged: service.privileged,
            stop_signal: service.stop_signal.clone(),
            stop_grace: service.stop_grace_period.map(whole_seconds),
            init: service.init,
            read_only: service.read_only,
            ulimits: service
                .ulimits
                .iter()
                .map(|(name, limit)| (name.clone(), (limit.soft, limit.hard)))
                .collect(),
            sysctls: map(&service.sysctls),
            extra_hosts: service
                .extra_hosts
                .iter()
                .map(|(host, address)| format!("{host}:{address}"))
                .collect(),
            dns: service.dns.iter().map(ToString::to_string).collect(),
            dns_search: service.dns_search.clone(),
            dns_opt: service.dns_opt.clone(),
            shm_size: service.shm_size.map(signed),
            devices: service.devices.iter().map(device).collect(),
            group_add: set(&service.group_add),
            tty: service.tty,
            stdin_open: service.stdin_open,
            modes: self.modes(),
        };
        Ok((spec, seen, files))
    }

    pub(super) fn depends_on(&self) -> BTreeMap<String, Dependency> {
        // Those of profiles that are not active are not there.
        let there = self.service.depends_on.iter();
        let there = there.filter(|(name, _)| self.project.services.contains_key(*name));
        let all = there.map(|(name, how)| {
            let condition = match how.condition {
                compose::Condition::Started => Condition::Started,
                compose::Condition::Healthy => Condition::Healthy,
                compose::Condition::Completed => Condition::Completed,
            };
            (
                name.to_string(),
                Dependency {
                    condition,
                    required: how.required,
                    restart: how.restart,
                },
            )
        });
        let mut all: BTreeMap<_, _> = all.collect();
        // Whose namespaces are shared must be there, as for Compose.
        for name in self.service.shares() {
            let shared = Dependency {
                condition: Condition::Started,
                required: true,
                restart: true,
            };
            all.entry(name.to_string()).or_insert(shared);
        }
        all
    }

    /// Whether changed files behind a folder are taken in.
    pub(super) fn reloads(&self) -> bool {
        self.place.rules.reload.contains_key(self.key)
    }

    /// The signal that tells of them.
    pub(super) fn signal(&self) -> Option<&'static str> {
        self.place.rules.reload.get(self.key)?.signal.name()
    }

    fn watched_digest(&self, watched: &BTreeMap<PathBuf, String>) -> String {
        let mut all = Vec::new();
        for (path, digest) in watched {
            for part in [path.as_os_str().as_encoded_bytes(), digest.as_bytes()] {
                all.extend((part.len() as u64).to_be_bytes());
                all.extend(part);
            }
        }
        self.place.key.file(&all)
    }

    fn modes(&self) -> Modes {
        let service = self.service;
        let namespaces = &service.namespaces;
        let text = |namespace: &Option<Namespace>| {
            namespace.as_ref().map(|namespace| match namespace {
                Namespace::Host => "host".to_owned(),
                Namespace::Own(word) => (*word).to_owned(),
                Namespace::Service(other) => self.container_of(other.as_str()),
            })
        };
        Modes {
            ipc: text(&namespaces.ipc),
            pid: text(&namespaces.pid),
            userns: text(&namespaces.userns),
            uts: text(&namespaces.uts),
            cgroup: text(&namespaces.cgroup),
            runtime: service.runtime.clone(),
            cgroup_parent: service.cgroup_parent.clone(),
            oom_score_adj: service.tuning.oom_score_adj,
            platform: service.platform.clone(),
            device_cgroup_rules: service.device_cgroup_rules.clone(),
            storage_opt: map(&service.storage_opt),
        }
    }

    /// How the engine names the container of another service whose namespace is shared: by name, so that a new container of
    /// it is found by the next start.
    fn container_of(&self, other: &str) -> String {
        format!("container:{}-{other}-1", self.name)
    }

    pub(super) fn pull(&self) -> Pull {
        match self.service.pull_policy {
            Some(compose::PullPolicy::Never) => Pull::Never,
            Some(compose::PullPolicy::Missing) | None => Pull::Missing,
        }
    }

    fn labels(&self) -> Result<BTreeMap<String, String>, SpecError> {
        let labels = map(&self.service.labels);
        match labels.keys().find(|name| !labels::is_free(name)) {
            Some(taken) => Err(self.refuse(format!(
                "the label `{taken}` is written by Tenantry and cannot be set"
            ))),
            None => Ok(labels),
        }
    }

    fn network(&self) -> NetworkChoice {
        match &self.service.network_mode {
            NetworkMode::Host => NetworkChoice::Mode("host".to_owned()),
            NetworkMode::None => NetworkChoice::Mode("none".to_owned()),
            NetworkMode::Bridge => NetworkChoice::Mode("bridge".to_owned()),
            NetworkMode::Service(other) => NetworkChoice::Mode(self.container_of(other.as_str())),
            NetworkMode::Networks if self.service.networks.is_empty() => {
                NetworkChoice::Mode("none".to_owned())
            }
            NetworkMode::Networks => {
                let networks = self.service.networks.iter().map(|(name, attachment)| {
                    let aliases = attachment
                        .aliases
                        .iter()
                        .cloned()
                        .chain([self.key.to_owned()])
                        .collect();
                    (
                        self.project.network_name(self.name, name),
                        AttachmentSpec {
                            key: name.to_string(),
                            aliases,
                            ipv4: attachment.ipv4.map(|ip| ip.to_string()),
                            ipv6: attachment.ipv6.map(|ip| ip.to_string()),
                            link_local: attachment
                                .link_local
                                .iter()
                                .map(ToString::to_string)
                                .collect(),
                            options: map(&attachment.driver_opts),
                            priority: attachment.priority,
                        },
                    )
                });
                NetworkChoice::Networks(networks.collect())
            }
        }
    }

    fn logging(&self) -> (String, BTreeMap<String, String>) {
        let logging = self.service.logging.as_ref();
        let driver = logging.and_then(|logging| logging.driver.as_deref());
        let driver = driver.unwrap_or(LOG_DRIVER);
        let mut options = logging
            .map(|logging| map(&logging.options))
            .unwrap_or_default();
        if driver == LOG_DRIVER && self.place.rules.applies(self.key, Protection::Logs) {
            for (name, value) in LOG_DEFAULTS {
                options
                    .entry(name.to_owned())
                    .or_insert_with(|| value.to_owned());
            }
        }
        (driver.to_owned(), options)
    }

    pub(super) fn refuse(&self, what: String) -> SpecError {
        SpecError::Service {
            service: self.key.to_owned(),
            what,
        }
    }
}

fn words(words: &Words) -> Vec<String> {
    words.as_slice().to_vec()
}

fn set(list: &[String]) -> BTreeSet<String> {
    list.iter().cloned().collect()
}

fn port(port: &compose::Port) -> PortSpec {
    PortSpec {
        container: port.target,
        protocol: port.protocol.to_string(),
        host_ip: port.host_ip.map(|ip| ip.to_string()),
        host: port.published.map(|port| port.to_string()),
    }
}

fn device(device: &compose::Device) -> DeviceSpec {
    DeviceSpec {
        host: device.source.clone(),
        container: device.target.clone(),
        permissions: device.permissions.clone(),
    }
}

fn health(health: &compose::Healthcheck) -> HealthSpec {
    let with = |how: &str, rest: &[String]| [&[how.to_owned()], rest].concat();
    HealthSpec {
        test: match &health.test {
            HealthTest::Image => None,
            HealthTest::Disabled => Some(with("NONE", &[])),
            HealthTest::Exec(words) => Some(with("CMD", words.as_slice())),
            HealthTest::Shell(line) => Some(with("CMD-SHELL", &[line.expose().to_owned()])),
        },
        interval: health.interval.map(nanoseconds),
        timeout: health.timeout.map(nanoseconds),
        start_period: health.start_period.map(nanoseconds),
        start_interval: health.start_interval.map(nanoseconds),
        retries: health.retries.map(i64::from),
    }
}

/// Compose sends no policy where the file names none, which the engine takes as `no`: both are the same container.
fn restart(restart: Option<compose::Restart>) -> Restart {
    match restart {
        Some(compose::Restart::No) | None => Restart::No,
        Some(compose::Restart::Always) => Restart::Always,
        Some(compose::Restart::UnlessStopped) => Restart::UnlessStopped,
        Some(compose::Restart::OnFailure { retries }) => Restart::OnFailure {
            max: retries.map(i64::from),
        },
    }
}

fn limits(service: &compose::Service) -> Limits {
    let tuning = &service.tuning;
    Limits {
        memory: service.limits.memory.map(signed),
        memory_reservation: service.reservations.memory.map(signed),
        memory_swap: tuning.memory_swap,
        nano_cpus: service.limits.cpus.map(|cpus| signed(cpus.nano())),
        cpu_shares: tuning.cpu_shares,
        cpuset: tuning.cpuset.clone(),
        cpu_period: tuning.cpu_period,
        cpu_quota: tuning.cpu_quota,
        swappiness: tuning.swappiness,
        oom_kill_disable: tuning.oom_kill_disable,
        pids: service.limits.pids,
    }
}

fn nanoseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

fn whole_seconds(duration: Duration) -> i64 {
    signed(duration.as_secs() + u64::from(duration.subsec_nanos() > 0))
}

pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
