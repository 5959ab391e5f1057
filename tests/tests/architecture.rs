//! The rules of docs/ARCHITECTURE.md as tests: who may depend on whom, `//!` headers, who may expose a secret.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the tests are in a folder of the repository")
        .to_owned()
}

/// Names of a crate's ordinary dependencies.
fn dependencies(folder: &str) -> BTreeSet<String> {
    let path = root().join(folder).join("Cargo.toml");
    let text = std::fs::read_to_string(&path).expect("a manifest can be read");
    let mut inside = false;
    let mut names = BTreeSet::new();
    for line in text.lines() {
        if line.starts_with('[') {
            inside = line == "[dependencies]";
        } else if inside && let Some((name, _)) = line.split_once(['.', '=']) {
            names.insert(name.trim().to_owned());
        }
    }
    assert!(!names.is_empty(), "{} has no dependencies?", path.display());
    names
}

/// What pulls in sockets, threads of an executor, processes or the clock of a runtime.
const EFFECTS: [&str; 14] = [
    "tokio", "axum", "reqwest", "hyper", "bollard", "git2", "rusqlite", "notify", "russh",
    "lettre", "tempfile", "rustix", "cap-std", "rayon",
];

/// What a pure crate may use of them all the same, and why.
const PURE_ALL_THE_SAME: [(&str, &str, &str); 1] = [(
    "reconciler/planner",
    "rayon",
    "it only spreads computing over cores: customers are planned side by side, none sees another, the result is put in their order",
)];

#[test]
fn pure_crates_stay_pure() {
    for folder in [
        "schema",
        "schema/yaml",
        "schema/sops",
        "schema/compose",
        "schema/wire",
        "reconciler/planner",
    ] {
        let used = dependencies(folder);
        let wrong: Vec<_> = EFFECTS
            .iter()
            .filter(|effect| used.contains(**effect))
            .filter(|effect| {
                !PURE_ALL_THE_SAME
                    .iter()
                    .any(|(allowed, what, _)| (allowed, what) == (&folder, *effect))
            })
            .collect();
        assert!(wrong.is_empty(), "{folder} must not depend on {wrong:?}");
    }
    assert!(
        !dependencies("reconciler/planner").contains("rand"),
        "the planner rolls no dice"
    );
}

/// What a pure crate neither asks nor touches, however it is spelt: files, the clock, the environment, the network, processes, dice.
const OUTSIDE: [&str; 16] = [
    "std::fs",
    "fs::",
    "std::env",
    "env::var",
    "::now()",
    "SystemTime",
    "Instant",
    "std::net::Tcp",
    "std::net::Udp",
    "std::process",
    "Command::new",
    "std::thread",
    "thread::spawn",
    "std::io::std",
    "rand::rng()",
    "OsRng",
];

#[test]
fn pure_code_touches_nothing_outside() {
    for folder in [
        "schema/src",
        "schema/yaml/src",
        "schema/sops/src",
        "schema/compose/src",
        "schema/wire/src",
        "reconciler/planner/src",
    ] {
        for (name, code) in product_code(folder) {
            for line in code.lines().map(str::trim_start) {
                let outside = OUTSIDE.iter().find(|outside| line.contains(**outside));
                assert!(
                    line.starts_with("//") || outside.is_none(),
                    "{name} is pure and must not use `{}`: {line}",
                    outside.unwrap_or(&"")
                );
            }
        }
    }
}

#[test]
fn crates_of_ours_point_one_way() {
    let allowed: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("schema", &[][..]),
        ("schema/yaml", &[]),
        ("schema/sops", &[]),
        ("schema/compose", &["tenantry-yaml"]),
        ("schema/wire", &["tenantry-schema"]),
        (
            "reconciler/planner",
            &[
                "tenantry-compose",
                "tenantry-schema",
                "tenantry-sops",
                "tenantry-wire",
                "tenantry-yaml",
            ],
        ),
        (
            "reconciler",
            &[
                "tenantry-compose",
                "tenantry-planner",
                "tenantry-schema",
                "tenantry-sops",
                "tenantry-wire",
                "tenantry-yaml",
            ],
        ),
        (
            "agent",
            &[
                "tenantry-compose",
                "tenantry-schema",
                "tenantry-sops",
                "tenantry-wire",
                "tenantry-yaml",
            ],
        ),
    ]);
    for (folder, allowed) in allowed {
        let ours: Vec<String> = dependencies(folder)
            .into_iter()
            .filter(|name| name.starts_with("tenantry"))
            .collect();
        let wrong: Vec<_> = ours
            .iter()
            .filter(|name| !allowed.contains(&name.as_str()))
            .collect();
        assert!(wrong.is_empty(), "{folder} must not depend on {wrong:?}");
    }
}

fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, out: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder)
            .expect("a folder can be listed")
            .flatten()
        {
            let path = entry.path();
            if path.is_dir() {
                walk(&path, out);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                out.push(path);
            }
        }
    }
    let mut paths = Vec::new();
    walk(&root().join(folder), &mut paths);
    paths
        .into_iter()
        .map(|path| {
            (
                path.clone(),
                std::fs::read_to_string(path).expect("a source can be read"),
            )
        })
        .collect()
}

const ALL: [&str; 6] = [
    "schema",
    "reconciler/src",
    "reconciler/planner/src",
    "agent/src",
    "tests/src",
    "tests/tests",
];

#[test]
fn every_file_says_what_lives_in_it() {
    for folder in ALL {
        for (path, text) in sources(folder) {
            assert!(
                text.starts_with("//!"),
                "{} does not begin with a sentence about itself (`//!`)",
                path.display()
            );
        }
    }
}

#[test]
fn nothing_is_left_unfinished() {
    let words = [
        concat!("to", "do!("),
        concat!("un", "implemented!("),
        concat!("FIX", "ME"),
    ];
    for folder in ALL {
        for (path, text) in sources(folder) {
            for word in words {
                assert!(!text.contains(word), "{} contains {word}", path.display());
            }
        }
    }
}

/// Where a secret's value may be looked at: the moment of encryption, of signing, of writing to memory-only files, of a request.
const EDGES: [&str; 23] = [
    "schema/src/secret.rs",
    "schema/sops/src/",
    "schema/wire/src/slice.rs",
    "reconciler/src/keys.rs",
    "reconciler/src/generate.rs",
    "reconciler/src/generate/",
    "reconciler/src/publish.rs",
    "reconciler/src/forge/",
    "reconciler/src/secrets/",
    "reconciler/src/cli/init/",
    "reconciler/src/cli/secrets/",
    "reconciler/src/backups/",
    "reconciler/src/cli/backups.rs",
    "agent/src/backups/",
    "agent/src/keys.rs",
    "agent/src/accept.rs",
    "agent/src/secrets.rs",
    "agent/src/redact.rs",
    "agent/src/desired.rs",
    "agent/src/agent/open.rs",
    "agent/src/containers/",
    "agent/src/certificates/",
    "agent/src/web_server/certified.rs",
];

/// The sources beneath a folder by their paths, without tests.
fn product_code(folder: &str) -> Vec<(String, String)> {
    let root = root();
    let each = sources(folder).into_iter().map(|(path, text)| {
        let name = path
            .strip_prefix(&root)
            .expect("a source below the root")
            .to_string_lossy();
        // What stands below the tests of a file is theirs.
        let code = text.split("#[cfg(test)]\nmod").next().unwrap_or_default();
        (name.into_owned(), code.to_owned())
    });
    each.filter(|(name, _)| !name.contains("/tests/") && !name.ends_with("tests.rs"))
        .collect()
}

#[test]
fn secrets_are_exposed_at_the_edge_alone() {
    for folder in [
        "schema",
        "reconciler/src",
        "reconciler/planner/src",
        "agent/src",
    ] {
        for (name, text) in product_code(folder) {
            let exposes = text.contains(".expose()") || text.contains("expose_secret()");
            assert!(
                !exposes || EDGES.iter().any(|edge| name.starts_with(edge)),
                "{name} exposes a secret; is it an edge?"
            );
        }
    }
}

#[test]
fn no_shell_is_started() {
    for folder in ["reconciler/src", "agent/src"] {
        // A test may do what it tells people to type.
        let sources = sources(folder).into_iter();
        let ours = sources.filter(|(path, _)| !path.to_string_lossy().contains("/tests/"));
        for (path, text) in ours {
            for shell in ["\"sh\"", "\"/bin/sh\"", "\"bash\"", "\"/bin/bash\""] {
                let starts = text.contains(&format!("Command::new({shell})"));
                assert!(!starts, "{} starts a shell", path.display());
            }
        }
    }
}
