//! `host:` of `hub.yaml` and of a server: the machine beneath the tools, by area. An area that nobody asks for is left alone.

mod merge;
mod names;
mod timer;

pub use merge::HostError;
pub use names::{
    Destination, HostNameError, PackageName, Protocol, SysctlName, SysctlValue, TimeZone,
};
pub use timer::{ContainerCommand, HostAction, Job, Moment, Schedule, Timer};

use crate::id::{StaffId, TimerName};
use crate::size::ByteSize;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

/// What a machine should be, by area. An area that is absent is left as it is found. On a server, an area stands for the one of `hub.yaml`
/// as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Host {
    /// Areas that are left alone on this server although `hub.yaml` asks for them. In `hub.yaml` itself it has no use.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub unmanaged: BTreeSet<HostArea>,
    /// Debian packages. Absent: left alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packages: Option<Packages>,
    /// Who may log in: people of `staff.yaml`. Absent: left alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub users: Option<Users>,
    /// The SSH server. Absent: left alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ssh: Option<Ssh>,
    /// The firewall: all that comes from outside is refused, but for SSH, the web and what is named here. Absent: left alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub firewall: Option<Firewall>,
    /// Shuts those out for a while who guess log-ins. Absent: left alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fail2ban: Option<Fail2ban>,
    /// The time zone. Absent: left alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<TimeZone>,
    /// A file of this size to swap to. Absent: left alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swap: Option<ByteSize>,
    /// Settings of the kernel. Absent: left alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sysctls: Option<BTreeMap<SysctlName, SysctlValue>>,
    /// Settings of the container engine. Absent: left alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub docker: Option<Docker>,
    /// What runs at set times. Absent: left alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timers: Option<BTreeMap<TimerName, Timer>>,
}

/// As a field of a document: an area is not both set and unmanaged.
pub(super) fn consistent<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Arc<Host>>, D::Error> {
    let host = Option::<Host>::deserialize(deserializer)?;
    match host.as_ref().and_then(Host::contradiction) {
        Some(error) => Err(serde::de::Error::custom(error)),
        None => Ok(host.map(Arc::new)),
    }
}

/// One part of a machine that is looked after, or left alone.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum HostArea {
    /// Debian packages.
    Packages,
    /// Who may log in.
    Users,
    /// The SSH server.
    Ssh,
    /// The firewall.
    Firewall,
    /// Shutting out those who guess.
    Fail2ban,
    /// The time zone.
    TimeZone,
    /// The swap file.
    Swap,
    /// Settings of the kernel.
    Sysctls,
    /// Settings of the container engine.
    Docker,
    /// What runs at set times.
    Timers,
}

impl HostArea {
    /// The key in documents.
    pub fn key(self) -> &'static str {
        match self {
            Self::Packages => "packages",
            Self::Users => "users",
            Self::Ssh => "ssh",
            Self::Firewall => "firewall",
            Self::Fail2ban => "fail2ban",
            Self::TimeZone => "time_zone",
            Self::Swap => "swap",
            Self::Sysctls => "sysctls",
            Self::Docker => "docker",
            Self::Timers => "timers",
        }
    }
}

impl fmt::Display for HostArea {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key())
    }
}

/// Debian packages.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Packages {
    /// Packages that are there, besides those which other areas need. One that is taken off this list stays installed.
    pub install: BTreeSet<PackageName>,
    /// Whether security updates are installed by themselves, every day. Restarts of the machine are never among them.
    pub unattended_upgrades: bool,
}

impl Default for Packages {
    fn default() -> Self {
        Self {
            install: BTreeSet::new(),
            unattended_upgrades: true,
        }
    }
}

/// Who may log in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Users {
    /// People of `staff.yaml` who may. Absent: all that have `server_login` there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only: Option<BTreeSet<StaffId>>,
}

/// The SSH server. Passwords are refused always.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Ssh {
    /// Where it listens.
    #[serde(deserialize_with = "port")]
    #[schemars(range(min = 1))]
    pub port: u16,
    /// Whether `root` may log in, with a key.
    pub root: bool,
}

impl Default for Ssh {
    fn default() -> Self {
        Self {
            port: 22_022,
            root: false,
        }
    }
}

fn port<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    match u16::deserialize(deserializer)? {
        0 => Err(serde::de::Error::custom("ports go from 1 to 65535")),
        port => Ok(port),
    }
}

/// The firewall.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Firewall {
    /// What can be reached besides SSH and the web, ports that containers publish included.
    pub open: BTreeSet<Destination>,
}

/// Shuts out who guesses log-ins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Fail2ban {
    /// After so many failures within ten minutes.
    #[serde(deserialize_with = "attempts")]
    #[schemars(range(min = 1, max = 1000))]
    pub attempts: u16,
    /// For how long.
    pub ban: crate::amount::Duration,
}

impl Default for Fail2ban {
    fn default() -> Self {
        Self {
            attempts: 5,
            ban: crate::amount::Duration { minutes: 60 },
        }
    }
}

fn attempts<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    match u16::deserialize(deserializer)? {
        attempts @ 1..=1000 => Ok(attempts),
        _ => Err(serde::de::Error::custom("from 1 to 1000 attempts")),
    }
}

/// Settings of the container engine. What else its `daemon.json` says stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Docker {
    /// Whether containers go on while the engine is restarted.
    pub live_restore: bool,
    /// The most that is kept of what a container writes, in one file, where its stack says nothing.
    pub log_size: ByteSize,
    /// In how many files.
    #[serde(deserialize_with = "log_files")]
    #[schemars(range(min = 1, max = 100))]
    pub log_files: u16,
}

impl Default for Docker {
    fn default() -> Self {
        Self {
            live_restore: true,
            log_size: ByteSize(10 << 20),
            log_files: 3,
        }
    }
}

fn log_files<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    match u16::deserialize(deserializer)? {
        files @ 1..=100 => Ok(files),
        _ => Err(serde::de::Error::custom("from 1 to 100 files")),
    }
}

#[cfg(test)]
mod tests;
