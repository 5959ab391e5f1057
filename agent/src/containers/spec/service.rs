//! One service of a Compose project as a container specification.

use super::{MountedFile, Place, SpecError, map};
use crate::containers::desired::{
    AttachmentSpec, Condition, ContainerSpec, Dependency, Environment, HealthSpec, Limits, Modes,
    NetworkChoice, PortSpec, Pull, Restart,
};
use crate::containers::labels;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;
use tenantry_compose::{self as compose, HealthTest, NetworkMode, Project, ProjectName, Words};
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

pub(super) type Seen = BTreeMap<PathBuf, String>;

impl Translation<'_> {
    /// The container, digests of the files that it sees, and files that must be written for it.
    pub(super) fn container(&self) -> Result<(ContainerSpec, Seen, Vec<MountedFile>), SpecError> {
        let service = self.service;
        let (mut seen, mut files) = (Seen::new(), Vec::new());
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
            domainname: None,
            labels: self.labels()?,
            mounts,
            ports: service.ports.iter().map(port).collect(),
            expose: service
                .expose
                .iter()
                .map(|port| format!("{}/{}", port.target, port.protocol))
                .collect(),
            network: self.network()?,
            healthcheck: service.healthcheck.as_ref().map(health),
            restart: restart(service.restart),
            limits: limits(service),
            log_driver,
            log_options,
            security_opt: self.security_opt(),
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
            devices: BTreeSet::new(),
            group_add: set(&service.group_add),
            tty: service.tty,
            stdin_open: service.stdin_open,
            modes: Modes {
                platform: service.platform.clone(),
                ..Modes::default()
            },
        };
        Ok((spec, seen, files))
    }

    pub(super) fn depends_on(&self) -> BTreeMap<String, Dependency> {
        let all = self.service.depends_on.iter().map(|(name, how)| {
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
                },
            )
        });
        all.collect()
    }

    /// `always` is taken as `missing`: what a tag stands for changes only by a commit.
    pub(super) fn pull(&self) -> Pull {
        match self.service.pull_policy {
            Some(compose::PullPolicy::Never) => Pull::Never,
            Some(compose::PullPolicy::Always | compose::PullPolicy::Missing) | None => {
                Pull::Missing
            }
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

    fn network(&self) -> Result<NetworkChoice, SpecError> {
        match &self.service.network_mode {
            NetworkMode::Host => Ok(NetworkChoice::Mode("host".to_owned())),
            NetworkMode::None => Ok(NetworkChoice::Mode("none".to_owned())),
            NetworkMode::Service(other) => Err(self.refuse(format!(
                "the network of another service (`{other}`) cannot be shared yet"
            ))),
            NetworkMode::Networks if self.service.networks.is_empty() => {
                Ok(NetworkChoice::Mode("none".to_owned()))
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
                            aliases,
                            ..AttachmentSpec::default()
                        },
                    )
                });
                Ok(NetworkChoice::Networks(networks.collect()))
            }
        }
    }

    fn logging(&self) -> (String, BTreeMap<String, String>) {
        let logging = self.service.logging.as_ref();
        let driver = logging
            .and_then(|logging| logging.driver.as_deref())
            .unwrap_or(LOG_DRIVER);
        let mut options = logging
            .map(|logging| map(&logging.options))
            .unwrap_or_default();
        if driver == LOG_DRIVER {
            for (name, value) in LOG_DEFAULTS {
                options
                    .entry(name.to_owned())
                    .or_insert_with(|| value.to_owned());
            }
        }
        (driver.to_owned(), options)
    }

    /// No process gains privileges by a set-user-id program, unless the file says otherwise.
    fn security_opt(&self) -> BTreeSet<String> {
        let mut options = set(&self.service.security_opt);
        if !self.service.privileged
            && !options
                .iter()
                .any(|option| option.starts_with("no-new-privileges"))
        {
            options.insert("no-new-privileges:true".to_owned());
        }
        options
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
    Limits {
        memory: service.limits.memory.map(signed),
        memory_reservation: service.reservations.memory.map(signed),
        nano_cpus: service.limits.cpus.map(|cpus| signed(cpus.nano())),
        pids: service.limits.pids,
        ..Limits::default()
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
