//! `tenantry trust` and `tenantry codeowners`. What makes a commit good is told in `tests/trust.rs`.

use crate::{Desk, two_customers};

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
