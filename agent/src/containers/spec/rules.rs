//! What the stack of an instance may do, and the protections that its containers have unless it says why not. Pure.
//!
//! The defaults are chosen so that images of servers (PostgreSQL, nginx, PHP) start with them as they are: their entry scripts need
//! to change owners and to become another user, and nothing else.

use crate::containers::desired::ContainerSpec;
use std::collections::{BTreeMap, BTreeSet};
use tenantry_schema::document::{Protection, Reload, memory_bound};
use tenantry_schema::wire::InstanceSpec;

/// Capabilities that the engine gives by itself and servers do not need: raw sockets (spoofing neighbours), devices, writing to
/// the kernel's audit log, capabilities of files and of other processes, other roots.
const DROPPED: [&str; 6] = [
    "AUDIT_WRITE",
    "MKNOD",
    "NET_RAW",
    "SETFCAP",
    "SETPCAP",
    "SYS_CHROOT",
];

/// Processes and threads of one container: far more than any tool of the catalogue has, far less than what stops a server.
const PROCESSES: i64 = 2048;

/// What an instance may do, and how it is protected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Whether it may reach beyond its containers.
    pub trusted: bool,
    /// Whether protections are applied at all. Only comparisons with Compose do without.
    pub protected: bool,
    /// Bytes that the whole stack asks for. Absent: it does not say.
    pub memory: Option<u64>,
    /// Protections that services do without.
    pub relax: BTreeMap<String, BTreeSet<Protection>>,
    /// Services that take changed files in.
    pub reload: BTreeMap<String, Reload>,
}

impl Default for Rules {
    /// Not trusted, fully protected.
    fn default() -> Self {
        Self {
            trusted: false,
            protected: true,
            memory: None,
            relax: BTreeMap::new(),
            reload: BTreeMap::new(),
        }
    }
}

impl Rules {
    /// Those of an instance of `host.yaml`.
    pub fn of(spec: &InstanceSpec) -> Self {
        Self {
            trusted: spec.trusted,
            protected: true,
            memory: spec.memory.map(|size| size.0),
            relax: spec.relax.clone(),
            reload: spec.reload.clone(),
        }
    }

    /// Whether a service has a protection.
    pub(super) fn applies(&self, service: &str, protection: Protection) -> bool {
        let without = self.relax.get(service);
        self.protected && !without.is_some_and(|without| without.contains(&protection))
    }

    /// Adds the protections that the service does not do without, and that the Compose file does not set itself.
    pub(super) fn protect(&self, service: &str, container: &mut ContainerSpec) {
        let applies = |protection| self.applies(service, protection);
        let limits = &mut container.limits;
        if applies(Protection::PidsLimit) && limits.pids.is_none() {
            limits.pids = Some(PROCESSES);
        }
        if applies(Protection::MemLimit) && limits.memory.is_none() {
            // A reservation above the bound is refused by the engine.
            let floor = limits.memory_reservation.unwrap_or(0);
            let bound = i64::try_from(memory_bound(self.memory)).unwrap_or(i64::MAX);
            limits.memory = Some(bound.max(floor));
        }
        // A privileged container has all capabilities, and the engine takes none of them away.
        if container.privileged {
            return;
        }
        let said = |option: &String| option.starts_with("no-new-privileges");
        if applies(Protection::NoNewPrivileges) && !container.security_opt.iter().any(said) {
            let option = "no-new-privileges:true".to_owned();
            container.security_opt.insert(option);
        }
        if applies(Protection::CapDrop) {
            let added: BTreeSet<_> = container.cap_add.iter().map(|name| plain(name)).collect();
            let dropped: BTreeSet<_> = container.cap_drop.iter().map(|name| plain(name)).collect();
            let all = |set: &BTreeSet<String>| set.contains("ALL");
            if !all(&dropped) && !all(&added) {
                let more = DROPPED
                    .into_iter()
                    .filter(|name| !added.contains(*name) && !dropped.contains(*name));
                container.cap_drop.extend(more.map(str::to_owned));
            }
        }
    }
}

/// `cap_net_raw` and `NET_RAW` are the same.
fn plain(capability: &str) -> String {
    let upper = capability.to_ascii_uppercase();
    upper
        .strip_prefix("CAP_")
        .map(str::to_owned)
        .unwrap_or(upper)
}
