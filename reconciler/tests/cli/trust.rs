//! `tenantry trust` and `tenantry codeowners`. What makes a commit good is told in `tests/trust.rs`.

use crate::{Desk, two_customers};
use std::process::Command;

#[test]
fn a_pinned_commit_is_where_judging_begins() {
    let desk = Desk::new();
    two_customers(&desk);
    let head = desk.git("fleet", &["rev-parse", "HEAD"]);
    let head = head.trim();
    let key = ["--key", "fleet-keys/hub.agekey"];
    desk.run(&[&["trust", "verify", "fleet"][..], &key].concat())
        .says(1, &["name a commit that you know to be good"]);
    desk.run(&[&["trust", "pin"][..], &key, &["HEAD"]].concat())
        .says(1, &["not the whole id of a commit"]);
    for _ in 0..2 {
        desk.run(&[&["trust", "pin"][..], &key, &[head]].concat())
            .says(0, &["as known to be good"]);
    }
    let text = std::fs::read_to_string(desk.path("fleet-keys/hub.agekey")).unwrap();
    assert_eq!(text.matches("trust-root").count(), 1);
    desk.run(&[&["trust", "verify", "fleet"][..], &key].concat())
        .says(0, &["good: 0 commits since"]);
    // The key still is one.
    desk.run(&[&["activate", "fleet"][..], &key].concat())
        .says(0, &["may act"]);
    desk.run(&[&["trust", "verify", "fleet"][..], &key].concat())
        .says(
            1,
            &[
                "is not good: it is not signed with an SSH key",
                "a hub stays at",
            ],
        );
}

#[test]
fn the_right_people_are_asked_to_review() {
    let desk = Desk::new();
    two_customers(&desk);
    desk.write(
        "fleet/fleet/staff.yaml",
        "olga: { email: olga@example.com, role: owner }\nmia: { email: mia@example.com, role: manager }\n",
    );
    desk.edit("fleet/fleet/hub.yaml", |text| {
        format!("{text}policy:\n  paths: {{ \"stacks/html/**\": manager }}\n")
    });
    let ran = desk.run(&["codeowners", "fleet"]);
    ran.says(0, &[
        "\n* olga@example.com\n/fleet/customers/ mia@example.com olga@example.com\n",
        "\n/stacks/html/** mia@example.com olga@example.com\n/fleet/decisions/ olga@example.com\n",
    ]);
    desk.run(&["codeowners", "fleet", "--output", "fleet/CODEOWNERS"])
        .says(0, &["written"]);
    let written = std::fs::read_to_string(desk.path("fleet/CODEOWNERS")).unwrap();
    assert_eq!(written, ran.text);
    desk.run(&["plan", "fleet"])
        .says(2, &["takes an owner: fleet/hub.yaml, fleet/staff.yaml"]);
}

const ORDER: &str = "fleet/fleet/customers/acme/orders/website.yaml";

/// A fleet whose commits are signed, by an owner whom Git signs for; nothing is open in it.
fn signed(desk: &Desk) {
    two_customers(desk);
    let key = desk.path("olga");
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(&key)
        .status()
        .unwrap();
    assert!(made.success());
    let public = std::fs::read_to_string(desk.path("olga.pub")).unwrap();
    let public = public.split_whitespace().take(2).collect::<Vec<_>>();
    let public = public.join(" ");
    desk.write(
        "fleet/fleet/staff.yaml",
        &format!("olga: {{ email: olga@example.com, role: owner, signing_keys: [{public}] }}\n"),
    );
    desk.edit("fleet/fleet/hub.yaml", |text| {
        text.replace("trust: forge", "trust: signed")
    });
    desk.commit("from now on commits are signed");
    for (name, value) in [
        ("gpg.format", "ssh"),
        ("user.signingkey", key.to_str().unwrap()),
        ("commit.gpgsign", "true"),
    ] {
        desk.git("fleet", &["config", name, value]);
    }
}

/// A branch with two commits, of which the newest is signed, the other one as said.
fn branch(desk: &Desk, name: &str, first_is_signed: bool) -> String {
    desk.git("fleet", &["checkout", "-q", "-b", name, "main"]);
    desk.edit(ORDER, |text| text.replace("[html]", "[html, guestbook]"));
    let sign = format!("commit.gpgsign={first_is_signed}");
    desk.git("fleet", &["-c", &sign, "commit", "-qam", "a guestbook"]);
    let first = desk.git("fleet", &["rev-parse", "HEAD"]);
    desk.git(
        "fleet",
        &["commit", "-q", "--allow-empty", "-m", "looked at"],
    );
    desk.git("fleet", &["checkout", "-q", "main"]);
    first.trim().to_owned()
}

