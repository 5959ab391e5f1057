//! Personal data: encrypted to a key of its own, erased by destroying it.

mod former_keys;
mod leaves;
mod lost;

use crate::secrets::{editor, run_with};
use crate::{Desk, Ran, two_customers};
use std::process::Command;

const REFERENCE: &str = "refs/tenantry/person-keys";
const PERSON: &str = "fleet/customers/acme/person.yaml";

/// An origin, and a clone of it in `fleet` that people work in.
fn cloned() -> Desk {
    let desk = Desk::new();
    two_customers(&desk);
    desk.git(".", &["clone", "-q", "--bare", "fleet", "origin.git"]);
    std::fs::remove_dir_all(desk.path("fleet")).unwrap();
    desk.git(".", &["clone", "-q", "origin.git", "fleet"]);
    sign_as_jo(&desk);
    desk
}

fn run(desk: &Desk, arguments: &[&str], input: &str) -> Ran {
    run_with(desk, "fleet", arguments, input, &[])
}

/// Writes down the name of a customer's person.
fn call(desk: &Desk, customer: &str, name: &str) {
    let target = format!("{customer}/person");
    run(desk, &["secrets", "set", &target, "name"], name).says(0, &[]);
}

/// Gives the clone in `fleet` somebody who commits.
fn sign_as_jo(desk: &Desk) {
    for (name, value) in [("user.name", "Jo"), ("user.email", "jo@example.com")] {
        desk.git("fleet", &["config", name, value]);
    }
}

fn commit(desk: &Desk, folder: &str, message: &str) {
    desk.git(folder, &["add", "."]);
    desk.git(folder, &["commit", "-qm", message]);
    desk.git(folder, &["push", "-q", "origin", "main"]);
}

/// Every object of a repository, reachable or not, as one text.
fn objects(desk: &Desk, folder: &str) -> String {
    desk.git(
        folder,
        &[
            "cat-file",
            "--batch-all-objects",
            "--batch-check=%(objectname)",
        ],
    )
}

/// What the record of an erasure of acme says, which had two versions: how many of them can still be read, and nothing of the person.
fn assert_recorded(desk: &Desk, folder: &str, readable: usize) {
    let record = desk.git(folder, &["show", "main:fleet/decisions/acme/erased.yaml"]);
    let readable = format!("readable: {readable}");
    assert!(
        record.contains("versions: 2") && record.contains(&readable) && !record.contains("Ada"),
        "{record}"
    );
}

