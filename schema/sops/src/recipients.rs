//! age recipients and identities, and wrapping the data key for them.

use std::fmt;
use std::str::FromStr;

use age::x25519;
use zeroize::Zeroizing;

use crate::Error;
use crate::cipher::DataKey;
use crate::metadata::AgeEntry;

/// An age X25519 public key, `age1…`.
#[derive(Clone)]
pub struct Recipient {
    text: String,
    key: x25519::Recipient,
}

impl Recipient {
    /// `age1…`.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn wrap(&self, key: &DataKey) -> Result<AgeEntry, Error> {
        let mut enc =
            age::encrypt_and_armor(&self.key, key.expose()).map_err(|_| Error::BadRecipient {
                recipient: self.text.clone(),
            })?;
        if !enc.ends_with('\n') {
            enc.push('\n');
        }
        Ok(AgeEntry {
            recipient: self.text.clone(),
            enc,
        })
    }
}

impl FromStr for Recipient {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        let key = text.parse().map_err(|_| Error::BadRecipient {
            recipient: text.to_owned(),
        })?;
        Ok(Self {
            text: text.to_owned(),
            key,
        })
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recipient({})", self.text)
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for Recipient {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Recipient {}

/// age X25519 secret keys to open files with. `Debug` shows the public halves.
#[derive(Clone, Default)]
pub struct Identities(Vec<(Recipient, x25519::Identity)>);

impl Identities {
    /// Reads the content of an age identity file: one `AGE-SECRET-KEY-1…` a line, `#` comments, empty lines.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut identities = Self::default();
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let identity = line
                .parse()
                .map_err(|_| Error::BadIdentity { line: at + 1 })?;
            identities.push(identity);
        }
        Ok(identities)
    }

    /// Adds one.
    pub fn push(&mut self, identity: x25519::Identity) {
        let key = identity.to_public();
        let recipient = Recipient {
            text: key.to_string(),
            key,
        };
        self.0.push((recipient, identity));
    }

    /// Adds all of `other`.
    pub fn extend(&mut self, other: &Self) {
        self.0.extend(other.0.iter().cloned());
    }

    /// The public halves, in order.
    pub fn recipients(&self) -> impl Iterator<Item = &Recipient> {
        self.0.iter().map(|(recipient, _)| recipient)
    }

    /// Opens the first entry that one of the identities fits. Entries named after one of ours go first, because
    /// every further attempt costs an elliptic curve operation.
    pub(crate) fn unwrap(&self, entries: &[AgeEntry]) -> Result<DataKey, Error> {
        let ours = |entry: &AgeEntry| self.recipients().any(|ours| ours.text == entry.recipient);
        let (named, others): (Vec<_>, Vec<_>) = entries.iter().partition(|entry| ours(entry));
        let mut damaged = None;
        for entry in named.iter().chain(&others) {
            match self.open(entry) {
                Ok(key) => return Ok(key),
                Err(Attempt::NotOurs) => {}
                Err(Attempt::Damaged) => damaged = damaged.or(Some(entry)),
            }
        }
        Err(match damaged {
            Some(entry) if ours(entry) => Error::BadDataKey {
                recipient: entry.recipient.clone(),
            },
            _ => Error::NoMatchingKey {
                recipients: entries
                    .iter()
                    .map(|entry| entry.recipient.clone())
                    .collect(),
            },
        })
    }

    fn open(&self, entry: &AgeEntry) -> Result<DataKey, Attempt> {
        let mut outcome = Attempt::NotOurs;
        for (_, identity) in &self.0 {
            match age::decrypt(identity, entry.enc.as_bytes()).map(Zeroizing::new) {
                Ok(bytes) => return DataKey::from_bytes(&bytes).ok_or(Attempt::Damaged),
                Err(age::DecryptError::NoMatchingKeys) => {}
                Err(_) => outcome = Attempt::Damaged,
            }
        }
        Err(outcome)
    }
}

enum Attempt {
    NotOurs,
    Damaged,
}

impl From<x25519::Identity> for Identities {
    fn from(identity: x25519::Identity) -> Self {
        let mut identities = Self::default();
        identities.push(identity);
        identities
    }
}

impl fmt::Debug for Identities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.recipients()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use age::secrecy::ExposeSecret as _;

    #[test]
    fn identity_files() {
        let identity = x25519::Identity::generate();
        let secret = identity.to_string();
        let file = format!("# created: today\n\n{}\n", secret.expose_secret());
        let identities = Identities::parse(&file).unwrap();
        assert_eq!(identities.recipients().count(), 1);
        assert!(!format!("{identities:?}").contains(secret.expose_secret()));
        assert_eq!(
            Identities::parse("# x\nAGE-SECRET-KEY-1X").err(),
            Some(Error::BadIdentity { line: 2 })
        );
    }

    #[test]
    fn only_age_recipients() {
        for text in ["", "age1", "ssh-ed25519 AAAA", "AGE-SECRET-KEY-1X"] {
            assert!(text.parse::<Recipient>().is_err());
        }
    }
}
