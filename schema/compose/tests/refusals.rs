//! Files that are refused: each problem with its place.

#![allow(clippy::format_collect)]

mod common;

use common::lookup;
use proptest::prelude::*;
use tenantry_compose::{Problem, Project, check, variables};

fn told(text: &str, problems: &[Problem]) -> Vec<String> {
    let index = tenantry_yaml::LineIndex::new(text);
    problems
        .iter()
        .map(|problem| {
            let at = index.position(problem.span.start);
            format!("{}:{} {problem}", at.line, at.column)
        })
        .collect()
}

fn refused(text: &str) -> Vec<String> {
    let problems = Project::load(text, &lookup).expect_err(text);
    told(text, &problems)
}

/// The problem of one service's entry: `services: {a: {image: x, ENTRY}}`, without place and path's head.
fn entry(entry: &str) -> String {
    let text = format!("services:\n  a:\n    image: x\n    {entry}\n");
    let problems = Project::load(&text, &lookup).expect_err(&text);
    assert_eq!(problems.len(), 1, "{entry}: {problems:#?}");
    let at = tenantry_yaml::LineIndex::new(&text).position(problems[0].span.start);
    assert_eq!(at.line, 4, "{entry}");
    format!("{} {}", at.column, problems[0].message)
}

#[test]
fn what_is_not_supported_says_so() {
    for (text, expected) in [
        (
            "build: .",
            "5 `build` is not supported: images are pulled, not built; give an `image`",
        ),
        (
            "container_name: x",
            "5 `container_name` is not supported: a fixed name breaks running the stack more than once",
        ),
        (
            "annotations: {a: b}",
            "5 `annotations` is not supported: the agent cannot do this yet",
        ),
        (
            "pid: 'container:x'",
            "10 this is not supported: possible are `host`, `service:name`",
        ),
        (
            "uts: 'service:a'",
            "10 this is not supported: possible are `host`",
        ),
        (
            "mac_address: 02:42:ac:11:00:02",
            "5 `mac_address` is not supported: hardware addresses are the engine's choice",
        ),
        ("scale: 2", "12 only one container a service is run"),
        (
            "volumes: ['./a:/b:z']",
            "15 the option `z` (SELinux) of a volume is not supported",
        ),
        (
            "deploy: {replicas: 2}",
            "24 only one container a service is run",
        ),
        (
            "deploy: {mode: global}",
            "14 `mode` is not supported: one container a service is run",
        ),
        (
            "network_mode: 'container:x'",
            "19 this `network_mode` is not supported: possible are `host`, `none`, `bridge` and `service:name`",
        ),
        (
            "networks: {default: {gw_priority: 1}}",
            "26 `gw_priority` is not supported: the agent cannot do this yet",
        ),
    ] {
        assert_eq!(entry(text), expected, "{text}");
    }
}

