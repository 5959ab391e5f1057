//! `tenantry new stack --from`: a corpus of Compose files as people have them, each with what becomes of it. Every result passes `check`, and the
//! real `docker compose` loads it with made-up values.

use crate::Desk;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cli/compose");

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let there = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &there);
        } else {
            std::fs::copy(entry.path(), there).unwrap();
        }
    }
}

/// All files below a folder, by path from it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.push(path.strip_prefix(folder).unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

/// Takes one case over; what was said, and what was written.
fn take_over(case: &str) -> (Desk, i32, String) {
    let desk = Desk::new();
    desk.run(&["init", "fleet"]).says(0, &[]);
    copy(&Path::new(CORPUS).join(case), &desk.path("from"));
    let file = ["compose.yaml", "compose.yml", "docker-compose.yml"]
        .into_iter()
        .find(|file| desk.path("from").join(file).exists())
        .unwrap();
    let more = std::fs::read_to_string(desk.path("from/args")).unwrap_or_default();
    let file = format!("from/{file}");
    let mut arguments = vec!["new", "stack", case, "--fleet", "fleet", "--from", &file];
    arguments.extend(more.split_whitespace());
    let ran = desk.run(&arguments);
    let home = desk.path("").canonicalize().unwrap();
    let said = ran
        .text
        .replace(home.to_str().unwrap().trim_end_matches('/'), "DESK");
    let mut text = format!("{said}\n");
    let stack = desk.path("fleet/stacks").join(case);
    if stack.exists() {
        for file in files(&stack)
            .iter()
            .filter(|file| !file.starts_with("files"))
        {
            let content = std::fs::read_to_string(stack.join(file)).unwrap();
            let _ = write!(text, "\n======== {}\n{content}", file.display());
        }
    }
    (desk, ran.code, text)
}

#[expect(
    clippy::disallowed_methods,
    reason = "where peers are is told by the environment"
)]
/// What the real Compose makes of a stack, with made-up values.
fn load(desk: &Desk, case: &str) {
    let Some(program) = std::env::var_os("TENANTRY_COMPOSE") else {
        assert!(
            std::env::var_os("TENANTRY_REQUIRE_PEERS").is_none(),
            "TENANTRY_COMPOSE does not name docker-compose"
        );
        return;
    };
    let folder = desk.path("fleet/stacks").join(case);
    let compose = std::fs::read_to_string(folder.join("compose.yaml")).unwrap();
    let mut command = Command::new(program);
    command
        .args(["-p", "sample", "-f", "compose.yaml", "config", "--quiet"])
        .current_dir(&folder)
        .env_clear();
    let mut port = 20_000;
    for part in compose.split("${").skip(1) {
        let name: String = part
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
            .collect();
        port += 1;
        command.env(name, port.to_string());
    }
    for part in compose.split("environment: ").skip(1) {
        command.env(part.lines().next().unwrap().trim(), "made-up-secret");
    }
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{case}: {said}\n{compose}");
    assert!(
        !said.contains("variable is not set") && !said.contains("obsolete"),
        "{case}: {said}"
    );
}

fn good(case: &str) {
    let (desk, code, text) = take_over(case);
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true, snapshot_path => "compose-golden" }, {
        insta::assert_snapshot!(case, text);
    });
    assert_eq!(code, 0, "{text}");
    desk.run(&["check", "fleet"])
        .says(0, &["good: 0 customers"]);
    load(&desk, case);
    // What comes out goes in again: a stack's Compose file is a Compose file.
    for file in files(&desk.path("fleet/stacks").join(case)) {
        assert!(
            file.starts_with("files")
                || file.ends_with("compose.yaml")
                || file.ends_with("stack.yaml"),
            "{}",
            file.display()
        );
    }
}

macro_rules! corpus {
    ($($name:ident: $case:literal),+ $(,)?) => {$(
        #[test]
        fn $name() {
            good($case);
        }
    )+

    /// No case is forgotten.
    #[test]
    fn every_case_is_tested() {
        let mut tested = vec!["refused", $($case),+];
        tested.sort_unstable();
        let mut there: Vec<String> =
            std::fs::read_dir(CORPUS).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        there.sort();
        assert_eq!(there, tested);
    }};
}

corpus! {
    wordpress_and_mariadb: "wordpress",
    nextcloud_postgres_and_redis: "nextcloud",
    n8n_behind_a_proxy: "n8n",
    ghost_and_mysql: "ghost",
    umami: "umami",
    gitea: "gitea",
    keycloak: "keycloak",
    vaultwarden: "vaultwarden",
    a_static_site: "static",
    two_sites: "two-sites",
    paperless: "paperless",
    mongo: "mongo",
    secrets_in_files: "secret-files",
    variables_of_the_shell: "shell",
}

#[test]
fn what_cannot_be_is_refused_with_its_line() {
    let (desk, code, text) = take_over("refused");
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true, snapshot_path => "compose-golden" }, {
        insta::assert_snapshot!("refused", text);
    });
    assert_eq!(code, 1);
    assert!(!desk.path("fleet/stacks/refused").exists());
    assert_eq!(desk.git("fleet", &["status", "--porcelain"]), "");
}

#[test]
fn which_service_visitors_reach_is_asked_for() {
    let desk = Desk::new();
    desk.run(&["init", "fleet"]).says(0, &[]);
    let compose = "services:\n  a:\n    image: \"x:1\"\n    ports: [\"8080:80\"]\n  b:\n    image: \"y:1\"\n    ports: [\"8081:3000\"]\n";
    desk.write("compose.yaml", compose);
    let new = [
        "new",
        "stack",
        "pair",
        "--fleet",
        "fleet",
        "--from",
        "compose.yaml",
    ];
    desk.run(&new)
        .says(1, &["--site a:80", "--site b:3000", "x:1"]);
    desk.run(&[&new[..], &["--site", "c:80"]].concat())
        .says(1, &["no service `c`", "services are: a, b"]);
    desk.run(&[&new[..], &["--site", "a"]].concat())
        .says(1, &["`service:port`"]);
    desk.run(&[&new[..], &["--site", "b:3000"]].concat()).says(
        0,
        &[
            "the site `site`: HTTPS in front of `b:3000`",
            "`a` no longer publishes port 80",
        ],
    );
    desk.run(&["check", "fleet"]).says(0, &["good"]);
}

#[test]
fn what_is_no_compose_file_is_shown_as_such() {
    let desk = Desk::new();
    desk.run(&["init", "fleet"]).says(0, &[]);
    let new = [
        "new",
        "stack",
        "odd",
        "--fleet",
        "fleet",
        "--from",
        "compose.yaml",
    ];
    desk.run(&new).says(1, &["cannot read `compose.yaml`"]);
    for (text, why) in [
        ("", "expected a mapping"),
        ("{}", "no `services`"),
        ("services: [", "compose.yaml:1"),
        ("a: 1\na: 2\n", "stands twice"),
        ("services:\n  a:\n    imag: x\n", "did you mean `image`?"),
        ("\tservices:\n", "tab"),
    ] {
        desk.write("compose.yaml", text);
        let ran = desk.run(&new);
        assert_eq!(ran.code, 1, "{text:?}: {}", ran.text);
        assert!(ran.text.contains(why), "{text:?}: {}", ran.text);
    }
}
