//! `tenantry secrets` as operators meet it, and the real `sops` on what it leaves.

mod audit;
mod edit;
mod mistakes;

use crate::{Desk, Ran, two_customers};
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Runs the program in the fleet with its key, an input and an environment.
pub(crate) fn run_with(
    desk: &Desk,
    folder: &str,
    arguments: &[&str],
    input: &str,
    settings: &[(&str, &str)],
) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tenantry"));
    command
        .args(arguments)
        .current_dir(desk.path(folder))
        .env("HOME", desk.path("."))
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_AUTHOR_NAME", "Jo")
        .env("GIT_AUTHOR_EMAIL", "jo@example.com")
        .env("GIT_COMMITTER_NAME", "Jo")
        .env("GIT_COMMITTER_EMAIL", "jo@example.com")
        .env_remove("SOPS_AGE_KEY_FILE")
        .env("TENANTRY_KEY_FILE", desk.path("fleet-keys/hub.agekey"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    for (name, value) in settings {
        command.env(name, value);
    }
    let mut child = command.spawn().unwrap();
    // The program may end without reading.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    Ran::from(child.wait_with_output().unwrap())
}

fn run(desk: &Desk, arguments: &[&str], input: &str) -> Ran {
    run_with(desk, "fleet", arguments, input, &[])
}

/// A program that an editor could be: it gets the file's path.
pub(crate) fn editor(desk: &Desk, name: &str, script: &str) -> String {
    use std::os::unix::fs::PermissionsExt;
    let path = desk.path(name);
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    format!("'{}'", path.display())
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test finds its peer program by the environment"
)]
fn sops(desk: &Desk, arguments: &[&str]) -> Option<Result<String, String>> {
    let Some(program) = std::env::var_os("SOPS_BIN").map(PathBuf::from) else {
        assert!(
            std::env::var_os("TENANTRY_REQUIRE_PEERS").is_none(),
            "sops is required"
        );
        return None;
    };
    let output = Command::new(program)
        .args(arguments)
        .current_dir(desk.path("fleet"))
        .env("HOME", desk.path("."))
        .env("SOPS_AGE_KEY_FILE", desk.path("fleet-keys/hub.agekey"))
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Some(if output.status.success() {
        Ok(text(output.stdout))
    } else {
        Err(text(output.stderr))
    })
}

fn read(desk: &Desk, path: &str) -> String {
    std::fs::read_to_string(desk.path(&format!("fleet/{path}"))).unwrap()
}

const FILE: &str = "fleet/customers/acme/secrets.yaml";

#[test]
fn a_value_goes_in_by_a_pipe_and_comes_out_by_one() {
    let desk = Desk::new();
    two_customers(&desk);
    run(
        &desk,
        &["secrets", "set", "acme", "smtp_password"],
        "hunter2\n",
    )
    .says(0, &["made, with `smtp_password`"]);
    run(&desk, &["secrets", "set", "acme", "pem"], "two\nlines\n").says(0, &["`pem` set"]);
    run(
        &desk,
        &["secrets", "set", "acme", "smtp_password"],
        "hunter2",
    )
    .says(0, &["has that value already"]);
    assert_eq!(
        run(&desk, &["secrets", "get", "acme", "smtp_password"], "").text,
        "hunter2"
    );
    assert_eq!(
        run(&desk, &["secrets", "get", "acme", "pem"], "").text,
        "two\nlines\n"
    );
    run(&desk, &["secrets", "get", "acme", "smtp_pasword"], "")
        .says(1, &["has no `smtp_pasword`", "smtp_password, pem"]);
    run(&desk, &["secrets", "set", "acme", "empty"], "\n").says(1, &["nothing was changed"]);
    assert!(!read(&desk, FILE).contains("hunter2"));
    if let Some(text) = sops(&desk, &["-d", FILE]) {
        assert_eq!(
            text.unwrap(),
            "smtp_password: hunter2\npem: |\n    two\n    lines\n"
        );
        sops(
            &desk,
            &["set", FILE, "[\"smtp_password\"]", "\"from sops\""],
        )
        .unwrap()
        .unwrap();
        assert_eq!(
            run(&desk, &["secrets", "get", FILE, "smtp_password"], "").text,
            "from sops"
        );
    }
    run(&desk, &["check"], "").says(0, &["good"]);
}