#[test]
fn personal_data_has_a_key_of_its_own_that_is_in_no_history() {
    let desk = cloned();
    run(
        &desk,
        &["secrets", "set", "acme/person", "name"],
        "Ada Lovelace",
    )
    .says(0, &["made, with `name`"]);
    let first = desk.git("origin.git", &["rev-parse", REFERENCE]);
    let mail = editor(
        &desk,
        "mail",
        "sed -i 's/^name:.*/name: Ada King/' \"$1\"; echo 'email: ada@example.com' >> \"$1\"",
    );
    run_with(
        &desk,
        "fleet",
        &["secrets", "edit", "acme/person"],
        "",
        &[("VISUAL", &mail)],
    )
    .says(0, &["saved"]);
    assert_eq!(
        run(&desk, &["secrets", "get", "acme/person", "name"], "").text,
        "Ada King"
    );
    run(&desk, &["secrets", "list", "acme/person"], "")
        .says(0, &["opened by the customer's own key"]);
    assert_eq!(
        desk.git("origin.git", &["rev-parse", REFERENCE]),
        first,
        "one key, made once"
    );
    call(&desk, "globex", "Grace");
    let parents = desk.git("origin.git", &["rev-list", "--count", REFERENCE]);
    assert_eq!(parents.trim(), "1");
    assert_eq!(
        desk.git("origin.git", &["ls-tree", "--name-only", REFERENCE]),
        "acme.yaml\nglobex.yaml\n"
    );
    commit(&desk, "fleet", "persons");
    run(&desk, &["check"], "").says(0, &["good"]);
    run(&desk, &["secrets", "check"], "").says(0, &["good"]);
    // Another clone gets the keys when it needs them, and not before.
    desk.git(".", &["clone", "-q", "origin.git", "other"]);
    assert!(desk.git("other", &["for-each-ref", REFERENCE]).is_empty());
    let shown = run_with(
        &desk,
        "other",
        &["secrets", "get", "acme/person", "name"],
        "",
        &[],
    );
    assert_eq!(shown.text, "Ada King");
    run(&desk, &["secrets", "set", "acmee/person", "name"], "x")
        .says(1, &["there is no customer `acmee`; did you mean `acme`?"]);
    run_with(
        &desk,
        "other",
        &["secrets", "set", "acme/person", "phone"],
        "1234",
        &[],
    )
    .says(0, &["`phone` set"]);
    // Nothing but the customer's key opens the file.
    let text = std::fs::read_to_string(desk.path(&format!("fleet/{PERSON}"))).unwrap();
    assert_eq!(text.matches("recipient: age1").count(), 1);
    let hub = std::fs::read_to_string(desk.path("fleet-keys/hub.agekey")).unwrap();
    let hub = tenantry_sops::Identities::parse(&hub).unwrap();
    assert!(
        tenantry_sops::SopsFile::parse(&text)
            .unwrap()
            .decrypt(&hub)
            .is_err()
    );
}

#[test]
fn two_clones_that_make_keys_at_once_lose_none() {
    let desk = cloned();
    desk.git(".", &["clone", "-q", "origin.git", "other"]);
    std::thread::scope(|scope| {
        for (folder, customer) in [("fleet", "acme"), ("other", "globex")] {
            let desk = &desk;
            scope.spawn(move || {
                let target = format!("{customer}/person");
                run_with(desk, folder, &["secrets", "set", &target, "name"], "x", &[])
                    .says(0, &["made"]);
            });
        }
    });
    assert_eq!(
        desk.git("origin.git", &["ls-tree", "--name-only", REFERENCE]),
        "acme.yaml\nglobex.yaml\n"
    );
}

#[test]
fn who_is_erased_is_unreadable_in_every_clone() {
    let desk = cloned();
    call(&desk, "acme", "Ada Lovelace");
    call(&desk, "globex", "Grace Hopper");
    commit(&desk, "fleet", "persons");
    call(&desk, "acme", "Ada King");
    commit(&desk, "fleet", "married");
    // A copy of a folder has all its objects; people clone over a wire.
    desk.git(".", &["clone", "-q", "--no-local", "origin.git", "before"]);
    let blob = desk.git(
        "origin.git",
        &["rev-parse", &format!("{REFERENCE}:acme.yaml")],
    );
    let key = blob.trim();

    let ran = run(&desk, &["erase", "acme", "--dry-run"], "");
    ran.says(
        2,
        &[
            "would be destroyed:",
            "the key of the personal data",
            "2 encrypted to that key alone",
            "accounting law",
            "orders/website.yaml",
            "mails: this release sends none",
            "hub.db of the hub: lines that rules found in logs",
            "nothing was changed",
        ],
    );
    assert!(!ran.text.contains("Ada"));
    run(&desk, &["erase", "acme"], "").says(1, &["cannot be undone", "--confirm acme"]);
    let other = run(&desk, &["erase", "acme", "--confirm", "globex"], "");
    other.says(1, &["would be destroyed:", "nothing was changed"]);
    assert!(!other.text.contains("\ndestroyed:"), "{}", other.text);
    run(&desk, &["erase", "nobody", "--dry-run"], "").says(1, &["there is no customer `nobody`"]);
    run(&desk, &["erase", "acme", "--confirm", "acme"], "")
        .says(0, &["erased: fleet/decisions/acme/erased.yaml"]);
    desk.git("fleet", &["push", "-q", "origin", "main"]);

    assert_recorded(&desk, "origin.git", 0);
    assert!(!desk.path(&format!("fleet/{PERSON}")).exists());
    run(&desk, &["check"], "").says(0, &["good"]);
    // The clone from before, with the hub's key and all that the origin gives.
    for arguments in [
        &["secrets", "get", "acme/person", "name"][..],
        &["secrets", "get", "acme/person", "name", "--at", "HEAD~1"],
    ] {
        run_with(&desk, "before", arguments, "", &[])
            .says(1, &["was destroyed on ", "nobody can read this version"]);
    }
    assert_eq!(
        run(&desk, &["secrets", "get", "globex/person", "name"], "").text,
        "Grace Hopper"
    );
    // Gone for good once the origin is cleaned; the working clone is rid of it already.
    assert!(!objects(&desk, "fleet").contains(key));
    assert!(objects(&desk, "origin.git").contains(key));
    desk.git("origin.git", &["gc", "-q", "--prune=now"]);
    assert!(!objects(&desk, "origin.git").contains(key));
    let fetched = Command::new("git")
        .args(["fetch", "-q", "origin", key])
        .current_dir(desk.path("before"))
        .output()
        .unwrap();
    assert!(!fetched.status.success(), "the origin gives the key away");
    // Again is nothing; anew is a decision of people.
    run(&desk, &["erase", "acme", "--confirm", "acme"], "").says(0, &["was erased already"]);
    run(&desk, &["secrets", "set", "acme/person", "name"], "x").says(1, &["was erased"]);
}

