//! What a container is made with, key by key: a change of any makes the agent make it anew.
//!
//! A service is taken apart field by field, so that one which is added later does not compile before somebody says whether it does. That the
//! agent sees it in the same way is tested with `schema/compose/tests/edits.yaml`, which its own tests read as well.

use super::service::Made;
use super::{Why, protections};
use std::collections::{BTreeMap, BTreeSet};
use tenantry_compose::{
    Attachment, Mount, Namespaces, Pairs, Port, Resources, Restart, Service, Tuning,
};

/// Everything that differs.
pub(super) fn otherwise(old: &Made<'_>, new: &Made<'_>) -> BTreeSet<Why> {
    let mut why = BTreeSet::new();
    let mut settings = protections::differing(old, new);
    services(old.service, new.service, &mut why, &mut settings);
    if old.volumes != new.volumes {
        why.insert(Why::Mounts);
    }
    if !same_networks(&old.networks, &new.networks) {
        why.insert(Why::Networks);
    }
    if !settings.is_empty() {
        why.insert(Why::Settings(settings));
    }
    why
}

fn services(
    old: &Service,
    new: &Service,
    why: &mut BTreeSet<Why>,
    settings: &mut BTreeSet<String>,
) {
    let Service {
        image,
        command,
        entrypoint,
        environment,
        labels,
        ports,
        expose,
        volumes,
        secrets,
        configs,
        network_mode,
        // By the engine's names, above.
        networks: _,
        // Says when it starts, not what it is.
        depends_on: _,
        healthcheck,
        restart,
        user,
        group_add,
        working_dir,
        hostname,
        domainname,
        namespaces,
        cgroup_parent,
        runtime,
        devices,
        device_cgroup_rules,
        storage_opt,
        read_only,
        init,
        privileged,
        stdin_open,
        tty,
        cap_add,
        cap_drop,
        security_opt,
        shm_size,
        ulimits,
        sysctls,
        extra_hosts,
        dns,
        dns_search,
        dns_opt,
        stop_signal,
        stop_grace_period,
        logging,
        limits,
        tuning,
        reservations,
        // When its image is fetched.
        pull_policy: _,
        platform,
        // Whether it is there at all.
        profiles: _,
    } = old;
    if *image != new.image {
        why.insert(Why::Image {
            from: image.as_str().to_owned(),
            to: new.image.as_str().to_owned(),
        });
    }
    let environment = changed_pairs(environment, &new.environment);
    if !environment.is_empty() {
        why.insert(Why::Environment(environment));
    }
    if !same_ports(ports, &new.ports) || !same_set(expose, &new.expose) {
        why.insert(Why::Ports);
    }
    let lists = [
        (volumes, &new.volumes),
        (secrets, &new.secrets),
        (configs, &new.configs),
    ];
    if !lists.into_iter().all(|(old, new)| same_mounts(old, new)) {
        why.insert(Why::Mounts);
    }
    if *network_mode != new.network_mode {
        why.insert(Why::Networks);
    }
    let keys = [
        ("command", *command == new.command),
        ("entrypoint", *entrypoint == new.entrypoint),
        ("labels", *labels == new.labels),
        ("healthcheck", *healthcheck == new.healthcheck),
        ("restart", same_restart(*restart, new.restart)),
        ("user", *user == new.user),
        ("group_add", same_set(group_add, &new.group_add)),
        ("working_dir", *working_dir == new.working_dir),
        ("hostname", *hostname == new.hostname),
        ("domainname", *domainname == new.domainname),
        ("cgroup_parent", *cgroup_parent == new.cgroup_parent),
        ("runtime", *runtime == new.runtime),
        ("devices", same_set(devices, &new.devices)),
        (
            "device_cgroup_rules",
            *device_cgroup_rules == new.device_cgroup_rules,
        ),
        ("storage_opt", *storage_opt == new.storage_opt),
        ("read_only", *read_only == new.read_only),
        ("init", *init == new.init),
        ("privileged", *privileged == new.privileged),
        ("stdin_open", *stdin_open == new.stdin_open),
        ("tty", *tty == new.tty),
        ("cap_add", same_set(cap_add, &new.cap_add)),
        ("cap_drop", same_set(cap_drop, &new.cap_drop)),
        ("security_opt", same_set(security_opt, &new.security_opt)),
        ("shm_size", *shm_size == new.shm_size),
        ("ulimits", *ulimits == new.ulimits),
        ("sysctls", *sysctls == new.sysctls),
        ("extra_hosts", *extra_hosts == new.extra_hosts),
        ("dns", *dns == new.dns),
        ("dns_search", *dns_search == new.dns_search),
        ("dns_opt", *dns_opt == new.dns_opt),
        ("stop_signal", *stop_signal == new.stop_signal),
        (
            "stop_grace_period",
            *stop_grace_period == new.stop_grace_period,
        ),
        ("logging", *logging == new.logging),
        ("platform", *platform == new.platform),
    ];
    let each = keys
        .into_iter()
        .chain(namespace_keys(namespaces, &new.namespaces))
        .chain(limit_keys(limits, &new.limits))
        .chain(tuning_keys(tuning, &new.tuning))
        // Of what is kept back for a container the agent knows memory alone.
        .chain([(
            "mem_reservation",
            reservations.memory == new.reservations.memory,
        )]);
    let differing = each.filter(|(_, same)| !same);
    settings.extend(differing.map(|(name, _)| name.to_owned()));
}

