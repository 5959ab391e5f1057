//! Files beside the Compose file: `include`, `extends`, `env_file`, and where their mistakes are told.

mod common;

use common::{lookup, name};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use tenantry_compose::{
    BindSource, ComposeFile, FileSource, MountKind, Project, Service, ServiceName,
};

type Texts = BTreeMap<&'static str, &'static str>;

fn load(text: &str, files: &Texts) -> Project {
    ComposeFile::new(text, files)
        .load(&lookup)
        .unwrap_or_else(|problems| panic!("{problems:#?}\n{text}"))
}

fn refused(text: &str, files: &Texts) -> Vec<String> {
    let problems = ComposeFile::new(text, files).load(&lookup).expect_err(text);
    let index = tenantry_yaml::LineIndex::new(text);
    problems
        .iter()
        .map(|problem| {
            let at = index.position(problem.span.start);
            format!("{}:{} {}", at.line, at.column, problem.message)
        })
        .collect()
}

fn env<'p>(service: &'p Service, name: &str) -> Option<&'p str> {
    service.environment.get(name)
}

fn binds(service: &Service) -> Vec<String> {
    let paths = service
        .volumes
        .iter()
        .filter_map(|mount| match &mount.kind {
            MountKind::Bind {
                source: BindSource::Project(path),
                ..
            } => Some(format!("{}:{}", path.as_str(), mount.target)),
            _ => None,
        });
    paths.collect()
}

#[test]
fn a_service_takes_from_another_and_says_the_rest_itself() {
    let files = Texts::from([
        (
            "files/common/base.yaml",
            "
services:
  base:
    extends: {service: root}
    image: base:${TAG}
    command: [from, base]
    environment: [A=base, 'B=base']
    env_file: base.env
    volumes: [./data:/data, ../up:/up, 'named:/v']
    ports: ['127.0.0.1:${SITE_PORT}:80']
    depends_on: [db]
    healthcheck: {test: [CMD, a], interval: 3s}
    dns: 192.0.2.1
    logging: {driver: json-file, options: {max-size: 1m}}
    ulimits: {nofile: 10, nproc: 5}
    cap_drop: [ALL]
  root: {image: root, labels: {from: root, over: root}, init: true}
",
        ),
        ("files/common/base.env", "B=file\nC=file-${TAG}\n"),
    ]);
    let text = "
services:
  web:
    extends: {file: files/common/base.yaml, service: base}
    command: own
    environment: {B: own}
    volumes: ['./own:/data', './more:/more']
    ports: ['9000:9000']
    depends_on: {cache: {condition: service_healthy}}
    healthcheck: {test: [CMD, b], retries: 2}
    dns: [192.0.2.2]
    logging: {options: {max-file: '2'}}
    ulimits: {nofile: 20}
    labels: [over=own]
    cap_drop: [ALL]
  db: {image: db}
  cache: {image: cache}
volumes: {named: {}}
";
    let project = load(text, &files);
    let web = &project.services[&name("web")];
    assert_eq!(web.image.as_str(), "base:1.27");
    assert_eq!(web.command.as_ref().unwrap().as_slice(), ["own"]);
    assert_eq!(
        ["A", "B", "C"].map(|name| env(web, name)),
        [Some("base"), Some("own"), Some("file-1.27")]
    );
    assert_eq!(
        binds(web),
        ["own:/data", "files/up:/up", "more:/more"],
        "paths of the other file are seen from its folder"
    );
    assert_eq!(web.ports.len(), 2);
    assert_eq!(web.depends_on.len(), 2);
    let health = web.healthcheck.as_ref().unwrap();
    assert_eq!((health.interval.is_some(), health.retries), (true, Some(2)));
    assert_eq!(web.dns.len(), 2);
    assert_eq!(web.logging.as_ref().unwrap().options.len(), 2);
    assert_eq!(web.ulimits["nofile"].soft, 20);
    assert_eq!(web.ulimits["nproc"].soft, 5);
    assert_eq!(web.cap_drop, ["ALL"]);
    assert_eq!(
        ["from", "over"].map(|label| web.labels.get(label)),
        [Some("root"), Some("own")]
    );
    assert_eq!(web.init, Some(true));
    let file = ComposeFile::new(text, &files);
    let referred: Vec<_> = file.referred().into_iter().collect();
    assert_eq!(
        referred,
        ["files/common/base.env", "files/common/base.yaml"]
    );
    let variables: Vec<_> = file.variables().into_iter().collect();
    assert_eq!(variables, ["SITE_PORT", "TAG"]);
}

