//! Which keys of Compose are read, and why the others are not.

/// Keys of a service that are read. `build` and the like are in [`SERVICE_REFUSED`].
pub(crate) const SERVICE: &[&str] = &[
    "cap_add",
    "cap_drop",
    "command",
    "configs",
    "cpus",
    "depends_on",
    "deploy",
    "dns",
    "dns_opt",
    "dns_search",
    "entrypoint",
    "environment",
    "expose",
    "extra_hosts",
    "group_add",
    "healthcheck",
    "hostname",
    "image",
    "init",
    "labels",
    "logging",
    "mem_limit",
    "mem_reservation",
    "network_mode",
    "networks",
    "pids_limit",
    "platform",
    "ports",
    "privileged",
    "profiles",
    "pull_policy",
    "read_only",
    "restart",
    "secrets",
    "security_opt",
    "shm_size",
    "stdin_open",
    "stop_grace_period",
    "stop_signal",
    "sysctls",
    "tmpfs",
    "tty",
    "ulimits",
    "user",
    "volumes",
    "working_dir",
];

const LATER: &str = "the agent cannot do this yet";
const SWARM: &str = "there is no swarm";
const CPUS: &str = "write `cpus` instead";
const BLOCK: &str = "block devices are not weighted";

/// Keys of a service that Compose has and we refuse, each with the reason.
pub(crate) const SERVICE_REFUSED: &[(&str, &str)] = &[
    ("annotations", LATER),
    (
        "attach",
        "nobody watches the output; logs are kept by the engine",
    ),
    ("blkio_config", BLOCK),
    ("build", "images are pulled, not built; give an `image`"),
    ("cgroup", LATER),
    ("cgroup_parent", LATER),
    (
        "container_name",
        "a fixed name breaks running the stack more than once",
    ),
    ("cpu_count", CPUS),
    ("cpu_percent", CPUS),
    ("cpu_period", CPUS),
    ("cpu_quota", CPUS),
    ("cpu_rt_period", CPUS),
    ("cpu_rt_runtime", CPUS),
    ("cpu_shares", CPUS),
    ("cpuset", LATER),
    ("credential_spec", "it is for Windows"),
    ("develop", "it is for a developer's machine"),
    ("device_cgroup_rules", LATER),
    ("devices", LATER),
    ("domainname", "write the full name in `hostname`"),
    (
        "env_file",
        "write the values under `environment`, so that each has a known source",
    ),
    (
        "extends",
        "write the service out; use anchors for common parts",
    ),
    (
        "external_links",
        "services reach each other by name on a common network",
    ),
    ("gpus", LATER),
    ("ipc", LATER),
    ("isolation", "it is for Windows"),
    ("label_file", "write the values under `labels`"),
    (
        "links",
        "services reach each other by name on a common network",
    ),
    ("mac_address", LATER),
    ("mem_swappiness", LATER),
    ("memswap_limit", LATER),
    ("models", LATER),
    ("oom_kill_disable", LATER),
    ("oom_score_adj", LATER),
    ("pid", LATER),
    ("post_start", LATER),
    ("pre_stop", LATER),
    ("provider", LATER),
    ("pull_refresh_after", "image versions are pinned"),
    ("runtime", LATER),
    ("scale", "only one container a service is run"),
    ("storage_opt", LATER),
    (
        "use_api_socket",
        "it would hand the engine to the container",
    ),
    ("userns_mode", LATER),
    ("uts", LATER),
    ("volumes_from", "mount the same volume in both services"),
];

/// Keys below `networks` of a service.
pub(crate) const ATTACHMENT_REFUSED: &[(&str, &str)] = &[
    ("driver_opts", LATER),
    ("gw_priority", LATER),
    ("interface_name", LATER),
    (
        "ipv4_address",
        "addresses are the engine's choice; use names",
    ),
    (
        "ipv6_address",
        "addresses are the engine's choice; use names",
    ),
    ("link_local_ips", LATER),
    ("mac_address", LATER),
    ("priority", LATER),
];

/// Keys at the top of the file that are read.
pub(crate) const TOP: &[&str] = &[
    "configs", "name", "networks", "secrets", "services", "version", "volumes",
];

/// Keys at the top of the file that are refused.
pub(crate) const TOP_REFUSED: &[(&str, &str)] = &[
    ("include", "write the services out; one file a stack"),
    ("models", LATER),
];

/// Keys of a top-level network that are refused.
pub(crate) const NETWORK_REFUSED: &[(&str, &str)] = &[
    ("enable_ipv4", LATER),
    ("ipam", "address ranges are the engine's choice"),
];

/// Keys of a top-level secret or config that are refused.
pub(crate) const FILE_REFUSED: &[(&str, &str)] = &[
    ("driver", SWARM),
    ("driver_opts", SWARM),
    ("external", "nothing outside of the project provides it"),
    ("labels", SWARM),
    ("name", SWARM),
    ("template_driver", SWARM),
];
