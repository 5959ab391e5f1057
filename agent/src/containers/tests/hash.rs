//! The digest changes with every input, and with nothing else.

use super::{KEEPER, depend, key, mount_volume, service};
use crate::containers::desired::{
    AttachmentSpec, Condition, ContainerSpec, DeviceSpec, HealthSpec, MountSource, MountSpec,
    NetworkChoice, NetworkSpec, PortSpec, Restart, ServiceSpec,
};
use crate::containers::inputs::InputsKey;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use tenantry_schema::secret::Secret;

fn digest(service: &ServiceSpec) -> String {
    key().container(service, "sha256:1").to_string()
}

type Change = fn(&mut ServiceSpec);

/// One change for every input, those with an inner structure several times.
const CHANGES: &[(&str, Change)] = &[
    ("variable", |s| {
        s.container
            .env
            .0
            .insert("A".into(), Secret::new("1".into()));
    }),
    ("value", |s| {
        s.container
            .env
            .0
            .insert("A".into(), Secret::new("2".into()));
    }),
    ("variable and value run together", |s| {
        s.container
            .env
            .0
            .insert("A1".into(), Secret::new(String::new()));
    }),
    ("file", |s| {
        s.files.insert("/srv/a".into(), "1".into());
    }),
    ("file content", |s| {
        s.files.insert("/srv/a".into(), "2".into());
    }),
    ("command", |s| {
        s.container.command = Some(vec!["a b".into()]);
    }),
    ("command in two words", |s| {
        s.container.command = Some(vec!["a".into(), "b".into()]);
    }),
    ("address", |s| {
        if let NetworkChoice::Networks(networks) = &mut s.container.network {
            let first = networks.values_mut().next().unwrap();
            first.ipv4 = Some("10.9.0.5".into());
        }
    }),
    ("control groups", |s| {
        s.container.modes.cgroup = Some("private".into());
    }),
    ("device rule", |s| {
        s.container.modes.device_cgroup_rules = vec!["c 1:3 r".into()];
    }),
    ("cpu quota", |s| s.container.limits.cpu_quota = Some(5)),
    ("swappiness", |s| s.container.limits.swappiness = Some(5)),
    ("empty command", |s| s.container.command = Some(vec![])),
    ("entrypoint", |s| {
        s.container.entrypoint = Some(vec!["a b".into()]);
    }),
    ("folder", |s| s.container.working_dir = Some("/a".into())),
    ("user", |s| s.container.user = Some("a".into())),
    ("hostname", |s| s.container.hostname = Some("a".into())),
    ("domainname", |s| s.container.domainname = Some("a".into())),
    ("label", |s| {
        s.container.labels.insert("a".into(), "b".into());
    }),
    ("volume", |s| mount_volume(s, "v", "/a")),
    ("volume elsewhere", |s| mount_volume(s, "v", "/b")),
    ("anonymous volume", |s| {
        s.container.mounts.insert(
            "/a".into(),
            MountSpec {
                source: MountSource::Anonymous,
                read_only: false,
            },
        );
    }),
    ("bind", |s| {
        let source = MountSource::Bind {
            path: "/a".into(),
            propagation: None,
        };
        s.container.mounts.insert(
            "/a".into(),
            MountSpec {
                source,
                read_only: false,
            },
        );
    }),
    ("read-only bind", |s| {
        let source = MountSource::Bind {
            path: "/a".into(),
            propagation: None,
        };
        s.container.mounts.insert(
            "/a".into(),
            MountSpec {
                source,
                read_only: true,
            },
        );
    }),
    ("tmpfs", |s| {
        let source = MountSource::Tmpfs {
            size: Some(1),
            mode: None,
        };
        s.container.mounts.insert(
            "/a".into(),
            MountSpec {
                source,
                read_only: false,
            },
        );
    }),
    ("port", |s| {
        s.container.ports.insert(PortSpec {
            container: 80,
            protocol: "tcp".into(),
            host_ip: None,
            host: Some("81".into()),
        });
    }),
    ("port on loopback", |s| {
        let host_ip = Some("127.0.0.1".into());
        s.container.ports.insert(PortSpec {
            container: 80,
            protocol: "tcp".into(),
            host_ip,
            host: Some("81".into()),
        });
    }),
    ("exposed port", |s| {
        s.container.expose.insert("80/tcp".into());
    }),
    ("network mode", |s| {
        s.container.network = NetworkChoice::Mode("none".into());
    }),
    ("alias", |s| {
        let NetworkChoice::Networks(networks) = &mut s.container.network else {
            return;
        };
        for network in networks.values_mut() {
            network.aliases.insert("other".into());
        }
    }),
    ("fixed address", |s| {
        let NetworkChoice::Networks(networks) = &mut s.container.network else {
            return;
        };
        for network in networks.values_mut() {
            network.ipv4 = Some("10.0.0.2".into());
        }
    }),
    ("health check", |s| {
        let none = HealthSpec {
            test: None,
            interval: None,
            timeout: None,
            start_period: None,
            start_interval: None,
            retries: None,
        };
        s.container.healthcheck = Some(HealthSpec {
            test: Some(vec!["NONE".into()]),
            ..none
        });
    }),
    ("restart", |s| s.container.restart = Restart::No),
    ("restart count", |s| {
        s.container.restart = Restart::OnFailure { max: Some(2) }
    }),
    ("memory", |s| s.container.limits.memory = Some(1)),
    ("processors", |s| s.container.limits.nano_cpus = Some(1)),
    ("processes", |s| s.container.limits.pids = Some(1)),
    ("log driver", |s| s.container.log_driver = "none".into()),
    ("log option", |s| {
        s.container
            .log_options
            .insert("max-size".into(), "1m".into());
    }),
    ("security option", |s| {
        s.container
            .security_opt
            .insert("no-new-privileges:true".into());
    }),
    ("capability added", |s| {
        s.container.cap_add.insert("CHOWN".into());
    }),
    ("capability dropped", |s| {
        s.container.cap_drop.insert("CHOWN".into());
    }),
    ("privileged", |s| s.container.privileged = true),
    ("stop signal", |s| {
        s.container.stop_signal = Some("SIGINT".into());
    }),
    ("stop grace", |s| s.container.stop_grace = Some(1)),
    ("init", |s| s.container.init = Some(true)),
    ("read-only", |s| s.container.read_only = true),
    ("ulimit", |s| {
        s.container.ulimits.insert("nofile".into(), (1, 2));
    }),
    ("sysctl", |s| {
        s.container
            .sysctls
            .insert("net.core.somaxconn".into(), "9".into());
    }),
    ("extra host", |s| {
        s.container.extra_hosts.push("a:10.0.0.1".into());
    }),
    ("name server", |s| s.container.dns.push("10.0.0.1".into())),
    ("search domain", |s| {
        s.container.dns_search.push("a.example".into());
    }),
    ("resolver option", |s| {
        s.container.dns_opt.push("ndots:1".into());
    }),
    ("shared memory", |s| s.container.shm_size = Some(1)),
    ("device", |s| {
        let device = DeviceSpec {
            host: "/dev/fuse".into(),
            container: "/dev/fuse".into(),
            permissions: "rwm".into(),
        };
        s.container.devices.insert(device);
    }),
    ("group", |s| {
        s.container.group_add.insert("video".into());
    }),
    ("terminal", |s| s.container.tty = true),
    ("standard input", |s| s.container.stdin_open = true),
    ("pid namespace", |s| {
        s.container.modes.pid = Some("host".into());
    }),
    ("ipc namespace", |s| {
        s.container.modes.ipc = Some("host".into());
    }),
    ("user namespace", |s| {
        s.container.modes.userns = Some("host".into());
    }),
    ("host name namespace", |s| {
        s.container.modes.uts = Some("host".into());
    }),
    ("runtime", |s| {
        s.container.modes.runtime = Some("runc".into());
    }),
    ("parent of control groups", |s| {
        s.container.modes.cgroup_parent = Some("/a".into());
    }),
    ("score when memory runs out", |s| {
        s.container.modes.oom_score_adj = Some(5);
    }),
    ("platform", |s| {
        s.container.modes.platform = Some("linux/amd64".into());
    }),
    ("storage option", |s| {
        s.container
            .modes
            .storage_opt
            .insert("size".into(), "1G".into());
    }),
    ("memory reservation", |s| {
        s.container.limits.memory_reservation = Some(5);
    }),
    ("memory and swap", |s| {
        s.container.limits.memory_swap = Some(5);
    }),
    ("cpu shares", |s| s.container.limits.cpu_shares = Some(5)),
    ("cpu set", |s| s.container.limits.cpuset = Some("0".into())),
    ("cpu period", |s| s.container.limits.cpu_period = Some(5)),
    ("spared when memory runs out", |s| {
        s.container.limits.oom_kill_disable = true;
    }),
    ("volume without a copy", |s| volume(s, true, None, false)),
    ("folder of a volume", |s| volume(s, false, Some("a"), false)),
    ("read-only volume", |s| volume(s, false, None, true)),
    ("propagation", |s| {
        let source = MountSource::Bind {
            path: "/a".into(),
            propagation: Some("rslave".into()),
        };
        mount(s, source);
    }),
    ("mode of a tmpfs", |s| {
        let source = MountSource::Tmpfs {
            size: None,
            mode: Some(0o700),
        };
        mount(s, source);
    }),
    ("options of a tmpfs", |s| {
        mount(s, MountSource::TmpfsOptions("noexec".into()));
    }),
    ("fixed address of version 6", |s| {
        network(s).ipv6 = Some("fd00::2".into());
    }),
    ("address of the link", |s| {
        network(s).link_local.push("169.254.0.2".into());
    }),
    ("option of a connection", |s| {
        network(s).options.insert("a".into(), "b".into());
    }),
    ("priority", |s| network(s).priority = 5),
    ("name of a network in the file", |s| {
        network(s).key = "front".into();
    }),
    ("times of a health check", |s| {
        let every = |number| Some(number);
        s.container.healthcheck = Some(HealthSpec {
            test: None,
            interval: every(1),
            timeout: every(2),
            start_period: every(3),
            start_interval: every(4),
            retries: every(5),
        });
    }),
];

