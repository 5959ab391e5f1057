//! docs/week.md, read as a story: its commands are run, its files are written, and what it says they answer is what they answer.

use crate::Desk;
use crate::secrets::person;
use std::fmt::Write as _;
use std::process::Command;

const WEEK: &str = include_str!("../../../docs/week.md");

/// A part of the page that a test can do something with.
#[derive(Debug)]
enum Part {
    /// Commands, one a line.
    Run(String),
    /// A file, named by the comment in its first line.
    File(String),
    /// What the commands before said, among other things.
    Says(String),
    /// What somebody else does: the hub, an agent.
    Meanwhile(String),
}

fn parts() -> Vec<Part> {
    let mut parts = Vec::new();
    let mut lines = WEEK.lines();
    while let Some(line) = lines.next() {
        if let Some(what) = line.strip_prefix("<!-- test: ") {
            parts.push(Part::Meanwhile(what.trim_end_matches(" -->").to_owned()));
        }
        let Some(kind) = line.strip_prefix("```").filter(|kind| !kind.is_empty()) else {
            continue;
        };
        let text: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        let text = text.join("\n") + "\n";
        parts.push(match kind {
            "sh" => Part::Run(text),
            "yaml" => Part::File(text),
            "text" => Part::Says(text),
            "console" => continue,
            kind => panic!("a block of {kind}"),
        });
    }
    parts
}

struct Week {
    desk: Desk,
    /// What the commands of the last block answered, without themselves: words of a command are no answer.
    said: String,
    /// The same as one sees it, with the commands.
    shown: String,
    /// Whether one failed.
    failed: bool,
}

/// An SSH key where its owner has it. Gives its public half.
fn owner(desk: &Desk) -> String {
    desk.write(".ssh/config", "");
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(desk.path(".ssh/id_ed25519"))
        .status()
        .unwrap();
    assert!(made.success());
    let public = std::fs::read_to_string(desk.path(".ssh/id_ed25519.pub")).unwrap();
    let words: Vec<&str> = public.split_whitespace().take(2).collect();
    words.join(" ")
}

impl Week {
    fn new() -> Self {
        let desk = Desk::new();
        desk.run(&["init", "first", "--url", "https://hub.example"])
            .says(0, &[]);
        desk.run(&["activate", "first", "--key", "first-keys/hub.agekey"])
            .says(0, &[]);
        desk.git(".", &["clone", "-q", "--bare", "first", "origin.git"]);
        desk.git(".", &["clone", "-q", "origin.git", "fleet"]);
        for (name, value) in [("user.name", "Jo"), ("user.email", "jo@example.com")] {
            desk.git("fleet", &["config", name, value]);
        }
        let (sam, _) = person(&desk, "sam");
        let jo = owner(&desk);
        desk.write(
            "fleet/fleet/staff.yaml",
            &format!(
                "sam:\n  email: sam@example.com\n  role: admin\n  age: {sam}\njo:\n  email: jo@example.com\n  role: owner\n  signing_keys: [{jo}]\n"
            ),
        );
        desk.edit("fleet/.sops.yaml", |text| {
            let (rest, last) = text.trim_end().rsplit_once('\n').unwrap();
            format!("{rest}\n{last},{sam}\n")
        });
        desk.commit("sam");
        desk.git("fleet", &["push", "-q"]);
        Self {
            desk,
            said: String::new(),
            shown: String::new(),
            failed: false,
        }
    }

    fn run(&mut self, commands: &str) {
        assert!(!self.failed, "nobody said that this fails:\n{}", self.shown);
        self.said.clear();
        self.shown.clear();
        let program = std::path::Path::new(env!("CARGO_BIN_EXE_tenantry"))
            .parent()
            .unwrap()
            .to_owned();
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin", program.display());
        for command in commands.lines() {
            let output = Command::new("bash")
                .args(["-c", command])
                .current_dir(self.desk.path("fleet"))
                .env_clear()
                .envs([
                    ("PATH", path.as_str()),
                    ("GIT_CONFIG_NOSYSTEM", "1"),
                    ("LANG", "C.UTF-8"),
                ])
                .env("HOME", self.desk.path("."))
                .env("TENANTRY_KEY_FILE", self.desk.path("first-keys/hub.agekey"))
                .output()
                .unwrap();
            let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
            self.said.push_str(&text);
            let _ = write!(self.shown, "$ {command}\n{text}");
            self.failed = !matches!(output.status.code(), Some(0 | 2));
            if self.failed {
                break;
            }
        }
    }

