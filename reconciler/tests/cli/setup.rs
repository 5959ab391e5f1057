//! `tenantry init` where something is in the way: another repository, an earlier key, a full disk.

use crate::{Desk, Ran};
use std::process::Command;

#[test]
fn keys_stay_out_of_every_repository() {
    let desk = Desk::new();
    desk.run(&["init", "fleet"]).says(0, &[]);
    let said = desk.run(&["init", "fleet/inside"]);
    said.says(
        1,
        &[
            "would be in fleet/inside-keys",
            "one `git add` would publish them",
            "--keys",
        ],
    );
    assert_eq!(desk.git("fleet", &["status", "--porcelain"]), "");
    // A folder that Git ignores publishes nothing; nor does one outside.
    desk.write("fleet/.git/info/exclude", "*-keys/\n");
    desk.run(&["init", "fleet/inside"])
        .says(0, &["is in fleet/inside"]);
    desk.run(&["init", "fleet/another", "--keys", "another-keys"])
        .says(0, &["another-keys/hub.agekey"]);
    // A bare repository has no files to be among.
    desk.run(&["init", "meet.git", "--bare"]).says(0, &[]);
    desk.run(&["init", "next", "--keys", "meet.git/keys"])
        .says(0, &[]);
}

#[test]
fn an_earlier_key_is_kept_and_named() {
    let desk = Desk::new();
    desk.run(&["init", "fleet"]).says(0, &[]);
    let key = std::fs::read(desk.path("fleet-keys/hub.agekey")).unwrap();
    desk.run(&["init", "other", "--keys", "fleet-keys"]).says(
        1,
        &[
            "fleet-keys/hub.agekey is there already",
            "may be the only key of another fleet",
        ],
    );
    assert_eq!(
        std::fs::read(desk.path("fleet-keys/hub.agekey")).unwrap(),
        key
    );
    assert!(!desk.path("other").exists());
}

/// `tenantry init fleet` where no file can have more than so many blocks: what a full disk looks like to a program.
fn with_room_for(desk: &Desk, blocks: u32) -> Ran {
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" init fleet");
    let output = Command::new("sh")
        .args(["-c", &script, env!("CARGO_BIN_EXE_tenantry")])
        .current_dir(desk.path("."))
        .env("HOME", desk.path("."))
        .output()
        .unwrap();
    Ran::from(output)
}

#[test]
fn a_full_disk_leaves_nothing_in_the_way() {
    let desk = Desk::new();
    // Nothing can be written; the keys, but not the repository.
    for blocks in [0, 2] {
        let ran = with_room_for(&desk, blocks);
        assert_eq!(ran.code, 1, "{}", ran.text);
        assert!(!desk.path("fleet").exists(), "{}", ran.text);
        assert!(!desk.path("fleet-keys/hub.agekey").exists(), "{}", ran.text);
        assert!(!desk.path("fleet-keys/recovery.key").exists());
    }
    desk.run(&["init", "fleet"]).says(0, &[]);
}
