//! What reaches beyond the containers of a stack, and so is for trusted stacks only. One list for the hub, which refuses at `check`,
//! and for the agent, which refuses what a hub let through.

mod nested;
mod network;

use crate::mount::{BindSource, MountKind, Propagation};
use crate::namespaces::Namespace;
use crate::parts::Volume;
use crate::project::Project;
use crate::reader::is_opaque;
use crate::service::{NetworkMode, Service};

/// Capabilities that the engine gives by itself; adding one of them adds nothing.
pub(crate) const USUAL_CAPABILITIES: [&str; 14] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "NET_RAW",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// Something that reaches beyond.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beyond {
    /// The keys that lead to it, from the top of the file.
    pub place: Vec<String>,
    /// What it reaches, such as "the network of the server".
    pub what: String,
}

/// What one service has or one section says: the key, and what it reaches.
pub type Reach = (&'static str, String);

/// Everything in the project that only a trusted stack may have.
pub fn beyond(project: &Project) -> Vec<Beyond> {
    let of_services = project.services.iter().flat_map(|(name, service)| {
        let found = self::service(service);
        found
            .into_iter()
            .map(move |(key, what)| at("services", name.as_str(), key, what))
    });
    let of_volumes = project.volumes.iter().flat_map(|(name, volume)| {
        let found = self::volume(volume);
        found
            .into_iter()
            .map(move |(key, what)| at("volumes", name.as_str(), key, what))
    });
    let of_networks = project.networks.iter().flat_map(|(name, network)| {
        let found = network::network(network);
        found
            .into_iter()
            .map(move |(key, what)| at("networks", name.as_str(), key, what))
    });
    let nested = nested::nested(project).into_iter();
    let nested = nested.map(|(name, key, what)| at("services", name, key, what));
    of_services
        .chain(nested)
        .chain(of_volumes)
        .chain(of_networks)
        .collect()
}

fn at(section: &str, name: &str, key: &str, what: String) -> Beyond {
    Beyond {
        place: [section, name, key].map(str::to_owned).to_vec(),
        what,
    }
}

fn service(service: &Service) -> Vec<Reach> {
    let mut found: Vec<Reach> = Vec::new();
    let mut add = |key, what: &str| found.push((key, what.to_owned()));
    if service.privileged {
        add("privileged", "a privileged container");
    }
    if service.network_mode == NetworkMode::Host {
        add("network_mode", "the network of the server");
    }
    for (key, namespace) in service.namespaces.all() {
        if *namespace == Namespace::Host {
            add(
                key,
                match key {
                    "ipc" => "the shared memory of the server",
                    "pid" => "the processes of the server",
                    "uts" => "the host name of the server",
                    "userns_mode" => "the users of the server",
                    _ => "the control groups of the server",
                },
            );
        }
    }
    if !service.devices.is_empty() {
        add("devices", "devices of the server");
    }
    if !service.device_cgroup_rules.is_empty() {
        add("device_cgroup_rules", "devices of the server");
    }
    if service.cgroup_parent.is_some() {
        add("cgroup_parent", "the control groups of the server");
    }
    if service.runtime.is_some() {
        add("runtime", "another runtime than the engine's");
    }
    if service.tuning.oom_kill_disable || service.tuning.oom_score_adj.is_some_and(|by| by < 0) {
        let key = if service.tuning.oom_kill_disable {
            "oom_kill_disable"
        } else {
            "oom_score_adj"
        };
        add(key, "the choice of what ends when memory runs out");
    }
    for capability in &service.cap_add {
        let name = capability_name(capability);
        if !USUAL_CAPABILITIES.contains(&name.as_str()) {
            let name = if is_opaque(&name) {
                "that a value names"
            } else {
                &name
            };
            add("cap_add", &format!("the capability {name}"));
        }
    }
    for option in &service.security_opt {
        if !option.starts_with("no-new-privileges") {
            add(
                "security_opt",
                "a container without the engine's confinement",
            );
        }
    }
    if let Some(what) = service.logging.as_ref().and_then(network::logging) {
        add("logging", &what);
    }
    if let Some(what) = service.networks.values().find_map(network::attachment) {
        add("networks", &what);
    }
    for mount in &service.volumes {
        match &mount.kind {
            MountKind::Bind {
                source: BindSource::Server(path),
                ..
            } => add("volumes", &of_path(path)),
            MountKind::Bind {
                propagation: Some(Propagation::Shared | Propagation::RShared),
                ..
            } => add("volumes", "mounts that the server sees, too"),
            _ => {}
        }
    }
    found
}

fn of_path(path: &str) -> String {
    if is_opaque(path) {
        "a path of the server that depends on a value".to_owned()
    } else if path.trim_end_matches('/').ends_with("docker.sock") {
        "the socket of Docker, which is as good as root".to_owned()
    } else {
        format!("`{path}` of the server")
    }
}

/// A volume of the `local` driver can be any mount that the server can make, a bind of any path included.
fn volume(volume: &Volume) -> Vec<Reach> {
    let mut found: Vec<Reach> = Vec::new();
    if volume.external {
        found.push(("external", "a volume of somebody else".to_owned()));
    } else if volume.name.is_some() {
        let what = "a volume by a name that another stack may have";
        found.push(("name", what.to_owned()));
    }
    if volume
        .driver
        .as_deref()
        .is_some_and(|driver| driver != "local")
    {
        found.push(("driver", "a volume driver of the server".to_owned()));
    }
    let option = |name: &str| volume.driver_opts.get(name);
    let memory =
        option("type") == Some("tmpfs") && !option("o").unwrap_or_default().contains("bind");
    if let Some(device) = option("device").filter(|_| !memory) {
        found.push(("driver_opts", of_path(device)));
    }
    found
}

/// `cap_net_raw` and `NET_RAW` are the same.
pub(crate) fn capability_name(text: &str) -> String {
    let upper = text.to_ascii_uppercase();
    upper
        .strip_prefix("CAP_")
        .map(str::to_owned)
        .unwrap_or(upper)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<String> {
        let project = Project::load(text, &|_| None).unwrap_or_else(|wrong| panic!("{wrong:?}"));
        let found = beyond(&project).into_iter();
        found
            .map(|beyond| format!("{}: {}", beyond.place.join("."), beyond.what))
            .collect()
    }

    #[test]
    fn what_stays_inside_reaches_nothing() {
        let text = "
services:
  a:
    image: x
    cap_add: [CAP_NET_RAW, chown]
    cap_drop: [ALL]
    security_opt: [no-new-privileges:false]
    network_mode: service:b
    pid: service:b
    volumes: [./files:/files, data:/data, {type: tmpfs, target: /t}]
  b:
    image: x
    ipc: shareable
    cgroup: private
    networks: [n]
    logging: {driver: local, options: {max-size: 1m}}
    volumes: ['./more:/more', './more:/again:ro']
  c: {image: x, logging: {driver: none}}
  d: {image: x, logging: {options: {max-size: 1m}}}
volumes:
  data: {driver_opts: {type: tmpfs, device: tmpfs, o: 'size=1m'}}
networks: {n: {driver: bridge, internal: true, driver_opts: {com.docker.network.driver.mtu: '1400'}, ipam: {config: [{subnet: 10.1.0.0/24}, {subnet: 'fd00:1::/64'}]}}}
";
        assert_eq!(told(text), Vec::<String>::new());
    }

    #[test]
    fn every_way_out_is_found() {
        let service = |entry: &str| format!("services: {{a: {{image: x, {entry}}}}}");
        for (entry, found) in [
            (
                "privileged: true",
                "services.a.privileged: a privileged container",
            ),
            (
                "network_mode: host",
                "services.a.network_mode: the network of the server",
            ),
            ("pid: host", "services.a.pid: the processes of the server"),
            (
                "ipc: host",
                "services.a.ipc: the shared memory of the server",
            ),
            ("uts: host", "services.a.uts: the host name of the server"),
            (
                "userns_mode: host",
                "services.a.userns_mode: the users of the server",
            ),
            (
                "cgroup: host",
                "services.a.cgroup: the control groups of the server",
            ),
            (
                "cgroup_parent: /x",
                "services.a.cgroup_parent: the control groups of the server",
            ),
            (
                "runtime: kata",
                "services.a.runtime: another runtime than the engine's",
            ),
            (
                "devices: [/dev/kvm]",
                "services.a.devices: devices of the server",
            ),
            (
                "device_cgroup_rules: ['c 1:3 r']",
                "services.a.device_cgroup_rules: devices of the server",
            ),
            (
                "cap_add: [SYS_ADMIN]",
                "services.a.cap_add: the capability SYS_ADMIN",
            ),
            ("cap_add: [ALL]", "services.a.cap_add: the capability ALL"),
            (
                "security_opt: ['seccomp=unconfined']",
                "services.a.security_opt: a container without the engine's confinement",
            ),
            (
                "oom_score_adj: -5",
                "services.a.oom_score_adj: the choice of what ends when memory runs out",
            ),
            (
                "volumes: ['/etc:/etc:ro']",
                "services.a.volumes: `/etc` of the server",
            ),
            (
                "volumes: ['/run/docker.sock:/s']",
                "services.a.volumes: the socket of Docker, which is as good as root",
            ),
            (
                "volumes: [{type: bind, source: /srv, target: /s}]",
                "services.a.volumes: `/srv` of the server",
            ),
            (
                "volumes: ['./a:/a', './a/b:/b']",
                "services.a.volumes: `./a/b`, which lies in a folder that `a` may change and so can be led out of the stack",
            ),
            (
                "logging: {driver: fluentd, options: {fluentd-address: 'unix:///run/x.sock'}}",
                "services.a.logging: the log driver `fluentd`, which the server itself would connect with",
            ),
            (
                "networks: {default: {driver_opts: {com.docker.network.endpoint.exposedports: '1'}}}",
                "services.a.networks: the option `com.docker.network.endpoint.exposedports` of a connection, which acts on the server",
            ),
            (
                "volumes: ['./a:/a:rshared']",
                "services.a.volumes: mounts that the server sees, too",
            ),
        ] {
            assert_eq!(told(&service(entry)), [found], "{entry}");
        }
        for (volume, found) in [
            (
                "{driver_opts: {type: none, o: bind, device: /etc}}",
                "volumes.v.driver_opts: `/etc` of the server",
            ),
            (
                "{driver_opts: {type: tmpfs, o: 'ro,bind', device: /etc}}",
                "volumes.v.driver_opts: `/etc` of the server",
            ),
            (
                "{driver_opts: {type: nfs, o: 'addr=192.0.2.1', device: ':/x'}}",
                "volumes.v.driver_opts: `:/x` of the server",
            ),
            (
                "{driver: rclone}",
                "volumes.v.driver: a volume driver of the server",
            ),
            (
                "{external: true}",
                "volumes.v.external: a volume of somebody else",
            ),
            (
                "{name: acme-shop_data}",
                "volumes.v.name: a volume by a name that another stack may have",
            ),
        ] {
            let text = format!(
                "services: {{a: {{image: x, volumes: ['v:/v']}}}}\nvolumes: {{v: {volume}}}"
            );
            assert_eq!(told(&text), [found], "{volume}");
        }
        for (network, found) in [
            (
                "{external: true}",
                "networks.n.external: a network of somebody else",
            ),
            (
                "{name: acme-other_default}",
                "networks.n.name: a network by a name that another stack may have",
            ),
            (
                "{driver: macvlan}",
                "networks.n.driver: networks around the server's firewall",
            ),
            (
                "{driver_opts: {com.docker.network.driver.mtu: '1400', com.docker.network.bridge.name: docker0}}",
                "networks.n.driver_opts: the option `com.docker.network.bridge.name` of a network, which acts on the server",
            ),
            (
                "{ipam: {driver: other}}",
                "networks.n.ipam: an address driver of the server",
            ),
            (
                "{ipam: {config: [{subnet: 10.1.0.0/24}, {subnet: 8.8.8.0/24}]}}",
                "networks.n.ipam: the addresses `8.8.8.0/24`, which are no private ones (RFC 1918, RFC 4193) and could be those of somebody else",
            ),
        ] {
            let text =
                format!("services: {{a: {{image: x, networks: [n]}}}}\nnetworks: {{n: {network}}}");
            assert_eq!(told(&text), [found], "{network}");
        }
    }
}
