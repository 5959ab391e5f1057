//! SSH keys of people: those that sign, and those that open servers. Of the second kind are all that `sshd` takes; of the first those whose signatures
//! are checked here. Private halves may be in a security key (OpenSSH's `PROTOCOL.u2f`).

use super::KeyError;
use crate::json::text_schema;
use crate::name::text_type;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Longest line that is looked at. An RSA key of 16,384 bits takes 2,800 characters.
const LONGEST: usize = 4096;

/// A kind of key.
struct Kind {
    /// Its name, the first word of a line.
    name: &'static str,
    /// How the base64 of every such key begins: the name and its length (RFC 4253 section 6.6), as far as they fill whole groups.
    head: &'static str,
    /// Fewest and most characters of base64.
    length: (usize, usize),
    /// Whether signatures by it are checked here.
    signs: bool,
}

const KINDS: [Kind; 7] = [
    Kind {
        name: "ssh-ed25519",
        head: super::HEAD,
        length: (68, 68),
        signs: true,
    },
    Kind {
        name: "sk-ssh-ed25519@openssh.com",
        head: "AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29t",
        length: (96, 384),
        signs: true,
    },
    Kind {
        name: "ecdsa-sha2-nistp256",
        head: "AAAAE2VjZHNhLXNoYTItbmlzdHAy",
        length: (140, 140),
        signs: false,
    },
    Kind {
        name: "ecdsa-sha2-nistp384",
        head: "AAAAE2VjZHNhLXNoYTItbmlzdHAz",
        length: (184, 184),
        signs: false,
    },
    Kind {
        name: "ecdsa-sha2-nistp521",
        head: "AAAAE2VjZHNhLXNoYTItbmlzdHA1",
        length: (232, 232),
        signs: false,
    },
    Kind {
        name: "sk-ecdsa-sha2-nistp256@openssh.com",
        head: "AAAAInNrLWVjZHNhLXNoYTItbmlzdHAyNTZAb3BlbnNzaC5j",
        length: (160, 448),
        signs: false,
    },
    Kind {
        name: "ssh-rsa",
        head: "AAAAB3NzaC1y",
        // From 2,048 bits on.
        length: (368, LONGEST),
        signs: false,
    },
];

text_type!(
    /// A public key that a person signs with, in OpenSSH's one-line form, without its comment: `ssh-ed25519 AAAA…`, or `sk-ssh-ed25519@openssh.com AAAA…`
    /// of a security key.
    PersonKey,
    KeyError
);

text_schema!(
    PersonKey,
    r"^\s*(ssh-ed25519\s+AAAAC3NzaC1lZDI1NTE5AAAAI[A-Za-z0-9+/]{43}|sk-ssh-ed25519@openssh\.com\s+AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29t[A-Za-z0-9+/]{54,342}={0,2})(\s.*)?$",
    ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINWt2/SfQsdKmVq3GbXbP5bIREGHZWiNsJXEYF0x4Q48"]
);

impl TryFrom<String> for PersonKey {
    type Error = KeyError;
    fn try_from(text: String) -> Result<Self, KeyError> {
        match read(&text) {
            Some((kind, line)) if kind.signs => Ok(Self(line.into())),
            Some((kind, _)) => Err(KeyError::CannotSign(kind.name)),
            None => Err(KeyError::Person(text)),
        }
    }
}

text_type!(
    /// A public key that opens servers, in OpenSSH's one-line form, without its comment: of any kind that `sshd` takes, RSA from 2,048 bits on.
    LoginKey,
    KeyError
);

