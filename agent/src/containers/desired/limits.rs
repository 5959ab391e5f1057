//! Limits of a container, and settings that are rarely used.

use serde::Serialize;
use std::collections::BTreeMap;

/// Limits of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// Bytes.
    pub memory: Option<i64>,
    /// Bytes.
    pub memory_reservation: Option<i64>,
    /// Bytes of memory and swap together; -1: no limit.
    pub memory_swap: Option<i64>,
    /// Billionths of a processor.
    pub nano_cpus: Option<i64>,
    /// Weight.
    pub cpu_shares: Option<i64>,
    /// Such as `0-1`.
    pub cpuset: Option<String>,
    /// Microseconds.
    pub cpu_period: Option<i64>,
    /// Microseconds in each period.
    pub cpu_quota: Option<i64>,
    /// How readily memory is swapped, 0 to 100.
    pub swappiness: Option<i64>,
    /// It is not ended when memory runs out.
    pub oom_kill_disable: bool,
    /// Processes.
    pub pids: Option<i64>,
}

/// Settings that are rarely used and passed through as written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Modes {
    /// `ipc`.
    pub ipc: Option<String>,
    /// `pid`.
    pub pid: Option<String>,
    /// `userns_mode`.
    pub userns: Option<String>,
    /// `uts`.
    pub uts: Option<String>,
    /// `runtime`.
    pub runtime: Option<String>,
    /// `cgroup_parent`.
    pub cgroup_parent: Option<String>,
    /// `oom_score_adj`.
    pub oom_score_adj: Option<i64>,
    /// `platform`.
    pub platform: Option<String>,
    /// `cgroup`.
    pub cgroup: Option<String>,
    /// `device_cgroup_rules`.
    pub device_cgroup_rules: Vec<String>,
    /// `storage_opt`.
    pub storage_opt: BTreeMap<String, String>,
}
