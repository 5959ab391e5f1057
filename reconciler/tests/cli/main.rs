//! The command line as its users meet it: the program itself, in folders of its own.

#![allow(clippy::unwrap_used, reason = "test helpers outside of test functions")]

mod activate;
mod approve;
mod backups;
mod ci;
mod edges;
mod edits;
mod git_setup;
mod lost;
mod machine;
mod new;
mod person;
mod plan;
mod policy;
mod reference;
mod rules;
mod secrets;
mod setup;
mod story;
mod takeover;
mod terminal;
mod trust;
mod week;

use std::path::Path;
use std::process::{Command, Output};

/// A folder for one test, and the program run in it.
pub(crate) struct Desk(tempfile::TempDir);

impl Desk {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        let output = Command::new(env!("CARGO_BIN_EXE_tenantry"))
            .args(arguments)
            .current_dir(self.0.path())
            .env("HOME", self.0.path())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .output()
            .unwrap();
        Ran::from(output)
    }

    pub(crate) fn git(&self, folder: &str, arguments: &[&str]) -> String {
        let output = Command::new("git")
            .args(["-c", "user.name=Jo", "-c", "user.email=jo@example.com"])
            .args(arguments)
            .current_dir(self.path(folder))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(crate) fn edit(&self, path: &str, change: impl Fn(&str) -> String) {
        let text = std::fs::read_to_string(self.path(path)).unwrap();
        let changed = change(&text);
        assert_ne!(text, changed, "{path}");
        self.write(path, &changed);
    }
}

impl Desk {
    /// Commits everything in the fleet.
    pub(crate) fn commit(&self, message: &str) {
        self.git("fleet", &["add", "-A"]);
        self.git("fleet", &["commit", "-qm", message]);
    }

    /// Lets a hub do what is due, in the bare repository where it and the people of `fleet` meet, and takes over what it committed.
    pub(crate) fn hub_acts(&self, code: i32) {
        self.hub_acts_with("data", code);
    }

    /// The same, with a data directory of one's choice.
    pub(crate) fn hub_acts_with(&self, data: &str, code: i32) {
        if !std::path::Path::new(&self.path("fleet.git")).exists() {
            self.git(".", &["clone", "-q", "--bare", "fleet", "fleet.git"]);
            self.git("fleet", &["remote", "add", "origin", "../fleet.git"]);
        }
        self.git("fleet", &["push", "-q", "-u", "origin", "main"]);
        let key = ["--data", data, "--key", "fleet-keys/hub.agekey"];
        self.run(&[&["apply", "fleet.git", "--once"][..], &key].concat())
            .says(code, &[]);
        self.git("fleet", &["pull", "-q", "--rebase"]);
    }

    /// The line of a server's document that names its agent's keys, made up.
    pub(crate) fn agent() -> String {
        let sign = tenantry_wire::SigningKey::generate(&mut rand::rng()).public();
        let age = age::x25519::Identity::generate().to_public();
        format!("agent: {{ sign: {sign}, age: {age} }}\n")
    }
}

/// What a run of the program said.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) text: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = [output.stdout, output.stderr].concat();
        Self {
            code: output.status.code().unwrap(),
            text: String::from_utf8(text).unwrap(),
        }
    }
}

impl Ran {
    #[track_caller]
    pub(crate) fn says(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, code, "{}", self.text);
        for word in words {
            assert!(self.text.contains(word), "no `{word}` in:\n{}", self.text);
        }
    }
}

#[test]
fn a_new_fleet_is_good_and_says_how_to_go_on() {
    let desk = Desk::new();
    desk.run(&["init", "fleet"])
        .says(0, &["tenantry activate fleet", "fleet-keys/hub.agekey"]);
    desk.run(&["check", "fleet"])
        .says(0, &["good: 0 customers"]);
    desk.run(&["activate", "fleet", "--key", "fleet-keys/hub.agekey"])
        .says(0, &["may act"]);
    desk.run(&["activate", "fleet", "--key", "fleet-keys/hub.agekey"])
        .says(0, &["already"]);
    let activation = desk.git("fleet", &["show", "HEAD:fleet/activation.yaml"]);
    assert!(activation.contains("fleet_id: "), "{activation}");
}

