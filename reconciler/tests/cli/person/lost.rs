//! Whoever erases a person and loses the clone before its commit is pushed has lost nothing: the mark beside the keys lets any clone finish.

use super::{PERSON, REFERENCE, cloned, commit, run};
use crate::Desk;
use crate::secrets::run_with;

/// Acme's personal data is on the branch, its key is destroyed, and the clone that did it is gone.
fn erased_and_lost() -> Desk {
    let desk = cloned();
    run(&desk, &["secrets", "set", "acme/person", "name"], "Ada").says(0, &[]);
    commit(&desk, "fleet", "a person");
    desk.git(".", &["clone", "-q", "--no-local", "origin.git", "lost"]);
    run_with(
        &desk,
        "lost",
        &["erase", "acme", "--confirm", "acme"],
        "",
        &[],
    )
    .says(
        0,
        &["erased: ", "push the commit", "left for you to see to"],
    );
    std::fs::remove_dir_all(desk.path("lost")).unwrap();
    desk
}

#[test]
fn another_clone_finishes_with_the_right_record() {
    let desk = erased_and_lost();
    let key = std::fs::read_to_string(desk.path(&format!("fleet/{PERSON}"))).unwrap();
    let key = key.lines().find_map(|line| line.split_once("recipient: "));
    let (_, key) = key.unwrap();
    assert_eq!(
        desk.git("origin.git", &["ls-tree", "-r", "--name-only", REFERENCE]),
        "erased/acme.yaml\n"
    );
    run(&desk, &["erase", "acme", "--dry-run"], "").says(
        2,
        &["it was destroyed on ", "1 encrypted to that key alone"],
    );
    let ran = run(&desk, &["erase", "acme", "--confirm", "acme"], "");
    ran.says(0, &["erased: fleet/decisions/acme/erased.yaml"]);
    assert!(!ran.text.contains("filter-repo"), "{}", ran.text);
    desk.git("fleet", &["push", "-q", "origin", "main"]);
    let record = desk.git(
        "origin.git",
        &["show", "main:fleet/decisions/acme/erased.yaml"],
    );
    assert!(record.contains(&format!("key: {key}\n")), "{record}");
    assert!(record.contains("readable: 0"), "{record}");
    // The day is that of the destruction, as the mark says.
    let mark = desk.git(
        "origin.git",
        &["show", &format!("{REFERENCE}:erased/acme.yaml")],
    );
    let day = record
        .lines()
        .find_map(|line| line.strip_prefix("erased: "));
    assert!(mark.contains(day.unwrap()), "{mark}{record}");
    run(&desk, &["check"], "").says(0, &["good"]);
    run(&desk, &["secrets", "check"], "").says(0, &["good"]);
    run(&desk, &["erase", "acme", "--confirm", "acme"], "").says(0, &["was erased already"]);
}

#[test]
fn a_fresh_clone_tells_who_was_erased_from_whose_key_is_missing() {
    let desk = erased_and_lost();
    let old = desk.git("fleet", &["rev-parse", "HEAD"]);
    run(&desk, &["erase", "acme", "--confirm", "acme"], "").says(0, &["erased: "]);
    // Somebody takes the file back out of history.
    desk.git("fleet", &["checkout", "-q", old.trim(), "--", PERSON]);
    commit(&desk, "fleet", "put back");
    desk.git("fleet", &["push", "-q", "origin", "main"]);
    // A plain clone has no ref of keys: what it knows is in the record.
    desk.git(".", &["clone", "-q", "--no-local", "origin.git", "fresh"]);
    assert_eq!(desk.git("fresh", &["for-each-ref", REFERENCE]), "");
    run_with(&desk, "fresh", &["secrets", "check"], "", &[])
        .says(1, &["the key was destroyed on ", "tenantry erase acme"]);
}

#[test]
fn no_new_key_is_made_over_what_nobody_can_open() {
    let desk = erased_and_lost();
    let before = desk.git("origin.git", &["rev-parse", REFERENCE]);
    for arguments in [
        &["secrets", "updatekeys", "acme/person"][..],
        &["secrets", "set", "acme/person", "phone"],
        &["secrets", "edit", "acme/person"],
    ] {
        run(&desk, arguments, "1234").says(
            1,
            &[
                "the key of the personal data of acme was destroyed on ",
                "finish with `tenantry erase acme`",
            ],
        );
    }
    assert_eq!(desk.git("origin.git", &["rev-parse", REFERENCE]), before);
    let found = run(&desk, &["secrets", "check"], "");
    found.says(
        1,
        &[
            "the key was destroyed on ",
            "finish with `tenantry erase acme`",
        ],
    );
    assert!(!found.text.contains("updatekeys"), "{}", found.text);
    // Others are not held up, and a customer who comes back later gets a new key.
    run(&desk, &["secrets", "set", "globex/person", "name"], "Grace").says(0, &["made"]);
    run(&desk, &["erase", "acme", "--confirm", "acme"], "").says(0, &["erased"]);
    desk.git("fleet", &["rm", "-q", "fleet/decisions/acme/erased.yaml"]);
    commit(&desk, "fleet", "acme is a customer anew");
    run(&desk, &["secrets", "set", "acme/person", "name"], "Ada II").says(0, &["made"]);
    commit(&desk, "fleet", "anew");
    // And is erased again, with both keys known: no version can be read.
    run(&desk, &["erase", "acme", "--confirm", "acme"], "").says(0, &["erased"]);
    let record = desk.git("fleet", &["show", "HEAD:fleet/decisions/acme/erased.yaml"]);
    assert!(
        record.contains("versions: 2") && record.contains("readable: 0"),
        "{record}"
    );
}

#[test]
fn a_file_whose_key_is_somewhere_else_gets_no_new_one() {
    let desk = cloned();
    run(&desk, &["secrets", "set", "acme/person", "name"], "Ada").says(0, &[]);
    commit(&desk, "fleet", "a person");
    // A forge that lost the reference.
    desk.git("origin.git", &["update-ref", "-d", REFERENCE]);
    desk.git(".", &["clone", "-q", "--no-local", "origin.git", "other"]);
    run_with(
        &desk,
        "other",
        &["secrets", "updatekeys", "acme/person"],
        "",
        &[],
    )
    .says(1, &["No new key is made over it", "fetch it"]);
    assert!(
        desk.git("origin.git", &["for-each-ref", REFERENCE])
            .is_empty()
    );
}

#[test]
fn backups_that_exist_are_named() {
    let desk = cloned();
    run(&desk, &["erase", "acme", "--dry-run"], "").says(2, &["backups of tools: none are made"]);
    desk.edit("fleet/fleet/hub.yaml", |text| {
        format!("{text}backups: {{ repository: /srv/backups }}\n")
    });
    let ran = run(&desk, &["erase", "acme", "--dry-run"], "");
    let by_hand = ran.text.split("for you to see to:").nth(1).unwrap();
    let by_hand = by_hand.split("nothing of the person is here:").next();
    let by_hand = by_hand.unwrap();
    assert!(
        by_hand.contains("backups of tools: /srv/backups/") && by_hand.contains("keep:"),
        "{}",
        ran.text
    );
    // Switched off again: what was made is still there.
    desk.edit("fleet/fleet/hub.yaml", |text| {
        text.replace("backups: { repository: /srv/backups }\n", "")
    });
    desk.write(
        "fleet/fleet/decisions/acme/backups.secrets.yaml",
        "sops: {}\n",
    );
    run(&desk, &["erase", "acme", "--dry-run"], "").says(
        2,
        &[
            "backups of tools, which were made earlier",
            "Removing it erases no backup",
        ],
    );
}
