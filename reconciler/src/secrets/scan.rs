//! Secrets in clear text, found by their form. What is found is named by kind and line; the secret itself is never given out.

use regex::{Regex, RegexSet};
use std::sync::LazyLock;
use tenantry_schema::document::{Kind, classify};

/// A secret in clear text, or what looks like one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Exposed {
    /// 1-based; 0 for the file as a whole.
    pub line: usize,
    /// What it is.
    pub what: String,
    /// Whether its form leaves no doubt.
    pub certain: bool,
}

/// Forms that nothing but a secret has, with their names. Sources: the vendors' pages on token formats.
const FORMS: [(&str, &str); 10] = [
    (
        r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----",
        "a private key",
    ),
    (
        r"\bAGE-SECRET-KEY-1[02-9AC-HJ-NP-Z]{58}\b",
        "an age identity",
    ),
    (r"\bAKIA[0-9A-Z]{16}\b", "an access key of Amazon"),
    (r"\bgh[pousr]_[0-9A-Za-z]{36,}\b", "a token of GitHub"),
    (r"\bgithub_pat_[0-9A-Za-z_]{50,}\b", "a token of GitHub"),
    (r"\bglpat-[0-9A-Za-z_-]{20,}", "a token of GitLab"),
    (r"\b[sr]k_live_[0-9A-Za-z]{20,}\b", "an API key of Stripe"),
    (r"\bwhsec_[0-9A-Za-z+/]{24,}", "a webhook secret of Stripe"),
    (r"\bxox[abprs]-[0-9A-Za-z-]{10,}", "a token of Slack"),
    (
        r"\b[a-z][a-z0-9+]*://[^\s/:@${]+:[^\s/@${*]{4,}@[^\s/]",
        "a password in an address",
    ),
];

static FORM: LazyLock<RegexSet> = LazyLock::new(|| {
    RegexSet::new(FORMS.map(|(form, _)| form)).expect("the forms are regular expressions")
});

/// A setting whose name says that its value is secret.
static SETTING: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"(?i)^\s*(?:-\s+)*["']?([a-z0-9_.-]*(?:password|passwd|secret|token|api_?key|private_?key|credential)[a-z0-9_.-]*)["']?\s*[:=]\s*(\S.*)$"#)
        .expect("it is a regular expression")
});

/// Marks a line that people looked at and found harmless.
const HARMLESS: &str = "not-a-secret";
/// What a merge leaves where two branches changed one secret.
pub use tenantry_planner::documents::CONFLICT;

/// Whether a file of this path must be encrypted.
pub fn must_be_sealed(path: &str) -> bool {
    matches!(
        classify(path),
        Kind::HubSecrets
            | Kind::HubKey
            | Kind::CustomerSecrets(_)
            | Kind::PersonalData(_)
            | Kind::ToolSecrets(..)
            | Kind::BackupSecrets(_)
    )
}

/// Whether this says that something encrypted is damaged, which is not clear text.
pub fn is_damaged(why: &tenantry_sops::Error) -> bool {
    matches!(why, tenantry_sops::Error::BadValue { .. })
        || matches!(why, tenantry_sops::Error::BadMetadata { field, .. } if field == "mac")
}

/// Everything in a file that looks like a secret in clear text.
pub fn scan(path: &str, text: &str) -> Vec<Exposed> {
    let sops = tenantry_sops::is_sops(text);
    let mut found = Vec::new();
    if must_be_sealed(path)
        && let Err(why) = tenantry_sops::sealed_keys(text)
        && !is_damaged(&why)
    {
        found.push(Exposed {
            line: 0,
            what: format!("a file of secrets that is not encrypted ({why})"),
            certain: true,
        });
    }
    let settings = !sops
        && (path.starts_with("fleet/") || path.starts_with("stacks/") || path.ends_with(".env"));
    for (at, line) in text.lines().enumerate() {
        // Far longer lines are data.
        if line.len() > 20_000 || line.contains(HARMLESS) || line.contains("ENC[AES256_GCM,") {
            continue;
        }
        let line_number = at + 1;
        if let Some(form) = FORM.matches(line).iter().next() {
            let next = text.lines().nth(at + 1).unwrap_or_default();
            let placeholder = line.contains("...")
                || line.contains("EXAMPLE")
                || (form == 0 && !has_body(line, next));
            if !placeholder {
                found.push(Exposed {
                    line: line_number,
                    what: FORMS[form].1.to_owned(),
                    certain: true,
                });
                continue;
            }
        }
        if settings && let Some(name) = named_secret(line) {
            found.push(Exposed {
                line: line_number,
                what: format!("the value of `{name}`"),
                certain: false,
            });
        }
    }
    found
}