#[test]
fn examples_in_new_settings_are_good_once_they_are_uncommented() {
    let desk = Desk::new();
    desk.run(&["init", "fleet"])
        .says(0, &["no CI was written", "--forge github|gitlab|gitea"]);
    let ran = desk.run(&["init", "reviewed", "--forge", "gitea"]);
    assert!(!ran.text.contains("no CI"), "{}", ran.text);
    let text = std::fs::read_to_string(desk.path("fleet/fleet/hub.yaml")).unwrap();
    let is_example = |rest: &str| !rest.starts_with(' ') || rest.starts_with("  ");
    let mut examples = 0;
    let lines = text.lines().map(|line| match line.strip_prefix('#') {
        Some(rest) if is_example(rest) => {
            examples += 1;
            rest
        }
        _ => line,
    });
    let all = lines.collect::<Vec<_>>().join("\n") + "\n";
    desk.write("fleet/fleet/hub.yaml", &all);
    assert!(examples >= 12, "{all}");
    let settings: serde_json::Value = serde_yaml::from_str(&all).unwrap();
    for block in ["policy", "backups", "forge", "host"] {
        assert!(settings[block].is_object(), "{block}: {all}");
    }
    desk.run(&["check", "fleet"])
        .says(0, &["good: 0 customers"]);
    // Each by itself as well, for nobody wants all at once.
    for block in ["policy", "backups", "forge", "host"] {
        let mut alone = settings.clone();
        for other in ["policy", "backups", "forge", "host"] {
            if other != block {
                alone.as_object_mut().unwrap().remove(other);
            }
        }
        desk.write(
            "fleet/fleet/hub.yaml",
            &serde_yaml::to_string(&alone).unwrap(),
        );
        desk.run(&["check", "fleet"])
            .says(0, &["good: 0 customers"]);
    }
}

#[test]
fn activating_where_one_works_commits_that_file_alone() {
    let desk = Desk::new();
    two_customers(&desk);
    desk.edit("fleet/fleet/staff.yaml", |text| format!("{text}# staged\n"));
    desk.git("fleet", &["add", "-A"]);
    desk.edit("fleet/fleet/hub.yaml", |text| format!("{text}# edited\n"));
    let activate = ["activate", "fleet", "--key", "fleet-keys/hub.agekey"];
    desk.run(&activate).says(0, &["may act", "push it"]);
    assert_eq!(
        desk.git("fleet", &["show", "--name-only", "--format="])
            .trim(),
        "fleet/activation.yaml"
    );
    assert_eq!(
        desk.git("fleet", &["status", "--porcelain"]),
        " M fleet/hub.yaml\nM  fleet/staff.yaml\n"
    );
    desk.git("fleet", &["switch", "-q", "-c", "idea"]);
    desk.run(&activate).says(1, &["git switch main"]);
    desk.run(&[&activate[..], &["--release", "1.0\n2.0"]].concat())
        .says(1, &["a release is at most 64 letters"]);
}

