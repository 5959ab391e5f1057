//! From a Compose file to what should be on the engine.

use super::{KEEPER, PROJECT, key, names};
use crate::containers::desired::{
    Condition, MountSource, NetworkChoice, PortSpec, Restart, Wanted,
};
use crate::containers::spec::{Instance, Place, Rules, SpecError, instance};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tenantry_compose::Project;

const FULL: &str = r#"
services:
  web:
    image: acme/web:2
    command: [serve, "--token=${TOKEN}"]
    entrypoint: []
    environment: { PASSWORD: "${TOKEN}", MODE: production }
    labels: { team: a }
    ports: ["127.0.0.1:8080:80", "53:53/udp"]
    expose: ["9000"]
    volumes: ["data:/data", "./files:/srv/files:ro", "./files-other/x:/x", "/cache", "/etc/localtime:/etc/localtime:ro"]
    tmpfs: ["/run:size=64m,mode=1777,noexec", "/tmp"]
    secrets: [token, { source: key, target: /etc/key.pem, mode: 0400, uid: "33" }]
    configs: [motd]
    networks: { front: { aliases: [www] }, default: {} }
    depends_on: { db: { condition: service_healthy }, seed: { condition: service_completed_successfully, required: false } }
    healthcheck: { test: curl localhost, interval: 1m30s, retries: 2 }
    restart: on-failure:3
    user: "1000"
    stop_grace_period: 1500ms
    mem_limit: 64m
    cpus: 0.5
    pids_limit: 100
    cap_drop: [ALL]
    security_opt: ["seccomp=unconfined"]
    logging: { options: { max-size: 1m } }
    ulimits: { nofile: { soft: 10, hard: 20 } }
    extra_hosts: ["host.docker.internal:host-gateway"]
    init: true
    read_only: true
    shm_size: 32m
  db: { image: postgres, healthcheck: { test: [CMD, "true"] }, security_opt: ["no-new-privileges:false"] }
  seed: { image: postgres, network_mode: none, volumes: ["shared:/shared"] }
networks: { front: { internal: true } }
volumes: { data: {}, shared: { external: true, name: shared-data } }
secrets: { token: { environment: TOKEN }, key: { environment: KEY } }
configs: { motd: { content: "hello ${TOKEN}" } }
"#;

pub(super) fn digests() -> BTreeMap<PathBuf, String> {
    [
        "/live/acme/files/a",
        "/live/acme/files/b/c",
        "/live/acme/files-other/x",
        "/live/acme/compose.yaml",
    ]
    .map(|path| (PathBuf::from(path), format!("digest of {path}")))
    .into()
}

fn translate_with(
    text: &str,
    digests: &BTreeMap<PathBuf, String>,
    token: &str,
) -> Result<Instance, SpecError> {
    let rules = Rules {
        trusted: true,
        ..Rules::default()
    };
    translate_by(text, digests, token, &rules)
}

pub(super) fn translate_by(
    text: &str,
    digests: &BTreeMap<PathBuf, String>,
    token: &str,
    rules: &Rules,
) -> Result<Instance, SpecError> {
    let lookup = |name: &str| {
        ["TOKEN", "KEY"]
            .contains(&name)
            .then(|| format!("{token}-{name}"))
    };
    let project = Project::load(text, &lookup).expect("a good Compose file");
    let place = Place {
        instance: PROJECT,
        keeper: KEEPER,
        state: Wanted::Running,
        folder: Path::new("/live/acme"),
        secrets: Path::new("/secrets/acme"),
        configs: Path::new("/configs/acme"),
        digests,
        key: &key(),
        rules,
    };
    instance(&project, &place)
}

fn translate(text: &str) -> Result<Instance, SpecError> {
    translate_with(text, &digests(), "hunter2")
}

