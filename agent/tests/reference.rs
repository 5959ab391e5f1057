//! What ships beside the program: completions, manual pages, and docs/reference/agent.md, which is the help of every command.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::fmt::Write as _;
use std::process::{Command, Output};

const REFERENCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/reference/agent.md");

fn agent(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tenantry-agent"))
        .args(arguments)
        .output()
        .unwrap()
}

fn help(command: &str) -> String {
    let words: Vec<&str> = command.split_whitespace().collect();
    let output = agent(&[&words[..], &["--help"]].concat());
    assert!(output.status.success(), "{command}");
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n").trim_end().to_owned()
}

/// Names of the commands that a help lists.
fn commands(help: &str) -> Vec<&str> {
    let list = help.split("\nCommands:\n").nth(1).unwrap_or_default();
    let lines = list.lines().take_while(|line| !line.is_empty());
    let names = lines
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").collect()
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the environment says whether files are brought up to date"
)]
fn the_reference_is_current() {
    let top = help("");
    let mut text = String::from(
        "# The command line of the agent\n\nThe help of every command; made by a test, `TENANTRY_UPDATE=1` brings it up to date.\n\n",
    );
    let _ = writeln!(text, "## tenantry-agent\n\n```text\n{top}\n```\n");
    let names = commands(&top);
    assert!(
        names.contains(&"enrol") && names.contains(&"run"),
        "{names:?}"
    );
    for name in names {
        let _ = writeln!(
            text,
            "### tenantry-agent {name}\n\n```text\n{}\n```\n",
            help(name)
        );
    }
    let text = text.trim_end().to_owned() + "\n";
    if std::env::var_os("TENANTRY_UPDATE").is_some() {
        std::fs::write(REFERENCE, &text).unwrap();
    }
    let there = std::fs::read_to_string(REFERENCE).unwrap_or_default();
    assert!(
        there == text,
        "docs/reference/agent.md is not current: run this test with TENANTRY_UPDATE=1"
    );
}

#[test]
fn manual_pages_and_completions() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("man");
    let made = agent(&["man", "--output", output.to_str().unwrap()]);
    assert!(made.status.success(), "{made:?}");
    let page = std::fs::read_to_string(output.join("tenantry-agent-enrol.1")).unwrap();
    assert!(page.contains(".SH NAME"), "{page}");
    for (shell, word) in [
        ("bash", "-F _tenantry"),
        ("zsh", "#compdef tenantry-agent"),
        ("fish", "complete -c tenantry-agent"),
    ] {
        let script = agent(&["completions", shell]);
        let script = String::from_utf8(script.stdout).unwrap();
        assert!(
            script.contains(word) && script.contains("converge"),
            "{script}"
        );
    }
}