    fn says(&mut self, expected: &str) {
        for line in expected.lines() {
            assert!(self.said.contains(line), "no `{line}` in:\n{}", self.shown);
        }
        assert_eq!(self.failed, expected.starts_with("error"), "{}", self.shown);
        self.failed = false;
    }

    fn file(&self, text: &str) {
        let path = text.lines().next().unwrap().trim_start_matches("# ");
        match path.strip_prefix("~/") {
            Some(path) => self.desk.write(path, text),
            None => self.desk.write(&format!("fleet/{path}"), text),
        }
    }

    fn meanwhile(&self, what: &str) {
        let hub = |data: &str, code| {
            self.desk
                .run(&[
                    "apply",
                    "origin.git",
                    "--once",
                    "--key",
                    "first-keys/hub.agekey",
                    "--data",
                    data,
                ])
                .says(code, &[]);
        };
        match what {
            "enrol acme/acme-1" => {
                let agent = Desk::agent();
                let path = "fleet/fleet/customers/acme/servers/acme-1.yaml";
                self.desk.edit(path, |text| format!("{text}{agent}"));
            }
            "hub" => {
                hub("data", 2);
                self.desk.git("fleet", &["pull", "-q", "--rebase"]);
            }
            "new hub" => {
                self.desk.git("fleet", &["push", "-q"]);
                // The old one had seen everything.
                let tip = |desk: &Desk| desk.git("origin.git", &["rev-parse", "main"]);
                let _ = self.desk.run(&[
                    "apply",
                    "origin.git",
                    "--once",
                    "--key",
                    "first-keys/hub.agekey",
                    "--data",
                    "data",
                ]);
                let before = tip(&self.desk);
                let _ = self.desk.run(&[
                    "apply",
                    "origin.git",
                    "--once",
                    "--key",
                    "first-keys/hub.agekey",
                    "--data",
                    "fresh",
                ]);
                assert_eq!(before, tip(&self.desk), "a new hub decides nothing again");
                self.desk.git("fleet", &["pull", "-q", "--rebase"]);
            }
            "lost key" => {
                let recovery = self.desk.path("first-keys/recovery.key");
                std::fs::copy(recovery, self.desk.path("recovery.key")).unwrap();
                let key = self.desk.path("first-keys/hub.agekey");
                std::fs::rename(key, self.desk.path("lost.agekey")).unwrap();
            }
            "new key" => {
                let key = self.desk.path("first-keys/hub.agekey");
                std::fs::copy(self.desk.path("new-hub.agekey"), key).unwrap();
                let tip = || self.desk.git("origin.git", &["rev-parse", "main"]);
                let before = tip();
                let acts = ["apply", "origin.git", "--once"];
                let with = |data: &str, key: &str| {
                    let place = ["--data", data, "--key", key];
                    self.desk.run(&[&acts[..], &place].concat())
                };
                // The old one can do nothing any more; the new one does what the old one did, and decides nothing again.
                let old = with("old", "lost.agekey");
                assert!(
                    old.text.contains("another hub is activated"),
                    "{}",
                    old.text
                );
                let new = with("newest", "first-keys/hub.agekey");
                assert!(!new.text.contains("may not act"), "{}", new.text);
                assert!(new.text.contains("0 decisions committed"), "{}", new.text);
                assert_eq!(before, tip());
            }
            what => panic!("what is `{what}`?"),
        }
    }
}

#[test]
fn a_week_goes_as_it_is_written() {
    let parts = parts();
    assert!(parts.len() >= 30, "{}", parts.len());
    let mut week = Week::new();
    for part in &parts {
        match part {
            Part::Run(commands) => week.run(commands),
            Part::File(text) => week.file(text),
            Part::Says(expected) => week.says(expected),
            Part::Meanwhile(what) => week.meanwhile(what),
        }
    }
    assert!(!week.failed, "{}", week.shown);
    let erased = week
        .desk
        .git("origin.git", &["ls-tree", "-r", "--name-only", "main"]);
    assert!(
        erased.contains("fleet/decisions/acme/erased.yaml"),
        "{erased}"
    );
    assert!(!erased.contains("person.yaml"), "{erased}");
}
