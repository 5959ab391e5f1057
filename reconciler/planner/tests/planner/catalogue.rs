//! Stacks that are right are accepted as they are, the shipped ones included.

use crate::support::files::id;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tenantry_planner::catalogue::{CompiledStack, Templates, compile_stack, compile_templates};
use tenantry_planner::input::{NginxFiles, StackFiles};

/// The root of the repository.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The shipped templates.
pub(crate) fn templates() -> Templates {
    let text = std::fs::read_to_string(repository().join("nginx/default.conf")).unwrap();
    let (templates, found) = compile_templates(&NginxFiles {
        tree: id("nginx"),
        templates: [("default".to_owned(), text.into())].into(),
    });
    assert_eq!(found, []);
    templates.unwrap()
}

/// A shipped stack.
pub(crate) fn shipped(tool: &str) -> Arc<CompiledStack> {
    fn walk(folder: &Path, prefix: &str, files: &mut BTreeMap<String, Arc<[u8]>>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let path = format!("{prefix}{}", entry.file_name().to_str().unwrap());
            if entry.file_type().unwrap().is_dir() {
                walk(&entry.path(), &format!("{path}/"), files);
            } else {
                files.insert(path, std::fs::read(entry.path()).unwrap().into());
            }
        }
    }
    let mut files = BTreeMap::new();
    walk(&repository().join("stacks").join(tool), "", &mut files);
    let files = StackFiles {
        tool: tool.try_into().unwrap(),
        tree: id(tool),
        files,
        refused: BTreeMap::new(),
        executable: BTreeSet::new(),
    };
    let (stack, found) = compile_stack(&files, Some(&templates()));
    assert_eq!(found, []);
    Arc::new(stack.unwrap())
}

fn small(manifest: &str, compose: &str) -> (Option<CompiledStack>, Vec<u16>) {
    let files = [("stack.yaml", manifest), ("compose.yaml", compose)]
        .map(|(name, text)| (name.to_owned(), text.as_bytes().into()));
    let files = StackFiles {
        tool: "small".try_into().unwrap(),
        tree: id("small"),
        files: files.into(),
        refused: BTreeMap::new(),
        executable: BTreeSet::new(),
    };
    let (stack, found) = compile_stack(&files, None);
    (stack, found.iter().map(|found| found.code.0).collect())
}

fn compiled(files: &[(&str, &str)]) -> (Option<CompiledStack>, Vec<String>) {
    let files = files
        .iter()
        .map(|(name, text)| ((*name).to_owned(), text.as_bytes().into()));
    let files = StackFiles {
        tool: "small".try_into().unwrap(),
        tree: id("small"),
        files: files.collect(),
        refused: BTreeMap::new(),
        executable: BTreeSet::new(),
    };
    let (stack, found) = compile_stack(&files, None);
    let told = found.iter().map(|found| {
        let place = &found.place;
        format!("{}:{} {}", place.file, place.line, found.message)
    });
    (stack, told.collect())
}

