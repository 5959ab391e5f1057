//! `restart`: what is said, and that nothing is said, as the real Compose reads both.

#![allow(
    clippy::disallowed_methods,
    reason = "how tests are told where the peers are"
)]

mod common;

use common::{load, name};
use std::io::Write as _;
use std::process::{Command, Stdio};
use tenantry_compose::{Project, Restart};

/// `restart` as it stands in a file, and what it means.
const READ: &[(&str, Option<Restart>)] = &[
    ("", None),
    ("restart: \"\"", None),
    ("restart: \"${NOT_SET:-}\"", None),
    ("restart: \"no\"", Some(Restart::No)),
    ("restart: no", Some(Restart::No)),
    ("restart: always", Some(Restart::Always)),
    ("restart: unless-stopped", Some(Restart::UnlessStopped)),
    (
        "restart: on-failure",
        Some(Restart::OnFailure { retries: None }),
    ),
    (
        "restart: on-failure:3",
        Some(Restart::OnFailure { retries: Some(3) }),
    ),
];

/// What both refuse.
const REFUSED: &[&str] = &[
    "restart: false",
    "restart:",
    "restart: ~",
    "restart: [always]",
];

fn file(line: &str) -> String {
    format!("services:\n  a:\n    image: x\n    {line}\n")
}

/// As Compose writes it.
fn word(restart: Option<Restart>) -> Option<String> {
    restart.map(|restart| match restart {
        Restart::No => "no".to_owned(),
        Restart::Always => "always".to_owned(),
        Restart::UnlessStopped => "unless-stopped".to_owned(),
        Restart::OnFailure { retries: None } => "on-failure".to_owned(),
        Restart::OnFailure {
            retries: Some(times),
        } => format!("on-failure:{times}"),
    })
}

#[test]
fn unset_and_no_are_told_apart() {
    for (line, expected) in READ {
        let restart = load(&file(line)).services[&name("a")].restart;
        assert_eq!(restart, *expected, "{line}");
    }
    for line in REFUSED {
        assert!(Project::load(&file(line), &|_| None).is_err(), "{line}");
    }
}

#[test]
fn compose_reads_the_same() {
    let Some(compose) = std::env::var_os("TENANTRY_COMPOSE") else {
        assert!(
            std::env::var_os("TENANTRY_REQUIRE_PEERS").is_none(),
            "TENANTRY_COMPOSE does not say where Compose is"
        );
        println!("skipped: TENANTRY_COMPOSE does not say where Compose is");
        return;
    };
    let config = |line: &str| {
        let mut command = Command::new(&compose);
        command.args(["--project-name", "t", "--file", "-"]);
        command
            .args(["config", "--format", "json"])
            .env_remove("NOT_SET");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let text = file(line);
        child
            .stdin
            .take()
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
        child.wait_with_output().unwrap()
    };
    for (line, expected) in READ {
        let output = config(line);
        assert!(output.status.success(), "{line}: {output:?}");
        let read: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let read = read["services"]["a"].get("restart");
        assert_eq!(
            read.and_then(serde_json::Value::as_str).map(str::to_owned),
            word(*expected),
            "{line}"
        );
    }
    for line in REFUSED {
        assert!(!config(line).status.success(), "{line}");
    }
}