#[test]
fn what_a_key_cannot_erase_is_named() {
    let desk = cloned();
    // Personal data as it was encrypted before: to the hub.
    desk.edit("fleet/.sops.yaml", |text| {
        text.replace("(^|/)secrets", "(^|/)(secrets|person)")
    });
    let hub = std::fs::read_to_string(desk.path("fleet-keys/hub.agekey")).unwrap();
    let identities = tenantry_sops::Identities::parse(&hub).unwrap();
    let options = tenantry_sops::EncryptOptions {
        recipients: identities.recipients().cloned().collect(),
        rule: tenantry_sops::Rule::all(),
        mac_only_encrypted: true,
        last_modified: tenantry_sops::Timestamp::from_unix(0).unwrap(),
    };
    let text = tenantry_sops::encrypt_text("name: Ada\n", &options, &mut rand::rng()).unwrap();
    desk.write(&format!("fleet/{PERSON}"), &text);
    desk.write(
        "fleet/fleet/customers/acme/customer.yaml",
        "language: en\nnotes: Ada likes tea\n",
    );
    commit(&desk, "fleet", "a person");
    run(&desk, &["secrets", "check"], "").says(
        2,
        &[
            "not encrypted to a key of its own",
            "updatekeys acme/person",
        ],
    );
    run(&desk, &["secrets", "updatekeys", "acme/person"], "").says(0, &["1 of 1 file changed"]);
    commit(&desk, "fleet", "moved");
    let ran = run(&desk, &["erase", "acme", "--confirm", "acme"], "");
    ran.says(
        2,
        &[
            "can be read until history is rewritten",
            "does notes name the person?",
            "erased: ",
        ],
    );
    assert_recorded(&desk, "fleet", 1);
}

