//! Turns plain data into the bodies of the engine's API. Pure. Binds always go through `Mounts`, never `Binds`, so that a missing
//! source is an error and not a new folder.

use super::bounds::Update;
use super::desired::{
    AttachmentSpec, ContainerSpec, HealthSpec, IpamPool, MountSource, MountSpec, NetworkChoice,
    PortSpec, Restart,
};
use super::step::{NewContainer, NewNetwork, NewVolume};
use bollard::models::{
    ContainerCreateBody, ContainerUpdateBody, DeviceMapping, EndpointIpamConfig, EndpointSettings,
    HealthConfig, HostConfig, HostConfigLogConfig, Ipam, IpamConfig, Mount, MountBindOptions,
    MountBindOptionsPropagationEnum, MountTmpfsOptions, MountType, MountVolumeOptions,
    NetworkCreateRequest, NetworkingConfig, PortBinding, PortMap, ResourcesUlimits, RestartPolicy,
    RestartPolicyNameEnum, VolumeCreateRequest,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A container. `inherited` are anonymous volumes of the container that it replaces: name by path inside.
pub(super) fn container(
    new: &NewContainer,
    inherited: &BTreeMap<String, String>,
) -> ContainerCreateBody {
    let spec = &new.spec;
    ContainerCreateBody {
        image: Some(spec.image.clone()),
        env: Some(
            spec.env
                .0
                .iter()
                .map(|(name, value)| format!("{name}={}", value.expose()))
                .collect(),
        ),
        cmd: spec.command.clone(),
        // The engine's own way to say "none".
        entrypoint: spec.entrypoint.clone().map(|words| {
            if words.is_empty() {
                vec![String::new()]
            } else {
                words
            }
        }),
        working_dir: spec.working_dir.clone(),
        user: spec.user.clone(),
        hostname: spec.hostname.clone(),
        domainname: spec.domainname.clone(),
        labels: Some(hash_map(&new.labels)),
        exposed_ports: Some(exposed(spec)),
        healthcheck: spec.healthcheck.as_ref().map(health),
        stop_signal: spec.stop_signal.clone(),
        stop_timeout: spec.stop_grace,
        tty: Some(spec.tty),
        open_stdin: Some(spec.stdin_open),
        host_config: Some(host_config(spec, inherited)),
        networking_config: spec
            .network
            .primary()
            .map(|(name, attachment)| NetworkingConfig {
                endpoints_config: Some(HashMap::from([(name.clone(), endpoint(attachment))])),
            }),
        ..ContainerCreateBody::default()
    }
}

/// How a container is connected to a network.
pub(super) fn endpoint(attachment: &AttachmentSpec) -> EndpointSettings {
    let fixed =
        attachment.ipv4.is_some() || attachment.ipv6.is_some() || !attachment.link_local.is_empty();
    EndpointSettings {
        aliases: Some(attachment.aliases.iter().cloned().collect()),
        driver_opts: (!attachment.options.is_empty()).then(|| hash_map(&attachment.options)),
        ipam_config: fixed.then(|| EndpointIpamConfig {
            ipv4_address: attachment.ipv4.clone(),
            ipv6_address: attachment.ipv6.clone(),
            link_local_ips: (!attachment.link_local.is_empty())
                .then(|| attachment.link_local.clone()),
        }),
        ..EndpointSettings::default()
    }
}

/// What changes of a container while it exists.
pub(super) fn update(update: &Update) -> ContainerUpdateBody {
    ContainerUpdateBody {
        restart_policy: update.restart.map(restart),
        memory: update.memory.map(|(memory, _)| memory),
        memory_swap: update.memory.map(|(_, with_swap)| with_swap),
        pids_limit: update.pids,
        nano_cpus: update.nano_cpus,
        ..ContainerUpdateBody::default()
    }
}

/// A network.
pub(super) fn network(new: &NewNetwork) -> NetworkCreateRequest {
    let spec = &new.spec;
    let pools = spec.ipam.iter().map(pool).collect::<Vec<_>>();
    let has_ipam = spec.ipam_driver.is_some() || !pools.is_empty() || !spec.ipam_options.is_empty();
    NetworkCreateRequest {
        name: new.name.clone(),
        driver: spec.driver.clone(),
        internal: Some(spec.internal),
        attachable: Some(spec.attachable),
        enable_ipv6: spec.ipv6,
        options: Some(hash_map(&spec.options)),
        labels: Some(hash_map(&new.labels)),
        ipam: has_ipam.then(|| Ipam {
            driver: Some(
                spec.ipam_driver
                    .clone()
                    .unwrap_or_else(|| "default".to_owned()),
            ),
            config: Some(pools),
            options: (!spec.ipam_options.is_empty()).then(|| hash_map(&spec.ipam_options)),
        }),
        ..NetworkCreateRequest::default()
    }
}

/// A volume.
pub(super) fn volume(new: &NewVolume) -> VolumeCreateRequest {
    VolumeCreateRequest {
        name: Some(new.name.clone()),
        driver: new.spec.driver.clone(),
        driver_opts: Some(hash_map(&new.spec.options)),
        labels: Some(hash_map(&new.labels)),
        ..VolumeCreateRequest::default()
    }
}

fn host_config(spec: &ContainerSpec, inherited: &BTreeMap<String, String>) -> HostConfig {
    let network_mode = match &spec.network {
        NetworkChoice::Mode(mode) => Some(mode.clone()),
        NetworkChoice::Networks(_) => spec.network.primary().map(|(name, _)| name.clone()),
    };
    let (tmpfs, mounts): (Vec<_>, Vec<_>) = spec
        .mounts
        .iter()
        .partition(|(_, mount)| matches!(mount.source, MountSource::TmpfsOptions(_)));
    HostConfig {
        mounts: Some(
            mounts
                .into_iter()
                .map(|(target, mount)| self::mount(target, mount, inherited))
                .chain(extra(spec, inherited))
                .collect(),
        ),
        tmpfs: Some(
            tmpfs
                .into_iter()
                .filter_map(|(target, mount)| match &mount.source {
                    MountSource::TmpfsOptions(options) => Some((target.clone(), options.clone())),
                    _ => None,
                })
                .collect(),
        ),
        port_bindings: Some(port_bindings(&spec.ports)),
        network_mode,
        restart_policy: Some(restart(spec.restart)),
        memory: spec.limits.memory,
        memory_reservation: spec.limits.memory_reservation,
        memory_swap: spec.limits.memory_swap,
        nano_cpus: spec.limits.nano_cpus,
        cpu_shares: spec.limits.cpu_shares,
        cpuset_cpus: spec.limits.cpuset.clone(),
        cpu_period: spec.limits.cpu_period,
        cpu_quota: spec.limits.cpu_quota,
        memory_swappiness: spec.limits.swappiness,
        oom_kill_disable: spec.limits.oom_kill_disable.then_some(true),
        pids_limit: spec.limits.pids,
        log_config: Some(HostConfigLogConfig {
            typ: Some(spec.log_driver.clone()),
            config: Some(hash_map(&spec.log_options)),
        }),
        security_opt: Some(list(&spec.security_opt)),
        cap_add: Some(list(&spec.cap_add)),
        cap_drop: Some(list(&spec.cap_drop)),
        privileged: Some(spec.privileged),
        init: spec.init,
        readonly_rootfs: Some(spec.read_only),
        ulimits: Some(spec.ulimits.iter().map(ulimit).collect()),
        sysctls: Some(hash_map(&spec.sysctls)),
        extra_hosts: Some(spec.extra_hosts.clone()),
        dns: Some(spec.dns.clone()),
        dns_search: Some(spec.dns_search.clone()),
        dns_options: Some(spec.dns_opt.clone()),
        shm_size: spec.shm_size,
        devices: Some(
            spec.devices
                .iter()
                .map(|device| DeviceMapping {
                    path_on_host: Some(device.host.clone()),
                    path_in_container: Some(device.container.clone()),
                    cgroup_permissions: Some(device.permissions.clone()),
                })
                .collect(),
        ),
        group_add: Some(list(&spec.group_add)),
        ipc_mode: spec.modes.ipc.clone(),
        pid_mode: spec.modes.pid.clone(),
        userns_mode: spec.modes.userns.clone(),
        uts_mode: spec.modes.uts.clone(),
        runtime: spec.modes.runtime.clone(),
        cgroup_parent: spec.modes.cgroup_parent.clone(),
        oom_score_adj: spec.modes.oom_score_adj,
        cgroupns_mode: spec
            .modes
            .cgroup
            .as_ref()
            .and_then(|text| text.parse().ok()),
        device_cgroup_rules: (!spec.modes.device_cgroup_rules.is_empty())
            .then(|| spec.modes.device_cgroup_rules.clone()),
        storage_opt: (!spec.modes.storage_opt.is_empty())
            .then(|| hash_map(&spec.modes.storage_opt)),
        ..HostConfig::default()
    }
}

fn mount(target: &str, mount: &MountSpec, inherited: &BTreeMap<String, String>) -> Mount {
    let base = Mount {
        target: Some(target.to_owned()),
        read_only: Some(mount.read_only),
        ..Mount::default()
    };
    match &mount.source {
        MountSource::Bind { path, propagation } => Mount {
            typ: Some(MountType::BIND),
            source: Some(path.display().to_string()),
            bind_options: Some(MountBindOptions {
                create_mountpoint: Some(false),
                propagation: propagation
                    .as_ref()
                    .and_then(|text| text.parse::<MountBindOptionsPropagationEnum>().ok()),
                ..MountBindOptions::default()
            }),
            ..base
        },
        MountSource::Volume {
            name,
            nocopy,
            subpath,
        } => Mount {
            typ: Some(MountType::VOLUME),
            source: Some(name.clone()),
            volume_options: Some(MountVolumeOptions {
                no_copy: Some(*nocopy),
                subpath: subpath.clone(),
                ..MountVolumeOptions::default()
            }),
            ..base
        },
        MountSource::Anonymous => Mount {
            typ: Some(MountType::VOLUME),
            source: inherited.get(target).cloned(),
            ..base
        },
        MountSource::Tmpfs { size, mode } => Mount {
            typ: Some(MountType::TMPFS),
            tmpfs_options: Some(MountTmpfsOptions {
                size_bytes: *size,
                mode: mode.map(i64::from),
                options: None,
            }),
            ..base
        },
        // Kept apart by the caller: the engine takes these options only in its older `Tmpfs` field.
        MountSource::TmpfsOptions(_) => base,
    }
}

/// Volumes that the image asks for and the file does not mention.
fn extra<'a>(
    spec: &'a ContainerSpec,
    inherited: &'a BTreeMap<String, String>,
) -> impl Iterator<Item = Mount> + 'a {
    inherited
        .iter()
        .filter(|(target, _)| !spec.mounts.contains_key(*target))
        .map(|(target, name)| Mount {
            target: Some(target.clone()),
            source: Some(name.clone()),
            typ: Some(MountType::VOLUME),
            ..Mount::default()
        })
}