#[test]
fn a_service_with_everything() {
    let Instance { input, files } = translate(FULL).unwrap();
    let web = &input.services["web"];
    let spec = &web.container;
    assert_eq!(
        (spec.name.as_str(), spec.image.as_str()),
        ("acme-web-1", "acme/web:2")
    );
    assert_eq!(
        spec.command.as_deref(),
        Some(&["serve".to_owned(), "--token=hunter2-TOKEN".to_owned()][..])
    );
    assert_eq!(spec.entrypoint, Some(vec![]));
    assert_eq!(spec.env.0["PASSWORD"].expose(), "hunter2-TOKEN");
    let port = |container, protocol: &str, ip: Option<&str>, host: &str| PortSpec {
        container,
        protocol: protocol.to_owned(),
        host_ip: ip.map(str::to_owned),
        host: Some(host.to_owned()),
    };
    assert_eq!(
        spec.ports,
        [
            port(80, "tcp", Some("127.0.0.1"), "8080"),
            port(53, "udp", None, "53")
        ]
        .into()
    );
    assert_eq!(spec.expose, names(&["9000/tcp"]));
    let NetworkChoice::Networks(networks) = &spec.network else {
        panic!("it has networks")
    };
    assert_eq!(networks["acme_front"].aliases, names(&["web", "www"]));
    assert_eq!(networks["acme_default"].aliases, names(&["web"]));
    assert_eq!(spec.restart, Restart::OnFailure { max: Some(3) });
    assert_eq!(spec.stop_grace, Some(2));
    assert_eq!(
        (spec.limits.memory, spec.limits.nano_cpus, spec.limits.pids),
        (Some(64 << 20), Some(500_000_000), Some(100))
    );
    assert_eq!(
        spec.security_opt,
        names(&["no-new-privileges:true", "seccomp=unconfined"])
    );
    assert_eq!(
        (
            spec.log_options["max-size"].as_str(),
            spec.log_options["max-file"].as_str()
        ),
        ("1m", "3")
    );
    assert_eq!(spec.ulimits["nofile"], (10, 20));
    assert_eq!(spec.extra_hosts, ["host.docker.internal:host-gateway"]);
    let health = spec.healthcheck.as_ref().unwrap();
    assert_eq!(
        health.test.as_deref(),
        Some(&["CMD-SHELL".to_owned(), "curl localhost".to_owned()][..])
    );
    assert_eq!(
        (health.interval, health.retries),
        (Some(90_000_000_000), Some(2))
    );
    assert!(spec.read_only && spec.init == Some(true) && spec.shm_size == Some(32 << 20));
    assert_eq!(web.depends_on["db"].condition, Condition::Healthy);
    assert!(!web.depends_on["seed"].required);
    assert!(web.job && input.services["seed"].job && !input.services["db"].job);
    assert_eq!(
        input.services["db"].container.security_opt,
        names(&["no-new-privileges:false"])
    );
    assert_eq!(
        input.services["seed"].container.network,
        NetworkChoice::Mode("none".into())
    );
    assert!(input.networks["acme_front"].internal && input.networks.contains_key("acme_default"));
    assert!(input.volumes["shared-data"].external && !input.volumes["acme_data"].external);
    assert_eq!(files.len(), 3);
}

