//! A file of secrets as `git diff` shows it: which values changed, not what they are.

use regex::Regex;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::sync::LazyLock;
use tenantry_sops::{Error, ExposeSecret, Identities, SecretString, SopsFile};

static SEALED: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#""?ENC\[AES256_GCM,[^\]]*\]"?"#).expect("it is a regular expression")
});

/// What a value is shown as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown<'s> {
    /// A short digest, made with a salt of this clone: equal values have equal ones, and nobody else can compare.
    Digests(&'s str),
    /// The value itself.
    Values,
}

/// The text to compare. What is not a SOPS file is shown as it is; without a key ciphertext has a digest of its own, so that a value that was
/// encrypted anew looks changed.
pub fn show(text: &str, identities: Option<&Identities>, shown: Shown<'_>) -> String {
    let Ok(file) = SopsFile::parse(text) else {
        return text.to_owned();
    };
    let opened = identities.map(|identities| match shown {
        Shown::Values => file
            .plain_text(identities)
            .map(|plain| plain.expose_secret().to_owned()),
        Shown::Digests(salt) => file.masked_text(identities, &|_, value| mask(salt, value)),
    });
    let mut out = match opened {
        Some(Ok(text)) => text,
        Some(Err(Error::NoMatchingKey { .. })) | None => without_key(&file),
        Some(Err(error)) => format!("# {error}\n{}", without_key(&file)),
    };
    for recipient in file.recipients() {
        let _ = writeln!(out, "# can be opened by {recipient}");
    }
    out
}

fn mask(salt: &str, value: &SecretString) -> String {
    let mut hash = Sha256::new();
    hash.update(salt.as_bytes());
    hash.update([0]);
    hash.update(value.expose_secret().as_bytes());
    format!("<secret {}>", &hex::encode(hash.finalize())[..8])
}

fn without_key(file: &SopsFile) -> String {
    let text = file.as_str();
    let body: String = match text.find("\nsops:") {
        Some(at) => text[..=at].to_owned(),
        None => String::new(),
    };
    SEALED
        .replace_all(&body, |found: &regex::Captures<'_>| {
            format!(
                "<encrypted {}>",
                &hex::encode(Sha256::digest(found[0].as_bytes()))[..8]
            )
        })
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tenantry_sops::{EncryptOptions, Rule, Timestamp, encrypt_text};

    #[test]
    fn what_changed_is_seen_and_what_it_is_is_not() {
        let identity = age::x25519::Identity::generate();
        let options = EncryptOptions {
            recipients: vec![identity.to_public().to_string().parse().unwrap()],
            rule: Rule::default(),
            mac_only_encrypted: true,
            last_modified: Timestamp::from_unix(0).unwrap(),
        };
        let identities = Identities::from(identity);
        let text = encrypt_text(
            "a: hunter2\nb: hunter2\nc: other\nd_unencrypted: x\n",
            &options,
            &mut rand::rng(),
        )
        .unwrap();
        let shown = show(&text, Some(&identities), Shown::Digests("salt"));
        let lines: Vec<_> = shown
            .lines()
            .map(|line| line.split_once(": ").map_or(line, |(_, value)| value))
            .collect();
        assert_eq!(lines[0], lines[1]);
        assert_ne!(lines[0], lines[2]);
        assert!(
            shown.contains("d_unencrypted: x\n# can be opened by age1"),
            "{shown}"
        );
        assert!(!shown.contains("hunter2"));
        assert_ne!(
            shown,
            show(&text, Some(&identities), Shown::Digests("another"))
        );
        assert!(show(&text, Some(&identities), Shown::Values).starts_with("a: hunter2\n"));
        let blind = show(&text, None, Shown::Values);
        assert!(
            blind.starts_with("a: <encrypted ") && !blind.contains("ENC["),
            "{blind}"
        );
        assert_eq!(show("plain: text\n", None, Shown::Values), "plain: text\n");
    }
}