#[test]
fn a_hub_does_not_commit_where_people_work() {
    let desk = Desk::new();
    two_customers(&desk);
    desk.run(&["activate", "fleet", "--key", "fleet-keys/hub.agekey"])
        .says(0, &[]);
    let head = || desk.git("fleet", &["rev-parse", "HEAD"]);
    let before = head();
    let options = ["--data", "data", "--key", "fleet-keys/hub.agekey"];
    for command in [&["apply", "fleet", "--once"][..], &["serve", "fleet"]] {
        desk.run(&[command, &options].concat()).says(
            1,
            &[
                "people edit `main` in",
                "git clone --bare",
                "push -u origin main",
            ],
        );
    }
    assert_eq!(head(), before);
    // Nor where somebody begins to.
    desk.git(".", &["clone", "-q", "--bare", "fleet", "fleet.git"]);
    desk.git("fleet.git", &["worktree", "add", "-q", "../linked", "main"]);
    let acts = [&["apply", "fleet.git", "--once"][..], &options].concat();
    desk.run(&acts)
        .says(1, &["people edit `main` in", "linked", "worktree remove"]);
    desk.git("fleet.git", &["worktree", "remove", "../linked"]);
    // On another branch they may.
    desk.git(
        "fleet.git",
        &["worktree", "add", "-q", "-b", "idea", "../linked"],
    );
    desk.run(&acts).says(2, &["committed"]);
}

#[test]
fn keys_stay_out_of_the_fleet_however_the_way_is_written() {
    let desk = Desk::new();
    std::fs::create_dir(desk.path("other")).unwrap();
    std::fs::create_dir(desk.path("fleet")).unwrap();
    std::os::unix::fs::symlink(desk.path("fleet"), desk.path("link")).unwrap();
    for keys in [
        "fleet/keys",
        "other/../fleet/keys",
        "link/keys",
        "./fleet/./keys",
    ] {
        desk.run(&["init", "fleet", "--keys", keys])
            .says(1, &["keys do not belong inside the fleet"]);
    }
    let made = std::fs::read_dir(desk.path("fleet")).unwrap().count();
    assert_eq!(made, 0);
}

