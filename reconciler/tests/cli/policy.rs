//! What the policy lets go at once, from the command line: shown, held back by the hub, agreed to.

use crate::Desk;

/// Three customers with a server each, of which one may lose something at once, and everything decided.
fn limited(desk: &Desk) {
    desk.run(&["init", "fleet"]).says(0, &[]);
    for number in 1..=3 {
        let folder = format!("fleet/fleet/customers/c-{number}");
        desk.write(&format!("{folder}/customer.yaml"), "language: en\n");
        let agent = Desk::agent();
        desk.write(
            &format!("{folder}/servers/one.yaml"),
            &format!("provider: static\naddress: 192.0.2.{number}\n{agent}"),
        );
        desk.write(
            &format!("{folder}/orders/web.yaml"),
            &format!("plan: basic\ndomain: c-{number}.example\ntools: [html]\n"),
        );
    }
    desk.edit("fleet/fleet/hub.yaml", |text| {
        let before = text.split("\nplans:").next().unwrap();
        format!("{before}\nplans:\n  basic: {{}}\npolicy: {{ max_removed: 1 }}\n")
    });
    desk.commit("three customers");
    desk.run(&["activate", "fleet", "--key", "fleet-keys/hub.agekey"])
        .says(0, &[]);
    desk.hub_acts_with("data", 2);
}

#[test]
fn a_removal_that_is_too_large_is_shown_held_back_and_agreed_to() {
    let desk = Desk::new();
    limited(&desk);
    // Who wants nothing kept leaves nothing behind.
    let kept = desk.path("fleet/.git/tenantry");
    std::fs::remove_dir_all(&kept).ok();
    desk.run(&["acknowledge", "fleet", "--no-cache"])
        .says(0, &["nothing is held back"]);
    assert!(!kept.exists());
    desk.run(&["acknowledge", "fleet"])
        .says(0, &["nothing is held back"]);
    assert!(kept.join("held.cache").exists());
    for customer in ["c-1", "c-2"] {
        std::fs::remove_dir_all(desk.path(&format!("fleet/fleet/customers/{customer}"))).unwrap();
    }
    let words = "something goes on 2 of 3 servers at once, and `policy.max_removed` allows 1";
    desk.run(&["check", "fleet"])
        .says(1, &["error[T0134]", words, "server c-1/one goes"]);
    // A plan shows what would go, and that it does not.
    desk.run(&["plan", "fleet"]).says(
        1,
        &[
            words,
            "- web-html",
            "c-1/one  (no longer in the fleet; the machine stays as it is)",
        ],
    );
    desk.run(&["plan", "fleet", "--markdown"])
        .says(1, &["1 error: this must not be merged as it is"]);

    // Committed all the same: nobody loses anything, whatever the hub remembers.
    desk.commit("a slip of the finger");
    for data in ["data", "new-data", "new-data"] {
        desk.hub_acts_with(data, if data == "data" { 0 } else { 2 });
        std::fs::remove_dir_all(desk.path("new-data")).ok();
    }
    desk.run(&["check", "fleet"]).says(1, &[words]);

    // Agreed to, in a commit of its own; the comment that somebody wrote stays.
    desk.run(&["acknowledge", "fleet"]).says(
        2,
        &["server c-1/one goes", "order c-2/web goes", "--name NAME"],
    );
    let ran = desk.run(&["acknowledge", "fleet", "--json"]);
    assert_eq!(ran.code, 2, "{}", ran.text);
    let said: serde_json::Value = serde_json::from_str(&ran.text).unwrap();
    assert_eq!(said["written"], false);
    assert_eq!(said["held"].as_array().unwrap().len(), 1, "{said}");
    assert_eq!(said["taken_away"], serde_json::json!([]));
    desk.write("fleet/fleet/acknowledged.yaml", "# ours\n");
    let reason = ["--name", "they-leave", "--reason", "gave notice: 812"];
    desk.run(&[&["acknowledge", "fleet"][..], &reason].concat())
        .says(0, &["fleet/acknowledged.yaml says now that this is meant"]);
    let text = std::fs::read_to_string(desk.path("fleet/fleet/acknowledged.yaml")).unwrap();
    assert!(text.starts_with("# "), "{text}");
    desk.run(&["check", "fleet"]).says(0, &["good: 1 customer"]);
    desk.commit("they leave");
    desk.hub_acts_with("data", 0);
    desk.run(&["check", "fleet"]).says(0, &["good: 1 customer"]);
    desk.run(&["acknowledge", "fleet"])
        .says(0, &["nothing is held back"]);
}

#[test]
fn an_entry_of_a_branch_holds_however_it_is_merged() {
    let desk = Desk::new();
    limited(&desk);
    desk.git("fleet", &["checkout", "-qb", "leave"]);
    for customer in ["c-1", "c-2"] {
        std::fs::remove_dir_all(desk.path(&format!("fleet/fleet/customers/{customer}"))).unwrap();
        desk.commit(customer);
    }
    // Each commit by itself is within the limit; what merging them does is not.
    let plan = ["plan", "fleet", "--from", "main", "--to", "leave"];
    desk.run(&plan).says(1, &["2 of 3 servers"]);
    desk.git("fleet", &["checkout", "-q", "main"]);
    desk.git("fleet", &["merge", "-q", "--squash", "leave"]);
    desk.run(&["check", "fleet"]).says(1, &["2 of 3 servers"]);
    let reason = ["--name", "they-leave", "--reason", "812"];
    desk.run(&[&["acknowledge", "fleet"][..], &reason].concat())
        .says(0, &[]);
    let entry = std::fs::read_to_string(desk.path("fleet/fleet/acknowledged.yaml")).unwrap();
    desk.git("fleet", &["reset", "-q", "--hard"]);
    desk.git("fleet", &["clean", "-qfd"]);
    desk.git("fleet", &["checkout", "-q", "leave"]);
    desk.write("fleet/fleet/acknowledged.yaml", &entry);
    desk.commit("they leave");
    desk.run(&plan).says(2, &["acknowledged by `they-leave`"]);
    desk.git("fleet", &["checkout", "-q", "main"]);
    desk.write("fleet/README.md", "meanwhile\n");
    desk.commit("meanwhile");

    for how in ["merge", "squash", "rebase"] {
        desk.git("fleet", &["checkout", "-qB", how, "main"]);
        match how {
            "merge" => desk.git("fleet", &["merge", "-q", "--no-ff", "-m", "merge", "leave"]),
            "squash" => {
                desk.git("fleet", &["merge", "-q", "--squash", "leave"]);
                desk.git("fleet", &["commit", "-qm", "squash"])
            }
            // Commits of their own: each is within the limit.
            _ => desk.git("fleet", &["cherry-pick", "main..leave"]),
        };
        desk.run(&["check", "fleet", "--branch", how])
            .says(0, &["good: 1 customer"]);
        let bare = format!("{how}.git");
        desk.git(".", &["clone", "-q", "--bare", "fleet", &bare]);
        desk.run(&["check", &bare, "--branch", how])
            .says(0, &["good: 1 customer"]);
    }
}