/// Whether key material follows the head of a private key, on the same line (with `\n` written out) or on the next.
fn has_body(head: &str, next: &str) -> bool {
    let after = head.rsplit("KEY-----").next().unwrap_or_default();
    let long = |text: &str| {
        let body = text
            .trim()
            .trim_start_matches("\\n")
            .trim_matches(['"', '\'']);
        let length = body
            .bytes()
            .take_while(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(byte))
            .count();
        length >= 32
    };
    long(after) || long(next)
}

/// The name of a setting that seems to hold a secret.
fn named_secret(line: &str) -> Option<&str> {
    let parts = SETTING.captures(line)?;
    let (name, value) = (parts.get(1)?.as_str(), parts.get(2)?.as_str());
    let lower = name.to_ascii_lowercase();
    let about_it = [
        "_file", "_length", "_policy", "_ttl", "_name", "_url", "_path",
    ];
    if matches!(
        lower.as_str(),
        "secret" | "secrets" | "tokens" | "credentials"
    ) || about_it.iter().any(|end| lower.ends_with(end))
    {
        return None;
    }
    let value = value
        .split(" #")
        .next()
        .unwrap_or_default()
        .trim()
        .trim_matches(['"', '\'', ',']);
    let is_reference = value.starts_with(['$', '{', '[', '&', '*', '|', '>', '/', '<', '#'])
        || value.contains("${")
        || value.contains("{{");
    let is_word =
        value.len() < 6 || matches!(value, "string" | "required" | "optional" | "generated");
    (!is_reference && !is_word && !value.contains(' ')).then_some(name)
}

/// Secrets of this file that two branches had changed, where nobody has settled it yet.
pub fn conflicts(text: &str) -> Vec<usize> {
    let marked = text
        .lines()
        .enumerate()
        .filter(|(_, line)| line.starts_with(CONFLICT));
    marked.map(|(at, _)| at + 1).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whats(path: &str, text: &str) -> Vec<String> {
        scan(path, text)
            .into_iter()
            .map(|found| found.what)
            .collect()
    }

    #[test]
    fn forms_are_found_wherever_they_stand() {
        let body = "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAE";
        let key = format!(
            "x: |\n  -----BEGIN OPENSSH {}\n  {body}\n",
            "PRIVATE KEY-----"
        );
        let age = format!("AGE-SECRET-KEY-1{}", "Q".repeat(58));
        for (text, what) in [
            (key.as_str(), "a private key"),
            (age.as_str(), "an age identity"),
            (
                concat!("k: sk_", "live_4eC39HqLyjWDarjtT1zdp7dc"),
                "an API key of Stripe",
            ),
            (
                concat!("url: https://jo:hunter22", "@db.example/x"),
                "a password in an address",
            ),
        ] {
            assert_eq!(whats("docs/x.md", text), [what], "{text}");
        }
        for harmless in [
            "https://example.com/a:b@c",
            "postgres://app:${DB_PASSWORD}@db/app",
            "signing_keys: [\"ssh-ed25519 AAAA...\"]",
            concat!("-----BEGIN ", "PRIVATE KEY----- ..."),
            "-----BEGIN PUBLIC KEY-----",
            concat!("it begins with `-----BEGIN OPENSSH ", "PRIVATE KEY-----`"),
        ] {
            assert!(whats("docs/x.md", harmless).is_empty(), "{harmless}");
        }
    }

    #[test]
    fn settings_that_are_named_like_secrets() {
        let path = "stacks/x/compose.yaml";
        for line in [
            "POSTGRES_PASSWORD: hunter22",
            "  - API_TOKEN=abcdef123",
            "\"smtp_password\": \"hunter22\"  # note",
        ] {
            assert_eq!(whats(path, line).len(), 1, "{line}");
        }
        for line in [
            "POSTGRES_PASSWORD: ${DB_PASSWORD}",
            "PASSWORD_FILE: /run/secrets/x",
            "  SMTP_PASSWORD: { secret: smtp_password }",
            "secret: smtp_password",
            "secrets:",
            "DB_PASSWORD: {}",
            "API_TOKEN: abcdef123 # not-a-secret",
            "token: x",
            "# password: hunter22",
        ] {
            assert!(whats(path, line).is_empty(), "{line}");
        }
        assert!(whats("docs/x.md", "password: hunter22").is_empty());
    }

    #[test]
    fn files_of_secrets_must_be_encrypted() {
        let found = scan("fleet/customers/acme/secrets.yaml", "a: b\n");
        assert!(
            found[0].certain && found[0].what.contains("not encrypted"),
            "{found:?}"
        );
        assert!(!found.iter().any(|found| found.what.contains("a: b")));
        assert_eq!(conflicts("a: 1\n# CONFLICT x\n"), [2]);
    }
}
