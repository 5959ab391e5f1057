//! The program itself: taking a server in, looking at it, and what exit codes say.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;

use common::World;
use std::path::Path;
use std::process::{Command, Output};

fn agent(config: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tenantry-agent"))
        .arg("--config")
        .arg(config)
        .args(arguments)
        .output()
        .unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn enrolled_installed_looked_at() {
    let world = World::new();
    let path = world.folder.path().join("etc/agent.yaml");
    let keys = &world.config.keys;
    let facts = format!(
        "hub_url: http://127.0.0.1:1\nfleet_id: example\nhub_key: {}\nhub_age: {}\nrecovery_key: {}\nrecovery_age: {}\n",
        keys.hub.sign, keys.hub.age, keys.recovery.sign, keys.recovery.age
    );
    let hub_file = world.folder.path().join("hub.yaml");
    std::fs::write(&hub_file, facts).unwrap();
    let missing = agent(&path, &["status"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(
        text(&missing).contains("run `tenantry-agent enrol` first"),
        "{}",
        text(&missing)
    );

    let state = world.folder.path().join("fresh");
    let enrol = [
        "enrol",
        "--hub-file",
        hub_file.to_str().unwrap(),
        "--server",
        "acme/acme-1",
        "--state",
        state.to_str().unwrap(),
        "--secrets",
        world.config.secrets.to_str().unwrap(),
        "--docker",
        "/nowhere.sock",
        "--nginx-control",
        "direct",
    ];
    let first = agent(&path, &enrol);
    assert_eq!(first.status.code(), Some(0), "{}", text(&first));
    assert!(
        text(&first)
            .contains("fleet/customers/acme/servers/acme-1.yaml:\nagent: { sign: \"ssh-ed25519 "),
        "{}",
        text(&first)
    );
    assert_eq!(agent(&path, &enrol).stdout, first.stdout);
    assert!(
        !text(&first).contains("AGE-SECRET-KEY")
            && !std::fs::read_to_string(&path).unwrap().contains("PRIVATE")
    );
    let moved = agent(&path, &[&enrol[..3], &["--server", "acme/acme-2"]].concat());
    assert_eq!(moved.status.code(), Some(1));
    assert!(
        text(&moved).contains("never overwritten"),
        "{}",
        text(&moved)
    );

    let root = world.folder.path().join("root");
    let installed = agent(&path, &["install", "--root", root.to_str().unwrap()]);
    assert!(
        text(&installed).contains("wrote     /etc/systemd/system/tenantry-agent.service"),
        "{}",
        text(&installed)
    );
    let again = agent(&path, &["install", "--root", root.to_str().unwrap()]);
    assert!(!text(&again).contains("wrote "), "{}", text(&again));

    let status = agent(&path, &["status"]);
    assert!(
        text(&status).contains("slice: none accepted yet"),
        "{}",
        text(&status)
    );
    assert!(
        text(&status).contains("is not running"),
        "{}",
        text(&status)
    );
    let report: tenantry_schema::wire::Report =
        serde_json::from_slice(&agent(&path, &["status", "--json"]).stdout).unwrap();
    assert!(report.slice.is_none() && report.host.memory > 0);
    let diff = agent(&path, &["diff"]);
    assert_eq!(diff.status.code(), Some(1));
    assert!(
        text(&diff).contains("no slice has been accepted yet"),
        "{}",
        text(&diff)
    );
}

#[test]
fn diff_restore_and_converge_use_the_slice_that_was_accepted() {
    let world = World::new();
    let path = world.folder.path().join("agent.yaml");
    std::fs::write(&path, serde_yaml::to_string(&world.config).unwrap()).unwrap();
    let secrets = world.secrets_for(world.agent.age.as_str(), &[("TOKEN", "hunter2-hunter2")]);
    let mut open = tenantry_agent::agent::Agent::open(world.config.clone(), true).unwrap();
    let slice = world.bundle(3, world.html(&[("stacks/web-html/secrets.yaml", &secrets)]));
    assert!(open.offer(&slice, true, jiff::Timestamp::now()));
    assert!(
        text(&agent(&path, &["status"])).contains("is running"),
        "the lock is held"
    );
    assert!(
        text(&agent(&path, &["converge", "--once", "--offline"]))
            .contains("another tenantry-agent")
    );
    drop(open);

    let diff = agent(&path, &["diff"]);
    assert_eq!(diff.status.code(), Some(2), "{}", text(&diff));
    assert!(
        text(&diff).contains("web-html\n  + write secret file web-html/TOKEN\n"),
        "{}",
        text(&diff)
    );
    assert!(!text(&diff).contains("hunter2"));
    let json: serde_json::Value =
        serde_json::from_slice(&agent(&path, &["diff", "--json"]).stdout).unwrap();
    assert_eq!(json["steps"][0]["lane"], "web-html");
    assert!(
        !world.config.secrets.join("web-html").exists(),
        "diff does nothing"
    );

    assert_eq!(agent(&path, &["restore-secrets"]).status.code(), Some(0));
    assert_eq!(
        std::fs::read_to_string(world.config.secrets.join("web-html/TOKEN")).unwrap(),
        "hunter2-hunter2"
    );

    let converged = agent(
        &path,
        &["converge", "--once", "--offline", "--patience", "1"],
    );
    assert_eq!(converged.status.code(), Some(1), "{}", text(&converged));
    assert!(
        text(&converged).contains("engine does not answer"),
        "{}",
        text(&converged)
    );
    assert!(world.state("live/web-html/compose.yaml").exists());
    assert!(text(&agent(&path, &["status"])).contains("1 report waits for the hub"));
}

#[test]
fn output_that_nobody_watches_has_no_colours() {
    let world = World::new();
    let path = world.folder.path().join("agent.yaml");
    std::fs::write(&path, serde_yaml::to_string(&world.config).unwrap()).unwrap();
    // Each says something in the log or as an error.
    let outputs = [
        agent(&path, &["converge", "--once"]),
        agent(&path, &["status"]),
        agent(&path, &["no-such-command"]),
        agent(&path, &["--help"]),
    ];
    for output in &outputs {
        assert!(!text(output).contains('\u{1b}'), "{}", text(output));
    }
    let log = text(&outputs[0]);
    assert!(
        log.contains("WARN") && log.contains("the hub cannot be reached"),
        "{log}"
    );

    // The daemon, whose output goes to a file.
    let log = world.folder.path().join("agent.log");
    let file = || std::fs::File::create(&log).unwrap();
    let mut daemon = Command::new(env!("CARGO_BIN_EXE_tenantry-agent"))
        .arg("--config")
        .arg(&path)
        .arg("run")
        .stdout(file())
        .stderr(file())
        .spawn()
        .unwrap();
    let said = || std::fs::read_to_string(&log).unwrap_or_default();
    for _ in 0..500 {
        if said().contains("WARN") {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    assert!(said().contains("WARN"), "{}", said());
    assert!(!said().contains('\u{1b}'), "{}", said());
    // What it could not do is there for people to see.
    let status = text(&agent(&path, &["status"]));
    assert!(
        status.contains("hub: no answer about slices since")
            && status.contains("cannot be reached"),
        "{status}"
    );
}

#[test]
fn help_teaches() {
    let help = text(&agent(Path::new("/nowhere"), &["--help"]));
    for word in [
        "enrol",
        "converge",
        "restore-secrets",
        "Exit codes",
        "fleet/customers",
    ] {
        assert!(help.contains(word), "{help}");
    }
}
