//! The corpus against two oracles: the JSON Schema of the Compose Specification, and what the real Compose reads (`config`).

#![allow(
    clippy::disallowed_methods,
    reason = "how tests are told where the peers are"
)]

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use tenantry_compose::{
    BindSource, ComposeFile, Condition, HealthTest, Mount, MountKind, Project, ProjectName,
    Service, ServiceName,
};

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let cases = std::fs::read_dir(folder).expect("the corpus is there");
    let mut cases: Vec<_> = cases.map(|case| case.expect("an entry").path()).collect();
    cases.sort();
    assert!(cases.len() >= 40);
    cases
}

fn texts(folder: &Path, prefix: &str, out: &mut BTreeMap<String, Vec<u8>>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let entry = entry.expect("an entry");
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            texts(&entry.path(), &format!("{name}/"), out);
        } else {
            out.insert(name, std::fs::read(entry.path()).expect("a file"));
        }
    }
}

fn load(case: &Path) -> Project {
    let mut files = BTreeMap::new();
    texts(case, "", &mut files);
    let text = String::from_utf8(files["compose.yaml"].clone()).expect("text");
    let env = files.get(".env").cloned().unwrap_or_default();
    let env = String::from_utf8(env).expect("text");
    let lookup = |name: &str| {
        let mut values = env.lines().filter_map(|line| line.split_once('='));
        let found = values.find(|(key, _)| *key == name);
        let external = || (name == "EXTERNAL").then(|| "outside".to_owned());
        found.map(|(_, value)| value.to_owned()).or_else(external)
    };
    let over = files.get("compose.override.yaml").cloned();
    let over = over.map(|over| String::from_utf8(over).expect("text"));
    let file = ComposeFile::new(&text, &files);
    let file = over
        .iter()
        .fold(file, |file, over| file.with_override(over));
    assert_eq!(file.check(&|_| true), [], "{}", case.display());
    file.load(&lookup)
        .unwrap_or_else(|problems| panic!("{}: {problems:#?}", case.display()))
}