type Key = (&'static str, bool);

fn namespace_keys(old: &Namespaces, new: &Namespaces) -> [Key; 5] {
    let Namespaces {
        ipc,
        pid,
        uts,
        userns,
        cgroup,
    } = old;
    [
        ("ipc", *ipc == new.ipc),
        ("pid", *pid == new.pid),
        ("uts", *uts == new.uts),
        ("userns_mode", *userns == new.userns),
        ("cgroup", *cgroup == new.cgroup),
    ]
}

fn limit_keys(old: &Resources, new: &Resources) -> [Key; 3] {
    let Resources { memory, cpus, pids } = old;
    [
        ("mem_limit", *memory == new.memory),
        ("cpus", *cpus == new.cpus),
        ("pids_limit", *pids == new.pids),
    ]
}

fn tuning_keys(old: &Tuning, new: &Tuning) -> [Key; 8] {
    let Tuning {
        cpu_shares,
        cpuset,
        cpu_period,
        cpu_quota,
        memory_swap,
        swappiness,
        oom_kill_disable,
        oom_score_adj,
    } = old;
    [
        ("cpu_shares", *cpu_shares == new.cpu_shares),
        ("cpuset", *cpuset == new.cpuset),
        ("cpu_period", *cpu_period == new.cpu_period),
        ("cpu_quota", *cpu_quota == new.cpu_quota),
        ("memswap_limit", *memory_swap == new.memory_swap),
        ("mem_swappiness", *swappiness == new.swappiness),
        (
            "oom_kill_disable",
            *oom_kill_disable == new.oom_kill_disable,
        ),
        ("oom_score_adj", *oom_score_adj == new.oom_score_adj),
    ]
}

fn changed_pairs(old: &Pairs, new: &Pairs) -> BTreeSet<String> {
    let names = old.iter().chain(new.iter()).map(|(name, _)| name);
    names
        .filter(|name| old.get(name) != new.get(name))
        .map(ToOwned::to_owned)
        .collect()
}

/// Whether two lists are the same but for their order.
fn same_set<T: Ord>(old: &[T], new: &[T]) -> bool {
    old.iter().collect::<BTreeSet<_>>() == new.iter().collect::<BTreeSet<_>>()
}

/// Names of ports are for people.
fn same_ports(old: &[Port], new: &[Port]) -> bool {
    let set = |ports: &[Port]| -> BTreeSet<_> {
        let each = ports.iter();
        each.map(|port| (port.target, port.published, port.host_ip, port.protocol))
            .collect()
    };
    set(old) == set(new)
}

fn same_mounts(old: &[Mount], new: &[Mount]) -> bool {
    let by_target = |mounts: &'_ [Mount]| -> BTreeMap<String, Mount> {
        let each = mounts.iter().cloned();
        each.map(|mount| (mount.target.clone(), mount)).collect()
    };
    old == new || by_target(old) == by_target(new)
}

/// Nothing said is what `no` says.
fn same_restart(old: Option<Restart>, new: Option<Restart>) -> bool {
    old.unwrap_or(Restart::No) == new.unwrap_or(Restart::No)
}

fn same_networks(old: &BTreeMap<String, &Attachment>, new: &BTreeMap<String, &Attachment>) -> bool {
    let same = |old: &Attachment, new: &Attachment| {
        let Attachment {
            aliases,
            ipv4,
            ipv6,
            link_local,
            priority,
            driver_opts,
        } = old;
        same_set(aliases, &new.aliases)
            && *ipv4 == new.ipv4
            && *ipv6 == new.ipv6
            && *link_local == new.link_local
            && *priority == new.priority
            && *driver_opts == new.driver_opts
    };
    let pairs =
        |(name, old): (&String, &&Attachment)| new.get(name).is_some_and(|new| same(old, new));
    old.len() == new.len() && old.iter().all(pairs)
}