#[test]
fn another_logging_driver_takes_nothing_over() {
    let text = "services:\n  a: {extends: b, logging: {driver: local}}\n  b: {image: x, logging: {driver: json-file, options: {max-size: 1m}}}\n";
    let project = load(text, &Texts::new());
    let logging = project.services[&name("a")].logging.as_ref().unwrap();
    assert!(logging.options.is_empty());
}

#[test]
fn included_files_bring_their_own_folder() {
    let files = Texts::from([
        (
            "files/db/compose.yaml",
            "
name: ignored
include: [./more.yaml]
services:
  db:
    image: postgres
    env_file: [{path: ./db.env, required: false}, ./real.env]
    volumes: ['./init:/init:ro', 'data:/data', {type: bind, source: conf, target: /conf}]
    secrets: [key]
volumes: {data: {}}
secrets: {key: {file: ./key}}
networks: {back: {internal: true}}
",
        ),
        ("files/db/real.env", "PASSWORD=${DB_PASSWORD}"),
        (
            "files/db/more.yaml",
            "services: {more: {image: x, extends: {file: ../t.yaml, service: t}}}",
        ),
        (
            "files/t.yaml",
            "services: {t: {image: t, volumes: ['./t:/t']}}",
        ),
    ]);
    let text = "include: [files/db/compose.yaml]\nservices:\n  web: {image: x, depends_on: [db], networks: [back]}\n";
    let project = load(text, &files);
    let services: Vec<_> = project.services.keys().map(ServiceName::as_str).collect();
    assert_eq!(services, ["db", "more", "web"]);
    let db = &project.services[&name("db")];
    assert_eq!(env(db, "PASSWORD"), Some("s3cret"));
    assert_eq!(binds(db), ["files/db/init:/init", "files/db/conf:/conf"]);
    let key = project.secrets.values().next().unwrap();
    assert!(matches!(key, FileSource::File(path) if path.as_str() == "files/db/key"));
    assert_eq!(binds(&project.services[&name("more")]), ["files/t:/t"]);
    assert!(!format!("{project:?}").contains("s3cret"));
}

#[test]
fn the_same_twice_is_once_and_two_of_a_name_are_a_mistake() {
    let files = Texts::from([
        ("one.yaml", "services: {a: {image: x}}\nvolumes: {v: {}}"),
        ("two.yaml", "services: {b: {image: x}}\nvolumes: {v: {}}"),
        ("three.yaml", "services: {a: {image: y}}"),
    ]);
    let text = "include: [one.yaml, {path: two.yaml}]\nservices: {c: {image: x}}\n";
    assert_eq!(load(text, &files).services.len(), 3);
    assert_eq!(
        refused(
            "include:\n  - one.yaml\n  - three.yaml\nservices: {c: {image: x}}\n",
            &files
        ),
        ["3:5 `services.a` is already there, and differs"]
    );
}

#[test]
fn mistakes_in_other_files_name_file_and_line() {
    let files = Texts::from([
        (
            "files/base.yaml",
            "services:\n  b:\n    image: x\n    imge: y\n    hostname: ${NONE}\n",
        ),
        ("files/inner.yaml", "include: [base.yaml]\nservices: {}\n"),
        ("files/loop.yaml", "include: [loop.yaml]\nservices: {}\n"),
        ("files/bad.yaml", "services: [\n"),
        ("files/a.env", "A=1\n\nB=\"x\n"),
    ]);
    assert_eq!(
        refused(
            "services:\n  a:\n    extends: {file: files/base.yaml, service: b}\n",
            &files
        ),
        [
            "3:21 files/base.yaml:4: unknown key `imge`",
            "3:21 files/base.yaml:5: the variable `NONE` has no value"
        ]
    );
    assert_eq!(
        refused(
            "services: {a: {image: x}}\ninclude: [files/inner.yaml]\n",
            &files
        ),
        [
            "2:11 files/base.yaml:4: unknown key `imge`",
            "2:11 files/base.yaml:5: the variable `NONE` has no value"
        ]
    );
    assert_eq!(
        refused("services: {a: {image: x, env_file: files/a.env}}\n", &files),
        ["1:36 files/a.env:3: a quote is never closed"]
    );
    for (text, expected) in [
        (
            "services: {a: {image: x}}\ninclude: [files/loop.yaml]\n",
            "2:11 files/loop.yaml:1: `files/loop.yaml` includes itself",
        ),
        (
            "services: {a: {extends: {file: files/base.yaml, service: c}}}\n",
            "1:58 there is no service `c` in files/base.yaml",
        ),
        (
            "services: {a: {image: x, extends: b}, b: {image: x, extends: a}}\n",
            "1:62 the service `a` extends itself",
        ),
        (
            "services: {a: {image: x}}\ninclude: ['${TAG}.yaml', '../x.yaml']\n",
            "2:26 the path leads out of the stack's folder",
        ),
    ] {
        let found = refused(text, &files);
        assert!(found.contains(&expected.to_owned()), "{text}\n{found:#?}");
    }
    assert!(
        refused(
            "include: [files/bad.yaml]\nservices: {a: {image: x}}\n",
            &files
        )[0]
        .starts_with("1:11 files/bad.yaml:")
    );
}