#[test]
fn everything_that_is_mounted() {
    let Instance { input, files } = translate(FULL).unwrap();
    let web = &input.services["web"];
    let mount = |target: &str| &web.container.mounts[target];
    let bind = |path: &str| MountSource::Bind {
        path: path.into(),
        propagation: None,
    };
    assert_eq!(mount("/srv/files").source, bind("/live/acme/files"));
    assert!(mount("/srv/files").read_only && !mount("/x").read_only);
    assert_eq!(
        mount("/data").source,
        MountSource::Volume {
            name: "acme_data".into(),
            nocopy: false,
            subpath: None
        }
    );
    assert_eq!(mount("/cache").source, MountSource::Anonymous);
    assert_eq!(
        mount("/run").source,
        MountSource::TmpfsOptions("noexec,size=67108864,mode=1777".into())
    );
    assert_eq!(
        mount("/tmp").source,
        MountSource::Tmpfs {
            size: None,
            mode: None
        }
    );
    assert_eq!(
        mount("/run/secrets/token").source,
        bind("/secrets/acme/TOKEN")
    );
    assert!(mount("/run/secrets/token").read_only);
    assert_eq!(
        mount("/etc/key.pem").source,
        bind("/secrets/acme/KEY@0400-33-")
    );
    assert_eq!(mount("/motd").source, bind("/configs/acme/motd"));
    let seen: Vec<_> = web
        .files
        .keys()
        .map(|path| path.to_str().unwrap())
        .collect();
    assert_eq!(
        seen,
        [
            "/configs/acme/motd",
            "/live/acme/files/a",
            "/live/acme/files/b/c",
            "/live/acme/files-other/x",
            "/secrets/acme/KEY@0400-33-",
            "/secrets/acme/TOKEN",
        ]
    );
    let file = |name: &str| files.iter().find(|file| file.path.ends_with(name)).unwrap();
    assert_eq!(
        {
            let key = file("KEY@0400-33-");
            (key.mode, key.uid, key.gid)
        },
        (0o400, Some(33), None)
    );
    assert_eq!(
        (file("TOKEN").mode, file("TOKEN").content.expose().as_str()),
        (0o444, "hunter2-TOKEN")
    );
    assert_eq!(file("motd").content.expose(), "hello hunter2-TOKEN");
    assert!(!format!("{files:?}{input:?}").contains("hunter2"));
}

#[test]
fn a_secret_that_is_asked_for_in_several_ways_is_a_file_for_each() {
    let text = "
services:
  a: {image: x, secrets: [s, {source: s, target: other, mode: 0400}]}
  b: {image: x, secrets: [{source: s, mode: 0400}]}
  c: {image: x, secrets: [{source: s, mode: 0444, gid: '5'}], configs: [{source: c, uid: '7'}, {source: c, target: /d}]}
secrets: {s: {environment: TOKEN}}
configs: {c: {content: x}}
";
    let Instance { input, files } = translate_with(text, &digests(), "t").unwrap();
    let told: Vec<_> = files
        .iter()
        .map(|file| (file.path.to_str().unwrap(), file.mode, file.uid, file.gid))
        .collect();
    assert_eq!(
        told,
        [
            ("/configs/acme/c", 0o444, None, None),
            ("/configs/acme/c@0444-7-", 0o444, Some(7), None),
            ("/secrets/acme/TOKEN", 0o444, None, None),
            ("/secrets/acme/TOKEN@0400--", 0o400, None, None),
            ("/secrets/acme/TOKEN@0444--5", 0o444, None, Some(5)),
        ]
    );
    let source = |service: &str, target: &str| {
        input.services[service].container.mounts[target]
            .source
            .clone()
    };
    let bind = |path: &str| MountSource::Bind {
        path: path.into(),
        propagation: None,
    };
    let own = bind("/secrets/acme/TOKEN@0400--");
    assert_eq!(source("a", "/run/secrets/other"), own);
    assert_eq!(source("b", "/run/secrets/s"), own);
    assert_eq!(source("a", "/run/secrets/s"), bind("/secrets/acme/TOKEN"));
}

#[test]
fn a_file_changes_exactly_the_services_that_see_it() {
    let digest = |digests: &BTreeMap<PathBuf, String>, token: &str| {
        let input = translate_with(FULL, digests, token).unwrap().input;
        ["web", "db"].map(|name| key().container(&input.services[name], "sha256:1"))
    };
    let before = digest(&digests(), "hunter2");
    for (path, changes) in [
        ("/live/acme/files/b/c", true),
        ("/live/acme/files/new", true),
        ("/live/acme/compose.yaml", false),
    ] {
        let mut changed = digests();
        changed.insert(path.into(), "changed".into());
        let after = digest(&changed, "hunter2");
        assert_eq!(after[0] != before[0], changes, "{path}");
        assert_eq!(after[1], before[1], "{path}");
    }
    let after = digest(&digests(), "another");
    assert!(after[0] != before[0] && after[1] == before[1]);
}