#[test]
fn without_a_key_values_can_be_listed_and_new_files_made_and_no_more() {
    let desk = Desk::new();
    two_customers(&desk);
    let blind = |arguments: &[&str], input: &str| {
        // An empty variable counts as none at all.
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenantry"));
        command
            .args(arguments)
            .current_dir(desk.path("fleet"))
            .env("HOME", desk.path("."))
            .env_remove("TENANTRY_KEY_FILE");
        command
            .env_remove("SOPS_AGE_KEY_FILE")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        Ran::from(child.wait_with_output().unwrap())
    };
    blind(&["secrets", "set", "acme", "a"], "1").says(0, &["made"]);
    blind(&["secrets", "set", "acme", "b"], "2").says(1, &["no identity matches"]);
    blind(&["secrets", "get", "acme", "a"], "").says(1, &["no key at hand", "SOPS_AGE_KEY_FILE"]);
    blind(&["secrets", "list"], "").says(0, &["acme", "\n  a\n", "opened by hub, recovery"]);
    let listed = blind(&["secrets", "list", "--json", "acme"], "");
    let listed: serde_json::Value = serde_json::from_str(&listed.text).unwrap();
    assert_eq!(listed[0]["names"], serde_json::json!(["a"]));
    assert_eq!(
        listed[0]["opened_by"],
        serde_json::json!(["hub", "recovery"])
    );
    blind(&["secrets", "list", "globex"], "")
        .says(1, &["there is no file fleet/customers/globex/secrets.yaml"]);
    // The ways of `sops` to name a key.
    let key = desk.path("fleet-keys/hub.agekey");
    let found = Command::new(env!("CARGO_BIN_EXE_tenantry"))
        .args(["secrets", "get", "acme", "a"])
        .current_dir(desk.path("fleet"))
        .env_remove("TENANTRY_KEY_FILE")
        .env("HOME", desk.path("."))
        .env("SOPS_AGE_KEY_FILE", key)
        .output()
        .unwrap();
    assert_eq!(found.stdout, b"1");
}

#[test]
fn a_terminal_is_shown_no_value_unless_it_asks() {
    let desk = Desk::new();
    two_customers(&desk);
    run(&desk, &["secrets", "set", "acme", "a"], "hunter2").says(0, &[]);
    // `script` gives a program a terminal of its own.
    let on_terminal = |more: &str| {
        let line = format!(
            "{} secrets get acme a {more}",
            env!("CARGO_BIN_EXE_tenantry")
        );
        let output = Command::new("script")
            .args(["-qec", &line, "/dev/null"])
            .current_dir(desk.path("fleet"))
            .env("TENANTRY_KEY_FILE", desk.path("fleet-keys/hub.agekey"))
            .output()
            .unwrap();
        Ran::from(output)
    };
    let refused = on_terminal("");
    refused.says(1, &["ask for it with --show"]);
    assert!(!refused.text.contains("hunter2"));
    on_terminal("--show").says(0, &["hunter2"]);
}

/// An order for the guestbook, with what the hub would have generated for it.
fn guestbook(desk: &Desk) {
    two_customers(desk);
    desk.edit("fleet/fleet/customers/acme/orders/website.yaml", |text| {
        text.replace("[html]", "[html, guestbook]")
    });
    run(desk, &["secrets", "generate", "acme/website/guestbook"], "").says(0, &["generated"]);
}

