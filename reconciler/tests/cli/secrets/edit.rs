//! `tenantry secrets edit`: what an editor gets to see, what is saved, and what is left.

use super::{FILE, editor, read, run, run_with};
use crate::{Desk, two_customers};
use std::process::{Command, Stdio};

#[test]
fn an_editor_sees_plain_text_in_memory_and_nothing_is_left() {
    let desk = Desk::new();
    two_customers(&desk);
    let look = editor(
        &desk,
        "look",
        "echo \"$1\" > \"$HOME/where\"; stat -c %a \"$1\" \"$(dirname \"$1\")\" >> \"$HOME/where\"; printf '# why\\na: one\\nb: two\\n' > \"$1\"; touch \"$1~\"",
    );
    let edit = |editor: &str, input: &str| {
        run_with(
            &desk,
            "fleet",
            &["secrets", "edit", "acme"],
            input,
            &[("VISUAL", editor)],
        )
    };
    edit(&look, "").says(0, &["saved"]);
    let seen = std::fs::read_to_string(desk.path("where")).unwrap();
    let (path, modes) = seen.split_once('\n').unwrap();
    assert_eq!(modes, "600\n700\n");
    assert!(
        path.starts_with("/dev/shm/") || path.starts_with("/run/"),
        "{path}"
    );
    assert!(!std::path::Path::new(path).parent().unwrap().exists());
    let first = read(&desk, FILE);
    assert!(!first.contains("why") && !first.contains("one"), "{first}");
    let change = editor(&desk, "change it", "sed -i 's/two/three/' \"$1\"");
    edit(&change, "").says(0, &["saved"]);
    let second = read(&desk, FILE);
    let same = first.lines().filter(|line| second.contains(*line)).count();
    assert!(
        same >= first.lines().count() - 3,
        "only b, lastmodified and mac differ:\n{second}"
    );
    let nothing = editor(&desk, "nothing", "true");
    edit(&nothing, "").says(0, &["nothing was changed"]);
    edit("false", "").says(1, &["the editor ended with", "nothing was changed"]);
    edit("no-such-editor --wait", "").says(1, &["cannot start the editor no-such-editor"]);
    assert_eq!(read(&desk, FILE), second);
}

#[test]
fn a_mistake_is_not_saved_and_can_be_mended() {
    let desk = Desk::new();
    two_customers(&desk);
    run(&desk, &["secrets", "set", "acme", "a"], "one").says(0, &[]);
    let before = read(&desk, FILE);
    let wrong = editor(&desk, "wrong", "printf 'a: [\\n' > \"$1\"");
    let edit = |editor: &str, input: &str| {
        run_with(
            &desk,
            "fleet",
            &["secrets", "edit", "acme"],
            input,
            &[("EDITOR", editor), ("VISUAL", "")],
        )
    };
    edit(&wrong, "").says(1, &["back into the editor?", "nothing was saved"]);
    edit(&wrong, "n\n").says(1, &["nothing was saved"]);
    assert_eq!(read(&desk, FILE), before);
    let twice = editor(
        &desk,
        "twice",
        "if [ -e \"$HOME/once\" ]; then printf 'a: two\\n' > \"$1\"; else touch \"$HOME/once\"; printf 'a: {b: c}\\n' > \"$1\"; fi",
    );
    edit(&twice, "y\n").says(0, &["is inside a list or mapping", "saved"]);
    assert_eq!(run(&desk, &["secrets", "get", "acme", "a"], "").text, "two");
}

#[test]
fn a_signal_leaves_no_plain_text_behind() {
    let desk = Desk::new();
    two_customers(&desk);
    run(&desk, &["secrets", "set", "acme", "a"], "one").says(0, &[]);
    let slow = editor(
        &desk,
        "slow",
        "echo \"$1\" > \"$HOME/where.new\"; mv \"$HOME/where.new\" \"$HOME/where\"; exec sleep 60",
    );
    let mut child = Command::new(env!("CARGO_BIN_EXE_tenantry"))
        .args(["secrets", "edit", "acme"])
        .current_dir(desk.path("fleet"))
        .env("HOME", desk.path("."))
        .env("TENANTRY_KEY_FILE", desk.path("fleet-keys/hub.agekey"))
        .env("VISUAL", slow)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let where_ = desk.path("where");
    let begun = std::time::Instant::now();
    while !where_.exists() {
        assert!(begun.elapsed().as_secs() < 20, "the editor did not start");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let path = std::fs::read_to_string(&where_).unwrap();
    let path = std::path::Path::new(path.trim());
    assert_eq!(std::fs::read_to_string(path).unwrap(), "a: one\n");
    let ended = Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(ended.success());
    assert!(!child.wait().unwrap().success());
    assert!(!path.parent().unwrap().exists());
}
