//! A person of the staff leaves whose key, or whole entry, went first: files stay open to a key, whatever fleet/staff.yaml says today.

use super::leaves::let_open;
use super::{cloned, commit, run};
use crate::secrets::{person, run_with};
use crate::{Desk, Ran};

const STAFF: &str = "fleet/fleet/staff.yaml";
const JO: &str = "jo: { email: jo@example.com, role: owner, signing_keys: [ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINWt2/SfQsdKmVq3GbXbP5bIREGHZWiNsJXEYF0x4Q48] }\n";

fn sam(age: &str) -> String {
    format!("{JO}sam:\n  email: sam@example.com\n  role: admin\n{age}")
}

/// A fleet in which sam can open what acme has, committed. Returns their recipient and the file of their key.
fn with_sam() -> (Desk, String, String) {
    let desk = cloned();
    let (recipient, key) = person(&desk, "sam");
    desk.write(STAFF, &sam(&format!("  age: {recipient}\n")));
    let_open(&desk, &recipient);
    run(&desk, &["secrets", "set", "acme", "smtp"], "s1").says(0, &[]);
    commit(&desk, "fleet", "with sam");
    (desk, recipient, key)
}

fn open_with(desk: &Desk, key: &str) -> Ran {
    let env = [("TENANTRY_KEY_FILE", key)];
    run_with(desk, "fleet", &["secrets", "get", "acme", "smtp"], "", &env)
}

fn report(desk: &Desk, id: &str) -> serde_json::Value {
    let ran = run(desk, &["offboard", id, "--dry-run", "--json"], "");
    serde_json::from_str(&ran.text).unwrap()
}

/// Sam leaves, after whatever was done to the staff file.
fn sam_is_shut_out(desk: &Desk, recipient: &str, key: &str) {
    commit(desk, "fleet", "sam's key is gone, people think");
    assert_eq!(open_with(desk, key).text, "s1", "every file is open still");
    run(desk, &["offboard", "sam", "--dry-run"], "").says(
        2,
        &[
            "2 files would be encrypted without sam's key",
            "one of their keys was found in earlier versions of fleet/staff.yaml alone",
        ],
    );
    assert_eq!(open_with(desk, key).text, "s1");
    run(desk, &["offboard", "sam"], "").says(
        2,
        &[
            "2 files no longer open to sam's key: commit and push them",
            "smtp in fleet/customers/acme/secrets.yaml",
            "forge: remove sam's account, keys and tokens from the fleet's repository (sam@example.com)",
        ],
    );
    open_with(desk, key).says(1, &["no identity matches"]);
    let rules = std::fs::read_to_string(desk.path("fleet/.sops.yaml")).unwrap();
    assert!(!rules.contains(recipient), "{rules}");
    assert_eq!(
        run(desk, &["secrets", "get", "acme", "smtp"], "").text,
        "s1"
    );
}

#[test]
fn the_line_with_their_key_was_deleted_first() {
    let (desk, recipient, key) = with_sam();
    desk.write(STAFF, &sam(""));
    sam_is_shut_out(&desk, &recipient, &key);
}

#[test]
fn their_whole_entry_was_deleted_first() {
    let (desk, recipient, key) = with_sam();
    desk.write(STAFF, JO);
    sam_is_shut_out(&desk, &recipient, &key);
    let ran = run(&desk, &["offboard", "sam"], "");
    assert!(!ran.text.contains("remove `sam` from fleet/staff.yaml"));
    run(&desk, &["offboard", "nobody"], "").says(1, &["nobody called `nobody`, in no version"]);
}

