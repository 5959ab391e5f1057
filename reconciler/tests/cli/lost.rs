//! Decisions that people took away, from the command line: told before and after the commit, put back, or given up.

use crate::Desk;

const SERVER: &str = "fleet/decisions/acme/web/server.yaml";

/// A customer whose order is decided.
fn decided(desk: &Desk) {
    desk.run(&["init", "fleet"]).says(0, &[]);
    let folder = "fleet/fleet/customers/acme";
    desk.write(&format!("{folder}/customer.yaml"), "language: en\n");
    let agent = Desk::agent();
    desk.write(
        &format!("{folder}/servers/one.yaml"),
        &format!("provider: static\naddress: 192.0.2.1\n{agent}"),
    );
    desk.write(
        &format!("{folder}/orders/web.yaml"),
        "plan: basic\ndomain: acme.example\ntools: [html]\n",
    );
    desk.edit("fleet/fleet/hub.yaml", |text| {
        let before = text.split("\nplans:").next().unwrap();
        format!("{before}\nplans:\n  basic: {{}}\n")
    });
    desk.commit("a customer");
    desk.run(&["activate", "fleet", "--key", "fleet-keys/hub.agekey"])
        .says(0, &[]);
    desk.hub_acts_with("data", 2);
}

#[test]
fn what_was_taken_away_is_told_and_put_back_or_given_up() {
    let desk = Desk::new();
    decided(&desk);
    desk.run(&["check", "fleet"]).says(0, &["good: 1 customer"]);
    let file = desk.path("fleet").join(SERVER);
    let before = std::fs::read_to_string(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    // Before it is committed.
    let told = [
        "error[T0138]",
        "decisions about acme/web were deleted",
        "git checkout HEAD -- :/fleet/decisions/acme/web/server.yaml",
    ];
    desk.run(&["check", "fleet"]).says(1, &told);
    desk.run(&["plan", "fleet"]).says(1, &told);
    desk.run(&["acknowledge", "fleet"])
        .says(2, &[SERVER, "commit their deletion first"]);
    desk.commit("tidy up");
    let commit = desk.git("fleet", &["rev-parse", "HEAD"]);
    let commit = commit.trim();
    let short = &commit[..12];
    let took = format!("commit {short} took decisions about acme/web away");
    let back = format!("git checkout {short}^ -- :/{SERVER}");
    // Afterwards, with and without what earlier runs found out.
    for more in [&[][..], &["--no-cache"][..]] {
        let told = ["error[T0138]", &took, &back, "tenantry acknowledge"];
        desk.run(&[&["check", "fleet"][..], more].concat())
            .says(1, &told);
        desk.run(&[&["plan", "fleet"][..], more].concat())
            .says(1, &told);
    }
    desk.hub_acts_with("data", 0);
    assert!(!file.exists(), "nothing was decided anew");
    // Put back with that very command, wherever one happens to be.
    let words: Vec<&str> = back.split(' ').skip(1).collect();
    desk.git("fleet/fleet/customers", &words);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), before);
    desk.run(&["check", "fleet"]).says(0, &["good: 1 customer"]);
    std::fs::remove_file(&file).unwrap();
    // Or given up.
    desk.run(&["acknowledge", "fleet"])
        .says(2, &[SERVER, "--name NAME"]);
    let reason = ["--name", "anew", "--reason", "a trial"];
    desk.run(&[&["acknowledge", "fleet"][..], &reason].concat())
        .says(0, &["fleet/acknowledged.yaml says now that this is meant"]);
    let text = std::fs::read_to_string(desk.path("fleet/fleet/acknowledged.yaml")).unwrap();
    assert!(
        text.contains(&format!("anew:\n  anew: acme/web\n  since: {commit}\n")),
        "{text}"
    );
    desk.run(&["check", "fleet"]).says(0, &["good: 1 customer"]);
    desk.commit("begin anew");
    desk.hub_acts_with("data", 2);
    desk.run(&["check", "fleet"]).says(0, &["good: 1 customer"]);
    assert!(file.exists(), "decided anew");
    // What was given up once is not given up for ever.
    std::fs::remove_file(&file).unwrap();
    desk.commit("and again");
    desk.run(&["check", "fleet"]).says(1, &["error[T0138]"]);
    desk.hub_acts_with("data", 0);
    assert!(!file.exists());
}

