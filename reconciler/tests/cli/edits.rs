//! Edits that are not committed: looked at without leaving a trace, with everything that is wrong in them at once.

use crate::{Desk, two_customers};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const ORDER: &str = "fleet/fleet/customers/acme/orders/website.yaml";

/// Every file below a folder.
fn files(folder: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.insert(path);
        }
    }
    found
}

#[test]
fn a_secret_in_clear_text_does_not_go_among_the_objects_of_a_clone() {
    let desk = Desk::new();
    two_customers(&desk);
    let objects = desk.path("fleet/.git/objects");
    let before = files(&objects);
    let secrets = "fleet/fleet/customers/acme/secrets.yaml";
    desk.write(secrets, "smtp: hunter2\n");
    desk.edit(ORDER, |text| text.replace("[html]", "[html, guestbook]"));
    desk.run(&["check", "fleet"]).says(1, &["T0118"]);
    desk.run(&["plan", "fleet"]).says(1, &["T0118"]);
    assert_eq!(files(&objects), before);
    std::fs::remove_file(desk.path(secrets)).unwrap();
    desk.run(&["plan", "fleet"])
        .says(2, &["guestbook secrets generated"]);
    desk.run(&["where", "guestbook", "fleet"])
        .says(0, &["1 tool"]);
    assert_eq!(files(&objects), before);
    // Where it is all compared, because the index alone cannot tell, as well.
    desk.git(
        "fleet",
        &["update-index", "--assume-unchanged", "fleet/staff.yaml"],
    );
    desk.write(secrets, "smtp: hunter2\n");
    desk.run(&["check", "fleet"]).says(1, &["T0118"]);
    assert_eq!(files(&objects), before);
}

#[test]
fn a_repository_within_the_fleet_is_left_alone() {
    let desk = Desk::new();
    two_customers(&desk);
    desk.git("fleet", &["init", "-q", "tmp/x"]);
    desk.write("fleet/tmp/x/a", "theirs");
    desk.git("fleet/tmp/x", &["add", "."]);
    desk.git("fleet/tmp/x", &["commit", "-qm", "theirs"]);
    let note = "`tmp/x` is a Git repository of its own";
    desk.run(&["check", "fleet"])
        .says(0, &["good: 2 customers", note]);
    desk.run(&["plan", "fleet"])
        .says(2, &["the hub will decide", note]);
    desk.git(
        "fleet",
        &["update-index", "--assume-unchanged", "fleet/staff.yaml"],
    );
    desk.run(&["check", "fleet"])
        .says(0, &["good: 2 customers", note]);
    desk.write("fleet/.git/info/exclude", "/tmp/\n");
    let ran = desk.run(&["check", "fleet"]);
    ran.says(0, &["good: 2 customers"]);
    assert!(!ran.text.contains("tmp/x"), "{}", ran.text);
}

#[test]
fn a_merge_that_is_not_finished_is_named() {
    let desk = Desk::new();
    two_customers(&desk);
    desk.git("fleet", &["switch", "-qc", "other"]);
    desk.edit(ORDER, |text| text.replace("acme.example", "other.example"));
    desk.commit("other");
    desk.git("fleet", &["switch", "-q", "main"]);
    desk.edit(ORDER, |text| text.replace("acme.example", "mine.example"));
    desk.commit("mine");
    let merged = std::process::Command::new("git")
        .args(["-c", "user.name=Jo", "-c", "user.email=jo@example.com"])
        .args(["merge", "-q", "other"])
        .current_dir(desk.path("fleet"))
        .output()
        .unwrap();
    assert!(!merged.status.success());
    desk.run(&["check", "fleet", "--staged"]).says(
        1,
        &[
            "a merge is not finished",
            "`fleet/customers/acme/orders/website.yaml`",
            "`git add`",
        ],
    );
}

#[test]
fn all_that_is_wrong_with_an_order_is_said_at_once() {
    let desk = Desk::new();
    two_customers(&desk);
    desk.write(
        ORDER,
        "plan: prro\ndomain: acme..example\nserver: acme-9\ncolour: blue\ntools:\n  htlm:\n  html: { parameters: { TITEL: Hi } }\n",
    );
    let ran = desk.run(&["check", "fleet"]);
    ran.says(
        1,
        &[
            "unknown plan `prro`",
            "`acme..example` is not a domain name",
            "unknown server `acme-9`",
            "unknown tool `htlm`",
            "html has no parameter `TITEL`",
            "unknown key `colour`",
            "6 errors",
        ],
    );
    // What follows from a mistake is not said beside it.
    desk.write(ORDER, "paln: basic\ndomain: acme.example\ntools: [html]\n");
    let ran = desk.run(&["check", "fleet"]);
    ran.says(1, &["unknown key `paln`", "1 error in"]);
}

