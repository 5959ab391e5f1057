//! A clone that was set up: what the real `git` shows, merges and lets be committed.

use crate::secrets::{person, run_with};
use crate::{Desk, Ran, two_customers};
use std::process::Command;

/// Runs `git` in the fleet as a person would, with the hub's key at hand. Gives what it said and how it ended.
fn git(desk: &Desk, arguments: &[&str]) -> Ran {
    let output = Command::new("git")
        .args([
            "-c",
            "user.name=Jo",
            "-c",
            "user.email=jo@example.com",
            "-c",
            "core.pager=cat",
        ])
        .args(arguments)
        .current_dir(desk.path("fleet"))
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("HOME", desk.path("."))
        .env("TENANTRY_KEY_FILE", desk.path("fleet-keys/hub.agekey"))
        .output()
        .unwrap();
    Ran::from(output)
}

fn tenantry(desk: &Desk, arguments: &[&str], input: &str) -> Ran {
    run_with(desk, "fleet", arguments, input, &[])
}

fn set(desk: &Desk, name: &str, value: &str) {
    tenantry(desk, &["secrets", "set", "acme", name], value).says(0, &[]);
}

fn get(desk: &Desk, name: &str) -> String {
    tenantry(desk, &["secrets", "get", "acme", name], "").text
}

fn commit(desk: &Desk, message: &str) {
    git(desk, &["add", "."]).says(0, &[]);
    git(desk, &["commit", "-qm", message]).says(0, &[]);
}

/// A fleet with two secrets of acme, set up and committed.
fn ready() -> Desk {
    let desk = Desk::new();
    two_customers(&desk);
    tenantry(&desk, &["git-setup"], "").says(
        0,
        &[
            "merge driver: set up",
            "pre-commit hook: set up",
            ".gitattributes: there already",
        ],
    );
    set(&desk, "one", "first");
    set(&desk, "two", "second");
    commit(&desk, "ready");
    desk
}

const FILE: &str = "fleet/customers/acme/secrets.yaml";

#[test]
fn it_is_set_up_once_and_what_is_not_ours_stays() {
    let desk = ready();
    let again = tenantry(&desk, &["git-setup"], "");
    again.says(
        0,
        &[
            "merge driver: there already",
            "pre-commit hook: there already",
            ".gitattributes: there already",
        ],
    );
    assert!(git(&desk, &["status", "--porcelain"]).text.is_empty());
    desk.write("fleet/.gitattributes", "*.png binary");
    tenantry(&desk, &["git-setup"], "")
        .says(0, &[".gitattributes: changed", "commit .gitattributes"]);
    let attributes = std::fs::read_to_string(desk.path("fleet/.gitattributes")).unwrap();
    assert!(
        attributes.starts_with("*.png binary\n# Files of secrets"),
        "{attributes}"
    );
    let hook = desk.path("fleet/.git/hooks/pre-commit");
    std::fs::write(&hook, "#!/bin/sh\necho mine\n").unwrap();
    tenantry(&desk, &["git-setup"], "").says(
        2,
        &["is somebody else's; add this line to it: tenantry check --staged"],
    );
    assert!(
        std::fs::read_to_string(&hook)
            .unwrap()
            .contains("echo mine")
    );
    tenantry(&desk, &["git-setup", "--key", "nowhere"], "")
        .says(1, &["cannot read the key file nowhere"]);
    tenantry(
        &desk,
        &["git-setup", "--key", "../fleet-keys/hub.agekey"],
        "",
    )
    .says(2, &["key file: set up"]);
    let found = run_with(&desk, "fleet", &["secrets", "get", "acme", "one"], "", &[]);
    assert_eq!(found.text, "first");
    desk.git("fleet", &["config", "core.hooksPath", "../shared-hooks"]);
    tenantry(&desk, &["git-setup"], "").says(2, &["shared-hooks/pre-commit is somebody else's"]);
    assert!(!desk.path("shared-hooks").exists());
}

