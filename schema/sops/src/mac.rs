//! The message authentication code of a plaintext tree: SHA-512 over its leaves in document order.

use secrecy::ExposeSecret;
use sha2::{Digest, Sha512};

use crate::rule::Selector;
use crate::{Map, Path, Segment, Value};

/// SHA-256 of `sops`: keeps a MAC over encrypted leaves only from ever equalling one over all leaves.
/// Source: `MACOnlyEncryptedInitialization` of SOPS.
const ONLY_ENCRYPTED_SEED: [u8; 32] = [
    0x8a, 0x3f, 0xd2, 0xad, 0x54, 0xce, 0x66, 0x52, 0x7b, 0x10, 0x34, 0xf3, 0xd1, 0x47, 0xbe, 0x0b,
    0x0b, 0x97, 0x5b, 0x3b, 0xf4, 0x4f, 0x72, 0xc6, 0xfd, 0xad, 0xec, 0x81, 0x76, 0xf2, 0x7d, 0x69,
];

/// The MAC in upper-case hex.
pub(crate) fn of(root: &Map, selector: &Selector, only_encrypted: bool) -> String {
    let mut mac = Mac {
        hash: Sha512::new(),
        selector: only_encrypted.then_some(selector),
        path: Path::root(),
    };
    if only_encrypted {
        mac.hash.update(ONLY_ENCRYPTED_SEED);
    }
    mac.map(root);
    base16(&mac.hash.finalize())
}

struct Mac<'a> {
    hash: Sha512,
    /// Leaves that it does not pick are left out.
    selector: Option<&'a Selector>,
    path: Path,
}

impl Mac<'_> {
    fn map(&mut self, map: &Map) {
        for (key, value) in map.iter() {
            self.path.push(Segment::Key(key.to_owned()));
            self.value(value);
            self.path.pop();
        }
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Map(map) => self.map(map),
            Value::List(items) => items.iter().for_each(|item| self.value(item)),
            leaf => {
                if self
                    .selector
                    .is_none_or(|selector| selector.encrypts(&self.path))
                    && let Some(text) = leaf.scalar_text()
                {
                    self.hash.update(text.expose_secret().as_bytes());
                }
            }
        }
    }
}

fn base16(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}