#[test]
fn nothing_is_left_behind_where_a_fleet_cannot_be_made() {
    let desk = Desk::new();
    let wrong: [(&[&str], &str); 4] = [
        (&["--branch", "../x"], "cannot be the name of a branch"),
        (&["--url", "hub.example.com"], "is not the address of a hub"),
        (
            &["--url", "https://jo:pw@hub.example.com"],
            "is not the address of a hub",
        ),
        (&["--fleet-id", "No Id"], "--fleet-id"),
    ];
    for (arguments, why) in wrong {
        let arguments = [&["init", "fleet"], arguments].concat();
        let ran = desk.run(&arguments);
        assert_ne!(ran.code, 0);
        assert!(ran.text.contains(why), "{}", ran.text);
    }
    let left: Vec<_> = std::fs::read_dir(desk.path(".")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

/// A fleet with two customers of one server each.
pub(crate) fn two_customers(desk: &Desk) {
    desk.run(&["init", "fleet"]).says(0, &[]);
    for (customer, address) in [("acme", "192.0.2.1"), ("globex", "192.0.2.2")] {
        let folder = format!("fleet/fleet/customers/{customer}");
        desk.write(&format!("{folder}/customer.yaml"), "language: en\n");
        let server = format!("provider: static\naddress: {address}\n");
        desk.write(&format!("{folder}/servers/{customer}-1.yaml"), &server);
        let order = format!("plan: basic\ndomain: {customer}.example\ntools: [html]\n");
        desk.write(&format!("{folder}/orders/website.yaml"), &order);
    }
    desk.edit("fleet/fleet/hub.yaml", |text| {
        let before = text.split("\nplans:").next().unwrap();
        format!("{before}\nplans:\n  basic: {{}}\n")
    });
    desk.git("fleet", &["add", "."]);
    desk.git("fleet", &["commit", "-qm", "two customers"]);
}

#[test]
fn what_cannot_be_is_refused_before_it_is_committed() {
    let desk = Desk::new();
    two_customers(&desk);
    desk.run(&["check", "fleet"])
        .says(0, &["good: 2 customers"]);
    let order = "fleet/fleet/customers/acme/orders/website.yaml";
    let server = "fleet/fleet/customers/acme/servers/acme-1.yaml";
    let original = |path: &str| std::fs::read_to_string(desk.path(path)).unwrap();
    let (good_order, good_server) = (original(order), original(server));
    let tree = desk.git("fleet", &["rev-parse", "HEAD:stacks/guestbook"]);
    let cases = [
        (
            server,
            format!("{good_server}web: {{ http: 0 }}\n"),
            1,
            "ports go from 1 to 65535",
        ),
        (
            server,
            format!("{good_server}web: {{ http: 443 }}\n"),
            1,
            "both be port 443",
        ),
        (
            order,
            good_order.replace(
                "[html]",
                &format!("{{ html: {{ revision: {} }} }}", tree.trim()),
            ),
            1,
            "cannot be found",
        ),
        (
            order,
            good_order.replace("acme.example", "globex.example"),
            0,
            "order globex/website waits for its domain `globex.example`",
        ),
    ];
    for (path, text, code, why) in cases {
        desk.write(path, &text);
        desk.run(&["check", "fleet"]).says(code, &[why]);
        desk.write(order, &good_order);
        desk.write(server, &good_server);
    }

    let secrets = "fleet/fleet/customers/acme/secrets.yaml";
    desk.write(secrets, "smtp_password: hunter2\n");
    desk.run(&["check", "fleet"])
        .says(1, &["not a SOPS-encrypted file"]);
    let key = std::fs::read_to_string(desk.path("fleet/fleet/hub-key.yaml")).unwrap();
    desk.write(secrets, &format!("smtp_password: hunter2\n{key}"));
    desk.run(&["check", "fleet"])
        .says(1, &["`smtp_password` is in clear text", "secrets.yaml:1:1"]);
}

#[test]
fn a_fleet_that_was_activated_keeps_its_id() {
    let desk = Desk::new();
    two_customers(&desk);
    desk.run(&["activate", "fleet", "--key", "fleet-keys/hub.agekey"])
        .says(0, &[]);
    desk.git("fleet", &["reset", "-q", "--hard"]);
    desk.edit("fleet/fleet/hub.yaml", |text| {
        let line = text
            .lines()
            .find(|line| line.starts_with("fleet_id:"))
            .unwrap();
        text.replace(line, "fleet_id: another")
    });
    desk.run(&["check", "fleet"])
        .says(1, &["T0301", "an id never changes"]);
    assert!(Path::new(&desk.path("fleet/fleet/activation.yaml")).exists());
}

/// `fleet/` of this repository, with `stacks/` and `nginx/` beside it.
#[test]
fn the_worked_sample_is_good_and_nothing_is_left_to_decide() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let desk = Desk::new();
    desk.run(&["check", root]).says(0, &["good: 3 customers"]);
    // From what is checked out: of its branch the sample may be behind.
    desk.run(&["plan", root, "--from", "HEAD"])
        .says(0, &["nothing changes on any server"]);
}

#[test]
fn where_finds_who_runs_what() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let desk = Desk::new();
    let ask = |query: &str| desk.run(&["where", query, root]);
    ask("guestbook").says(
        0,
        &[
            "acme/website  guestbook 1.0  on acme-1",
            "2 tools of 2 customers",
        ],
    );
    ask("guestbook<1.0").says(0, &["0 tools of 0 customers"]);
    ask("guestbook>=1 state=running").says(0, &["1 tool of 1 customer"]);
    ask("image=postgres:* customer!=acme").says(0, &["globex/campaign"]);
    ask("plan=starter").says(0, &["initech/website  html 1.30  on no server yet"]);
    ask("geustbook").says(
        0,
        &[
            "no stack is called `geustbook`",
            "did you mean `guestbook`?",
        ],
    );
    ask("paln=starter").says(1, &["did you mean `plan=starter`?"]);
    ask("guestbook<new").says(1, &["a version begins with a number"]);
    ask("foo=bar").says(1, &["besides tools there are customer, order, server"]);
    let found = desk.run(&["where", "html domain=acme.*", root, "--json"]);
    let found: serde_json::Value = serde_json::from_str(&found.text).unwrap();
    assert_eq!(found[0]["images"][0], "nginx:1.30");
}