#[test]
fn their_key_was_changed_and_both_open_nothing_any_more() {
    let (desk, first, first_key) = with_sam();
    run(&desk, &["secrets", "set", "globex", "old"], "o1").says(0, &[]);
    commit(&desk, "fleet", "globex has a secret");
    std::fs::remove_file(desk.path("fleet/fleet/customers/globex/secrets.yaml")).unwrap();
    // In May they had a new one. Globex's secret is gone by then, and acme's file was forgotten.
    let (second, second_key) = person(&desk, "sam-may");
    desk.write(STAFF, &sam(&format!("  age: {second}\n")));
    desk.edit("fleet/.sops.yaml", |text| text.replace(&first, &second));
    commit(&desk, "fleet", "sam has a new key");
    let report = report(&desk, "sam");
    assert_eq!(report["recipient"], second.as_str());
    assert_eq!(report["earlier"], serde_json::json!([first]));
    let read: Vec<&str> = report["secrets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|secret| secret["name"].as_str().unwrap())
        .collect();
    assert_eq!(read, ["smtp", "old"]);
    run(&desk, &["offboard", "sam"], "").says(
        2,
        &["2 files no longer open to sam's 2 keys: commit and push them"],
    );
    for key in [&first_key, &second_key] {
        open_with(&desk, key).says(1, &["no identity matches"]);
    }
    run(&desk, &["offboard", "sam"], "").says(
        2,
        &["sam's 2 keys open no file of secrets any more: nothing was changed"],
    );
}

#[test]
fn a_key_that_stood_on_a_branch_or_in_a_file_that_the_schema_refuses_counts() {
    let (desk, recipient, _) = with_sam();
    let at = desk.git("fleet", &["rev-parse", "HEAD~1"]);
    let branch = desk.git("fleet", &["rev-parse", "HEAD"]);
    desk.git("fleet", &["branch", "proposed", branch.trim()]);
    desk.git("fleet", &["reset", "-q", "--hard", at.trim()]);
    desk.write(STAFF, &sam(""));
    assert_eq!(
        report(&desk, "sam")["earlier"],
        serde_json::json!([recipient])
    );
    // Nobody ever had the role of a guest.
    let (other, _) = person(&desk, "kim");
    desk.write(
        STAFF,
        &format!("{JO}kim: {{ email: kim@example.com, role: guest, age: {other} }}\n"),
    );
    desk.git("fleet", &["commit", "-qam", "kim"]);
    desk.write(STAFF, JO);
    desk.git("fleet", &["commit", "-qam", "no kim"]);
    let kim = report(&desk, "kim");
    assert_eq!(kim["earlier"], serde_json::json!([other]));
    assert_eq!(kim["all_keys"], true);
}

#[test]
fn that_they_never_had_a_key_is_said_only_where_it_is_known() {
    let desk = cloned();
    desk.write(STAFF, &sam(""));
    commit(&desk, "fleet", "sam has no key");
    let never = "has no age key of sam, and never had one";
    run(&desk, &["offboard", "sam"], "").says(2, &[never]);
    desk.write(STAFF, "sam: [\n");
    commit(&desk, "fleet", "a slip of the pen");
    desk.write(STAFF, &sam(""));
    commit(&desk, "fleet", "mended");
    let unread = &[
        "no age key of sam is known, but not all of fleet/staff.yaml's history could be read",
        "1 version of fleet/staff.yaml in history cannot be read as YAML",
    ];
    let ran = run(&desk, &["offboard", "sam"], "");
    ran.says(2, unread);
    assert!(!ran.text.contains("never had"), "{}", ran.text);
    // A clone without the history does not know either.
    let url = format!("file://{}", desk.path("origin.git").display());
    desk.git(".", &["clone", "-q", "--depth", "1", &url, "shallow"]);
    let ran = run_with(&desk, "shallow", &["offboard", "sam", "--dry-run"], "", &[]);
    ran.says(2, &["no age key of sam is known", "this clone is shallow"]);
}

#[test]
fn a_key_that_is_somebody_elses_now_goes_on_opening_files() {
    let (desk, recipient, key) = with_sam();
    // It was jo's from the beginning: the wrong line.
    let jo = JO.replace(" }", &format!(", age: {recipient} }}"));
    desk.write(STAFF, &sam("").replace(JO, &jo));
    commit(&desk, "fleet", "the key was jo's");
    run(&desk, &["offboard", "sam"], "").says(
        2,
        &[
            "was `sam`'s in an earlier version of fleet/staff.yaml and is `jo`'s now",
            "if `sam` has it, replace it",
        ],
    );
    assert_eq!(open_with(&desk, &key).text, "s1");
}

#[test]
fn who_is_asked_to_review_and_keys_of_nobody_are_on_the_list() {
    let (desk, _, _) = with_sam();
    let (nobody, _) = person(&desk, "nobody");
    desk.edit("fleet/.sops.yaml", |text| {
        text.replacen("age: ", &format!("age: {nobody},"), 1)
    });
    run(
        &desk,
        &["codeowners", ".", "--output", ".github/CODEOWNERS"],
        "",
    )
    .says(0, &["written"]);
    let listed = ".github/CODEOWNERS names sam@example.com: once `sam` is out of fleet/staff.yaml";
    run(&desk, &["offboard", "sam", "--dry-run"], "").says(
        2,
        &[
            listed,
            "`tenantry codeowners --output .github/CODEOWNERS`",
            &format!(
                ".sops.yaml names keys that are nobody's by fleet/staff.yaml ({}…)",
                &nobody[..12]
            ),
        ],
    );
    // What the command says is what takes them out of it.
    desk.write(STAFF, JO);
    commit(&desk, "fleet", "sam is gone");
    run(&desk, &["offboard", "sam", "--dry-run"], "").says(2, &[listed]);
    run(
        &desk,
        &["codeowners", ".", "--output", ".github/CODEOWNERS"],
        "",
    )
    .says(0, &["written"]);
    let ran = run(&desk, &["offboard", "sam", "--dry-run"], "");
    assert!(!ran.text.contains("CODEOWNERS"), "{}", ran.text);
}

#[test]
fn the_last_owner_is_warned_of() {
    let desk = cloned();
    desk.write(STAFF, &sam(""));
    run(&desk, &["offboard", "jo", "--dry-run"], "").says(
        2,
        &[
            "warning: `jo` is the last owner",
            "Make somebody else an owner first",
        ],
    );
    let ran = run(&desk, &["offboard", "sam", "--dry-run"], "");
    assert!(!ran.text.contains("warning:"), "{}", ran.text);
    desk.write(STAFF, &sam("").replace("role: admin", "role: owner"));
    run(&desk, &["offboard", "jo", "--dry-run"], "")
        .says(2, &["warning: no owner but `jo` has `signing_keys:`"]);
    let ran = run(&desk, &["offboard", "sam", "--dry-run"], "");
    assert!(!ran.text.contains("warning:"), "{}", ran.text);
    desk.write(STAFF, &sam(""));
    commit(&desk, "fleet", "jo and sam");
    desk.write(STAFF, &sam("").replace(JO, ""));
    run(&desk, &["offboard", "jo", "--dry-run"], "")
        .says(2, &["warning: fleet/staff.yaml has no owner any more"]);
}