#[test]
fn wrong_values() {
    for (text, expected) in [
        (
            "environment:",
            "5 `environment` has no value, which Compose refuses",
        ),
        (
            "ports: [{target: 80, published: }]",
            "26 `published` has no value, which Compose refuses",
        ),
        (
            "configs: [{source: c, mode: \"0440\"}]\nconfigs: {c: {content: x}}",
            "33 expected permission bits such as `0440`, found `\"0440\"`",
        ),
        ("x-a: '${B'", "11 `${` is never closed"),
        (
            "stop_grace_period: 2d",
            "24 expected a duration such as `1m30s`, found `2d`",
        ),
        (
            "pids_limit: 1\n    deploy: {resources: {limits: {cpus: 1}}}",
            "17 `pids_limit` and `deploy.resources` say different things",
        ),
        ("imge: y", "5 unknown key `imge`"),
        ("user: 1000", "11 expected text, found `1000`"),
        ("command: [sleep, 10]", "22 expected text, found `10`"),
        (
            "command: a && b",
            "14 the command is not run by a shell, so `;`, `&`, `|`, `<`, `>`, `(`, `)` and backticks have no meaning in it",
        ),
        (
            "command: \"a 'b\"",
            "14 a quote in the command is never closed",
        ),
        (
            "environment: {A: 0755}",
            "22 Compose would read `0755` as a number or date and write it differently",
        ),
        (
            "environment: {A: 1.10}",
            "22 Compose would read `1.10` as a number or date and write it differently",
        ),
        (
            "environment: {A: 2026-11-21}",
            "22 Compose would read `2026-11-21` as a number or date and write it differently",
        ),
        ("environment: {A: [b]}", "19 expected text, found a list"),
        ("environment: [A=1, A=2]", "24 `A` stands twice"),
        ("environment: [NONE]", "19 the variable `NONE` has no value"),
        (
            "environment: {NONE: }",
            "19 the variable `NONE` has no value",
        ),
        (
            "ports: ['80:80:80:80']",
            "13 the part before the ports is not an IP address",
        ),
        ("ports: ['0:80']", "13 a port is a number from 1 to 65535"),
        (
            "ports: ['80:65536']",
            "13 a port is a number from 1 to 65535",
        ),
        (
            "ports: ['1-3:1-2']",
            "13 the ranges of server ports and container ports differ in length",
        ),
        (
            "ports: ['80:80/icmp']",
            "13 the protocol is `tcp`, `udp` or `sctp`",
        ),
        (
            "ports: [{published: 80}]",
            "13 the port needs a `target`, the port in the container",
        ),
        ("ports: {a: b}", "5 expected a list, found a mapping"),
        (
            "ports: ['80:80', '80:81']",
            "5 port 80/tcp is published twice, also by `a`",
        ),
        (
            "volumes: ['../x:/y']",
            "15 the path leads out of the project's folder",
        ),
        (
            "volumes: ['./a/../../x:/y']",
            "15 the path leads out of the project's folder",
        ),
        ("volumes: ['~/x:/y']", "15 `~` has no meaning on a server"),
        (
            "volumes: ['./x:y']",
            "15 the target of a mount is not an absolute path",
        ),
        ("volumes: ['nope:/y']", "15 no volume `nope` is defined"),
        (
            "volumes: [{type: bind, target: /x}]",
            "15 a bind mount needs a `source`",
        ),
        ("volumes: ['/a:/b:rx']", "15 an unknown option of a volume"),
        ("networks: [nope]", "16 no network `nope` is defined"),
        ("secrets: [nope]", "15 no secret `nope` is defined"),
        (
            "configs: [{source: nope}]",
            "24 no config `nope` is defined",
        ),
        ("depends_on: [b]", "18 no service `b` is defined"),
        ("depends_on: {a: {}}", "18 a `condition` is needed"),
        ("network_mode: service:b", "19 no service `b` is defined"),
        (
            "healthcheck: {interval: 5}",
            "29 expected a duration such as `1m30s`, found `5`",
        ),
        (
            "healthcheck: {test: [curl]}",
            "19 this test says not how it is run",
        ),
        (
            "restart: no-way",
            "14 expected `\"no\"`, `always`, `on-failure[:times]` or `unless-stopped`, found `no-way`",
        ),
        (
            "mem_limit: much",
            "16 expected a size such as `512M`, found `much`",
        ),
        (
            "deploy: {resources: {limits: {memory: 1x}}}",
            "43 expected a size such as `512M`, found `1x`",
        ),
        (
            "privileged: yes",
            "17 expected `true` or `false`, found `yes`",
        ),
        (
            "labels: {com.docker.compose.project: x}",
            "5 labels that begin with `com.docker.compose.` are Compose's own",
        ),
        (
            "labels: {dev.tenantry.note: x}",
            "5 labels that begin with `dev.tenantry.` are written by Tenantry",
        ),
        (
            "labels: [a=b, dev.tenantry.keeper=x]",
            "5 labels that begin with `dev.tenantry.` are written by Tenantry",
        ),
        (
            "pull_policy: always",
            "18 this `pull_policy` is not supported: what a tag stands for is looked up once and kept, until another version is asked for; take the line out, and name another tag or digest to have another image",
        ),
        (
            "pull_policy: build",
            "18 expected `never` or `missing`, found `build`",
        ),
        (
            "deploy: {resources: {reservations: {cpus: '0.5'}}}",
            "41 `cpus` is not supported: the engine cannot keep it free; `cpu_shares` gives a service more weight",
        ),
        (
            "deploy: {resources: {reservations: {pids: 5}}}",
            "41 `pids` is not supported: the engine cannot keep them free",
        ),
        ("extra_hosts: [x]", "19 not a host name with an IP address"),
        ("dns: example", "10 expected an IP address, found `example`"),
        ("tmpfs: /a:size=x", "12 the size of a tmpfs is not a size"),
        (
            "ulimits: {nofile: {soft: 1}}",
            "15 `soft` and `hard` are both needed",
        ),
        (
            "env_file: .env",
            "15 the hub writes this file; its variables are there without being named",
        ),
        (
            "env_file: ../a.env",
            "15 the path leads out of the stack's folder",
        ),
        (
            "env_file: a.env",
            "15 there is no file `a.env` in the stack's folder",
        ),
        ("env_file: [{required: true}]", "16 a `path` is needed"),
        ("extends: b", "14 there is no service `b`"),
        ("extends: a", "14 the service `a` extends itself"),
        ("extends: {file: b.yaml}", "14 `extends` names no `service`"),
        (
            "extends: {file: b.yaml, service: b}",
            "21 there is no file `b.yaml` in the stack's folder",
        ),
        (
            "extends: {file: https://example.com/b.yaml, service: b}",
            "21 files are taken from the stack's folder only, not from elsewhere",
        ),
        ("devices: [x]", "15 the path of a device is not absolute"),
        (
            "devices: ['/dev/x:/dev/x:rx']",
            "15 the permissions of a device are of `r`, `w` and `m`",
        ),
        (
            "networks: {default: {ipv4_address: '::1'}}",
            "40 expected an IPv4 address, found `'::1'`",
        ),
        ("mem_swappiness: 101", "21 a number from 0 to 100 is needed"),
        (
            "cpu_quota: fast",
            "16 expected microseconds, or a duration such as `50ms`, found `fast`",
        ),
        ("ipc: service:b", "10 no service `b` is defined"),
        ("hostname: $", "15 a `$` without a variable name"),
        (
            "hostname: 'x-${NONE}'",
            "18 the variable `NONE` has no value",
        ),
        (
            "hostname: ${NONE:?give one}",
            "15 the variable `NONE` is required: give one",
        ),
    ] {
        assert_eq!(entry(text), expected, "{text}");
    }
}