text_schema!(
    LoginKey,
    r"^\s*(ssh-ed25519\s+AAAAC3NzaC1lZDI1NTE5AAAAI[A-Za-z0-9+/]{43}|sk-ssh-ed25519@openssh\.com\s+AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29t[A-Za-z0-9+/]{54,342}={0,2}|ecdsa-sha2-nistp256\s+AAAAE2VjZHNhLXNoYTItbmlzdHAy[A-Za-z0-9+/]{111}=|ecdsa-sha2-nistp384\s+AAAAE2VjZHNhLXNoYTItbmlzdHAz[A-Za-z0-9+/]{154}==|ecdsa-sha2-nistp521\s+AAAAE2VjZHNhLXNoYTItbmlzdHA1[A-Za-z0-9+/]{203}=|sk-ecdsa-sha2-nistp256@openssh\.com\s+AAAAInNrLWVjZHNhLXNoYTItbmlzdHAyNTZAb3BlbnNzaC5j[A-Za-z0-9+/]{110,398}={0,2}|ssh-rsa\s+AAAAB3NzaC1y[A-Za-z0-9+/]{354,3000}={0,2})(\s.*)?$",
    ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINWt2/SfQsdKmVq3GbXbP5bIREGHZWiNsJXEYF0x4Q48"]
);

impl TryFrom<String> for LoginKey {
    type Error = KeyError;
    fn try_from(text: String) -> Result<Self, KeyError> {
        match read(&text) {
            Some((_, line)) => Ok(Self(line.into())),
            None => Err(KeyError::Login(text)),
        }
    }
}

impl From<PersonKey> for LoginKey {
    /// Whatever signs here is a key that `sshd` takes as well.
    fn from(key: PersonKey) -> Self {
        Self(key.0)
    }
}

/// What kind of key a line holds, and the line without its comment.
fn read(text: &str) -> Option<(&'static Kind, String)> {
    let mut words = text.split_ascii_whitespace();
    let (name, data) = (words.next()?, words.next()?);
    let kind = KINDS.iter().find(|kind| kind.name == name)?;
    let body = data.trim_end_matches('=');
    let base64 = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/');
    let (least, most) = kind.length;
    let whole = data.len().is_multiple_of(4) && data.len() - body.len() <= 2;
    let fits = (least..=most).contains(&data.len()) && data.starts_with(kind.head);
    let good = whole && fits && body.bytes().all(base64) && text.len() <= LONGEST;
    good.then(|| (kind, format!("{name} {data}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECURITY: &str = "sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAICFo/k5LU8863u66YC9eUO2170QduohPURkQnbLa/dczAAAABHNzaDo=";

    #[test]
    fn a_security_key_signs_and_opens() {
        let key = PersonKey::try_from(format!("  {SECURITY} yubi@key")).unwrap();
        assert_eq!(key.as_str(), SECURITY);
        assert_eq!(LoginKey::from(key).as_str(), SECURITY);
        assert!(LoginKey::try_from(SECURITY).is_ok());
    }

    #[test]
    fn what_cannot_sign_says_where_it_may_stand() {
        let ecdsa = format!(
            "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAy{}= x",
            "A".repeat(111)
        );
        assert!(LoginKey::try_from(ecdsa.clone()).is_ok());
        let error = PersonKey::try_from(ecdsa).unwrap_err().to_string();
        assert!(
            error.contains("server_login") && error.contains("ed25519-sk"),
            "{error}"
        );
    }

    #[test]
    fn slips_and_weak_keys_are_refused() {
        let weak = format!("ssh-rsa AAAAB3NzaC1y{}", "A".repeat(192));
        let options = format!("no-pty {SECURITY}");
        let slip = SECURITY.replace("AAAAGn", "AAABGn");
        let cut = &SECURITY[..SECURITY.len() - 1];
        for bad in [
            "",
            "ssh-dss AAAA",
            "sk-ssh-ed25519@openssh.com",
            &weak,
            &options,
            &slip,
            cut,
        ] {
            assert!(LoginKey::try_from(bad).is_err(), "{bad}");
            assert!(PersonKey::try_from(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in ".*", kind in 0..KINDS.len(), rest in "[A-Za-z0-9+/]{0,400}={0,3}") {
            drop(LoginKey::try_from(text));
            let Kind { name, head, .. } = KINDS[kind];
            let line = format!("{name} {head}{rest}");
            match LoginKey::try_from(line.clone()) {
                Ok(key) => prop_assert_eq!(key.as_str(), line),
                Err(error) => prop_assert!(error.to_string().contains("SSH")),
            }
        }
    }
}
