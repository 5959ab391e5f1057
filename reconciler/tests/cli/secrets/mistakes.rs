//! Slips of the finger: an emptied editor, the wrong file, a file in clear text, damaged ciphertext, a key that is not at hand.

use super::{FILE, editor, read, run, run_with};
use crate::{Desk, two_customers};
use std::process::Command;

fn json(ran: &crate::Ran) -> serde_json::Value {
    serde_json::from_str(&ran.text).unwrap()
}

#[test]
fn an_emptied_file_wipes_nothing_unasked() {
    let desk = Desk::new();
    two_customers(&desk);
    run(&desk, &["secrets", "set", "acme", "a"], "one").says(0, &[]);
    run(&desk, &["secrets", "set", "acme", "b"], "two").says(0, &[]);
    desk.commit("secrets");
    run(&desk, &["secrets", "generate", "acme", "webhook"], "").says(0, &["generated webhook"]);
    let before = read(&desk, FILE);
    let edit = |script: &str, input: &str, more: &[&str]| {
        let visual = editor(&desk, "mistake", script);
        let arguments = [&["secrets", "edit", "acme"][..], more].concat();
        run_with(&desk, "fleet", &arguments, input, &[("VISUAL", &visual)])
    };
    for answer in ["", "\n", "n\n"] {
        edit(": > \"$1\"", answer, &[]).says(
            1,
            &[
                "these values would go from fleet/customers/acme/secrets.yaml: a, b, webhook",
                "gone for good: webhook",
                "remove every value",
                "the file has all its values",
            ],
        );
    }
    // One that was never committed is asked for as well.
    edit("sed -i /webhook/d \"$1\"", "", &[]).says(1, &["gone for good: webhook"]);
    assert_eq!(read(&desk, FILE), before);
    // What is committed can be had back: it is said, not asked.
    edit("sed -i /^a:/d \"$1\"", "", &[]).says(0, &["saved", "removed: a"]);
    let said = json(&edit("sed -i s/two/three/ \"$1\"", "", &["--json"]));
    assert_eq!(
        said,
        serde_json::json!({"path": FILE, "saved": true, "changed": ["b"], "removed": [], "restarts": [], "stale": []})
    );
    edit(": > \"$1\"", "y\n", &[]).says(0, &["saved", "removed: b, webhook"]);
}

#[test]
fn the_wrong_file_stays_as_it_is_and_a_clear_one_is_encrypted() {
    let desk = Desk::new();
    two_customers(&desk);
    let order = "fleet/customers/acme/orders/website.yaml";
    for command in ["edit", "updatekeys"] {
        let ran = run(&desk, &["secrets", command, order], "");
        ran.says(1, &["is no file of secrets: it is an order"]);
        assert!(!ran.text.contains("sops -e"), "{}", ran.text);
    }
    desk.write(&format!("fleet/{FILE}"), "# the relay\nsmtp: hunter2\n");
    run(&desk, &["secrets", "set", "acme", "more"], "x").says(
        1,
        &[
            "is in clear text",
            "`tenantry secrets updatekeys acme` encrypts it",
        ],
    );
    run(&desk, &["check"], "").says(1, &["T0118", "tenantry secrets updatekeys"]);
    run(&desk, &["secrets", "check"], "").says(1, &["`tenantry secrets updatekeys acme`"]);
    run(&desk, &["secrets", "updatekeys", "acme", "--dry-run"], "")
        .says(2, &["acme: is in clear text, to be encrypted"]);
    let said = json(&run(
        &desk,
        &["secrets", "updatekeys", "acme", "--json"],
        "",
    ));
    assert_eq!(said["files"][0]["outcome"], "encrypted");
    assert!(!read(&desk, FILE).contains("hunter2") && !read(&desk, FILE).contains("relay"));
    let said = json(&run(
        &desk,
        &["secrets", "get", "acme", "smtp", "--json"],
        "",
    ));
    assert_eq!(
        said,
        serde_json::json!({"path": FILE, "name": "smtp", "value": "hunter2"})
    );
    run(&desk, &["check"], "").says(0, &["good"]);
    // Personal data goes to a key of the customer.
    desk.write(
        "fleet/fleet/customers/acme/person.yaml",
        "name: Ada\naddress: {city: London}\n",
    );
    run(&desk, &["secrets", "updatekeys", "acme/person"], "").says(0, &["encrypted"]);
    assert_eq!(
        run(
            &desk,
            &["secrets", "get", "acme/person", "address.city"],
            ""
        )
        .text,
        "London"
    );
}