#[test]
fn a_secret_may_be_asked_for_in_several_ways() {
    let text = "services:
  a: {image: x, secrets: [s, {source: t, uid: '33', gid: '33', mode: 0440}], configs: [c, f]}
  b: {image: x, secrets: [{source: s, mode: 0400}, {source: t, uid: '34'}], configs: [{source: c, gid: '5'}, f]}
secrets: {s: {environment: DB_PASSWORD}, t: {environment: TAG}}
configs: {c: {content: x}, f: {file: ./files/f}}
";
    Project::load(text, &lookup).unwrap_or_else(|problems| panic!("{:#?}", told(text, &problems)));
    // What a value will be nobody knows yet.
    let open = "services:
  a: {image: x, secrets: [s]}
  b: {image: x, secrets: [{source: s, mode: '${MODE:-0400}', uid: '${USER}'}]}
secrets: {s: {environment: S}}
";
    assert_eq!(told(open, &check(open, &|_| true)), Vec::<String>::new());
}

#[test]
fn several_at_once_with_paths() {
    let text = "services:\n  web:\n    image: X Y\n    ports: [\"x\"]\n    volums: []\n  db:\n    restart: maybe\nvolumes: {d: {external: {name: x}}}\nfoo: 1\n";
    assert_eq!(
        refused(text),
        [
            "3:12 services.web.image: an image name has only letters, digits, `.`, `_`, `-` and `/`",
            "4:13 services.web.ports[0]: a port is a number from 1 to 65535",
            "5:5 services.web.volums: unknown key `volums`",
            "6:3 services.db: the service has no `image`",
            "7:14 services.db.restart: expected `\"no\"`, `always`, `on-failure[:times]` or `unless-stopped`, found `maybe`",
            "8:15 volumes.d.external: the old form of `external` is not supported: write `external: true` and `name: ...`",
            "9:1 foo: unknown key `foo`",
        ]
    );
}

