//! `tenantry activate`: only a key with which a hub can act is named, and who is displaced is said.

use crate::secrets::run_with;
use crate::{Desk, two_customers};

const KEY: [&str; 2] = ["--key", "fleet-keys/hub.agekey"];

fn activate(desk: &Desk, more: &[&str]) -> crate::Ran {
    desk.run(&[&["activate", "fleet"][..], more].concat())
}

#[test]
fn the_key_of_another_fleet_takes_no_hub_out() {
    let desk = Desk::new();
    two_customers(&desk);
    activate(&desk, &KEY).says(0, &["may act"]);
    let before = desk.git("fleet", &["rev-parse", "HEAD"]);
    desk.run(&["init", "second"]).says(0, &[]);
    activate(&desk, &["--key", "second-keys/hub.agekey"]).says(
        1,
        &[
            "is not the key of this fleet's hub",
            "`keys.hub.age` in fleet/hub.yaml",
            "Nothing was changed",
        ],
    );
    assert_eq!(desk.git("fleet", &["rev-parse", "HEAD"]), before);
    assert_eq!(desk.git("fleet", &["status", "--porcelain"]), "");
    desk.hub_acts(2);
}

#[test]
fn a_new_key_is_activated_once_it_opens_the_signing_key() {
    let desk = Desk::new();
    two_customers(&desk);
    activate(&desk, &KEY).says(0, &["may act"]);
    let old = age::x25519::Identity::generate();
    let new = old.to_public().to_string();
    let key = age::secrecy::ExposeSecret::expose_secret(&old.to_string()).to_owned();
    desk.write("new.agekey", &format!("{key}\n"));
    let hub = std::fs::read_to_string(desk.path("fleet-keys/hub.agekey")).unwrap();
    let hub = tenantry_sops::Identities::parse(&hub).unwrap();
    let before = hub.recipients().next().unwrap().as_str().to_owned();
    for file in ["fleet/fleet/hub.yaml", "fleet/.sops.yaml"] {
        desk.edit(file, |text| text.replace(&before, &new));
    }
    desk.commit("a new key of the hub");
    activate(&desk, &["--key", "new.agekey"]).says(
        1,
        &[
            "a hub with new.agekey could not sign",
            "tenantry secrets updatekeys fleet/hub-key.yaml",
        ],
    );
    let update = ["secrets", "updatekeys", "fleet/hub-key.yaml"];
    run_with(&desk, "fleet", &update, "", &[]).says(0, &["1 of 1 file changed"]);
    desk.commit("for the new key");
    let ran = activate(&desk, &["--key", "new.agekey", "--json"]);
    let said: serde_json::Value = serde_json::from_str(&ran.text).unwrap();
    assert_eq!(said["hub"], new.as_str());
    assert_eq!(said["displaced"]["hub"], before.as_str());
    assert_eq!(said["changed"], true);
    let head = desk.git("fleet", &["rev-parse", "HEAD"]);
    assert_eq!(said["commit"], head.trim());
    let again = activate(&desk, &["--key", "new.agekey", "--json"]);
    let said: serde_json::Value = serde_json::from_str(&again.text).unwrap();
    assert_eq!(
        (&said["changed"], &said["displaced"]),
        (&false.into(), &serde_json::Value::Null)
    );
    activate(&desk, &["--key", "new.agekey", "--release", "9.9.9"]).says(
        0,
        &["was activated before: from this commit on it only observes"],
    );
}

#[test]
fn a_fleet_without_its_branch_says_what_to_do() {
    let desk = Desk::new();
    desk.run(&["init", "fleet"]).says(0, &[]);
    desk.git(".", &["init", "-q", "--bare", "empty.git"]);
    desk.run(&[&["activate", "empty.git"][..], &KEY].concat())
        .says(1, &["no branch `main`: push it there"]);
}