#[test]
fn damage_is_seen_without_a_key() {
    let desk = Desk::new();
    two_customers(&desk);
    run(&desk, &["secrets", "set", "acme", "a"], "one").says(0, &[]);
    run(&desk, &["secrets", "set", "acme", "b"], "two").says(0, &[]);
    desk.commit("secrets");
    let whole = read(&desk, FILE);
    for (from, to, said) in [
        (
            "b: ENC[AES256_GCM,data:",
            "b: ENC[AES256_GCM,data:x",
            "`b` is damaged",
        ),
        (
            "a: ENC[AES256_GCM,data:",
            "a: ENC[AES256_GCM,data:-",
            "`a` is damaged",
        ),
        (
            "mac: ENC[AES256_GCM,data:",
            "mac: ENC[AES256_GCM,data:x",
            "`mac` is not a well-formed",
        ),
    ] {
        desk.write(&format!("fleet/{FILE}"), &whole.replacen(from, to, 1));
        run(&desk, &["check"], "").says(1, &["T0118", said, "take it back from Git's history"]);
        let found = run(&desk, &["secrets", "check"], "");
        found.says(1, &["acme/secrets.yaml: cannot be read", "git log -p"]);
        assert!(!found.text.contains("clear text"), "{}", found.text);
    }
    desk.write(&format!("fleet/{FILE}"), &whole);
    run(&desk, &["check"], "").says(0, &["good"]);
}

#[test]
fn a_choice_that_a_merge_left_is_said_by_check() {
    let desk = Desk::new();
    two_customers(&desk);
    run(&desk, &["secrets", "set", "acme", "a"], "one").says(0, &[]);
    let whole = read(&desk, FILE);
    desk.write(&format!("fleet/{FILE}"), &format!("# CONFLICT a\n{whole}"));
    run(&desk, &["check"], "").says(
        0,
        &[
            "T0141",
            "a merge left a choice",
            "secrets.yaml:1:1",
            "1 warning",
        ],
    );
    run(&desk, &["secrets", "check"], "").says(1, &["a merge left a choice"]);
}

#[test]
fn a_key_that_is_not_at_hand_is_asked_for() {
    let desk = Desk::new();
    two_customers(&desk);
    run(&desk, &["secrets", "set", "acme", "a"], "one").says(0, &[]);
    let (jane, jane_key) = super::person(&desk, "jane");
    let as_jane = |arguments: &[&str]| {
        run_with(
            &desk,
            "fleet",
            arguments,
            "two",
            &[("TENANTRY_KEY_FILE", &jane_key)],
        )
    };
    for arguments in [
        &["secrets", "get", "acme", "a"][..],
        &["secrets", "set", "acme", "b"],
        &["secrets", "edit", "acme"],
    ] {
        as_jane(arguments).says(
            1,
            &[
                "--key FILE",
                "TENANTRY_KEY_FILE",
                "tenantry git-setup --key",
            ],
        );
    }
    // What offboarding would do is said without any key.
    desk.write(
        "fleet/fleet/staff.yaml",
        &format!("jane:\n  email: jane@example.com\n  role: admin\n  age: {jane}\n"),
    );
    desk.edit("fleet/.sops.yaml", |text| {
        let (rest, last) = text.trim_end().rsplit_once('\n').unwrap();
        format!("{rest}\n{last},{jane}\n")
    });
    run(&desk, &["secrets", "updatekeys"], "").says(0, &["changed"]);
    let blind = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_tenantry"))
            .args(arguments)
            .current_dir(desk.path("fleet"))
            .env("HOME", desk.path("."))
            .env_remove("TENANTRY_KEY_FILE")
            .env_remove("SOPS_AGE_KEY_FILE")
            .output()
            .unwrap();
        crate::Ran::from(output)
    };
    blind(&["offboard", "jane", "--dry-run"]).says(
        2,
        &["would be encrypted without jane's key (that needs a key"],
    );
    blind(&["offboard", "jane"]).says(1, &["--key FILE"]);
    run(&desk, &["offboard", "jane"], "").says(2, &["no longer open to jane's key"]);
    run(&desk, &["offboard", "jane"], "").says(
        2,
        &["jane's key opens no file of secrets any more: nothing was changed"],
    );
}
