//! `--json` of commands that change something: one object, as their help describes it, and nothing else.

use crate::{Desk, Ran, two_customers};
use serde_json::{Value, json};

const KEY: [&str; 2] = ["--key", "fleet-keys/hub.agekey"];

#[track_caller]
fn said(ran: &Ran, code: i32) -> Value {
    assert_eq!(ran.code, code, "{}", ran.text);
    serde_json::from_str(&ran.text).unwrap_or_else(|error| panic!("{error}: {}", ran.text))
}

#[test]
fn a_new_fleet_and_its_hub() {
    let desk = Desk::new();
    let made = said(&desk.run(&["init", "fleet", "--json"]), 0);
    assert_eq!(made["hub_key"], "fleet-keys/hub.agekey");
    assert!(made["next"].as_array().unwrap().iter().any(|step| {
        step.as_str()
            .unwrap()
            .starts_with("tenantry activate fleet")
    }));
    let head = desk.git("fleet", &["rev-parse", "HEAD"]);
    let pin = [&["trust", "pin", "--json"][..], &KEY, &[head.trim()]].concat();
    assert_eq!(said(&desk.run(&pin), 0)["commit"], head.trim());
    desk.run(&[&["activate", "fleet"][..], &KEY].concat())
        .says(0, &[]);
    let verify = [&["trust", "verify", "fleet", "--json"][..], &KEY].concat();
    let judged = said(&desk.run(&verify), 1);
    assert_eq!(judged["good"], false);
    assert_eq!(judged["stays_at"], head.trim());
    assert_eq!(judged["commits"], 0);
    assert!(
        judged["refused"]["reason"]
            .as_str()
            .unwrap()
            .contains("SSH")
    );
}

#[test]
fn what_a_pass_of_the_hub_did() {
    let desk = Desk::new();
    two_customers(&desk);
    desk.run(&[&["activate", "fleet"][..], &KEY].concat())
        .says(0, &[]);
    desk.git(".", &["clone", "-q", "--bare", "fleet", "fleet.git"]);
    let apply = [
        &["apply", "fleet.git", "--once", "--json", "--data", "data"][..],
        &KEY,
    ]
    .concat();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_tenantry"))
        .args(&apply)
        .current_dir(desk.path("."))
        .env("HOME", desk.path("."))
        .output()
        .unwrap();
    let done: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(done["decisions"].as_u64().unwrap() > 0, "{done}");
    assert_eq!(done["diagnostics"], json!([]));
}

#[test]
fn migrations_schemas_and_reviewers() {
    let desk = Desk::new();
    two_customers(&desk);
    let good = said(&desk.run(&["migrate", "fleet", "--json"]), 0);
    assert_eq!(
        good,
        json!({"from": 1, "to": 1, "written": true, "steps": [], "files": []})
    );
    desk.edit("fleet/fleet/hub.yaml", |text| {
        text.replace("format: 1 ", "# ")
    });
    let due = said(&desk.run(&["migrate", "fleet", "--check", "--json"]), 2);
    assert_eq!((&due["from"], &due["written"]), (&json!(0), &json!(false)));
    assert_eq!(due["files"], json!(["fleet/hub.yaml"]));
    said(&desk.run(&["migrate", "fleet", "--json"]), 2);
    // A format that is none leads to the command that mends it.
    desk.edit("fleet/fleet/hub.yaml", |text| {
        text.replace("format: 1\n", "format: 0\n")
    });
    desk.run(&["check", "fleet"])
        .says(1, &["T0104", "tenantry migrate"]);
    desk.run(&["migrate", "fleet"]).says(2, &[]);

    let kinds = said(&desk.run(&["schema", "--json"]), 0);
    assert!(
        kinds
            .as_array()
            .unwrap()
            .iter()
            .any(|kind| kind["name"] == "order")
    );
    let wrote = said(&desk.run(&["schema", "--output", "json", "--json"]), 0);
    assert_eq!(
        (&wrote["output"], &wrote["schemas"]),
        (&json!("json"), &Value::Null)
    );

    desk.write(
        "fleet/fleet/staff.yaml",
        "olga: { email: olga@example.com, role: owner }\n",
    );
    // The folder is made.
    let file = "fleet/.github/CODEOWNERS";
    let rules = said(
        &desk.run(&["codeowners", "fleet", "--output", file, "--json"]),
        0,
    );
    assert_eq!(rules["written"], file);
    assert_eq!(
        rules["rules"][0],
        json!({"pattern": "*", "least": "admin", "people": ["olga@example.com"]})
    );
    let text = std::fs::read_to_string(desk.path(file)).unwrap();
    assert!(text.contains("* olga@example.com\n"), "{text}");
}

#[test]
fn one_operation_is_approved_at_a_time() {
    let desk = Desk::new();
    two_customers(&desk);
    let operation = "fleet/customers/acme/operations/2026-11-20-snapshot-acme-1.yaml";
    desk.write(
        &format!("fleet/{operation}"),
        "snapshot: acme-1\nreason: before the upgrade\n",
    );
    let other = operation.replace("20-snapshot", "21-snapshot");
    let other = other.as_str();
    for second in [other, "acme/2026-11-21-snapshot-acme-1"] {
        desk.run(&["approve", operation, second])
            .says(1, &["one operation at a time"]);
    }
    let approve = ["approve", "acme/2026-11-20-snapshot-acme-1", "fleet"];
    desk.run(&[&approve[..], &["--json"]].concat())
        .says(1, &["--yes"]);
    let state = said(&desk.run(&[&approve[..], &["--json", "--yes"]].concat()), 0);
    assert_eq!(
        state,
        json!({
            "operation": "acme/2026-11-20-snapshot-acme-1", "path": operation,
            "state": "loses_nothing", "by": null, "destroys": [],
        })
    );
}