#[test]
fn a_diff_shows_which_values_changed_and_not_what_they_are() {
    let desk = ready();
    set(&desk, "two", "hunter22");
    let shown = git(&desk, &["diff"]).text;
    let changed: Vec<_> = shown
        .lines()
        .filter(|line| {
            line.starts_with(['+', '-']) && !line.starts_with("+++") && !line.starts_with("---")
        })
        .collect();
    assert_eq!(changed.len(), 2, "{shown}");
    assert!(
        changed[0].starts_with("-two: <secret ") && changed[1].starts_with("+two: <secret "),
        "{shown}"
    );
    assert!(
        !shown.contains("hunter22") && !shown.contains("ENC["),
        "{shown}"
    );
    tenantry(&desk, &["git-setup", "--show-values"], "").says(0, &["diff driver: changed"]);
    git(&desk, &["diff"]).says(0, &["-two: second\n+two: hunter22\n"]);
    // Nothing of it is kept in Git.
    let notes = git(&desk, &["for-each-ref", "refs/notes"]).text;
    assert!(notes.is_empty(), "{notes}");
}

/// Changes on a branch, changes on main, and merges the branch.
fn merged(desk: &Desk, theirs: &dyn Fn(), ours: &dyn Fn()) -> Ran {
    git(desk, &["checkout", "-qb", "side"]).says(0, &[]);
    theirs();
    commit(desk, "theirs");
    git(desk, &["checkout", "-q", "main"]).says(0, &[]);
    ours();
    commit(desk, "ours");
    git(desk, &["merge", "-m", "both", "side"])
}

#[test]
fn two_branches_that_each_set_another_secret_merge() {
    let desk = ready();
    let theirs = || {
        set(&desk, "two", "theirs");
        set(&desk, "four", "added by them");
    };
    let ours = || {
        set(&desk, "one", "ours");
        set(&desk, "three", "added by us");
    };
    merged(&desk, &theirs, &ours).says(0, &[]);
    let values: Vec<_> = ["one", "two", "three", "four"]
        .map(|name| get(&desk, name))
        .into();
    assert_eq!(values, ["ours", "theirs", "added by us", "added by them"]);
    tenantry(&desk, &["check"], "").says(0, &["good"]);
}

#[test]
fn one_secret_set_on_both_sides_is_left_to_people_and_stays_encrypted() {
    let desk = ready();
    let theirs = || {
        set(&desk, "one", "hunter-theirs");
        set(&desk, "two", "theirs");
    };
    let ran = merged(&desk, &theirs, &|| set(&desk, "one", "hunter-ours"));
    ran.says(
        1,
        &[
            "`one` was changed on both sides; the file has ours",
            "--at theirs --show",
            "CONFLICT",
        ],
    );
    assert!(!ran.text.contains("hunter"), "{}", ran.text);
    let file = std::fs::read_to_string(desk.path(&format!("fleet/{FILE}"))).unwrap();
    assert!(!file.contains("hunter") && !file.contains("<<<<"), "{file}");
    assert_eq!(
        (get(&desk, "one").as_str(), get(&desk, "two").as_str()),
        ("hunter-ours", "theirs")
    );
    let other = tenantry(
        &desk,
        &["secrets", "get", "acme", "one", "--at", "theirs"],
        "",
    );
    assert_eq!(other.text, "hunter-theirs");
    tenantry(&desk, &["secrets", "check"], "").says(1, &["a merge left a choice"]);
    git(&desk, &["add", "."]).says(0, &[]);
    git(&desk, &["commit", "-qm", "both"]).says(1, &["a merge left a choice"]);
    set(&desk, "one", "chosen");
    desk.edit(&format!("fleet/{FILE}"), |text| {
        let kept = text.lines().filter(|line| !line.starts_with("# CONFLICT"));
        kept.collect::<Vec<_>>().join("\n") + "\n"
    });
    commit(&desk, "both");
    assert_eq!(get(&desk, "one"), "chosen");
}