#[test]
fn a_new_name_that_names_nothing_is_warned_of() {
    let desk = Desk::new();
    two_customers(&desk);
    let web = "fleet/fleet/customers/acme/orders/web.yaml";
    std::fs::rename(desk.path(ORDER), desk.path(web)).unwrap();
    let hint = "acme: order `website` goes and `web` comes, with the same domain";
    desk.run(&["plan", "fleet"])
        .says(2, &[hint, "`moved_from: website` keeps its data"]);
    desk.edit(web, |text| format!("moved_from: websit\n{text}"));
    // Twice: what is known of a customer from before is said again.
    for _ in 0..2 {
        desk.run(&["check", "fleet"]).says(
            0,
            &[
                "no order of acme was ever called `websit`",
                "web.yaml:1:13",
                "did you mean `website`?",
                "1 warning",
            ],
        );
    }
    desk.edit(web, |text| text.replace("websit\n", "website\n"));
    let ran = desk.run(&["check", "fleet"]);
    ran.says(0, &["good: 2 customers"]);
    assert!(!ran.text.contains("warning"), "{}", ran.text);
    let ran = desk.run(&["plan", "fleet"]);
    assert!(!ran.text.contains("goes and"), "{}", ran.text);
    // The line stays when the old name is long gone.
    desk.commit("a new name");
    desk.edit(web, |text| {
        text.replace("[html]", "{ guestbook: { moved_from: htlm } }")
    });
    desk.run(&["check", "fleet"])
        .says(0, &["no tool of the order was ever called `htlm`"]);
    desk.edit(web, |text| text.replace("htlm", "html"));
    let server = "fleet/fleet/customers/acme/servers/acme-1.yaml";
    let new = "fleet/fleet/customers/acme/servers/one.yaml";
    std::fs::rename(desk.path(server), desk.path(new)).unwrap();
    desk.run(&["plan", "fleet"]).says(
        2,
        &["server `acme-1` goes and `one` comes, with the same address"],
    );
    desk.edit(new, |text| format!("moved_from: acme-2\n{text}"));
    let ran = desk.run(&["check", "fleet"]);
    ran.says(
        0,
        &[
            "no server of acme was ever called `acme-2`",
            "one.yaml:1:13",
        ],
    );
    assert!(!ran.text.contains("htlm"), "{}", ran.text);
}

#[test]
fn an_operation_names_secrets_that_are_there() {
    let desk = Desk::new();
    two_customers(&desk);
    desk.edit(ORDER, |text| text.replace("[html]", "[html, guestbook]"));
    desk.commit("a guestbook");
    let rotate = |secret: &str| {
        desk.run(&[
            "new",
            "operation",
            "acme",
            "rotate",
            "website/guestbook",
            "--secret",
            secret,
            "--reason",
            "x",
            "--fleet",
            "fleet",
        ])
    };
    rotate("NOPE").says(
        1,
        &[
            "website/guestbook has no secret `NOPE`",
            "its stack generates: DB_PASSWORD",
        ],
    );
    rotate("DB_PASSWORD").says(0, &["wrote fleet/customers/acme/operations/"]);
    desk.write(
        "fleet/fleet/customers/acme/operations/2026-11-20-rotate.yaml",
        "rotate: website/guestbook\nsecrets: [DB_PASSWROD]\nreason: x\n",
    );
    desk.run(&["check", "fleet"]).says(
        0,
        &[
            "the tool has no secret `DB_PASSWROD`",
            "did you mean `DB_PASSWORD`?",
        ],
    );
}

#[test]
fn what_editors_leave_is_no_document() {
    let desk = Desk::new();
    two_customers(&desk);
    let orders = "fleet/fleet/customers/acme/orders";
    desk.write(&format!("{orders}/.website.yaml.swp"), "b0VIM 9.0");
    desk.write(&format!("{orders}/website.yaml.orig"), "plan: basic\n");
    desk.write("fleet/fleet/customers/.DS_Store", "\u{1}");
    desk.run(&["check", "fleet"])
        .says(0, &["good: 2 customers"]);
    desk.write(&format!("{orders}/website.yml"), "plan: basic\n");
    desk.run(&["check", "fleet"])
        .says(1, &["T0105", "documents end in .yaml"]);
}