#[test]
fn the_schema_takes_every_file_of_the_corpus() {
    let schema: Value = serde_json::from_str(include_str!("../compose-spec.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for case in cases() {
        let text = std::fs::read_to_string(case.join("compose.yaml")).expect("text");
        let limits = tenantry_yaml::Limits::compose();
        let value: Value = tenantry_yaml::from_str(&text, &limits).unwrap();
        // Before interpolation texts stand where numbers will be; the schema allows them.
        let errors: Vec<String> = validator
            .iter_errors(&value)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{}: {errors:#?}", case.display());
    }
}

#[test]
fn compose_reads_the_corpus_as_we_do() {
    let Some(compose) = std::env::var_os("TENANTRY_COMPOSE") else {
        assert!(
            std::env::var_os("TENANTRY_REQUIRE_PEERS").is_none(),
            "TENANTRY_COMPOSE does not say where Compose is"
        );
        println!("skipped: TENANTRY_COMPOSE does not say where Compose is");
        return;
    };
    let mut wrong = Vec::new();
    for case in cases() {
        let output = Command::new(&compose)
            .args(["--project-name", "oracle", "config", "--format", "json"])
            .current_dir(&case)
            .env("EXTERNAL", "outside")
            .output()
            .expect("Compose can be started");
        assert!(output.status.success(), "{}: {output:?}", case.display());
        let theirs: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let project = load(&case);
        let folder = case.canonicalize().expect("it is there");
        let folder = folder.display().to_string();
        let ours: Vec<&str> = project.services.keys().map(ServiceName::as_str).collect();
        let names: Vec<&str> = theirs["services"]
            .as_object()
            .expect("services")
            .keys()
            .map(String::as_str)
            .collect();
        assert_eq!(ours, names, "{}", case.display());
        for (name, service) in &project.services {
            let read = &theirs["services"][name.as_str()];
            for (key, ours) in ours_of(service) {
                let theirs = theirs_of(key, &read[key], &folder);
                if ours != theirs {
                    let case = case.file_name().expect("a name").to_string_lossy();
                    wrong.push(format!(
                        "{case} {name}.{key}: Compose {theirs}, ours {ours}"
                    ));
                }
            }
        }
        networks_and_volumes(&project, &theirs, &mut wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn networks_and_volumes(project: &Project, theirs: &Value, wrong: &mut Vec<String>) {
    let name = ProjectName::try_from("oracle").expect("a name");
    for (key, network) in &project.networks {
        let read = &theirs["networks"][key.as_str()];
        // Compose leaves out what no service uses.
        if read.is_null() {
            continue;
        }
        let ours = json!([
            network.full_name(&name, key),
            network.internal,
            network.external
        ]);
        let flag = |key: &str| read[key].as_bool().unwrap_or(false);
        let theirs = json!([read["name"], flag("internal"), flag("external")]);
        if ours != theirs {
            wrong.push(format!("network {key}: Compose {theirs}, ours {ours}"));
        }
    }
    for (key, volume) in &project.volumes {
        let read = &theirs["volumes"][key.as_str()];
        if !read.is_null() && read["name"] != json!(volume.full_name(&name, key)) {
            wrong.push(format!("volume {key}: Compose {}", read["name"]));
        }
    }
}

/// What both are compared by.
fn ours_of(service: &Service) -> Vec<(&'static str, Value)> {
    let pairs = |pairs: &tenantry_compose::Pairs| -> Value {
        let all: BTreeMap<_, _> = pairs.iter().collect();
        json!(all)
    };
    let mut depends_on: BTreeMap<String, Value> = service
        .depends_on
        .iter()
        .map(|(name, how)| {
            let condition = match how.condition {
                Condition::Started => "service_started",
                Condition::Healthy => "service_healthy",
                Condition::Completed => "service_completed_successfully",
            };
            let value = json!([condition, how.required, how.restart]);
            (name.to_string(), value)
        })
        .collect();
    for name in service.shares() {
        let implied = json!(["service_started", true, true]);
        depends_on.entry(name.to_string()).or_insert(implied);
    }
    let ports = service.ports.iter().map(|port| {
        json!([
            port.target,
            port.published.map(|port| port.to_string()),
            port.protocol.to_string(),
            port.host_ip.map(|ip| ip.to_string()),
        ])
    });
    let networks: BTreeMap<_, _> = service
        .networks
        .iter()
        .map(|(name, how)| {
            let address = how.ipv4.or(how.ipv6).map(|ip| ip.to_string());
            (
                name.to_string(),
                json!([how.aliases, address, how.priority]),
            )
        })
        .collect();
    let test = service
        .healthcheck
        .as_ref()
        .and_then(|health| match &health.test {
            HealthTest::Exec(words) => Some([&["CMD".to_owned()], words.as_slice()].concat()),
            HealthTest::Shell(line) => Some(vec!["CMD-SHELL".to_owned(), line.expose().to_owned()]),
            HealthTest::Disabled => Some(vec!["NONE".to_owned()]),
            HealthTest::Image => None,
        });
    vec![
        ("image", json!(service.image.as_str())),
        (
            "command",
            json!(
                service
                    .command
                    .as_ref()
                    .map(tenantry_compose::Words::as_slice)
            ),
        ),
        (
            "entrypoint",
            json!(
                service
                    .entrypoint
                    .as_ref()
                    .map(tenantry_compose::Words::as_slice)
            ),
        ),
        ("environment", pairs(&service.environment)),
        ("labels", pairs(&service.labels)),
        ("sysctls", pairs(&service.sysctls)),
        ("depends_on", json!(depends_on)),
        ("ports", sorted(ports.collect())),
        ("networks", json!(networks)),
        (
            "volumes",
            sorted(service.volumes.iter().filter_map(mount).collect()),
        ),
        ("healthcheck", json!(test)),
        ("cap_add", json!(service.cap_add)),
        ("cap_drop", json!(service.cap_drop)),
        ("dns_search", json!(service.dns_search)),
        ("hostname", json!(service.hostname)),
        ("user", json!(service.user)),
        ("stop_signal", json!(service.stop_signal)),
        ("restart", json!(null)),
    ]
}

/// `tmpfs` of the service is not among Compose's `volumes`.
fn mount(mount: &Mount) -> Option<Value> {
    let (kind, source) = match &mount.kind {
        MountKind::Bind { source, .. } => (
            "bind",
            match source {
                BindSource::Project(path) if path.as_str().is_empty() => "FOLDER".to_owned(),
                BindSource::Project(path) => format!("FOLDER/{}", path.as_str()),
                BindSource::Server(path) => path.clone(),
            },
        ),
        MountKind::Volume { name, .. } => (
            "volume",
            name.as_ref().map(ToString::to_string).unwrap_or_default(),
        ),
        _ => return None,
    };
    Some(json!([kind, source, mount.target, mount.read_only]))
}

fn theirs_of(key: &str, read: &Value, folder: &str) -> Value {
    let list = || read.as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().map(|text| text.replace("$$", "$"));
    match key {
        "environment" | "labels" | "sysctls" => {
            let entries = read.as_object().cloned().unwrap_or_default();
            let entries = entries
                .iter()
                .map(|(name, value)| (name.clone(), text(value)));
            json!(entries.collect::<BTreeMap<_, _>>())
        }
        "command" | "entrypoint" => match read.as_array() {
            Some(words) => json!(words.iter().map(text).collect::<Vec<_>>()),
            None => Value::Null,
        },
        "depends_on" => {
            let entries = read.as_object().cloned().unwrap_or_default();
            let entries = entries.into_iter().map(|(name, how)| {
                let restart = how["restart"].as_bool().unwrap_or(false);
                (name, json!([how["condition"], how["required"], restart]))
            });
            json!(entries.collect::<BTreeMap<_, _>>())
        }
        "ports" => sorted(
            list()
                .iter()
                .map(|port| {
                    json!([
                        port["target"],
                        port["published"],
                        port["protocol"],
                        port["host_ip"]
                    ])
                })
                .collect(),
        ),
        "networks" => {
            let entries = read.as_object().cloned().unwrap_or_default();
            let entries = entries.into_iter().map(|(name, how)| {
                let address = match &how["ipv4_address"] {
                    Value::Null => how["ipv6_address"].clone(),
                    address => address.clone(),
                };
                let aliases = how["aliases"].as_array().cloned().unwrap_or_default();
                let priority = how["priority"].as_i64().unwrap_or(0);
                (name, json!([aliases, address, priority]))
            });
            json!(entries.collect::<BTreeMap<_, _>>())
        }
        "volumes" => sorted(
            list()
                .iter()
                .filter(|mount| mount["type"] != "tmpfs")
                .map(|mount| {
                    let source = mount["source"].as_str().unwrap_or_default();
                    let source = source.replace(folder, "FOLDER");
                    let read_only = mount["read_only"].as_bool().unwrap_or(false);
                    json!([mount["type"], source, mount["target"], read_only])
                })
                .collect(),
        ),
        "healthcheck" => {
            let disabled = read["disable"].as_bool().unwrap_or(false);
            if disabled {
                json!(["NONE"])
            } else {
                read["test"].clone()
            }
        }
        "cap_add" | "cap_drop" | "dns_search" => json!(list()),
        // Told apart in `restart.rs`.
        "restart" => Value::Null,
        _ => read.clone(),
    }
}

fn sorted(mut values: Vec<Value>) -> Value {
    values.sort_by_key(ToString::to_string);
    json!(values)
}