#[test]
fn what_was_damaged_before_it_was_deleted_is_put_back_as_it_was_good() {
    let desk = Desk::new();
    decided(&desk);
    let good = desk.git("fleet", &["rev-parse", "HEAD"]);
    let file = desk.path("fleet").join(SERVER);
    let before = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, "server: [\n").unwrap();
    desk.commit("a slip");
    std::fs::remove_file(&file).unwrap();
    desk.run(&["check", "fleet"])
        .says(1, &[&format!("git checkout {} -- :/{SERVER}", &good[..12])]);
    desk.commit("away with it");
    let back = format!("git checkout {} -- :/{SERVER}", &good[..12]);
    desk.run(&["check", "fleet"])
        .says(1, &["error[T0138]", &back]);
    let words: Vec<&str> = back.split(' ').skip(1).collect();
    desk.git("fleet", &words);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), before);
    desk.run(&["check", "fleet"]).says(0, &["good: 1 customer"]);
}

#[test]
fn a_customer_whose_folder_is_renamed_does_not_lose_the_domain_to_the_new_one() {
    let desk = Desk::new();
    decided(&desk);
    let claim = desk
        .path("fleet")
        .join("fleet/decisions/acme-2/web/domain.yaml");
    // A bit that says nothing about a document.
    desk.git(
        "fleet",
        &[
            "update-index",
            "--chmod=+x",
            "fleet/decisions/acme/web/domain.yaml",
        ],
    );
    desk.git(
        "fleet",
        &["checkout", "--", "fleet/decisions/acme/web/domain.yaml"],
    );
    desk.git(
        "fleet",
        &["mv", "fleet/customers/acme", "fleet/customers/acme-2"],
    );
    desk.commit("a better name");
    let told = [
        "belongs to order acme/web",
        "rename it back",
        "git rm :/fleet/decisions/acme/web/domain.yaml",
    ];
    // With and without what earlier runs found out.
    for more in [&[][..], &[], &["--no-cache"]] {
        let warned = [
            "warning[T0125]: order acme-2/web waits for its domain `acme.example`",
            "its customer is not in the fleet any more",
            "rename it back",
            "git rm :/fleet/decisions/acme/web/domain.yaml",
            "good: 1 customer",
        ];
        desk.run(&[&["check", "fleet"][..], more].concat())
            .says(0, &warned);
    }
    desk.hub_acts_with("data", 2);
    assert!(!claim.exists(), "the server is decided, the domain is not");
    desk.hub_acts_with("other-data", 2);
    assert!(!claim.exists(), "by no hub");
    desk.git(
        "fleet",
        &["rm", "-q", "fleet/customers/acme-2/orders/web.yaml"],
    );
    desk.commit("without it");
    desk.write(
        "fleet/fleet/customers/acme-2/orders/web.yaml",
        "plan: basic\ndomain: www.acme.example\ntools: [html]\n",
    );
    desk.run(&["plan", "fleet"]).says(0, &told);
    desk.commit("below it is not better");
    desk.hub_acts_with("data", 0);
    // Let go of.
    desk.git(
        "fleet",
        &["rm", "-q", "fleet/decisions/acme/web/domain.yaml"],
    );
    desk.commit("they are gone for good");
    let checked = desk.run(&["check", "fleet"]);
    assert!(!checked.text.contains("T0125"), "{}", checked.text);
    desk.hub_acts_with("data", 2);
    assert!(claim.exists());
}