#[test]
fn a_plan_says_what_would_not_be_followed_once_it_is_merged() {
    let desk = Desk::new();
    signed(&desk);
    let unsigned = branch(&desk, "unsigned", false);
    branch(&desk, "signed", true);
    let line = format!(
        "commit {} by Jo is not followed: it is not signed with an SSH key",
        &unsigned[..12]
    );
    let stops = "merging it stops the whole fleet";
    desk.run(&["plan", "fleet", "--to", "unsigned"])
        .says(1, &[&line, stops, "acme/website"]);
    desk.run(&["plan", "fleet", "--to", "unsigned", "--markdown"])
        .says(1, &["**This must not be merged as it is**", &line, stops]);
    let ran = desk.run(&["plan", "fleet", "--to", "unsigned", "--json"]);
    ran.says(1, &[]);
    let plan: serde_json::Value = serde_json::from_str(&ran.text).unwrap();
    assert_eq!(plan["refused"]["commit"], *unsigned);
    assert_eq!(plan["refused"]["summary"], "a guestbook");
    // What is signed is planned as ever; a merge of it as well, which is what a forge checks out.
    let ran = desk.run(&["plan", "fleet", "--to", "signed"]);
    ran.says(2, &["acme/website"]);
    assert!(!ran.text.contains("not followed"), "{}", ran.text);
    for (name, code) in [("signed", 2), ("unsigned", 1)] {
        desk.git("fleet", &["checkout", "-q", "--detach", "main"]);
        let unsigned = ["-c", "commit.gpgsign=false", "merge", "-q", "--no-ff"];
        desk.git("fleet", &[&unsigned[..], &["-m", "merge", name]].concat());
        desk.run(&["plan", "fleet", "--to", "HEAD"]).says(code, &[]);
    }
    // Edits on top of a branch are planned, and the branch is judged.
    desk.git("fleet", &["checkout", "-q", "unsigned"]);
    desk.run(&["plan", "fleet"]).says(1, &[&line]);
    desk.git("fleet", &["checkout", "-q", "signed"]);
    desk.run(&["plan", "fleet"]).says(2, &[]);
}

#[test]
fn history_is_planned_without_a_verdict_on_it() {
    let desk = Desk::new();
    signed(&desk);
    desk.run(&["activate", "fleet", "--key", "fleet-keys/hub.agekey"])
        .says(0, &[]);
    desk.git("fleet", &["tag", "before"]);
    let behind = || desk.git("fleet", &["rev-parse", "main"]);
    desk.edit(ORDER, |text| text.replace("[html]", "[html, guestbook]"));
    desk.commit("a guestbook");
    let key = std::fs::read_to_string(desk.path("fleet-keys/hub.agekey")).unwrap();
    let root = desk.git("fleet", &["rev-parse", "before"]);
    desk.write(
        "fleet-keys/hub.agekey",
        &format!("{key}# trust-root: {root}"),
    );
    let known = behind();
    desk.hub_acts(2);
    assert_ne!(behind(), known, "the hub has decided");
    // Everything between two commits of the branch, those of the hub included.
    for to in ["main", "origin/main"] {
        let ran = desk.run(&["plan", "fleet", "--from", "before", "--to", to]);
        assert!(!ran.text.contains("not followed"), "{}", ran.text);
        ran.says(0, &["takes an owner: fleet/decisions/acme/website/"]);
    }
    // What was fetched and not pulled is no branch of anybody's.
    desk.git("fleet", &["reset", "-q", "--hard", known.trim()]);
    let ran = desk.run(&["plan", "fleet", "--to", "origin/main"]);
    assert!(!ran.text.contains("not followed"), "{}", ran.text);
    assert_ne!(ran.code, 1, "{}", ran.text);
    // Nor is a branch refused that was made from there.
    desk.git("fleet", &["checkout", "-q", "-b", "later", "origin/main"]);
    desk.edit(ORDER, |text| text.replace("[html, guestbook]", "[html]"));
    desk.commit("no guestbook");
    let ran = desk.run(&["plan", "fleet", "--to", "later"]);
    assert!(!ran.text.contains("not followed"), "{}", ran.text);
    assert_ne!(ran.code, 1, "{}", ran.text);
}

#[test]
fn a_forge_asks_whether_merging_is_followed() {
    let desk = Desk::new();
    signed(&desk);
    branch(&desk, "unsigned", false);
    branch(&desk, "signed", true);
    let verify = |branch: &str| desk.run(&["trust", "verify", "fleet", "--merging", branch]);
    verify("signed").says(0, &["good: 2 commits as merging would bring them"]);
    verify("unsigned").says(
        1,
        &[
            "(a guestbook) is not good: it is not signed",
            "a hub stays at",
        ],
    );
    let ran = desk.run(&[
        "trust",
        "verify",
        "fleet",
        "--merging",
        "unsigned",
        "--json",
    ]);
    ran.says(1, &["\"good\": false", "\"summary\": \"a guestbook\""]);
    // Where nobody has to sign.
    desk.edit("fleet/fleet/hub.yaml", |text| {
        text.replace("trust: signed", "trust: forge")
    });
    desk.commit("the forge reviews");
    verify("unsigned").says(0, &["none has to be signed"]);
    desk.run(&["plan", "fleet", "--to", "unsigned"])
        .says(2, &[]);
}