#[test]
fn without_a_key_a_merge_is_left_to_people() {
    let desk = ready();
    git(&desk, &["checkout", "-qb", "side"]).says(0, &[]);
    set(&desk, "two", "theirs");
    commit(&desk, "theirs");
    git(&desk, &["checkout", "-q", "main"]).says(0, &[]);
    set(&desk, "one", "ours");
    commit(&desk, "ours");
    let before = std::fs::read_to_string(desk.path(&format!("fleet/{FILE}"))).unwrap();
    let (_, stranger) = person(&desk, "stranger");
    let output = Command::new("git")
        .args([
            "-c",
            "user.name=Jo",
            "-c",
            "user.email=jo@example.com",
            "merge",
            "side",
        ])
        .current_dir(desk.path("fleet"))
        .env("HOME", desk.path("."))
        .env("TENANTRY_KEY_FILE", stranger)
        .output()
        .unwrap();
    Ran::from(output).says(1, &["is left as ours has it", "no identity matches"]);
    assert_eq!(
        std::fs::read_to_string(desk.path(&format!("fleet/{FILE}"))).unwrap(),
        before
    );
}

#[test]
fn the_hook_stops_what_a_commit_would_break_and_nothing_else() {
    let desk = ready();
    let order = "fleet/fleet/customers/acme/orders/website.yaml";
    desk.edit(order, |text| text.replace("[html]", "[htlm]"));
    git(&desk, &["add", "."]).says(0, &[]);
    git(&desk, &["commit", "-qm", "broken"])
        .says(1, &["unknown tool `htlm`", "nothing was committed"]);
    // Only the index counts: mended in the files and not added is not mended, and the other way round.
    desk.edit(order, |text| text.replace("[htlm]", "[html]"));
    git(&desk, &["commit", "-qm", "broken"]).says(1, &["unknown tool `htlm`"]);
    git(&desk, &["add", "."]).says(0, &[]);
    desk.edit(order, |text| text.replace("[html]", "[htlm]"));
    desk.write("fleet/note.md", "a note\n");
    git(&desk, &["add", "note.md"]).says(0, &[]);
    git(&desk, &["commit", "-qm", "good"]).says(0, &[]);
    // `git commit -a` and a commit of some paths hand the hook another index.
    git(&desk, &["commit", "-qam", "broken"]).says(1, &["unknown tool `htlm`"]);
    desk.write("fleet/note.md", "another note\n");
    git(&desk, &["commit", "-qm", "only the note", "note.md"]).says(0, &[]);
    // What is broken already stops nobody from mending something else.
    git(
        &desk,
        &["commit", "-qam", "broken all the same", "--no-verify"],
    )
    .says(0, &[]);
    desk.write("fleet/note.md", "a third note\n");
    git(&desk, &["commit", "-qam", "a note"]).says(0, &[]);
    desk.write(
        "fleet/key.txt",
        concat!(
            "-----BEGIN OPENSSH ",
            "PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQ\n"
        ),
    );
    git(&desk, &["add", "."]).says(0, &[]);
    git(&desk, &["commit", "-qm", "a key"]).says(1, &["key.txt:1: a private key is in clear text"]);
}

#[test]
fn the_hook_is_quick() {
    let desk = ready();
    desk.write("fleet/note.md", "a note\n");
    git(&desk, &["add", "."]).says(0, &[]);
    let mut times: Vec<_> = (0..5)
        .map(|_| {
            let begun = std::time::Instant::now();
            tenantry(&desk, &["check", "--staged"], "").says(0, &[]);
            begun.elapsed()
        })
        .collect();
    times.sort();
    eprintln!("check --staged: {:?} in the median of five", times[2]);
    // 200 ms for people; this program is not optimised and shares the machine.
    assert!(times[0].as_millis() < 1000, "{times:?}");
}

#[test]
fn the_first_commit_of_all_is_let_through() {
    let desk = ready();
    git(&desk, &["checkout", "-q", "--orphan", "anew"]).says(0, &[]);
    git(&desk, &["commit", "-qm", "first"]).says(0, &["this is the first commit"]);
}