#[test]
fn generated_values_follow_their_stack() {
    let desk = Desk::new();
    guestbook(&desk);
    let path = "fleet/decisions/acme/website/tools/guestbook.secrets.yaml";
    let before = read(&desk, path);
    let names: Vec<_> = before
        .lines()
        .filter(|line| line.contains("ENC[") && !line.starts_with(' '))
        .map(|line| line.split(':').next().unwrap().to_owned())
        .collect();
    assert!(!names.is_empty(), "{before}");
    run(
        &desk,
        &["secrets", "generate", "acme/website/guestbook"],
        "",
    )
    .says(0, &["left as it is"]);
    assert_eq!(read(&desk, path), before);
    let name = names[0].as_str();
    run(
        &desk,
        &[
            "secrets",
            "rotate",
            "acme/website/guestbook",
            name,
            "--dry-run",
        ],
        "",
    )
    .says(2, &["would be replaced", "acme/website/guestbook: "]);
    assert_eq!(read(&desk, path), before);
    let old = run(
        &desk,
        &["secrets", "get", "acme/website/guestbook", name],
        "",
    )
    .text;
    run(
        &desk,
        &["secrets", "rotate", "acme/website/guestbook", name],
        "",
    )
    .says(
        0,
        &[
            "replaced",
            "made anew with the new value",
            "acme/website/guestbook: db, web",
        ],
    );
    let new = run(
        &desk,
        &["secrets", "get", "acme/website/guestbook", name],
        "",
    )
    .text;
    assert!(old != new && old.len() == new.len());
    run(
        &desk,
        &["secrets", "rotate", "acme/website/guestbook", "NOPE"],
        "",
    )
    .says(1, &["declares no secret `NOPE`", name]);
    run(&desk, &["secrets", "rotate", "acme", "smtp"], "")
        .says(1, &["what people gave, which cannot be generated"]);
    desk.edit("fleet/stacks/guestbook/stack.yaml", |text| {
        let line = text
            .lines()
            .find(|line| line.trim_start().starts_with(&format!("{name}:")))
            .unwrap();
        text.replace(line, &format!("  {name}: {{ rotate: never }}"))
    });
    run(
        &desk,
        &["secrets", "rotate", "acme/website/guestbook", name],
        "",
    )
    .says(1, &["`rotate: never`", "would be lost"]);
    run(
        &desk,
        &[
            "secrets",
            "generate",
            "acme",
            "hook",
            "--length",
            "48",
            "--alphabet",
            "hex",
        ],
        "",
    )
    .says(0, &["generated hook"]);
    let hook = run(&desk, &["secrets", "get", "acme", "hook"], "").text;
    assert!(hook.len() == 48 && hook.bytes().all(|byte| byte.is_ascii_hexdigit()));
}

/// A person's key: the recipient, and the path of the identity file.
pub(crate) fn person(desk: &Desk, name: &str) -> (String, String) {
    use age::secrecy::ExposeSecret;
    let identity = age::x25519::Identity::generate();
    let path = desk.path(&format!("{name}.agekey"));
    std::fs::write(&path, identity.to_string().expose_secret()).unwrap();
    (identity.to_public().to_string(), path.display().to_string())
}