fn exposed(spec: &ContainerSpec) -> Vec<String> {
    let published = spec.ports.iter().map(port_key);
    published
        .chain(spec.expose.iter().cloned())
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect()
}

fn port_key(port: &PortSpec) -> String {
    format!("{}/{}", port.container, port.protocol)
}

fn port_bindings(ports: &BTreeSet<PortSpec>) -> PortMap {
    let mut all = PortMap::new();
    for port in ports {
        let binding = PortBinding {
            host_ip: port.host_ip.clone(),
            host_port: port.host.clone(),
        };
        all.entry(port_key(port))
            .or_default()
            .get_or_insert_default()
            .push(binding);
    }
    all
}

fn health(spec: &HealthSpec) -> HealthConfig {
    HealthConfig {
        test: spec.test.clone(),
        interval: spec.interval,
        timeout: spec.timeout,
        retries: spec.retries,
        start_period: spec.start_period,
        start_interval: spec.start_interval,
    }
}

fn restart(restart: Restart) -> RestartPolicy {
    let (name, max) = match restart {
        Restart::No => (RestartPolicyNameEnum::NO, None),
        Restart::Always => (RestartPolicyNameEnum::ALWAYS, None),
        Restart::UnlessStopped => (RestartPolicyNameEnum::UNLESS_STOPPED, None),
        Restart::OnFailure { max } => (RestartPolicyNameEnum::ON_FAILURE, max),
    };
    RestartPolicy {
        name: Some(name),
        maximum_retry_count: max,
    }
}

fn ulimit((name, (soft, hard)): (&String, &(i64, i64))) -> ResourcesUlimits {
    ResourcesUlimits {
        name: Some(name.clone()),
        soft: Some(*soft),
        hard: Some(*hard),
    }
}

fn pool(pool: &IpamPool) -> IpamConfig {
    IpamConfig {
        subnet: pool.subnet.clone(),
        ip_range: pool.ip_range.clone(),
        gateway: pool.gateway.clone(),
        auxiliary_addresses: (!pool.aux.is_empty()).then(|| hash_map(&pool.aux)),
    }
}

fn list(set: &BTreeSet<String>) -> Vec<String> {
    set.iter().cloned().collect()
}

fn hash_map(map: &BTreeMap<String, String>) -> HashMap<String, String> {
    map.iter()
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}