#[test]
fn what_people_typed_elsewhere_is_named() {
    let desk = cloned();
    call(&desk, "acme", "Ada Lovelace");
    commit(&desk, "fleet", "a person");
    let dry = ["erase", "acme", "--dry-run"];
    let ran = run(&desk, &dry, "");
    ran.says(2, &["slices of the hub: they hold no personal data"]);
    assert!(!ran.text.contains("`reason`"), "{}", ran.text);
    desk.edit("fleet/fleet/customers/acme/orders/website.yaml", |text| {
        text.replace(
            "[html]",
            "{ html: { parameters: { TITLE: Ada's page }, env: { WHO: Ada } } }",
        )
    });
    desk.write(
        "fleet/fleet/customers/acme/operations/2026-11-20-restore-html.yaml",
        "restore: website/html\nreason: Ada asked\n",
    );
    desk.write(
        "fleet/fleet/acknowledged.yaml",
        "gone: { removes: 0123456789ab, servers: 1, reason: Ada gave notice }\n",
    );
    desk.write(
        "fleet/fleet/customers/acme/overrides/website.html.yaml",
        "services: { web: { labels: { owner: Ada } } }\n",
    );
    commit(&desk, "fleet", "what Ada asked for");
    let ran = run(&desk, &dry, "");
    ran.says(
        2,
        &[
            "orders/website.yaml: what was bought, and the domain, which accounting law keeps; but parameters, env stand there",
            "2026-11-20-restore-html.yaml: in clear text, also in history: does its `reason` name the person?",
            "overrides/website.html.yaml: in clear text",
            "fleet/acknowledged.yaml: in clear text",
            "slices of the hub: what their orders have under parameters",
        ],
    );
}

#[test]
fn a_fleet_without_a_remote_keeps_its_keys_itself() {
    let desk = Desk::new();
    two_customers(&desk);
    sign_as_jo(&desk);
    call(&desk, "acme", "Ada");
    desk.git("fleet", &["add", "."]);
    desk.git("fleet", &["commit", "-qm", "a person"]);
    let blob = desk.git("fleet", &["rev-parse", &format!("{REFERENCE}:acme.yaml")]);
    // A hub's data folder, with a slice of one of their servers.
    desk.git(".", &["clone", "-q", "--bare", "fleet", "data/slices.git"]);
    let slice = ["update-ref", "refs/servers/acme/acme-1", "HEAD"];
    desk.git("data/slices.git", &slice);
    let data = desk.path("data").display().to_string();
    run(&desk, &["erase", "acme", "--dry-run", "--data", &data], "")
        .says(2, &["data: 1 of their servers"]);
    run(&desk, &["erase", "acme", "--confirm", "acme"], "").says(0, &["erased"]);
    assert!(!objects(&desk, "fleet").contains(blob.trim()));
}

#[test]
fn keys_that_were_made_before_there_was_a_remote_go_there() {
    let desk = Desk::new();
    two_customers(&desk);
    call(&desk, "acme", "Ada");
    desk.git(
        ".",
        &["clone", "-q", "--bare", "--no-local", "fleet", "origin.git"],
    );
    assert!(
        desk.git("origin.git", &["for-each-ref", REFERENCE])
            .is_empty()
    );
    desk.git("fleet", &["remote", "add", "origin", "../origin.git"]);
    call(&desk, "globex", "Grace");
    assert_eq!(
        desk.git("origin.git", &["ls-tree", "--name-only", REFERENCE]),
        "acme.yaml\nglobex.yaml\n"
    );
}

#[test]
fn a_clone_that_had_the_key_loses_it_when_it_looks_again() {
    let desk = cloned();
    call(&desk, "acme", "Ada");
    commit(&desk, "fleet", "a person");
    desk.git(".", &["clone", "-q", "--no-local", "origin.git", "other"]);
    let get = ["secrets", "get", "acme/person", "name"];
    assert_eq!(run_with(&desk, "other", &get, "", &[]).text, "Ada");
    let blob = desk.git("other", &["rev-parse", &format!("{REFERENCE}:acme.yaml")]);
    run(&desk, &["erase", "acme", "--confirm", "acme"], "").says(0, &["erased"]);
    run_with(
        &desk,
        "other",
        &["secrets", "set", "globex/person", "name"],
        "Grace",
        &[],
    )
    .says(0, &[]);
    assert!(!objects(&desk, "other").contains(blob.trim()));
    run_with(&desk, "other", &get, "", &[]).says(1, &["was destroyed on "]);
}