#[test]
fn what_follows_a_secret_is_made_and_replaced_with_it() {
    let desk = Desk::new();
    guestbook(&desk);
    desk.edit("fleet/stacks/guestbook/stack.yaml", |text| {
        text.replace(
            "  DB_PASSWORD: {}",
            "  DB_PASSWORD: {}\n  ADMIN_HASH: { derive: { bcrypt: DB_PASSWORD } }\n  SAME: { share_with: DB_PASSWORD }\n  OTHER: { kind: base64, bytes: 24, prefix: \"base64:\", must_differ: [SAME] }",
        )
    });
    desk.edit("fleet/stacks/guestbook/compose.yaml", |text| {
        text.replace(
            "      TITLE: ${TITLE}",
            "      TITLE: ${TITLE}\n      HASH: ${ADMIN_HASH}\n      SAME: ${SAME}\n      OTHER: ${OTHER}",
        )
    });
    let file = "acme/website/guestbook";
    let get = |name: &str| run(&desk, &["secrets", "get", file, name], "").text;
    let password = get("DB_PASSWORD");
    // What is there is what the rest follows, and stays.
    run(&desk, &["secrets", "generate", file], "")
        .says(0, &["`DB_PASSWORD` is there", "generated"]);
    assert_eq!(get("DB_PASSWORD"), password);
    assert_eq!(get("SAME"), password);
    assert!(bcrypt::verify(&password, &get("ADMIN_HASH")).unwrap());
    let other = get("OTHER");
    assert_eq!(other.strip_prefix("base64:").map(str::len), Some(32));
    run(&desk, &["secrets", "rotate", file, "ADMIN_HASH"], "").says(
        1,
        &["`ADMIN_HASH` follows `DB_PASSWORD`", "rotate `DB_PASSWORD`"],
    );
    run(
        &desk,
        &["secrets", "rotate", file, "DB_PASSWORD", "--dry-run"],
        "",
    )
    .says(
        2,
        &[
            "`ADMIN_HASH` goes with `DB_PASSWORD` (bcrypt)",
            "`SAME` goes with `DB_PASSWORD` (the same value)",
            "ADMIN_HASH, DB_PASSWORD, SAME would be replaced",
        ],
    );
    assert_eq!(get("DB_PASSWORD"), password);
    run(&desk, &["secrets", "rotate", file, "DB_PASSWORD"], "").says(0, &["replaced"]);
    let new = get("DB_PASSWORD");
    assert_ne!(new, password);
    assert_eq!(get("SAME"), new);
    assert!(bcrypt::verify(&new, &get("ADMIN_HASH")).unwrap());
    assert_eq!(get("OTHER"), other, "what follows nothing stays");
    // Given by a person: what follows it goes with it.
    run(&desk, &["secrets", "set", file, "DB_PASSWORD"], "by hand").says(
        0,
        &[
            "`DB_PASSWORD` set",
            "`ADMIN_HASH` goes with `DB_PASSWORD` (bcrypt)",
            "`SAME` goes with `DB_PASSWORD` (the same value)",
            "made anew with the new value",
        ],
    );
    assert_eq!(get("SAME"), "by hand");
    let hash = get("ADMIN_HASH");
    assert!(bcrypt::verify("by hand", &hash).unwrap());
    run(&desk, &["secrets", "set", file, "DB_PASSWORD"], "by hand")
        .says(0, &["has that value already"]);
    assert_eq!(get("ADMIN_HASH"), hash);
    run(&desk, &["secrets", "set", file, "SAME"], "another").says(
        1,
        &[
            "`SAME` has the value of `DB_PASSWORD`",
            "`tenantry secrets set acme/website/guestbook DB_PASSWORD`",
        ],
    );
    run(&desk, &["secrets", "set", file, "OTHER"], "by hand")
        .says(1, &["`OTHER` must differ from `SAME`", "give another one"]);
    run(&desk, &["secrets", "set", file, "DB_PASSWORD"], &other)
        .says(1, &["`SAME` must differ from `OTHER`"]);
    // A hash that a person gives is theirs, and where it does not fit they are told.
    let told = "`ADMIN_HASH` follows `DB_PASSWORD` (bcrypt) and was not made from its value";
    let foreign = bcrypt::hash("something else", 4).unwrap();
    run(&desk, &["secrets", "set", file, "ADMIN_HASH"], &foreign).says(0, &["set", told]);
    let json = run(
        &desk,
        &["secrets", "set", file, "ADMIN_HASH", "--json"],
        "no hash",
    );
    json.says(0, &["\"stale\": [\n    \"ADMIN_HASH\"\n  ]"]);
    run(&desk, &["secrets", "set", file, "DB_PASSWORD"], "by hand").says(
        0,
        &[
            "`DB_PASSWORD` has that value already",
            "`ADMIN_HASH` goes with",
        ],
    );
    assert!(bcrypt::verify("by hand", &get("ADMIN_HASH")).unwrap());
    // In an editor everything is as it is written, and what does not fit is told.
    let edit = editor(
        &desk,
        "edit",
        "sed -i 's/^DB_PASSWORD:.*/DB_PASSWORD: edited/' \"$1\"",
    );
    let ran = run_with(
        &desk,
        "fleet",
        &["secrets", "edit", file],
        "",
        &[("VISUAL", &edit)],
    );
    let same = "`SAME` follows `DB_PASSWORD` (the same value) and was not made from its value";
    ran.says(
        0,
        &[
            "saved",
            told,
            same,
            "secrets set acme/website/guestbook DB_PASSWORD",
        ],
    );
    run(&desk, &["secrets", "set", file, "DB_PASSWORD"], "once more")
        .says(0, &["`DB_PASSWORD` set", "`SAME` goes with"]);
    // Never to be replaced: neither is what follows it.
    desk.edit("fleet/stacks/guestbook/stack.yaml", |text| {
        text.replace("  DB_PASSWORD: {}", "  DB_PASSWORD: { rotate: never }")
    });
    run(&desk, &["secrets", "rotate", file, "SAME"], "").says(1, &["would be lost"]);
    run(&desk, &["secrets", "rotate", file, "--all"], "").says(0, &["OTHER replaced"]);
    assert_eq!(get("SAME"), "once more");
}