#[test]
fn the_file_as_a_whole() {
    for (text, expected) in [
        ("", "1:1 expected a mapping, found nothing"),
        ("[a]", "1:1 expected a mapping, found a list"),
        ("x-a: 1\n", "1:1 the file has no `services`"),
        (
            "services: {a: }",
            "1:12 services.a: expected a mapping, found nothing",
        ),
        (
            "services: {a b: {image: x}}",
            "1:12 services.a b: a service name has letters, digits, `.`, `_` and `-`",
        ),
        (
            "name: Shop\nservices: {a: {image: x}}",
            "1:7 name: a project name has lower-case letters, digits, `-` and `_`, and begins with a letter or digit",
        ),
        (
            "services: {a: {image: x}}\nsecrets: {s: {}}",
            "2:11 secrets.s: exactly one source is needed",
        ),
        (
            "services: {a: {image: x}}\nsecrets: {s: {file: ../x}}",
            "2:21 secrets.s.file: the path leads out of the project's folder",
        ),
        (
            "services: {a: {image: x}}\nsecrets: {s: {environment: NONE}}",
            "2:28 secrets.s.environment: the variable `NONE` has no value",
        ),
        (
            "services: {a: {image: x}}\nsecrets: {s: {external: true}}",
            "2:15 secrets.s.external: `external` is not supported: nothing outside of the project provides it",
        ),
        (
            "services: {a: {image: x}}\nvolumes: {v: {external: true, driver: x}}",
            "2:39 volumes.v.driver: `driver` has no effect on what is `external`",
        ),
        (
            "services: {a: {image: x}}\ninclude: [b]",
            "2:11 include: there is no file `b` in the stack's folder",
        ),
        (
            "services: {a: {image: x}}\ninclude: [{path: [b, c]}]",
            "2:11 include: several files that override each other cannot be included: write one item for each file",
        ),
        (
            "services: {a: {image: x}}\ninclude: [{path: b, env_file: c}]",
            "2:21 include: `env_file` is not supported: values come from the hub: declare them under `parameters`",
        ),
        (
            "services: {a: {image: x}}\nnetworks: {n: {ipam: {config: [{subnet: x}]}}}",
            "2:41 networks.n.ipam.config[0].subnet: expected a range such as `10.1.0.0/24`, found `x`",
        ),
        (
            "services: {a: {image: x}}\nnetworks: {n: {ipam: {config: [{gateway: 10.0.0.1}]}}}",
            "2:32 networks.n.ipam.config[0]: `ip_range` and `gateway` need a `subnet`",
        ),
        (
            "services:\n  a: {image: x, network_mode: 'service:b', ports: ['80']}\n  b: {image: x}\n",
            "2:44 services.a.ports: `ports` cannot be had together with the network of another service",
        ),
        (
            "services: {a: {image: x, secrets: [{source: s, uid: www-data}]}}\nsecrets: {s: {environment: DB_PASSWORD}}",
            "1:53 services.a.secrets[0].uid: users and groups are given by number",
        ),
        (
            "services: {a: {image: x, user: '${DB_PASSWORD}', configs: [{source: c, gid: '${DB_PASSWORD}'}]}}\nconfigs: {c: {content: x}}",
            "1:77 services.a.configs[0].gid: users and groups are given by number",
        ),
        (
            "services: {a: {image: x, configs: [DB_PASSWORD, c]}}\nconfigs: {c: {environment: DB_PASSWORD}, DB_PASSWORD: {content: x}}",
            "1:49 services.a.configs[1]: a variable and a config have the same name, and would be the same file",
        ),
        (
            "services: {a: {image: x, secrets: [{source: s, mode: 0400}]}}\nsecrets: {s: {file: ./files/s}}",
            "1:48 services.a.secrets[0]: `mode` has no effect on what comes from a `file`",
        ),
        (
            "services: {a: {image: x, configs: [{source: c, uid: '5'}]}}\nconfigs: {c: {file: ./files/c}}",
            "1:48 services.a.configs[0]: `uid` has no effect on what comes from a `file`",
        ),
        (
            "services: {a: {image: x}}\nnetworks: {n: {labels: {dev.tenantry.keeper: x}}}",
            "2:16 networks.n.labels: labels that begin with `dev.tenantry.` are written by Tenantry",
        ),
        (
            "services: {a: {image: x}}\nvolumes: {v: {labels: [com.docker.compose.volume=x]}}",
            "2:15 volumes.v.labels: labels that begin with `com.docker.compose.` are Compose's own",
        ),
        (
            "services: {a: {image: x, volumes: ['./a:/y', './b:/y/']}}",
            "1:12 services.a: two mounts have the same target",
        ),
    ] {
        let found = refused(text);
        assert!(found.contains(&expected.to_owned()), "{text}\n{found:#?}");
    }
}

#[test]
fn circles() {
    assert_eq!(
        refused(
            "services:\n  a: {image: x, depends_on: [b]}\n  b: {image: x, depends_on: [c]}\n  c: {image: x, depends_on: [a]}\n  d: {image: x, depends_on: [a]}\n  e: {image: x, depends_on: [e]}\n"
        ),
        [
            "2:3 services.a: services wait for each other in a circle: a -> b -> c -> a",
            "6:3 services.e: services wait for each other in a circle: e -> e"
        ]
    );
}