#[test]
fn without_values_a_file_of_variables_is_checked_as_far_as_it_goes() {
    let files = Texts::from([("a.env", "A=${KNOWN}\nB=${NONE}\nC=${NONE:-c}\n")]);
    let text = "services: {a: {image: x, env_file: a.env}}\n";
    let problems = ComposeFile::new(text, &files).check(&|name| name == "KNOWN");
    let messages: Vec<_> = problems.iter().map(|one| one.message.as_str()).collect();
    assert_eq!(messages, ["a.env:2: the variable `NONE` has no source"]);
    let known = ComposeFile::new(text, &files).check(&|_| true);
    assert_eq!(known, []);
}

#[test]
fn names_may_begin_like_extensions() {
    let text = "services:\n  a: {image: x, labels: {x-a: \"${TAG}\"}, environment: {x-b: c}, x-c: \"${NONE}\"}\n  x-name: {image: y}\n";
    let project = load(text, &Texts::new());
    assert_eq!(project.services.len(), 2);
    let a = &project.services[&name("a")];
    assert_eq!(
        (a.labels.get("x-a"), env(a, "x-b")),
        (Some("1.27"), Some("c"))
    );
    assert_eq!(ComposeFile::alone(text).variables().len(), 1);
}

#[test]
fn profiles_are_named_by_a_variable() {
    let text = "services:\n  a: {image: x}\n  b: {image: x, profiles: [tools]}\n  c: {image: x, profiles: [more]}\n";
    let with = |value: &'static str| {
        let lookup = move |name: &str| (name == "COMPOSE_PROFILES").then(|| value.to_owned());
        Project::load(text, &lookup).unwrap().services.len()
    };
    assert_eq!(
        [with(""), with("tools"), with("tools, more"), with("*")],
        [1, 2, 3, 3]
    );
    let variables = ComposeFile::alone(text).variables();
    assert!(variables.contains("COMPOSE_PROFILES"));
}

#[test]
fn bombs_of_files_are_refused_quickly() {
    let begun = std::time::Instant::now();
    let mut services = String::from("services:\n  s0: {image: x, labels: {");
    for number in 0..2000 {
        let _ = write!(services, "l{number}: v, ");
    }
    services.push_str("}}\n");
    for number in 1..250 {
        let _ = writeln!(services, "  s{number}: {{extends: s0}}");
    }
    let problems = Project::load(&services, &lookup).unwrap_err();
    assert_eq!(problems[0].message, "`extends` copies too much");
    let mut chain = String::from("services:\n  s0: {image: x}\n");
    for number in 1..250 {
        let _ = writeln!(chain, "  s{number}: {{extends: s{}}}", number - 1);
    }
    // In the order of the file each is known when the next needs it.
    assert!(Project::load(&chain, &lookup).is_ok());
    let mut backwards = String::from("services:\n");
    for number in 0..250 {
        let _ = writeln!(backwards, "  s{number}: {{extends: s{}}}", number + 1);
    }
    backwards.push_str("  s250: {image: x}\n");
    let problems = Project::load(&backwards, &lookup).unwrap_err();
    assert!(
        problems
            .iter()
            .any(|one| one.message.contains("more than 32"))
    );
    assert!(begun.elapsed().as_secs() < 10);
}

fn survives(main: &str, other: &str) {
    let files = BTreeMap::from([("o.yaml", other), ("sub/o.env", other)]);
    let file = ComposeFile::new(main, &files);
    for problem in file
        .load(&lookup)
        .err()
        .into_iter()
        .flatten()
        .chain(file.check(&|_| true))
    {
        assert!(
            main.get(problem.span.start..problem.span.end).is_some(),
            "{problem:?}"
        );
    }
    let _ = (file.variables(), file.referred());
}

