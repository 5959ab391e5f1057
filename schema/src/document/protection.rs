//! Protections that containers have by default, and how services take changed files in.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a service takes changed files in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reload {
    /// What its first process is sent.
    pub signal: ReloadSignal,
}

/// A signal that asks a process to read its files again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ReloadSignal {
    /// Hang up: what most servers take for it.
    #[serde(rename = "HUP")]
    Hup,
    /// User-defined signal 1.
    #[serde(rename = "USR1")]
    Usr1,
    /// User-defined signal 2.
    #[serde(rename = "USR2")]
    Usr2,
    /// No signal: it reads its files whenever it needs them.
    #[serde(rename = "none")]
    None,
}

impl ReloadSignal {
    /// As the container engine names it. Absent: none is sent.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::Hup => Some("SIGHUP"),
            Self::Usr1 => Some("SIGUSR1"),
            Self::Usr2 => Some("SIGUSR2"),
            Self::None => None,
        }
    }
}

/// Protections that a service does without, each with the reason. Named as the keys of Compose that they stand for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Relax {
    /// Programs may gain privileges, as `sudo` does. Absent: they may not.
    pub no_new_privileges: Option<String>,
    /// It keeps all capabilities that the container engine gives by itself. Absent: those that servers do not need are taken away.
    pub cap_drop: Option<String>,
    /// It may start any number of processes. Absent: 2048, or what the Compose file says.
    pub pids_limit: Option<String>,
    /// It may use all memory of the server. Absent: twice the stack's `memory`, 512M at least, or what the Compose file says; 2G
    /// where neither says anything.
    pub mem_limit: Option<String>,
    /// Its logs may take any room. Absent: three files of 10 MB, or what the Compose file says, 1 GB at most.
    pub logs: Option<String>,
}

impl Relax {
    /// Each protection that is done without, with the reason.
    pub fn reasons(&self) -> impl Iterator<Item = (Protection, &str)> {
        [
            (Protection::NoNewPrivileges, &self.no_new_privileges),
            (Protection::CapDrop, &self.cap_drop),
            (Protection::PidsLimit, &self.pids_limit),
            (Protection::MemLimit, &self.mem_limit),
            (Protection::Logs, &self.logs),
        ]
        .into_iter()
        .filter_map(|(protection, reason)| Some((protection, reason.as_deref()?)))
    }
}

/// The least bound on memory, and the one of stacks that do not say what they need, in bytes.
const MEMORY_LEAST: u64 = 512 << 20;
const MEMORY_UNKNOWN: u64 = 2048 << 20;

/// The bytes of memory that [`Protection::MemLimit`] leaves a container of a stack that asks for `stack` bytes as a whole.
///
/// One service may take all that the stack asks for, and as much again: the bound is there to save the neighbours, not to measure out.
pub fn memory_bound(stack: Option<u64>) -> u64 {
    stack.map_or(MEMORY_UNKNOWN, |bytes| {
        bytes.saturating_mul(2).max(MEMORY_LEAST)
    })
}

/// A protection that every container has unless the stack says why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protection {
    /// No program gains privileges.
    NoNewPrivileges,
    /// Capabilities that servers do not need are taken away.
    CapDrop,
    /// A bound on processes.
    PidsLimit,
    /// A bound on memory.
    MemLimit,
    /// A bound on logs.
    Logs,
}

impl Protection {
    /// Its key in `relax`.
    pub fn key(self) -> &'static str {
        match self {
            Self::NoNewPrivileges => "no_new_privileges",
            Self::CapDrop => "cap_drop",
            Self::PidsLimit => "pids_limit",
            Self::MemLimit => "mem_limit",
            Self::Logs => "logs",
        }
    }
}