fn mount(service: &mut ServiceSpec, source: MountSource) {
    let spec = MountSpec {
        source,
        read_only: false,
    };
    service.container.mounts.insert("/a".into(), spec);
}

fn volume(service: &mut ServiceSpec, nocopy: bool, subpath: Option<&str>, read_only: bool) {
    let source = MountSource::Volume {
        name: "v".into(),
        nocopy,
        subpath: subpath.map(str::to_owned),
    };
    let spec = MountSpec { source, read_only };
    service.container.mounts.insert("/a".into(), spec);
}

fn network(service: &mut ServiceSpec) -> &mut AttachmentSpec {
    match &mut service.container.network {
        NetworkChoice::Networks(networks) => networks.values_mut().next().unwrap(),
        NetworkChoice::Mode(_) => panic!("it has a network"),
    }
}

/// Where values stand in the serialised form; keys of people's own choice and places in lists are `*`.
fn leaves(container: &ContainerSpec) -> BTreeMap<String, BTreeSet<String>> {
    const OWN: [&str; 10] = [
        "labels",
        "mounts",
        "Networks",
        "log_options",
        "ulimits",
        "sysctls",
        "options",
        "storage_opt",
        "env",
        "aux",
    ];
    fn walk(path: &str, value: &serde_json::Value, found: &mut BTreeMap<String, BTreeSet<String>>) {
        match value {
            serde_json::Value::Object(entries) => {
                let own = path
                    .rsplit('.')
                    .next()
                    .is_some_and(|last| OWN.contains(&last));
                for (key, value) in entries {
                    let key = if own { "*" } else { key };
                    walk(&format!("{path}.{key}"), value, found);
                }
            }
            serde_json::Value::Array(items) => {
                for value in items {
                    walk(&format!("{path}.*"), value, found);
                }
            }
            // Nothing and `false` are what a field has that nobody set.
            serde_json::Value::Null | serde_json::Value::Bool(false) => {}
            leaf => {
                let values = found.entry(path.to_owned()).or_default();
                values.insert(leaf.to_string());
            }
        }
    }
    let mut found = BTreeMap::new();
    walk("", &serde_json::to_value(container).unwrap(), &mut found);
    found
}

