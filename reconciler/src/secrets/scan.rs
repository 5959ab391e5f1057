//! Secrets in clear text, found by their form. What is found is named by kind and line; the secret itself is never given out.

mod settings;

use regex::RegexSet;
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

/// Marks a line that people looked at and found harmless.
pub(super) const HARMLESS: &str = "not-a-secret";
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

/// Everything in a file that looks like a secret in clear text, by line.
pub fn scan(path: &str, text: &str) -> Vec<Exposed> {
    let mut found = certain(path, text);
    let is_config = path.starts_with("fleet/") || path.starts_with("stacks/");
    if (is_config || path.ends_with(".env")) && !tenantry_sops::is_sops(text) {
        for setting in settings::named(path, text) {
            let is_known = |known: &Exposed| setting.lines.contains(&known.line);
            if !found.iter().any(is_known) {
                found.push(Exposed {
                    line: *setting.lines.start(),
                    what: format!("the value of `{}`", setting.name),
                    certain: false,
                });
            }
        }
        found.sort_by_key(|found| found.line);
    }
    found
}

/// What of that leaves no doubt.
pub fn certain(path: &str, text: &str) -> Vec<Exposed> {
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
    for (at, line) in text.lines().enumerate() {
        if !is_readable(line) {
            continue;
        }
        if let Some(form) = FORM.matches(line).iter().next() {
            let next = text.lines().nth(at + 1).unwrap_or_default();
            let placeholder = line.contains("...")
                || line.contains("EXAMPLE")
                || (form == 0 && !has_body(line, next));
            if !placeholder {
                found.push(Exposed {
                    line: at + 1,
                    what: FORMS[form].1.to_owned(),
                    certain: true,
                });
            }
        }
    }
    found
}

/// Whether a line is to be looked at: not far longer than what people write, which is data, and neither encrypted nor found harmless by people.
fn is_readable(line: &str) -> bool {
    line.len() <= 20_000 && !line.contains(HARMLESS) && !line.contains("ENC[AES256_GCM,")
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
