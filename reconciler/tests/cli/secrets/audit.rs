//! Who can open what, and what should not be as it is.

use super::{FILE, person, read, run, run_with};
use crate::{Desk, two_customers};

#[test]
fn recipients_follow_the_rules() {
    let desk = Desk::new();
    two_customers(&desk);
    for customer in ["acme", "globex"] {
        run(&desk, &["secrets", "set", customer, "a"], "one").says(0, &[]);
    }
    run(&desk, &["secrets", "updatekeys"], "").says(0, &["nothing to do: 3 files"]);
    let (jane, jane_key) = person(&desk, "jane");
    desk.edit("fleet/.sops.yaml", |text| {
        let at = text.rfind("age: ").unwrap();
        format!("{}age: {jane},{}", &text[..at], &text[at + 5..])
    });
    desk.write(
        "fleet/fleet/staff.yaml",
        &format!("jane:\n  email: jane@example.com\n  role: admin\n  age: {jane}\n"),
    );
    run(&desk, &["secrets", "check"], "").says(
        2,
        &[
            "acme/secrets.yaml",
            "cannot be opened by jane",
            "secrets updatekeys acme",
        ],
    );
    run(&desk, &["secrets", "updatekeys", "--dry-run"], "")
        .says(2, &["acme: + jane", "globex: + jane", "2 of 3 files"]);
    run(&desk, &["secrets", "updatekeys", "acme"], "").says(0, &["1 of 1 file changed"]);
    let as_jane = |arguments: &[&str]| {
        run_with(
            &desk,
            "fleet",
            arguments,
            "",
            &[("TENANTRY_KEY_FILE", &jane_key)],
        )
    };
    assert_eq!(as_jane(&["secrets", "get", "acme", "a"]).text, "one");
    as_jane(&["secrets", "get", "globex", "a"]).says(1, &["no identity matches"]);
    let known = read(&desk, FILE);
    desk.edit("fleet/.sops.yaml", |text| {
        text.replace(&format!("{jane},"), "")
    });
    run(&desk, &["secrets", "check"], "").says(1, &["can be opened by jane, who should not"]);
    run(&desk, &["secrets", "updatekeys"], "").says(0, &["1 of 3 files changed"]);
    as_jane(&["secrets", "get", "acme", "a"]).says(1, &["no identity matches"]);
    let value = |text: &str| {
        text.lines()
            .find(|line| line.starts_with("a:"))
            .unwrap()
            .to_owned()
    };
    assert_ne!(value(&known), value(&read(&desk, FILE)), "a new data key");
}

#[test]
fn what_takes_a_key_is_named_without_one_and_done_with_it() {
    let desk = Desk::new();
    two_customers(&desk);
    run(&desk, &["secrets", "set", "acme", "a"], "one").says(0, &[]);
    let (_, strange) = person(&desk, "jane");
    let words = "whether encrypted files open and their values are what was put in (MAC)";
    desk.run(&["check", "fleet"]).says(0, &["good", words]);
    let ran = desk.run(&["check", "fleet", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&ran.text).unwrap();
    assert!(json["unchecked"][0].as_str().unwrap().contains(words));
    run(&desk, &["secrets", "check"], "").says(2, &["2 files opened: values and MAC looked at"]);
    desk.commit("a secret");
    desk.edit(&format!("fleet/{FILE}"), |text| {
        let at = text.find("data:").unwrap() + 5;
        let other = if text[at..].starts_with('A') {
            "B"
        } else {
            "A"
        };
        format!("{}{other}{}", &text[..at], &text[at + 1..])
    });
    let words = "1 encrypted file not opened";
    desk.run(&["plan", "fleet"]).says(2, &[words]);
    desk.run(&["plan", "fleet", "--markdown"]).says(2, &[words]);
    run(&desk, &["secrets", "check", "--key", &strange], "")
        .says(2, &["1 warning", "no file was opened"]);
    run(&desk, &["secrets", "check"], "").says(
        1,
        &[
            "acme/secrets.yaml: is not what was written with a key: value `a`",
            "take it back",
            "2 files opened",
        ],
    );
}

#[test]
fn what_should_not_be_is_found() {
    let desk = Desk::new();
    two_customers(&desk);
    run(&desk, &["secrets", "check"], "").says(0, &["good"]);
    run(&desk, &["secrets", "set", "acme", "unused"], "x-value").says(0, &[]);
    run(&desk, &["secrets", "check"], "").says(2, &["nothing uses the secret `unused`"]);
    desk.write(
        "fleet/fleet/customers/globex/secrets.yaml",
        "smtp_password: hunter22\n",
    );
    desk.write(
        "fleet/notes.txt",
        concat!(
            "-----BEGIN OPENSSH ",
            "PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQ\n"
        ),
    );
    desk.edit("fleet/fleet/customers/acme/orders/website.yaml", |text| {
        text.replace(
            "tools: [html]",
            "tools: { guestbook: { env: { GREETING: { secret: nowhere } } } }",
        )
    });
    let ran = run(&desk, &["secrets", "check"], "");
    ran.says(
        1,
        &[
            "error: notes.txt:1: a private key is in clear text",
            "globex/secrets.yaml: a file of secrets that is not encrypted",
            "globex/secrets.yaml:1: the value of `smtp_password` is in clear text",
            "refers to the secret `nowhere`, which is not there",
            "secrets set acme nowhere",
        ],
    );
    assert!(!ran.text.contains("hunter22"), "{}", ran.text);
    let found: serde_json::Value =
        serde_json::from_str(&run(&desk, &["secrets", "check", "--json"], "").text).unwrap();
    assert!(
        found
            .as_array()
            .unwrap()
            .iter()
            .any(|one| one["problem"] == "missing" && one["error"] == true)
    );
}

#[test]
fn history_remembers_what_the_files_have_forgotten() {
    let desk = Desk::new();
    two_customers(&desk);
    desk.write(
        "fleet/fleet/customers/globex/secrets.yaml",
        "smtp_password: hunter22\n",
    );
    desk.git("fleet", &["add", "."]);
    desk.git("fleet", &["commit", "-qm", "oops"]);
    let commit = desk.git("fleet", &["rev-parse", "HEAD"]);
    desk.git(
        "fleet",
        &["rm", "-q", "fleet/customers/globex/secrets.yaml"],
    );
    desk.git("fleet", &["commit", "-qm", "gone"]);
    run(&desk, &["secrets", "check"], "").says(0, &["good"]);
    let ran = run(&desk, &["secrets", "check", "--history"], "");
    ran.says(
        1,
        &[
            "globex/secrets.yaml",
            &commit[..12],
            "was in clear text",
            "replace it",
        ],
    );
    assert!(!ran.text.contains("hunter22"));
}