/// Fields of the serialised form that have no value of their own: with all fields set, none is empty.
fn empty(container: &ContainerSpec) -> BTreeSet<String> {
    fn walk(path: &str, value: &serde_json::Value, found: &mut BTreeSet<String>) {
        let entries = match value {
            serde_json::Value::Object(entries) if !entries.is_empty() => entries,
            serde_json::Value::Array(items) if !items.is_empty() => return,
            serde_json::Value::Null
            | serde_json::Value::Bool(false)
            | serde_json::Value::Object(_)
            | serde_json::Value::Array(_) => {
                found.insert(path.to_owned());
                return;
            }
            _ => return,
        };
        for (key, value) in entries {
            walk(&format!("{path}.{key}"), value, found);
        }
    }
    let mut found = BTreeSet::new();
    walk("", &serde_json::to_value(container).unwrap(), &mut found);
    found
}

#[test]
fn every_field_of_the_serialised_form_is_among_the_changes() {
    let base = service("web");
    let before = leaves(&base.container);
    let mut changed = BTreeSet::new();
    let mut unset = empty(&base.container);
    for (_, change) in CHANGES {
        let mut service = base.clone();
        change(&mut service);
        let after = leaves(&service.container);
        changed.extend(
            after
                .iter()
                .filter(|(path, values)| before.get(*path) != Some(*values))
                .map(|(path, _)| path.clone()),
        );
        let still = empty(&service.container);
        unset.retain(|path| still.contains(path));
    }
    // What the plain service leaves empty is set by some change, and what it sets is set otherwise.
    assert_eq!(unset, BTreeSet::new(), "no change sets these");
    let untouched: Vec<_> = before
        .keys()
        .filter(|path| !changed.contains(*path))
        .collect();
    assert_eq!(untouched, Vec::<&String>::new(), "no change touches these");
    // Every field of what a change puts in is changed by some other, too.
    for inner in [
        ".mounts.*.source.Bind.path",
        ".mounts.*.source.Bind.propagation",
        ".mounts.*.source.Volume.name",
        ".mounts.*.source.Volume.nocopy",
        ".mounts.*.source.Volume.subpath",
        ".mounts.*.source.Tmpfs.size",
        ".mounts.*.source.Tmpfs.mode",
        ".mounts.*.source.TmpfsOptions",
        ".mounts.*.read_only",
        ".ports.*.host_ip",
        ".healthcheck.test.*",
        ".healthcheck.interval",
        ".healthcheck.timeout",
        ".healthcheck.start_period",
        ".healthcheck.start_interval",
        ".healthcheck.retries",
        ".restart.OnFailure.max",
        ".network.Mode",
    ] {
        assert!(
            changed.contains(inner),
            "no change touches {inner}: {changed:#?}"
        );
    }
}