#[test]
fn profiles_of_what_is_needed() {
    let text = "services:\n  a: {image: x, depends_on: [b]}\n  b: {image: x, profiles: [p]}\n";
    assert_eq!(
        refused(text),
        ["2:17 services.a.depends_on: the service needs `b`, whose profile is not active"]
    );
    assert!(Project::load_with(text, &lookup, &["p"]).is_ok());
    assert_eq!(check(text, &|_| true), []);
}

#[test]
fn no_message_repeats_a_value() {
    let text = "services:\n  a:\n    image: ${DB_PASSWORD} x\n    ports: [\"${DB_PASSWORD}\"]\n    mem_limit: ${DB_PASSWORD}\n    networks: [\"${DB_PASSWORD}\"]\n    environment: [\"${DB_PASSWORD}\", \"${DB_PASSWORD}\"]\n    volumes: [\"${DB_PASSWORD}:/x\", \"/a:${DB_PASSWORD}\"]\n    healthcheck: {test: [\"${DB_PASSWORD}\"], interval: \"${DB_PASSWORD}\"}\n    restart: ${DB_PASSWORD}\n    user: ${NONE:?${DB_PASSWORD}}\n    secrets: [\"${DB_PASSWORD}\"]\n    depends_on: [\"${DB_PASSWORD}\"]\nsecrets: {s: {environment: \"${DB_PASSWORD}\"}}\n";
    let problems = Project::load(text, &lookup).unwrap_err();
    assert!(problems.len() >= 12, "{problems:#?}");
    assert!(!format!("{problems:?}").contains("s3cret"), "{problems:#?}");
}

#[test]
fn checking_without_values() {
    let known = |name: &str| name != "NONE";
    let checked = |text: &str| told(text, &check(text, &known));
    let service = |entries: &str| format!("services:\n  a:\n    image: x:${{T}}\n    {entries}\n");
    for good in [
        "ports: [\"127.0.0.1:${SITE_PORT}:80\", \"${P}:81\", \"${Q}\", \"${IP}:5:6/${PROTO}\"]",
        "mem_limit: ${MEM}",
        "privileged: ${FLAG}",
        "healthcheck: {interval: \"${I}\", retries: \"${R}\"}",
        "volumes: [\"${DIR}/x:/y\", \"./a:${TARGET}\"]",
        "hostname: ${NONE:-fallback}",
        "hostname: ${KNOWN:?needed}",
        "restart: ${RESTART}",
        "dns: ${DNS}",
        "extra_hosts: [\"h:${IP}\"]",
        "networks: [\"${NET}\"]",
        "environment: [KNOWN]",
        "ports: [\"${P:-8080}:80\", \"8081:80\"]",
        "ports: [\"${P:-8080}:80\", \"${Q:-8080}:81\"]",
        "mem_limit: ${M:-1m}\n    deploy: {resources: {limits: {memory: 2m}}}",
    ] {
        let text = service(good);
        assert_eq!(checked(&text), Vec::<String>::new(), "{good}");
    }
    for (bad, expected) in [
        (
            "hostname: ${NONE}",
            "4:15 services.a.hostname: the variable `NONE` has no source",
        ),
        (
            "hostname: ${NONE:?x}",
            "4:15 services.a.hostname: the variable `NONE` has no source",
        ),
        (
            "environment: [NONE]",
            "4:19 services.a.environment[0]: the variable `NONE` has no value",
        ),
        (
            "mem_limit: ${KNOWN:-much}",
            "4:16 services.a.mem_limit: expected a size such as `512M`, found `${KNOWN:-much}`",
        ),
        (
            "ports: [\"${P}:80x\"]",
            "4:13 services.a.ports[0]: a port is a number from 1 to 65535",
        ),
    ] {
        assert_eq!(checked(&service(bad)), [expected], "{bad}");
    }
}

#[test]
fn variables_with_their_places() {
    let text = "x-a: ${IGNORED}\nservices:\n  a:\n    image: \"é:${TAG}\"\n    command: [\"${A:-${B}}\", \"$A\", \"${C:?x}\", \"$$D\"]\n    environment: {E: , F: '${G+x}'}\nsecrets: {s: {environment: H}}\n";
    let (source, _) = Project::parse(text);
    let uses = source.unwrap().variables();
    let brief: Vec<_> = uses
        .iter()
        .map(|one| {
            (
                one.name.as_str(),
                one.span.of(text),
                one.default,
                one.required,
                one.nested,
            )
        })
        .collect();
    assert_eq!(
        brief,
        [
            ("TAG", "${TAG}", false, false, false),
            ("A", "${A:-${B}}", true, false, false),
            ("B", "${B}", false, false, true),
            ("A", "$A", false, false, false),
            ("C", "${C:?x}", false, true, false),
            ("E", "E", false, false, false),
            ("G", "${G+x}", true, false, false),
            ("H", "H", false, false, false),
        ]
    );
}