proptest! {
    #[test]
    fn any_other_file_survives(other in "(services:|  a:|  b: |\n|  |\\{|\\}|image: x|extends: |a|b|, |include: \\[o.yaml\\]|volumes: |\\./x:/y|\\$\\{A\\}|=|\"|'|#){0,40}") {
        survives("include: [o.yaml]\nservices: {a: {image: x, extends: {file: o.yaml, service: b}, env_file: sub/o.env}}\n", &other);
        survives(&other, "services: {b: {image: y}}\n");
    }
}

/// What is said of a file with another on top: where, and in which of the two.
fn refused_with(base: &str, over: &str) -> Vec<String> {
    let file = ComposeFile::alone(base).with_override(over);
    let problems = file.load(&lookup).expect_err(over);
    let told = problems.iter().map(|problem| {
        let (file, problem, text) = match file.in_override(problem) {
            Some(problem) => ("override", problem, over),
            None => ("compose", problem.clone(), base),
        };
        let index = tenantry_yaml::LineIndex::new(text);
        let at = index.position(problem.span.start);
        format!("{file}:{}:{} {}", at.line, at.column, problem.message)
    });
    told.collect()
}

#[test]
fn a_mistake_is_told_where_it_stands() {
    let base = "services:\n  web:\n    image: web";
    for (over, said) in [
        (
            "services:\n  web:\n    imagee: x\n",
            "override:3:5 unknown key `imagee`",
        ),
        (
            "services:\n  other: {command: [a]}\n",
            "override:2:3 the service has no `image`",
        ),
        (
            "services:\n  web: {image: \"${NOWHERE}\"}\n",
            "override:2:17 the variable `NOWHERE` has no value",
        ),
        ("services: [\n", "override:"),
        ("- a\n", "override:1:1 an override file is a mapping"),
        (
            "services: {web: {depends_on: [nobody]}}\n",
            "override:1:31 ",
        ),
        (
            "include: [more.yaml]\n",
            "override:1:11 there is no file `more.yaml`",
        ),
    ] {
        let found = refused_with(base, over);
        assert!(found[0].starts_with(said), "{over}: {found:?}");
    }
    // What was wrong before is told where it was.
    let found = refused_with("services:\n  web: {image: a, imagee: b}\n", "services: {}");
    assert!(found[0].starts_with("compose:2:19 "), "{found:?}");
}

#[test]
fn a_file_on_top_that_says_nothing_changes_nothing() {
    let base = "services: {web: {image: web, ports: ['80:80']}}\nvolumes: {v: {}}\n";
    let alone = ComposeFile::alone(base).load(&lookup).unwrap();
    for nothing in [
        "",
        "# none\n",
        "{}",
        "services:\nvolumes:\n",
        "services: {web: }",
        "x-a: 1",
    ] {
        let with = ComposeFile::alone(base).with_override(nothing);
        assert_eq!(with.load(&lookup).as_ref(), Ok(&alone), "{nothing}");
        assert_eq!(with.check(&|_| true), []);
    }
}

#[test]
fn variables_and_files_of_both_count() {
    let files = Texts::from([("a.env", "A=1\n"), ("b.env", "B=${INNER}\n")]);
    let base = "services: {web: {image: '${ONE}', env_file: a.env}}";
    let file = ComposeFile::new(base, &files)
        .with_override("services: {web: {env_file: [b.env], labels: {a: '${TWO:-2}'}}}");
    let variables: Vec<String> = file.variables().into_iter().collect();
    assert_eq!(variables, ["INNER", "ONE", "TWO"]);
    let referred: Vec<String> = file.referred().into_iter().collect();
    assert_eq!(referred, ["a.env", "b.env"]);
}

proptest! {
    /// Whatever stands on top, reading ends, and every mistake has a place in one of the two texts.
    #[test]
    fn any_text_on_top_is_read_or_refused(over in "[a-z:\\-\\[\\]{}$ \\n!&*'\"é]{0,60}") {
        let base = "services:\n  web:\n    image: web\n";
        let file = ComposeFile::alone(base).with_override(&over);
        if let Err(problems) = file.load(&lookup) {
            prop_assert!(!problems.is_empty());
            for problem in &problems {
                let (text, span) = match file.in_override(problem) {
                    Some(problem) => (over.as_str(), problem.span),
                    None => (base, problem.span),
                };
                prop_assert!(span.start <= span.end && span.end <= text.len());
                prop_assert!(text.is_char_boundary(span.start) && text.is_char_boundary(span.end));
            }
        }
    }
}
