//! Public keys as they stand in documents. Only their shape is checked here; the cryptography is elsewhere.

mod people;

pub use people::{LoginKey, PersonKey};

use crate::json::text_schema;
use crate::name::text_type;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a text is not such a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not `ssh-ed25519 AAAA...`.
    #[error(
        "`{0}` is not an SSH public key: expected `ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI` and 43 more characters"
    )]
    Ssh(String),
    /// Not a key that a person signs with.
    #[error(
        "`{0}` is not an SSH public key that signs: expected the line of a `.pub` file, `ssh-ed25519 AAAA…` (`ssh-keygen -t ed25519`) or `sk-ssh-ed25519@openssh.com AAAA…` (`-t ed25519-sk`, on a security key)"
    )]
    Person(String),
    /// A key of a kind whose signatures are not checked here.
    #[error(
        "SSH keys of kind `{0}` cannot sign here: make one with `ssh-keygen -t ed25519`, or `-t ed25519-sk` on a security key; to log in to servers with this one, put it under `server_login: {{ keys: [...] }}`"
    )]
    CannotSign(&'static str),
    /// Not a key that `sshd` takes.
    #[error(
        "`{0}` is not an SSH public key: expected the line of a `.pub` file, without options (`ssh-ed25519 AAAA…`, `ecdsa-sha2-nistp256 AAAA…`, `sk-…@openssh.com AAAA…`, or `ssh-rsa AAAA…` from 2,048 bits on)"
    )]
    Login(String),
    /// Not `age1...`.
    #[error("`{0}` is not an age recipient: expected `age1` and 58 more characters")]
    Age(String),
}

text_type!(
    /// An ed25519 public key in OpenSSH's one-line form, without its comment: `ssh-ed25519 AAAA…`.
    SshPublicKey,
    KeyError
);

text_schema!(
    SshPublicKey,
    r"^\s*ssh-ed25519\s+AAAAC3NzaC1lZDI1NTE5AAAAI[A-Za-z0-9+/]{43}(\s.*)?$",
    ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINWt2/SfQsdKmVq3GbXbP5bIREGHZWiNsJXEYF0x4Q48"]
);

/// How every key of this kind begins: the name of the algorithm and the length of the key, in base64 (RFC 4253 section 6.6, RFC 8709).
const HEAD: &str = "AAAAC3NzaC1lZDI1NTE5AAAAI";

impl TryFrom<String> for SshPublicKey {
    type Error = KeyError;
    fn try_from(text: String) -> Result<Self, KeyError> {
        let mut words = text.split_ascii_whitespace();
        let (Some("ssh-ed25519"), Some(data)) = (words.next(), words.next()) else {
            return Err(KeyError::Ssh(text));
        };
        let base64 = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/');
        let is_key = data.len() == 68 && data.starts_with(HEAD) && data.bytes().all(base64);
        if is_key && text.len() < 512 {
            Ok(Self(format!("ssh-ed25519 {data}").into()))
        } else {
            Err(KeyError::Ssh(text))
        }
    }
}

text_type!(
    /// An age X25519 recipient: `age1…`.
    AgeRecipient,
    KeyError
);

text_schema!(
    AgeRecipient,
    "^age1[a-z0-9]{58}$",
    ["age1nk5xrt4u5s7xl7vuz4hnltc758mf6zt4u2fugjra6wm6lvwpvdzq6qf6yk"]
);

impl TryFrom<String> for AgeRecipient {
    type Error = KeyError;
    fn try_from(text: String) -> Result<Self, KeyError> {
        let bech32 = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        if text.len() == 62 && text.starts_with("age1") && text.bytes().all(bech32) {
            Ok(Self(text.into()))
        } else {
            Err(KeyError::Age(text))
        }
    }
}

/// A pair of public keys: one to check signatures with, one to encrypt to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PublicKeys {
    /// Checks what the holder signed.
    pub sign: SshPublicKey,
    /// Encrypts to the holder.
    pub age: AgeRecipient,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_dropped_and_garbage_refused() {
        let key = format!("ssh-ed25519 {HEAD}{}", "A".repeat(43));
        assert_eq!(
            SshPublicKey::try_from(format!("{key} me@host"))
                .unwrap()
                .as_str(),
            key
        );
        let slip = key.replace("AAAAC3", "AAABC3");
        let long = format!("{key}A");
        for bad in [
            "",
            "ssh-rsa AAAA",
            "ssh-ed25519",
            "ssh-ed25519 short",
            &slip,
            &long,
        ] {
            assert!(SshPublicKey::try_from(bad).is_err(), "{bad}");
        }
        assert!(AgeRecipient::try_from("age1qqq").is_err());
        assert!(AgeRecipient::try_from(format!("age1{}", "q".repeat(58))).is_ok());
    }
}
