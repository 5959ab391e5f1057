//! Files that are taken: what they mean, and that Compose's own schema takes them too.

mod common;

use common::{FULL, GOOD, load, lookup, name};
use std::time::Duration;
use tenantry_compose::{
    BindSource, Condition, FileSource, HealthTest, MountKind, NetworkMode, NetworkName, Project,
    ProjectName, Protocol, PullPolicy, Restart, ServiceName, VolumeName, check, outline,
    published_ports,
};

#[test]
fn the_schema_of_compose_takes_them_too() {
    let schema: serde_json::Value =
        serde_json::from_str(include_str!("../compose-spec.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for text in GOOD.iter().chain([&FULL]) {
        let limits = tenantry_yaml::Limits::compose();
        let value: serde_json::Value = tenantry_yaml::from_str(text, &limits).unwrap();
        let errors: Vec<String> = validator
            .iter_errors(&value)
            .map(|e| format!("{}: {e}", e.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{errors:#?}\n{text}");
    }
}

#[test]
fn they_load_and_check() {
    for text in GOOD.iter().chain([&FULL]) {
        assert!(
            Project::load(text, &lookup).is_ok(),
            "{text}\n{:?}",
            Project::load(text, &lookup)
        );
        assert_eq!(check(text, &|_| true), [], "{text}");
        let (source, problems) = Project::parse(text);
        assert!(source.is_some() && problems.is_empty());
    }
}

#[test]
fn a_full_service() {
    let project = load(FULL);
    assert_eq!(
        project.name.as_ref().map(ToString::to_string).as_deref(),
        Some("shop")
    );
    let web = &project.services[&name("web")];
    assert_eq!(web.image.tag(), Some("1.27"));
    assert_eq!(
        web.command.as_ref().unwrap().as_slice(),
        ["nginx", "-g", "daemon off;"]
    );
    assert_eq!(web.entrypoint.as_ref().unwrap().as_slice(), ["/init"]);
    assert_eq!(web.environment.get("PASSWORD"), Some("s3cret"));
    assert_eq!(web.environment.get("PLAIN"), Some("on"));
    assert_eq!(web.environment.get("EMPTY"), Some(""));
    assert_eq!(web.environment.get("NUMBER"), Some("8080"));
    assert_eq!(web.environment.get("PASSED"), Some("passed on"));
    let ports: Vec<_> = web
        .ports
        .iter()
        .map(|port| {
            (
                port.host_ip.map(|ip| ip.to_string()),
                port.published,
                port.target,
                port.protocol,
            )
        })
        .collect();
    assert_eq!(
        ports,
        [
            (Some("127.0.0.1".into()), Some(20080), 80, Protocol::Tcp),
            (None, Some(5353), 53, Protocol::Udp),
            (None, None, 9000, Protocol::Tcp),
            (None, Some(3000), 4000, Protocol::Tcp),
            (None, Some(3001), 4001, Protocol::Tcp),
            (Some("::1".into()), Some(443), 443, Protocol::Tcp),
            (Some("127.0.0.1".into()), Some(8443), 8443, Protocol::Tcp),
        ]
    );
    assert_eq!(web.expose[0].target, 7000);
    assert_eq!(web.volumes.len(), 8);
    assert!(
        matches!(&web.volumes[0].kind, MountKind::Bind { source: BindSource::Project(path), .. } if path.as_str() == "files/x.conf")
    );
    assert!(web.volumes[0].read_only);
    assert!(
        matches!(&web.volumes[1].kind, MountKind::Volume { name: Some(name), .. } if name.as_str() == "data")
    );
    assert!(matches!(
        &web.volumes[2].kind,
        MountKind::Volume { name: None, .. }
    ));
    assert!(
        matches!(&web.volumes[3].kind, MountKind::Bind { source: BindSource::Server(path), .. } if path == "/etc/localtime")
    );
    assert!(
        matches!(&web.volumes[5].kind, MountKind::Tmpfs { size: Some(size), .. } if *size == 64 << 20)
    );
    assert!(
        matches!(&web.volumes[7].kind, MountKind::Tmpfs { size: Some(size), mode: Some(0o1777), .. } if *size == 16 << 20)
    );
    let targets: Vec<&str> = web
        .all_mounts()
        .skip(8)
        .map(|mount| mount.target.as_str())
        .collect();
    assert_eq!(
        targets,
        [
            "/run/secrets/token",
            "/run/secrets/renamed",
            "/etc/app.yaml"
        ]
    );
    assert_eq!(web.networks.len(), 2);
    assert_eq!(
        web.networks[&NetworkName::try_from("front").unwrap()].aliases,
        ["shop"]
    );
    assert_eq!(web.depends_on[&name("db")].condition, Condition::Healthy);
    assert!(!web.depends_on[&name("cache")].required);
    let health = web.healthcheck.as_ref().unwrap();
    assert!(matches!(&health.test, HealthTest::Exec(words) if words.as_slice().len() == 3));
    assert_eq!(health.interval, Some(Duration::from_secs(90)));
    assert_eq!(health.retries, Some(5));
    assert_eq!(web.restart, Some(Restart::UnlessStopped));
    assert_eq!(web.limits.memory, Some(512 << 20));
    assert_eq!(
        web.limits.cpus.map(tenantry_compose::Cpus::nano),
        Some(500_000_000)
    );
    assert_eq!(web.limits.pids, Some(100));
    assert_eq!(web.reservations.memory, Some(64 << 20));
    assert_eq!(web.ulimits["nofile"].hard, 40_000);
    assert_eq!(
        web.extra_hosts,
        [("host.docker.internal".to_owned(), "host-gateway".to_owned())]
    );
    assert_eq!(web.stop_grace_period, Some(Duration::from_mins(1)));
    assert_eq!(
        web.logging.as_ref().unwrap().options.get("max-size"),
        Some("10m")
    );
    assert_eq!(web.pull_policy, Some(PullPolicy::Missing));
    assert_eq!(
        project.services[&name("cache")].network_mode,
        NetworkMode::None
    );
    assert!(!project.services.contains_key(&name("debug")));
    let token = project.secrets.values().next().unwrap();
    assert!(
        matches!(token, FileSource::Environment { content, .. } if content.expose() == "t0ken")
    );
    let (source, _) = Project::parse(FULL);
    assert_eq!(source.unwrap().services().count(), 4);
}

#[test]
fn names_as_compose_makes_them() {
    let project = load(FULL);
    let name_of = ProjectName::try_from("acme-shop").unwrap();
    let volume = |key: &str| project.volume_name(&name_of, &VolumeName::try_from(key).unwrap());
    assert_eq!(volume("data"), "acme-shop_data");
    assert_eq!(volume("shared"), "shared-by-all");
    let network = |key: &str| project.network_name(&name_of, &NetworkName::try_from(key).unwrap());
    assert_eq!(network("default"), "acme-shop_default");
    assert_eq!(network("front"), "acme-shop_front");
    assert_eq!(name_of.container(&name("web")), "acme-shop-web-1");
    for bad in ["", "Shop", "-a", "_a", "a.b", "ü"] {
        assert!(ProjectName::try_from(bad).is_err(), "{bad}");
    }
}

#[test]
fn the_default_network_comes_where_it_is_used() {
    let project = load("services: {a: {image: x}, b: {image: x, network_mode: host}}");
    assert_eq!(project.networks.len(), 1);
    assert!(project.services[&name("b")].networks.is_empty());
    let project = load("services: {a: {image: x, networks: [n]}}\nnetworks: {n: }\n");
    let names: Vec<&str> = project.networks.keys().map(NetworkName::as_str).collect();
    assert_eq!(names, ["n"]);
}

#[test]
fn waves_follow_dependencies() {
    let project = load(
        "services:\n  web: {image: x, depends_on: [app, cache]}\n  app: {image: x, depends_on: {db: {condition: service_healthy}}}\n  db: {image: x}\n  cache: {image: x}\n  side: {image: x, network_mode: 'service:web'}\n",
    );
    let waves: Vec<Vec<&str>> = project
        .start_order()
        .into_iter()
        .map(|wave| wave.into_iter().map(ServiceName::as_str).collect())
        .collect();
    assert_eq!(
        waves,
        [vec!["cache", "db"], vec!["app"], vec!["web"], vec!["side"]]
    );
}

#[test]
fn profiles_are_left_out_unless_active() {
    let project = Project::load_with(FULL, &lookup, &["tools"]).unwrap();
    assert!(project.services.contains_key(&name("debug")));
}

#[test]
fn published_ports_are_those_of_the_server() {
    let project = load(FULL);
    let ports: Vec<u16> = published_ports(&project)
        .filter_map(|(_, port)| port.published)
        .collect();
    assert_eq!(ports, [20080, 5353, 3000, 3001, 443, 8443]);
}

#[test]
fn secrets_do_not_show() {
    let shown = format!("{:?}", load(FULL));
    for secret in ["s3cret", "t0ken", "passed on"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
    assert!(shown.contains("PASSWORD"));
}

#[test]
fn an_outline_knows_the_container_s_ports() {
    let (project, problems) = outline(
        "services: {a: {image: 'x:${TAG}', ports: ['127.0.0.1:${SITE_PORT}:80', '${OTHER}:81']}}",
        &|_| true,
    );
    assert_eq!(problems, []);
    let service = &project.unwrap().services[&name("a")];
    let targets: Vec<u16> = service.ports.iter().map(|port| port.target).collect();
    assert_eq!(targets, [80, 81]);
    assert_ne!(service.ports[0].published, service.ports[1].published);
}
