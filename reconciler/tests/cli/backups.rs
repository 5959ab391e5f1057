//! Forgetting and pruning with a remote that keeps to its word: `rclone serve restic` with and without `--append-only`, real restic, and real
//! log-ins from `tenantry backups htpasswd`.

#[path = "../../../agent/tests/common/rest_server.rs"]
mod rest_server;

use crate::{Desk, two_customers};
use rest_server::{APPEND_ONLY, RestServer};
use std::path::Path;
use std::process::{Command, Output};

fn restic(address: &str, key: &str, arguments: &[&str]) -> Output {
    Command::new("restic")
        .args(arguments)
        .arg("--no-cache")
        .env("RESTIC_REPOSITORY", address)
        .env("RESTIC_PASSWORD", key)
        .output()
        .unwrap()
}

fn good(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[allow(
    clippy::disallowed_methods,
    reason = "how tests are told what must be there"
)]
fn skip_without(program: &str) -> bool {
    let paths = std::env::var("PATH").unwrap_or_default();
    if paths
        .split(':')
        .any(|folder| Path::new(folder).join(program).exists())
    {
        return false;
    }
    assert!(
        std::env::var("TENANTRY_REQUIRE_PEERS").is_err(),
        "{program} is missing"
    );
    println!("skipped: {program} is missing");
    true
}

/// What stands behind `name:` in a file of secrets.
fn secret(desk: &Desk, name: &str) -> String {
    let text =
        std::fs::read_to_string(desk.path("fleet/fleet/decisions/acme/backups.secrets.yaml"))
            .unwrap();
    let file = tenantry_sops::SopsFile::parse(&text).unwrap();
    let values = file
        .decrypt(&identities(desk))
        .unwrap()
        .to_flat_map()
        .unwrap();
    let (_, value) = values.into_iter().find(|(own, _)| own == name).unwrap();
    tenantry_sops::ExposeSecret::expose_secret(&value).to_owned()
}

/// A fleet with a customer whose tool keeps a database, for whom everything is decided. Its id.
fn fleet(desk: &Desk) -> String {
    two_customers(desk);
    desk.edit("fleet/fleet/customers/acme/orders/website.yaml", |text| {
        text.replace("[html]", "{ html: , guestbook: }")
    });
    let agent = Desk::agent();
    desk.edit("fleet/fleet/customers/acme/servers/acme-1.yaml", |text| {
        format!("{text}{agent}")
    });
    desk.edit("fleet/fleet/hub.yaml", |text| {
        format!("{}\nbackups:\n  repository: rest:http://127.0.0.1:1\n  keep: {{ daily: 2, weekly: 1 }}\n", text.trim_end())
    });
    desk.commit("backups");
    desk.run(&["activate", "fleet", "--key", "fleet-keys/hub.agekey"])
        .says(0, &[]);
    desk.hub_acts(2);
    let hub = std::fs::read_to_string(desk.path("fleet/fleet/hub.yaml")).unwrap();
    hub.lines()
        .find_map(|line| line.strip_prefix("fleet_id: ")?.split_whitespace().next())
        .unwrap()
        .to_owned()
}

fn identities(desk: &Desk) -> tenantry_sops::Identities {
    let key = std::fs::read_to_string(desk.path("fleet-keys/hub.agekey")).unwrap();
    tenantry_sops::Identities::parse(&key).unwrap()
}

/// The hub's own log-in, in `fleet/secrets.yaml`.
fn own_log_in(desk: &Desk) {
    let options = tenantry_sops::EncryptOptions {
        recipients: identities(desk).recipients().cloned().collect(),
        rule: tenantry_sops::Rule::all(),
        mac_only_encrypted: true,
        last_modified: tenantry_sops::Timestamp::from_unix(0).unwrap(),
    };
    let map = tenantry_sops::Map::new()
        .with("backups_user", "hub")
        .with("backups_password", "second");
    let text = tenantry_sops::encrypt(&map, &options, &mut rand::rng()).unwrap();
    desk.write("fleet/fleet/secrets.yaml", &text);
}

#[test]
fn agents_append_and_the_hub_forgets() {
    if skip_without("restic") || skip_without("rclone") {
        return;
    }
    let desk = Desk::new();
    let folder = desk.path("remote");
    let (agents, all) = (desk.path("agents"), desk.path("all"));
    std::fs::create_dir(&folder).unwrap();
    let id = fleet(&desk);
    let (key, password) = (
        secret(&desk, "REPOSITORY_KEY"),
        secret(&desk, "APPEND_PASSWORD"),
    );

    // Two ways to the same folder: agents may append, the hub may delete.
    let printed = desk.run(&[
        "backups",
        "htpasswd",
        "fleet",
        "--key",
        "fleet-keys/hub.agekey",
    ]);
    let user = format!("{id}.acme");
    printed.says(0, &[&format!("{user}:{{SHA}}")]);
    assert!(!printed.text.contains(&password));
    std::fs::write(&agents, &printed.text).unwrap();
    // Password `second`, as `htpasswd -s` writes it.
    std::fs::write(&all, "hub:{SHA}NSzVrRA2zLtDQ+eblhIGlr2C7Rw=\n").unwrap();
    let output = Command::new("htpasswd")
        .args(["-nbs", "hub", "second"])
        .output();
    if let Ok(output) = output {
        std::fs::write(&all, output.stdout).unwrap();
    }
    let append = RestServer::start(&folder, &agents, &APPEND_ONLY);
    let full = RestServer::start(&folder, &all, &[]);
    let below = format!("{user}/acme-1");
    let address = |login: &str, port: u16, below: &str| {
        format!("rest:http://{login}@127.0.0.1:{port}/{below}")
    };
    let agent = address(&format!("{user}:{password}"), append.port, &below);

    // An agent's backups of four days: data and receipts, as it makes them.
    good(&restic(&agent, &key, &["init"]));
    let file = desk.path("content");
    let mut newest = String::new();
    for day in 10..14 {
        std::fs::write(&file, format!("content of {day}\n").repeat(1000)).unwrap();
        let time = format!("2026-11-{day} 02:00:00");
        let path = file.to_str().unwrap();
        let tags = [
            "--tag",
            "data",
            "--tag",
            "instance=website-guestbook",
            "--time",
            &time,
        ];
        let made = good(&restic(
            &agent,
            &key,
            &[&["backup", "--json", path][..], &tags].concat(),
        ));
        let summary = made
            .lines()
            .find(|line| line.contains("\"summary\""))
            .unwrap();
        let summary: serde_json::Value = serde_json::from_str(summary).unwrap();
        newest = summary["snapshot_id"].as_str().unwrap().to_owned();
        let of = format!("of={newest}");
        let tags = [
            "--tag",
            "receipt",
            "--tag",
            "instance=website-guestbook",
            "--tag",
            &of,
            "--time",
            &time,
        ];
        good(&restic(
            &agent,
            &key,
            &[&["backup", path][..], &tags].concat(),
        ));
    }

    // With the agent's log-in nothing can be taken away, and another customer's place is closed.
    let refused = restic(&agent, &key, &["forget", &newest]);
    let words = String::from_utf8_lossy(&refused.stderr).into_owned()
        + &String::from_utf8_lossy(&refused.stdout);
    let count = |address: &str| {
        let list = good(&restic(address, &key, &["snapshots", "--json"]));
        serde_json::from_str::<Vec<serde_json::Value>>(&list)
            .unwrap()
            .len()
    };
    assert_eq!(count(&agent), 8, "an agent could delete: {words}");
    let other = address(&format!("{user}:{password}"), append.port, "other/acme-1");
    assert!(!restic(&other, &key, &["init"]).status.success());
    let wrong = address(&format!("{user}:wrong"), append.port, &below);
    assert!(!restic(&wrong, &key, &["snapshots"]).status.success());

    // The hub forgets what is beyond the rule; a dry run does not.
    desk.edit("fleet/fleet/hub.yaml", |text| {
        text.replace(
            "repository: rest:http://127.0.0.1:1\n",
            &format!(
                "repository: rest:http://127.0.0.1:{}\n  maintenance: rest:http://127.0.0.1:{}\n",
                append.port, full.port
            ),
        )
    });
    let prune = [
        "backups",
        "prune",
        "fleet",
        "--key",
        "fleet-keys/hub.agekey",
    ];
    desk.run(&prune).says(1, &["acme/acme-1: restic could not"]);
    own_log_in(&desk);
    desk.run(&[&prune[..], &["--dry-run"]].concat())
        .says(2, &["4 snapshots would be forgotten"]);
    assert_eq!(count(&agent), 8);
    desk.run(&prune)
        .says(2, &["acme/acme-1: 4 snapshots forgotten"]);
    assert_eq!(count(&agent), 4, "two days, with their receipts");
    desk.run(&prune).says(0, &["0 snapshots forgotten"]);
    good(&restic(&agent, &key, &["check", "--read-data"]));
    // What is left is the newest, whole.
    let path = file.to_str().unwrap();
    let back = good(&restic(&agent, &key, &["dump", &newest, path]));
    assert!(back.starts_with("content of 13\n"));
}
