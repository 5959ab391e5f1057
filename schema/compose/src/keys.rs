//! Which keys of Compose are read, and why the others are not.

/// Keys of a service that are read. `build` and the like are in [`SERVICE_REFUSED`].
pub(crate) const SERVICE: &[&str] = &[
    "cap_add",
    "cap_drop",
    "cgroup",
    "cgroup_parent",
    "command",
    "configs",
    "cpu_period",
    "cpu_quota",
    "cpu_shares",
    "cpus",
    "cpuset",
    "depends_on",
    "deploy",
    "device_cgroup_rules",
    "devices",
    "dns",
    "dns_opt",
    "dns_search",
    "domainname",
    "entrypoint",
    "env_file",
    "environment",
    "expose",
    "extra_hosts",
    "group_add",
    "healthcheck",
    "hostname",
    "image",
    "init",
    "ipc",
    "labels",
    "logging",
    "mem_limit",
    "mem_reservation",
    "mem_swappiness",
    "memswap_limit",
    "network_mode",
    "networks",
    "oom_kill_disable",
    "oom_score_adj",
    "pid",
    "pids_limit",
    "platform",
    "ports",
    "privileged",
    "profiles",
    "pull_policy",
    "read_only",
    "restart",
    "runtime",
    "scale",
    "secrets",
    "security_opt",
    "shm_size",
    "stdin_open",
    "stop_grace_period",
    "stop_signal",
    "storage_opt",
    "sysctls",
    "tmpfs",
    "tty",
    "ulimits",
    "user",
    "userns_mode",
    "uts",
    "volumes",
    "working_dir",
];

const LATER: &str = "the agent cannot do this yet";
const SWARM: &str = "there is no swarm";
const CPUS: &str = "write `cpus` instead";
const MAC: &str = "hardware addresses are the engine's choice";
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
    (
        "container_name",
        "a fixed name breaks running the stack more than once",
    ),
    ("cpu_count", CPUS),
    ("cpu_percent", CPUS),
    ("cpu_rt_period", CPUS),
    ("cpu_rt_runtime", CPUS),
    ("credential_spec", "it is for Windows"),
    ("develop", "it is for a developer's machine"),
    (
        "external_links",
        "services reach each other by name on a common network",
    ),
    ("gpus", LATER),
    ("isolation", "it is for Windows"),
    ("label_file", "write the values under `labels`"),
    (
        "links",
        "services reach each other by name on a common network",
    ),
    ("mac_address", MAC),
    ("models", LATER),
    ("post_start", LATER),
    ("pre_stop", LATER),
    ("provider", LATER),
    ("pull_refresh_after", "image versions are pinned"),
    (
        "use_api_socket",
        "it would hand the engine to the container",
    ),
    ("volumes_from", "mount the same volume in both services"),
];

/// Keys below `networks` of a service.
pub(crate) const ATTACHMENT_REFUSED: &[(&str, &str)] = &[
    ("gw_priority", LATER),
    ("interface_name", LATER),
    ("mac_address", MAC),
];

/// Keys at the top of the file that are read.
pub(crate) const TOP: &[&str] = &[
    "configs", "name", "networks", "secrets", "services", "version", "volumes",
];

/// Keys at the top of the file that are refused.
pub(crate) const TOP_REFUSED: &[(&str, &str)] = &[("models", LATER)];

/// Keys of a top-level network that are refused.
pub(crate) const NETWORK_REFUSED: &[(&str, &str)] = &[("enable_ipv4", LATER)];

/// Keys of a top-level secret or config that are refused.
pub(crate) const FILE_REFUSED: &[(&str, &str)] = &[
    ("driver", SWARM),
    ("driver_opts", SWARM),
    ("external", "nothing outside of the project provides it"),
    ("labels", SWARM),
    ("name", SWARM),
    ("template_driver", SWARM),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Agent and planner are tested with that file.
    #[test]
    fn what_each_key_of_a_service_makes_anew_is_written_down() {
        let edits = include_str!("../tests/edits.yaml");
        for key in SERVICE {
            let named = format!("- {{ key: {key},");
            assert!(edits.contains(&named), "no edit of `{key}` in edits.yaml");
        }
    }
}
