//! Questions on a terminal: asked for what is missing, refused at once where an answer cannot be.

use super::fleet;
use crate::Desk;
use std::io::Write as _;
use std::process::{Command, Stdio};

/// Runs the program on a terminal (`script` makes one) and types.
fn on_a_terminal(desk: &Desk, words: &str, typed: &[&str]) -> String {
    let program = env!("CARGO_BIN_EXE_tenantry");
    let mut child = Command::new("script")
        .args([
            "-qec",
            &format!("{program} new {words} --fleet fleet"),
            "/dev/null",
        ])
        .current_dir(desk.path("."))
        .env("TERM", "xterm")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    for keys in typed {
        // A person reads the question first.
        std::thread::sleep(std::time::Duration::from_millis(700));
        stdin.write_all(keys.as_bytes()).unwrap();
        stdin.flush().unwrap();
    }
    std::thread::sleep(std::time::Duration::from_millis(700));
    drop(stdin);
    String::from_utf8_lossy(&child.wait_with_output().unwrap().stdout).into_owned()
}

#[test]
fn on_a_terminal_it_asks_and_refuses_at_once() {
    let desk = fleet();
    desk.make("customer acme").says(0, &[]);
    let down = "\x1b[B";
    let said = on_a_terminal(
        &desk,
        "order acme/website",
        &[
            down,
            "\r",
            "nonsense\r",
            "\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7facme.example\r",
            " ",
            "\r",
        ],
    );
    assert!(said.contains("Plan:"), "{said}");
    assert!(said.contains("`nonsense`"), "{said}");
    let text = desk.read("fleet/fleet/customers/acme/orders/website.yaml");
    assert!(
        text.contains("plan: starter\n") && text.contains("domain: acme.example"),
        "{text}\n{said}"
    );
    desk.run(&["check", "fleet"]).says(0, &["good"]);
}

#[test]
fn who_cancels_writes_nothing() {
    let desk = fleet();
    let said = on_a_terminal(&desk, "customer", &["acme", "\x1b"]);
    assert!(said.contains("cancelled; nothing was written"), "{said}");
    assert_eq!(desk.dirty(), "");
}