#[test]
fn every_input_changes_the_digest_and_no_two_alike() {
    let mut seen = BTreeMap::from([(digest(&service("web")), "nothing")]);
    for (what, change) in CHANGES {
        let mut changed = service("web");
        change(&mut changed);
        if let Some(other) = seen.insert(digest(&changed), what) {
            panic!("`{what}` has the digest of `{other}`");
        }
    }
}

#[test]
fn image_and_key_are_inputs_and_network_and_file_have_digests_of_their_own() {
    let web = service("web");
    assert_ne!(
        key().container(&web, "sha256:1"),
        key().container(&web, "sha256:2")
    );
    assert_ne!(
        InputsKey::new(Secret::new(vec![8; 32])).container(&web, "sha256:1"),
        key().container(&web, "sha256:1")
    );
    let network = NetworkSpec::default();
    assert_ne!(
        key().network(&network),
        key().network(&NetworkSpec {
            internal: true,
            ..NetworkSpec::default()
        })
    );
    assert_ne!(key().file(b"a"), key().file(b"b"));
    assert_eq!(key().file(b"a"), key().file(b"a"));
}

#[test]
fn name_dependencies_and_image_name_are_no_inputs() {
    let mut changed = service("web");
    changed.container.name = "other".into();
    changed.container.image = "other:1".into();
    depend(&mut changed, "db", Condition::Healthy);
    assert_eq!(digest(&changed), digest(&service("web")));
}

#[test]
fn nothing_secret_is_printed() {
    let mut web = service("web");
    web.container
        .env
        .0
        .insert("PASSWORD".into(), Secret::new("hunter2".into()));
    web.container.command = Some(vec!["serve".into(), "--password=hunter2".into()]);
    web.container.labels.insert("a".into(), "hunter2".into());
    let input = super::instance([("web", web)]);
    assert!(!format!("{input:?} {:?}", key()).contains("hunter2"));
    assert!(format!("{input:?}").contains(KEEPER));
}

proptest! {
    #[test]
    fn the_order_of_writing_does_not_matter(mut pairs in prop::collection::btree_map("[A-Z]{1,3}", ".{0,5}", 0..6)) {
        let fill = |pairs: Vec<(String, String)>| {
            let mut web = service("web");
            for (name, value) in pairs {
                web.container.labels.insert(name.clone(), value.clone());
                web.container.cap_add.insert(name.clone());
                web.container.env.0.insert(name, Secret::new(value));
            }
            digest(&web)
        };
        let forward: Vec<_> = std::mem::take(&mut pairs).into_iter().collect();
        let backward = forward.iter().rev().cloned().collect();
        prop_assert_eq!(fill(forward), fill(backward));
    }

    #[test]
    fn different_environments_have_different_digests(
        one in prop::collection::btree_map("[AB]{0,2}", "[AB]{0,2}", 0..3),
        other in prop::collection::btree_map("[AB]{0,2}", "[AB]{0,2}", 0..3),
    ) {
        let fill = |pairs: &BTreeMap<String, String>| {
            let mut web = service("web");
            web.container.env.0 = pairs.iter().map(|(name, value)| (name.clone(), Secret::new(value.clone()))).collect();
            digest(&web)
        };
        prop_assert_eq!(fill(&one) == fill(&other), one == other);
    }
}