#[test]
fn bombs_are_refused_quickly() {
    let begun = std::time::Instant::now();
    let services: String = (0..30_000)
        .map(|n| format!("  s{n}: {{image: x}}\n"))
        .collect();
    assert_eq!(refused(&format!("services:\n{services}")).len(), 1);
    let many = format!(
        "services:\n  a: {{image: x, hostname: '{}'}}\n",
        "$A".repeat(200_000)
    );
    assert_eq!(refused(&many).len(), 1);
    let _ = Project::parse(&many);
    let some = format!(
        "services:\n  a: {{image: x, hostname: '{}'}}\n",
        "$A ".repeat(900)
    );
    assert_eq!(Project::parse(&some).0.unwrap().variables().len(), 900);
    let deep = format!(
        "services:\n  a: {{image: x, command: {}}}\n",
        "[".repeat(100_000)
    );
    assert!(!refused(&deep).is_empty());
    assert!(begun.elapsed().as_secs() < 10);
}

fn survives(text: &str) {
    for problems in [
        Project::load(text, &lookup).err(),
        Some(check(text, &|_| true)),
    ]
    .into_iter()
    .flatten()
    {
        for problem in problems {
            assert!(
                text.get(problem.span.start..problem.span.end).is_some(),
                "{problem:?}"
            );
        }
    }
    if let (Some(source), _) = Project::parse(text) {
        let _ = variables(source.root(), text);
    }
}

proptest! {
    #[test]
    fn any_text_survives(text in any::<String>()) {
        survives(&text);
    }

    #[test]
    fn any_value_of_any_key_survives(key in prop::sample::select(KEYS.to_vec()), value in "([a-z0-9./:=$,@ -]|\\[|\\]|\\{|\\}|'|\"|: |\\$\\{A|ü){0,24}") {
        survives(&format!("services:\n  a:\n    image: x\n    {key}: {value}\n"));
        survives(&format!("services: {{a: {{image: x}}}}\n{key}: {value}\n"));
        let quoted = value.replace('\'', "");
        survives(&format!("services:\n  a:\n    image: x\n    {key}: '{quoted}'\n"));
        survives(&format!("services:\n  a:\n    image: x\n    {key}: ['{quoted}', '{quoted}']\n"));
    }

    #[test]
    fn what_is_taken_the_schema_takes(key in prop::sample::select(KEYS.to_vec()), value in "([a-z0-9./: -]|\\[|\\]|true|10|1\\.5|a: |null){0,10}") {
        let text = format!("services:\n  a:\n    image: x\n    {key}: {value}\n");
        if Project::load(&text, &lookup).is_ok() {
            let value: serde_json::Value = tenantry_yaml::from_str(&text, &tenantry_yaml::Limits::compose()).unwrap();
            let schema: serde_json::Value = serde_json::from_str(include_str!("../compose-spec.json")).unwrap();
            prop_assert!(jsonschema::is_valid(&schema, &value), "{}", text);
        }
    }
}

const KEYS: &[&str] = &[
    "command",
    "entrypoint",
    "environment",
    "ports",
    "expose",
    "volumes",
    "networks",
    "depends_on",
    "healthcheck",
    "restart",
    "user",
    "labels",
    "tmpfs",
    "init",
    "shm_size",
    "ulimits",
    "sysctls",
    "extra_hosts",
    "dns",
    "logging",
    "mem_limit",
    "cpus",
    "pids_limit",
    "deploy",
    "secrets",
    "configs",
    "profiles",
    "image",
    "services",
    "name",
    "stop_grace_period",
    "cap_add",
    "group_add",
    "privileged",
    "network_mode",
    "pull_policy",
    "version",
    "env_file",
    "extends",
    "include",
    "devices",
    "ipc",
    "pid",
    "uts",
    "userns_mode",
    "cgroup",
    "cpuset",
    "cpu_quota",
    "cpu_shares",
    "memswap_limit",
    "oom_score_adj",
    "oom_kill_disable",
    "runtime",
    "scale",
    "storage_opt",
    "device_cgroup_rules",
    "domainname",
];