#[test]
fn namespaces_devices_and_addresses() {
    let text = "
services:
  a:
    image: x
    network_mode: service:b
    pid: service:b
    ipc: host
    uts: host
    cgroup: private
    devices: ['/dev/null:/dev/n:r']
    device_cgroup_rules: ['c 1:3 r']
    storage_opt: {size: 1G}
    cpu_quota: 50ms
    cpu_shares: 512
    memswap_limit: 1g
    oom_kill_disable: true
    oom_score_adj: 10
  b:
    image: x
    domainname: example.com
    networks:
      n: {ipv4_address: 10.9.0.5, priority: 5, driver_opts: {o: p}, link_local_ips: [169.254.1.1]}
      default: {}
  c: {image: x, network_mode: bridge, depends_on: {b: {condition: service_started, restart: true}}}
networks:
  n: {ipam: {driver: default, options: {a: b}, config: [{subnet: 10.9.0.0/24, ip_range: 10.9.0.0/25, gateway: 10.9.0.1, aux_addresses: {h: 10.9.0.9}}]}}
";
    let input = translate(text).unwrap().input;
    let a = &input.services["a"];
    assert_eq!(
        a.container.network,
        NetworkChoice::Mode("container:acme-b-1".into())
    );
    let modes = &a.container.modes;
    assert_eq!(
        (
            modes.pid.as_deref(),
            modes.ipc.as_deref(),
            modes.uts.as_deref()
        ),
        (Some("container:acme-b-1"), Some("host"), Some("host"))
    );
    assert_eq!(a.shares, names(&["b"]));
    assert!(a.depends_on["b"].restart, "it follows what it shares with");
    assert_eq!(a.container.devices.len(), 1);
    assert_eq!(a.container.limits.cpu_quota, Some(50_000));
    assert_eq!(a.container.limits.memory_swap, Some(1 << 30));
    assert!(a.container.limits.oom_kill_disable);
    let b = &input.services["b"].container;
    assert_eq!(b.domainname.as_deref(), Some("example.com"));
    let (first, attachment) = b.network.primary().unwrap();
    assert_eq!(
        (first.as_str(), attachment.ipv4.as_deref()),
        ("acme_n", Some("10.9.0.5"))
    );
    let network = &input.networks["acme_n"];
    assert_eq!(network.ipam[0].aux["h"], "10.9.0.9");
    assert_eq!(network.ipam_options["a"], "b");
    let c = &input.services["c"];
    assert_eq!(c.container.network, NetworkChoice::Mode("bridge".into()));
    assert!(c.depends_on["b"].restart && c.shares.is_empty());
}

#[test]
fn no_policy_and_no_are_one_container() {
    let spec = |line: &str| {
        let text = format!("services:\n  a:\n    image: x\n    {line}\n");
        translate(&text).unwrap().input.services["a"].clone()
    };
    assert_eq!(spec(""), spec("restart: \"no\""));
    assert_eq!(spec("").container.restart, Restart::No);
}

#[test]
fn what_runs_by_default_and_what_may_end() {
    for (service, job) in [
        ("restart: \"no\"", true),
        ("ports: [\"80:80\"]", false),
        ("expose: [\"80\"]", false),
        ("healthcheck: {test: \"true\"}", false),
        ("restart: always", false),
        ("restart: on-failure", true),
    ] {
        let text = format!("services:\n  a:\n    image: x\n    {service}\n");
        assert_eq!(
            translate(&text).unwrap().input.services["a"].job,
            job,
            "{service}"
        );
    }
}
