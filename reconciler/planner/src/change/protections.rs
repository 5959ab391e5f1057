//! What a stack says of its containers beside its Compose file: memory, protections that services do without, files that they read again.

use super::service::Made;
use std::collections::{BTreeMap, BTreeSet};
use tenantry_compose::Service;
use tenantry_schema::document::{Protection, Stack, memory_bound};

/// Those of one side.
#[derive(Default)]
pub(super) struct Rules {
    /// Services that take changes behind a folder in without a new container.
    pub(super) reloading: BTreeSet<String>,
    /// Protections that services do without.
    pub(super) relaxed: BTreeMap<String, BTreeSet<Protection>>,
    /// Bytes that the whole stack asks for.
    pub(super) memory: Option<u64>,
}

impl Rules {
    pub(super) fn of(stack: &Stack) -> Self {
        let relaxed = stack.relax.iter().map(|(service, relax)| {
            let without = relax.reasons().map(|(protection, _)| protection);
            (service.clone(), without.collect())
        });
        Self {
            reloading: stack.reload.keys().cloned().collect(),
            relaxed: relaxed.collect(),
            memory: stack.memory.map(|size| size.0),
        }
    }

    pub(super) fn reloads(&self, service: &str) -> bool {
        self.reloading.contains(service)
    }

    fn applies(&self, service: &str, protection: Protection) -> bool {
        let without = self.relaxed.get(service);
        !without.is_some_and(|without| without.contains(&protection))
    }
}

const ALL: [Protection; 5] = [
    Protection::NoNewPrivileges,
    Protection::CapDrop,
    Protection::PidsLimit,
    Protection::MemLimit,
    Protection::Logs,
];

/// What of it makes a container anew, in words. What the Compose file sets itself is told by its own key.
pub(super) fn differing(old: &Made<'_>, new: &Made<'_>) -> BTreeSet<String> {
    let mut said = BTreeSet::new();
    for protection in ALL {
        let applied = (
            old.rules.applies(old.name, protection),
            new.rules.applies(new.name, protection),
        );
        let counts = !sets(old.service, protection) || !sets(new.service, protection);
        if applied.0 != applied.1 && counts {
            said.insert(format!("relax {}", protection.key()));
        }
    }
    if let (Some(old), Some(new)) = (memory(old), memory(new))
        && old != new
    {
        said.insert("memory of the stack".to_owned());
    }
    said
}

/// The bound that a container has by default.
fn memory(made: &Made<'_>) -> Option<u64> {
    let applies = made.rules.applies(made.name, Protection::MemLimit);
    // A reservation above the bound is told by its own key.
    (applies && made.service.limits.memory.is_none()).then(|| memory_bound(made.rules.memory))
}

/// Whether a service says itself what the protection would say.
fn sets(service: &Service, protection: Protection) -> bool {
    let all = |list: &[String]| {
        let names = list.iter().map(|name| name.to_ascii_uppercase());
        names
            .into_iter()
            .any(|name| name.trim_start_matches("CAP_") == "ALL")
    };
    match protection {
        Protection::NoNewPrivileges => {
            let mut options = service.security_opt.iter();
            service.privileged || options.any(|option| option.starts_with("no-new-privileges"))
        }
        Protection::CapDrop => {
            service.privileged || all(&service.cap_add) || all(&service.cap_drop)
        }
        Protection::PidsLimit => service.limits.pids.is_some(),
        Protection::MemLimit => service.limits.memory.is_some(),
        Protection::Logs => service.logging.as_ref().is_some_and(|logging| {
            let other = logging
                .driver
                .as_deref()
                .is_some_and(|driver| driver != "json-file");
            let both = ["max-size", "max-file"]
                .iter()
                .all(|name| logging.options.get(name).is_some());
            other || both
        }),
    }
}