#[test]
fn a_file_that_is_executable_here_and_will_not_be_there_is_told() {
    let texts = [
        ("stack.yaml", "title: Small\n"),
        ("compose.yaml", "services: { web: { image: a } }"),
        ("files/hook.sh", "exec true\n"),
        ("files/run.sh", "#!/bin/sh\nexec true\n"),
        ("files/program", "\u{7f}ELF\u{2}"),
        ("README.md", "not part of it"),
    ];
    let files = StackFiles {
        tool: "small".try_into().unwrap(),
        tree: id("small"),
        files: texts
            .map(|(name, text)| (name.to_owned(), text.as_bytes().into()))
            .into(),
        refused: BTreeMap::new(),
        executable: texts.map(|(name, _)| name.to_owned()).into(),
    };
    let (stack, found) = compile_stack(&files, None);
    assert!(stack.is_some());
    let told: Vec<_> = found
        .iter()
        .map(|found| {
            (
                found.place.file.as_ref(),
                found.is_error(),
                found.message.as_str(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [(
            "stacks/small/files/hook.sh",
            false,
            "the file is executable here and will not be on a server"
        )]
    );
}

#[test]
fn files_that_a_compose_file_refers_to_are_part_of_the_stack() {
    let mut files = vec![
        (
            "stack.yaml",
            "title: Small\nparameters: { TAG: {} }\nsecrets: { KEY: {} }\n",
        ),
        (
            "compose.yaml",
            "include: [more/db.yaml]\nservices:\n  web: { extends: { file: common.yaml, service: base }, depends_on: [db] }\n",
        ),
        (
            "common.yaml",
            "services: { base: { image: 'a:${TAG}', env_file: files/web.env } }",
        ),
        (
            "more/db.yaml",
            "services: { db: { image: b, env_file: db.env } }",
        ),
        ("more/db.env", "PASSWORD=${KEY}\n"),
        ("files/web.env", "A=1\n"),
        ("README.md", "not part of it"),
    ];
    let (stack, told) = compiled(&files);
    assert_eq!(told, Vec::<String>::new());
    let stack = stack.unwrap();
    let paths: Vec<_> = stack.files.keys().map(String::as_str).collect();
    assert_eq!(
        paths,
        [
            "common.yaml",
            "files/web.env",
            "more/db.env",
            "more/db.yaml"
        ]
    );
    assert!(stack.variables.contains("KEY") && stack.variables.contains("TAG"));
    assert!(stack.compose_file().load(&|_| Some("1".to_owned())).is_ok());

    files.retain(|(name, _)| *name != "more/db.env");
    files[2].1 = "services: { base: { imge: a } }";
    let (stack, told) = compiled(&files);
    assert!(stack.is_none());
    assert!(
        told.iter().any(|told| told
            .starts_with("stacks/small/compose.yaml:3 common.yaml:1: unknown key `imge`")),
        "{told:?}"
    );
    assert!(
        told.iter().any(|told| told.starts_with(
            "stacks/small/compose.yaml:1 more/db.yaml:1: there is no file `more/db.env`"
        )),
        "{told:?}"
    );
}

#[test]
fn reasons_are_asked_for_and_services_must_be_there() {
    let compose = "services: { web: { image: a, security_opt: ['no-new-privileges:false'], pids_limit: -1 } }";
    let (_, codes) = small("title: S\n", compose);
    assert_eq!(codes, [213, 213]);
    let relax = "title: S\nrelax: { web: { no_new_privileges: it starts sudo, pids_limit: a process for each visitor } }\n";
    assert_eq!(small(relax, compose).1, Vec::<u16>::new());
    let (_, codes) = small(
        "title: S\nrelax: { wbe: { cap_drop: ' ' } }\nreload: { db: { signal: HUP } }\n",
        "services: { web: { image: a } }",
    );
    assert_eq!(codes, [212, 212, 213]);
}

#[test]
fn the_shipped_stacks_compile() {
    let (html, guestbook) = (shipped("html"), shipped("guestbook"));
    assert!(!html.has_data && guestbook.has_data);
    assert!(
        guestbook.variables.contains("DB_PASSWORD"),
        "used by a top-level secret alone"
    );
}

#[test]
fn a_variable_of_a_top_level_secret_or_config_is_used_and_known() {
    for part in ["secrets", "configs"] {
        let compose = format!(
            "services: {{ a: {{ image: a, {part}: [x] }} }}\n{part}: {{ x: {{ environment: KEY }} }}\n"
        );
        let (stack, found) = small("title: S\nsecrets: { KEY: {} }\n", &compose);
        assert_eq!(found, [0_u16; 0]);
        assert!(stack.unwrap().variables.contains("KEY"));
        assert_eq!(
            small("title: S\n", &compose).1,
            [202],
            "without a source it is unset"
        );
    }
}

#[test]
fn values_that_only_fit_one_field_do_not_keep_a_stack_from_compiling() {
    let compose = "services:\n  web:\n    image: \"${IMAGE}\"\n    mem_limit: ${MEM}\n    stop_grace_period: ${GRACE}\n    read_only: ${RO}\n    ports: [\"127.0.0.1:${SITE_PORT}:80\"]\n";
    let manifest = "title: S\nsite: { service: web, port: 80 }\nparameters: { IMAGE: {}, MEM: {}, GRACE: {}, RO: {} }\n";
    let (stack, found) = small(manifest, compose);
    assert_eq!(found, [0_u16; 0]);
    assert_eq!(stack.unwrap().variables.len(), 5);
    let other = compose.replace("127.0.0.1:${SITE_PORT}:80", "${SITE_PORT}:80");
    assert_eq!(small(manifest, &other).1, [204], "published to the world");
}

#[test]
fn the_port_of_a_site_is_its_own() {
    let manifest = "title: S\nsites: { a: { service: web, port: 80 }, b: { service: web, port: 81, host: b } }\n";
    let compose = |a: &str, b: &str| {
        format!(
            "services: {{ web: {{ image: a, ports: [\"127.0.0.1:${{{a}}}:80\", \"127.0.0.1:${{{b}}}:81\"] }} }}\n"
        )
    };
    assert_eq!(
        small(manifest, &compose("SITE_A_PORT", "SITE_B_PORT")).1,
        [0_u16; 0]
    );
    assert_eq!(
        small(manifest, &compose("SITE_B_PORT", "SITE_A_PORT")).1,
        [204, 204],
        "crossed"
    );
}

#[test]
fn what_an_order_may_set() {
    let compose = "services: { a: { image: a, environment: { A: \"${A:-1}\", P: \"${P}\", S: \"${S}\", D: \"${DOMAIN}\" } } }\n";
    let (stack, _) = small(
        "title: S\nparameters: { P: { default: x } }\nsecrets: { S: {} }\n",
        compose,
    );
    let stack = stack.unwrap();
    assert_eq!(stack.settable(), ["A"]);
    assert!(stack.is_builtin("DOMAIN") && !stack.is_builtin("A"));
}

#[test]
fn a_key_called_variable_is_not_a_variable_without_a_value() {
    let key = "services: { a: { image: a, variable: 1 } }\n";
    assert_eq!(small("title: S\n", key).1, [201]);
    let unset = "services: { a: { image: a, command: \"${NOWHERE}\" } }\n";
    assert_eq!(small("title: S\n", unset).1, [202]);
    let named = "services: { a: { image: a, environment: [NOWHERE] } }\n";
    assert_eq!(small("title: S\n", named).1, [202]);
}
