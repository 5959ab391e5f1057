//! A person of the staff leaves: what their key opens afterwards, and what is listed.

use super::{cloned, commit, run};
use crate::Desk;
use crate::secrets::{editor, person, run_with};
use std::path::Path;

/// Puts a key into every rule of `.sops.yaml` but that of the hub's own key.
pub(super) fn let_open(desk: &Desk, recipient: &str) {
    desk.edit("fleet/.sops.yaml", |text| {
        let mut rules = text.split("  - path_regex: ");
        let head = rules.next().unwrap().to_owned();
        let key_of_hub = rules.next().unwrap().to_owned();
        let others = rules.map(|rule| {
            format!(
                "  - path_regex: {}",
                rule.replace("age: ", &format!("age: {recipient},"))
            )
        });
        format!(
            "{head}  - path_regex: {key_of_hub}{}",
            others.collect::<String>()
        )
    });
}

#[test]
fn who_leaves_opens_nothing_and_what_they_knew_is_listed() {
    let desk = cloned();
    let (sam, sam_key) = person(&desk, "sam");
    desk.write("fleet/fleet/staff.yaml", &format!("jo:\n  email: jo@example.com\n  role: owner\nsam:\n  email: sam@example.com\n  role: admin\n  age: {sam}\n"));
    let_open(&desk, &sam);
    run(&desk, &["secrets", "set", "hub", "provider_token"], "t1").says(0, &[]);
    run(&desk, &["secrets", "set", "acme", "smtp"], "s1").says(0, &[]);
    run(&desk, &["secrets", "set", "acme", "gone"], "g1").says(0, &[]);
    desk.edit("fleet/fleet/customers/acme/orders/website.yaml", |text| {
        text.replace("[html]", "[html, guestbook]")
    });
    run(
        &desk,
        &["secrets", "generate", "acme/website/guestbook"],
        "",
    )
    .says(0, &[]);
    commit(&desk, "fleet", "with sam");
    let remove = editor(&desk, "remove", "sed -i '/^gone/d' \"$1\"");
    run_with(
        &desk,
        "fleet",
        &["secrets", "edit", "acme"],
        "",
        &[("VISUAL", &remove)],
    )
    .says(0, &[]);
    commit(&desk, "fleet", "one secret less");
    let as_sam = |arguments: &[&str]| {
        run_with(
            &desk,
            "fleet",
            arguments,
            "",
            &[("TENANTRY_KEY_FILE", &sam_key)],
        )
    };
    assert_eq!(as_sam(&["secrets", "get", "acme", "smtp"]).text, "s1");

    let dry = run(&desk, &["offboard", "sam", "--dry-run"], "");
    dry.says(2, &["4 files would be encrypted without sam's key"]);
    assert!(desk.git("fleet", &["status", "--porcelain"]).is_empty());
    let ran = run(&desk, &["offboard", "sam"], "");
    ran.says(
        2,
        &[
            "4 files no longer open to sam's key",
            "high: the hub's own accounts\n    provider_token in fleet/secrets.yaml",
            "smtp in fleet/customers/acme/secrets.yaml",
            "gone in fleet/customers/acme/secrets.yaml\n      not in the fleet any more",
            "`tenantry secrets rotate acme/website/guestbook",
            "remove `sam` from fleet/staff.yaml",
            "forge: remove sam's account",
            "host acme/acme-1 (192.0.2.1)",
        ],
    );
    assert!(ran.text.find("high:").unwrap() < ran.text.find("medium:").unwrap());
    for file in ["hub", "acme", "acme/website/guestbook"] {
        let name = if file == "hub" {
            "provider_token"
        } else {
            "smtp"
        };
        as_sam(&["secrets", "get", file, name]).says(1, &["no identity matches"]);
    }
    assert_eq!(
        run(&desk, &["secrets", "get", "acme", "smtp"], "").text,
        "s1"
    );
    let rules = std::fs::read_to_string(desk.path("fleet/.sops.yaml")).unwrap();
    assert!(
        !rules.contains(&sam) && rules.contains("# Generated secrets of tools"),
        "{rules}"
    );
    run(&desk, &["secrets", "updatekeys"], "").says(0, &["nothing to do"]);
    run(&desk, &["offboard", "nobody"], "").says(1, &["has nobody called `nobody`", "jo, sam"]);
    let report = run(&desk, &["offboard", "sam", "--json"], "");
    let report: serde_json::Value = serde_json::from_str(&report.text).unwrap();
    assert_eq!(report["files"], serde_json::json!([]));
    assert!(
        report["secrets"].as_array().unwrap().len() >= 4,
        "history is not forgotten: {report}"
    );
    assert!(Path::new(&sam_key).exists());
}

#[test]
fn servers_that_let_them_in_are_told_from_those_that_do_not() {
    let desk = cloned();
    let hub = |host: &str| {
        desk.edit("fleet/fleet/hub.yaml", |text| {
            let kept: Vec<_> = text
                .lines()
                .filter(|line| !line.starts_with("host:"))
                .collect();
            format!("{}\n{host}\n", kept.join("\n"))
        });
    };
    let login = "sam: { email: sam@example.com, role: admin, server_login: { keys: [ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINWt2/SfQsdKmVq3GbXbP5bIREGHZWiNsJXEYF0x4Q48] } }\n";
    let none = "sam: { email: sam@example.com, role: admin }\n";
    let by_hand = "host acme/acme-1 (192.0.2.1): remove their user and SSH keys";
    let by_agent = "their agents lock the user out";
    for (staff, host, by) in [
        (login, "host: { users: {} }", Some(by_agent)),
        (login, "host: { users: { only: [] } }", None),
        (none, "host: { users: {} }", None),
        (login, "host: { firewall: {} }", Some(by_hand)),
    ] {
        desk.write("fleet/fleet/staff.yaml", staff);
        hub(host);
        let ran = run(&desk, &["offboard", "sam", "--dry-run"], "");
        for words in [by_hand, by_agent] {
            let told = ran.text.contains(words);
            assert_eq!(told, by == Some(words), "{host} {staff} {}", ran.text);
        }
    }
    // Where the agent only looks, people have to act.
    desk.write("fleet/fleet/staff.yaml", login);
    hub("host: { users: {} }");
    desk.edit("fleet/fleet/customers/acme/servers/acme-1.yaml", |text| {
        format!("{text}manage: observe\n")
    });
    let ran = run(&desk, &["offboard", "sam", "--dry-run"], "");
    ran.says(2, &[by_hand, "its agent only observes"]);
}
