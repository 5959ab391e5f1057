//! What ships beside the program: completions, manual pages, and docs/reference/cli.md, which is the help of every command.

use crate::Desk;
use clap::CommandFactory;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

const REFERENCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/reference/cli.md");

fn write(command: &mut clap::Command, out: &mut String) {
    let path = command.get_bin_name().unwrap_or("tenantry").to_owned();
    let mark = "#".repeat(path.split(' ').count() + 1);
    let help = command.render_long_help().to_string();
    let help: Vec<&str> = help.lines().map(str::trim_end).collect();
    let _ = writeln!(
        out,
        "{mark} {path}\n\n```text\n{}\n```\n",
        help.join("\n").trim_end()
    );
    let names: Vec<String> = command
        .get_subcommands()
        .filter(|sub| !sub.is_hide_set() && sub.get_name() != "help")
        .map(|sub| sub.get_name().to_owned())
        .collect();
    for name in names {
        if let Some(sub) = command.find_subcommand_mut(&name) {
            write(sub, out);
        }
    }
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the environment says whether files are brought up to date"
)]
fn the_reference_is_current() {
    let mut command = tenantry::cli::Cli::command();
    command.build();
    let mut text = String::from(
        "# The command line\n\nThe help of every command; made by a test, `TENANTRY_UPDATE=1` brings it up to date.\n\n",
    );
    write(&mut command, &mut text);
    let text = text.trim_end().to_owned() + "\n";
    if std::env::var_os("TENANTRY_UPDATE").is_some() {
        std::fs::write(REFERENCE, &text).unwrap();
    }
    let there = std::fs::read_to_string(REFERENCE).unwrap_or_default();
    assert!(
        there == text,
        "docs/reference/cli.md is not current: run this test with TENANTRY_UPDATE=1"
    );
}

#[test]
fn every_command_says_what_it_does() {
    fn look(command: &clap::Command, path: &str) {
        let path = format!("{path} {}", command.get_name());
        assert!(
            command.get_about().is_some() || command.is_hide_set(),
            "{path} has no description"
        );
        for argument in command
            .get_arguments()
            .filter(|argument| !argument.is_hide_set())
        {
            assert!(
                argument.get_help().is_some(),
                "{path}: {} has no description",
                argument.get_id()
            );
        }
        command.get_subcommands().for_each(|sub| look(sub, &path));
    }
    let mut command = tenantry::cli::Cli::command();
    command.build();
    look(&command, "");
}

#[test]
fn manual_pages_can_be_read() {
    let desk = Desk::new();
    desk.run(&["man", "--output", "man"])
        .says(0, &["wrote manual pages"]);
    let pages: Vec<String> = std::fs::read_dir(desk.path("man"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    for page in ["tenantry.1", "tenantry-plan.1", "tenantry-new-stack.1"] {
        assert!(pages.contains(&page.to_owned()), "{pages:?}");
    }
    for page in &pages {
        let text = std::fs::read_to_string(desk.path("man").join(page)).unwrap();
        assert!(text.contains(".TH ") && text.contains(".SH NAME"), "{page}");
    }
}

#[test]
fn completions_are_taken_by_their_shells() {
    let desk = Desk::new();
    for (shell, word) in [
        ("bash", "_tenantry"),
        ("zsh", "#compdef tenantry"),
        ("fish", "complete -c tenantry"),
    ] {
        let ran = desk.run(&["completions", shell]);
        ran.says(0, &[word, "git-setup"]);
        if Path::new("/usr/bin").join(shell).exists() || Path::new("/bin").join(shell).exists() {
            let script = desk.path(shell);
            std::fs::write(&script, &ran.text).unwrap();
            let output = Command::new(shell)
                .arg("-n")
                .arg(&script)
                .stdin(Stdio::null())
                .output()
                .unwrap();
            assert!(output.status.success(), "{shell}: {output:?}");
        }
    }
    // Bash proposes what begins with the words so far.
    let script = format!(
        "source {}; COMP_WORDS=(tenantry new st); COMP_CWORD=2; _tenantry tenantry st new; echo \"${{COMPREPLY[@]}}\"",
        desk.path("bash").display()
    );
    let output = Command::new("bash").args(["-c", &script]).output().unwrap();
    assert_eq!(
        String::from_utf8(output.stdout).unwrap().trim(),
        "stack",
        "{:?}",
        String::from_utf8(output.stderr)
    );
    desk.run(&["completions", "powershell"])
        .says(1, &["possible values: bash, zsh, fish"]);
}
