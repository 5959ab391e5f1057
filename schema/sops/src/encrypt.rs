//! Writing a new file, and turning plaintext subtrees into what a file holds.

use rand::CryptoRng;

use crate::cipher::DataKey;
use crate::emit::{self, Out};
use crate::file::METADATA_KEY;
use crate::metadata::{Metadata, WRITTEN_VERSION};
use crate::rule::Selector;
use crate::{Error, Map, Path, Recipient, Rule, Segment, Timestamp, Value, mac};

/// How a new file is to be encrypted.
#[derive(Debug, Clone)]
pub struct EncryptOptions {
    /// Who can open it; doubles are dropped.
    pub recipients: Vec<Recipient>,
    /// Which leaves are encrypted.
    pub rule: Rule,
    /// Leave clear leaves out of the MAC, so that people can edit them by hand.
    pub mac_only_encrypted: bool,
    /// The time to write, to the second. It is bound to the MAC.
    pub last_modified: Timestamp,
}

/// Encrypts `plain` under a fresh data key and writes it as YAML that `sops` reads, edits and rotates.
///
/// `rng` gives the data key and the nonces; the age stanzas take theirs from the operating system.
pub fn encrypt(
    plain: &Map,
    options: &EncryptOptions,
    rng: &mut dyn CryptoRng,
) -> Result<String, Error> {
    let selector = options.rule.compile()?;
    let key = DataKey::generate(rng);
    let tree = Sealer {
        key: &key,
        selector: &selector,
        rng,
    }
    .map(plain, &mut Path::root())?;
    let metadata = Metadata {
        age: wrap(&options.recipients, &key)?,
        mac: seal_mac(
            plain,
            &key,
            &selector,
            options.mac_only_encrypted,
            options.last_modified,
            rng,
        ),
        last_modified: options.last_modified,
        rule: options.rule.clone(),
        mac_only_encrypted: options.mac_only_encrypted,
        version: WRITTEN_VERSION.to_owned(),
    };
    let mut out = String::new();
    emit::entries(&mut out, &tree, 0);
    out.push_str(&metadata.write());
    Ok(out)
}

/// Wraps `key` for each recipient once.
pub(crate) fn wrap(
    recipients: &[Recipient],
    key: &DataKey,
) -> Result<Vec<crate::metadata::AgeEntry>, Error> {
    if recipients.is_empty() {
        return Err(Error::NoRecipients);
    }
    recipients
        .iter()
        .enumerate()
        .filter(|(at, recipient)| !recipients[..*at].contains(recipient))
        .map(|(_, recipient)| recipient.wrap(key))
        .collect()
}

/// The `mac` field for a plaintext tree.
pub(crate) fn seal_mac(
    plain: &Map,
    key: &DataKey,
    selector: &Selector,
    only_encrypted: bool,
    last_modified: Timestamp,
    rng: &mut dyn CryptoRng,
) -> String {
    let mac = mac::of(plain, selector, only_encrypted);
    key.seal_text(&mac, "str", &last_modified.to_seconds_text(), rng)
}

/// Turns plaintext into ciphertext, leaf by leaf.
pub(crate) struct Sealer<'a> {
    pub(crate) key: &'a DataKey,
    pub(crate) selector: &'a Selector,
    pub(crate) rng: &'a mut dyn CryptoRng,
}

impl Sealer<'_> {
    fn map(&mut self, map: &Map, path: &mut Path) -> Result<Vec<(String, Out)>, Error> {
        let mut entries = Vec::with_capacity(map.len());
        for (key, value) in map.iter() {
            check_key(key, path)?;
            path.push(Segment::Key(key.to_owned()));
            entries.push((emit::key(key, path)?, self.value(value, path)?));
            path.pop();
        }
        Ok(entries)
    }

    pub(crate) fn value(&mut self, value: &Value, path: &mut Path) -> Result<Out, Error> {
        match value {
            Value::Map(map) => self.map(map, path).map(Out::Map),
            Value::List(items) => {
                let mut list = Vec::with_capacity(items.len());
                for item in items {
                    list.push(self.value(item, path)?);
                }
                Ok(Out::List(list))
            }
            leaf => match self.leaf(leaf, path) {
                Some(sealed) => Ok(Out::Inline(sealed)),
                None => Out::clear(leaf, path),
            },
        }
    }

    /// The ciphertext of a leaf; `None` if it stays in clear.
    pub(crate) fn leaf(&mut self, leaf: &Value, path: &Path) -> Option<String> {
        if !self.selector.encrypts(path) {
            return None;
        }
        self.key.seal(leaf, &path.additional_data(), self.rng)
    }
}

/// Refuses a top-level `sops`, which is the metadata's name.
pub(crate) fn check_key(key: &str, parent: &Path) -> Result<(), Error> {
    if key == METADATA_KEY && parent.segments().is_empty() {
        return Err(Error::BadKey {
            path: key.to_owned(),
            reason: "is reserved for the metadata".into(),
        });
    }
    Ok(())
}
