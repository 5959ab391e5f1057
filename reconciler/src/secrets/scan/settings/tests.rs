//! What is a secret in clear text, and what only looks like one.

use super::*;

const COMPOSE: &str = "stacks/x/compose.yaml";

/// Names and lines of what is found.
fn found(path: &str, text: &str) -> Vec<(String, usize)> {
    let found = named(path, text).into_iter();
    found
        .map(|setting| (setting.name, *setting.lines.start()))
        .collect()
}

/// The same lines as YAML, in a template of YAML, which cannot be parsed, and in a list of variables where they are one.
fn everywhere(line: &str) -> [(&'static str, String); 2] {
    [
        (COMPOSE, format!("{line}\n")),
        (
            "stacks/x/files/app.yaml.j2",
            format!("{{% if x %}}\n{line}\n{{% endif %}}\n"),
        ),
    ]
}

#[test]
fn values_in_clear_are_found_however_they_are_written() {
    for line in [
        "POSTGRES_PASSWORD: hunter22",
        "DB_PASS: hunter22",
        "MYSQL_PWD: hunter22",
        "APP_KEY: hunter22",
        "AUTH_SALT: hunter22",
        "SECRET_KEY_BASE: hunter22",
        "SMTP_PASSWORD: \"#Tr0ub4dor\"",
        "ADMIN_PASSWORD: \"two words\"",
        "ADMIN_PASSWORD: '*starred*'",
        "ADMIN_PASSWORD: \"{braces}\"",
        "ADMIN_PASSWORD: \"$$ecret-1\"",
        "password: |\n  hunter22",
        "password: >-\n  correct horse\n  battery staple",
        "\"smtp_password\": \"hunter22\"  # note",
        "- API_TOKEN=abcdef123",
        "- \"DB_PASS=two words\"",
        "- DB_PASS=*starred",
        "- --admin-password=hunter22",
        "smtp_password_old: hunter22",
    ] {
        for (path, text) in everywhere(line) {
            assert_eq!(named(path, &text).len(), 1, "{path}: {text}");
        }
    }
}

#[test]
fn references_and_names_that_are_about_secrets_are_left_alone() {
    for line in [
        "POSTGRES_PASSWORD: ${DB_PASSWORD}",
        "POSTGRES_PASSWORD: \"${DB_PASSWORD:?}\"",
        "POSTGRES_PASSWORD: $DB_PASSWORD",
        "password: \"{{ DB_PASSWORD }}\"",
        "- DB_PASS=${DB_PASS}",
        "- DB_PASS",
        "PASSWORD_FILE: /run/secrets/x",
        "DB_PASSWORD_FILE: run-secrets-x",
        "password_policy: length-and-digits",
        "STRIPE_PUBLIC_KEY: pk_abcdefgh",
        "PUBLIC_KEY: abcdefgh12",
        "CAPTCHA_SITE_KEY: abcdefgh12",
        "host_key: ssh-ed25519 AAAAC3Nz",
        "AWS_ACCESS_KEY_ID: AKIDABCDEF",
        "TOKEN_TTL: 3600000",
        "  SMTP_PASSWORD: { secret: smtp_password }",
        "secret: smtp_password",
        "secrets:",
        "DB_PASSWORD: {}",
        "DB_PASSWORD: { length: 64, alphabet: digits }",
        "ADMIN_HASH: { derive: { bcrypt: DB_PASSWORD } }",
        "API_TOKEN: abcdef123 # not-a-secret",
        "password: | # not-a-secret\n  hunter22",
        "password: |\n  hunter22 # not-a-secret",
        "token: x",
        "ENABLE_PASSWORD: \"false\"",
        "ADMIN_PASSWORD: <choose one>",
        "ADMIN_PASSWORD: xxxxxxxx",
        "ADMIN_PASSWORD: \"\"",
        "ADMIN_PASSWORD:",
        "password: $argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA",
        "secret_key: /etc/ssl/private.pem",
        "secret_key: ./files/key",
        "# password: hunter22",
        "MONKEY: hunter22",
        "keys: hunter22",
    ] {
        for (path, text) in everywhere(line) {
            assert_eq!(found(path, &text), [], "{path}: {text}");
        }
    }
}

#[test]
fn yaml_is_read_as_a_tree() {
    let text = "services:\n  web:\n    environment: { A: b, DB_PASS: hunter22 }\n    x: &pw hunter22\n    labels:\n      admin_password: *pw\nparameters:\n  SMTP_PASSWORD: { default: hunter22 }\n";
    let names = |pairs: &[(&str, usize)]| -> Vec<(String, usize)> {
        pairs
            .iter()
            .map(|(name, line)| ((*name).to_owned(), *line))
            .collect()
    };
    assert_eq!(
        found(COMPOSE, text),
        names(&[("DB_PASS", 3), ("admin_password", 6), ("SMTP_PASSWORD", 8)])
    );
    // What stands before the part that cannot be read is found, and so is what stands behind it.
    let broken = "A_TOKEN: hunter22\nB_PASS: \"#hunter22\"\nx: [\nC_TOKEN: hunter22\n";
    assert_eq!(
        found(COMPOSE, broken),
        names(&[("A_TOKEN", 1), ("B_PASS", 2), ("C_TOKEN", 4)])
    );
    let json = "{\n\t\"a\": {\"db_password\": \"hunter22\"},\n\t\"token\": \"hunter22\"\n}\n";
    assert!(!found("stacks/x/files/a.json", json).is_empty());
}

#[test]
fn files_of_variables_hold_what_stands_behind_the_sign() {
    let text = "export DB_PASS=#hunter2\nB_PASS=two words\nC_PASS='quo ted' # note\nD_PASS=${X}\nE_PASS=\n# F_PASS=hunter22\nG_PASS={brace}\n";
    let lines: Vec<usize> = found("deploy/.env", text)
        .into_iter()
        .map(|(_, line)| line)
        .collect();
    assert_eq!(lines, [1, 2, 3, 7]);
    // In a program, what is no word is code.
    for code in [
        "password = get_password()[0] or None",
        "const token = {",
        "  secret: (x) => x,",
        "if password == other_password:",
    ] {
        assert_eq!(found("stacks/x/files/app.py", code), [], "{code}");
    }
    assert_eq!(
        found("stacks/x/files/app.ini", "password = hunter22").len(),
        1
    );
}

proptest::proptest! {
    #[test]
    fn any_text_is_read(text in "([a-zA-Z_:=\"'|>#{}$&* \n-]|password|é){0,60}", at in 0usize..3) {
        let path = [COMPOSE, "fleet/x.env", "stacks/x/a.ini"][at];
        let count = text.lines().count();
        for setting in named(path, &text) {
            proptest::prop_assert!(*setting.lines.start() >= 1 && *setting.lines.end() <= count, "{text:?}");
        }
    }

    #[test]
    fn a_quoted_value_is_found_whatever_it_is(value in "[a-z0-9#*&|>{}<! ]{8,20}") {
        let plain = value.trim().len() < 6 || !is_clear(&value);
        let text = format!("DB_PASSWORD: '{value}'\n");
        proptest::prop_assert_eq!(named(COMPOSE, &text).is_empty(), plain);
    }
}

/// Every file below a folder, its path as in a fleet whose top is `top`.
fn files(top: &std::path::Path, folder: &str, out: &mut Vec<(String, String)>) {
    let Ok(entries) = std::fs::read_dir(top.join(folder)) else {
        return;
    };
    for entry in entries {
        let entry = entry.unwrap();
        let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
        if entry.file_type().unwrap().is_dir() {
            files(top, &path, out);
        } else if let Ok(text) = std::fs::read_to_string(entry.path()) {
            out.push((path, text));
        }
    }
}

#[test]
fn the_sample_fleets_raise_no_false_alarm() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let examples = std::fs::read_dir(root.join("examples")).unwrap();
    let mut tops: Vec<_> = examples.map(|entry| entry.unwrap().path()).collect();
    tops.extend([root.clone(), root.join("tests/corpus/base")]);
    let mut all = Vec::new();
    for top in &tops {
        for folder in ["fleet", "stacks"] {
            files(top, folder, &mut all);
        }
    }
    assert!(all.len() > 60, "{}", all.len());
    for (path, text) in &all {
        assert_eq!(crate::secrets::scan::scan(path, text), [], "{path}");
    }
}
