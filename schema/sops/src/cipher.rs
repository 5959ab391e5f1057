//! One `ENC[AES256_GCM,…]` value: its text form, and sealing and opening it under a data key. Knows nothing of trees.

use std::fmt;

use aes_gcm::aead::consts::U32;
use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::aes::Aes256;
use aes_gcm::{AesGcm, Nonce};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rand::CryptoRng;
use secrecy::ExposeSecret;
use zeroize::Zeroizing;

use crate::{Timestamp, Value, scalar};

const NONCE_BYTES: usize = 32;
const TAG_BYTES: usize = 16;
const PREFIX: &str = "ENC[AES256_GCM,data:";

/// The 32 bytes that everything in one file is encrypted with.
#[derive(Clone)]
pub(crate) struct DataKey(Zeroizing<[u8; 32]>);

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey([REDACTED])")
    }
}

/// Why a value cannot be read. Never names the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    NotEncrypted,
    Malformed,
    Forged,
    BadPlaintext,
    UnknownType,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotEncrypted => "should be encrypted by the rule of this file, but is not",
            Self::Malformed => "is not a well-formed ENC[AES256_GCM,…] value",
            Self::Forged => "was changed or moved to another key by somebody without the data key",
            Self::BadPlaintext => "its plaintext does not fit its type",
            Self::UnknownType => "has an unknown type",
        })
    }
}

/// What a value opens to.
pub(crate) enum Opened {
    Value(Value),
    /// Encrypted comments are not data and not part of the MAC.
    Comment(Zeroizing<String>),
}

impl DataKey {
    pub(crate) fn generate(rng: &mut dyn CryptoRng) -> Self {
        let mut key = Zeroizing::new([0; 32]);
        rng.fill_bytes(key.as_mut_slice());
        Self(key)
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self(Zeroizing::new(bytes.try_into().ok()?)))
    }

    pub(crate) fn expose(&self) -> &[u8] {
        self.0.as_slice()
    }

    fn cipher(&self) -> AesGcm<Aes256, U32> {
        AesGcm::new(&(*self.0).into())
    }

    /// Encrypts a scalar; null and the empty text give `None` and stay in clear.
    pub(crate) fn seal(
        &self,
        value: &Value,
        additional: &str,
        rng: &mut dyn CryptoRng,
    ) -> Option<String> {
        let kind = match value {
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::Float(_) => "float",
            Value::Time(_) => "time",
            Value::Str(_) => "str",
            Value::Null | Value::List(_) | Value::Map(_) => return None,
        };
        let text = value.scalar_text()?;
        (!text.expose_secret().is_empty())
            .then(|| self.seal_text(text.expose_secret(), kind, additional, rng))
    }

    pub(crate) fn seal_text(
        &self,
        text: &str,
        kind: &str,
        additional: &str,
        rng: &mut dyn CryptoRng,
    ) -> String {
        let mut nonce = [0; NONCE_BYTES];
        rng.fill_bytes(&mut nonce);
        let payload = Payload {
            msg: text.as_bytes(),
            aad: additional.as_bytes(),
        };
        let sealed = self
            .cipher()
            .encrypt(&Nonce::from(nonce), payload)
            .expect("AES-GCM takes any plaintext that fits in memory");
        let (data, tag) = sealed.split_at(sealed.len() - TAG_BYTES);
        let (data, iv, tag) = (
            STANDARD.encode(data),
            STANDARD.encode(nonce),
            STANDARD.encode(tag),
        );
        format!("{PREFIX}{data},iv:{iv},tag:{tag},type:{kind}]")
    }

    /// Opens a value at the place in the tree that `additional` names.
    pub(crate) fn open(&self, text: &str, additional: &str) -> Result<Opened, Flaw> {
        let sealed = Sealed::parse(text)?;
        let plain = self.open_bytes(&sealed, additional)?;
        let plain = String::from_utf8(plain)
            .map(Zeroizing::new)
            .map_err(|error| {
                drop(Zeroizing::new(error.into_bytes()));
                Flaw::BadPlaintext
            })?;
        if sealed.kind == "comment" {
            return Ok(Opened::Comment(plain));
        }
        typed(sealed.kind, &plain).map(Opened::Value)
    }

    fn open_bytes(&self, sealed: &Sealed<'_>, additional: &str) -> Result<Vec<u8>, Flaw> {
        let decode = |text: &str| STANDARD.decode(text).map_err(|_| Flaw::Malformed);
        let mut data = decode(sealed.data)?;
        let tag = decode(sealed.tag)?;
        let nonce: [u8; NONCE_BYTES] =
            decode(sealed.iv)?.try_into().map_err(|_| Flaw::Malformed)?;
        if tag.len() != TAG_BYTES {
            return Err(Flaw::Malformed);
        }
        data.extend_from_slice(&tag);
        let payload = Payload {
            msg: &data,
            aad: additional.as_bytes(),
        };
        self.cipher()
            .decrypt(&Nonce::from(nonce), payload)
            .map_err(|_| Flaw::Forged)
    }
}

/// The parts of the text form.
pub(crate) struct Sealed<'a> {
    data: &'a str,
    iv: &'a str,
    tag: &'a str,
    /// `str`, `int`, …
    pub(crate) kind: &'a str,
}

impl<'a> Sealed<'a> {
    /// Whether a text starts as an encrypted value does.
    pub(crate) fn looks_like(text: &str) -> bool {
        text.starts_with(PREFIX)
    }

    /// Whether the text has all its parts, and each is what it should look like: as much as can be said without the key.
    pub(crate) fn is_whole(text: &str) -> bool {
        Sealed::parse(text).is_ok_and(|sealed| {
            [sealed.data, sealed.iv, sealed.tag]
                .iter()
                .all(|part| STANDARD.decode(part).is_ok())
        })
    }

    /// The 1-based line of the first encrypted value of a file that is not whole. A value that goes on on another line is not looked at.
    pub(crate) fn first_damaged(text: &str) -> Option<usize> {
        text.match_indices(PREFIX).find_map(|(at, _)| {
            let line = text[at..].lines().next()?;
            let sealed = &line[..=line.find(']')?];
            (!Sealed::is_whole(sealed)).then(|| text[..at].matches('\n').count() + 1)
        })
    }

    pub(crate) fn parse(text: &'a str) -> Result<Self, Flaw> {
        let rest = text.strip_prefix(PREFIX).ok_or(Flaw::NotEncrypted)?;
        let rest = rest.strip_suffix(']').ok_or(Flaw::Malformed)?;
        let (data, rest) = rest.split_once(",iv:").ok_or(Flaw::Malformed)?;
        let (iv, rest) = rest.split_once(",tag:").ok_or(Flaw::Malformed)?;
        let (tag, kind) = rest.split_once(",type:").ok_or(Flaw::Malformed)?;
        Ok(Self {
            data,
            iv,
            tag,
            kind,
        })
    }
}

fn typed(kind: &str, text: &str) -> Result<Value, Flaw> {
    let value = match kind {
        "str" | "bytes" => Some(Value::text(text)),
        "int" => text.parse().ok().map(Value::Int),
        "float" => scalar::parse_float(text).map(Value::Float),
        "bool" => scalar::parse_bool(text).map(Value::Bool),
        "time" => Timestamp::parse_rfc3339(text).ok().map(Value::Time),
        _ => return Err(Flaw::UnknownType),
    };
    value.ok_or(Flaw::BadPlaintext)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    fn key() -> DataKey {
        DataKey::from_bytes(&[7; 32]).unwrap()
    }

    #[test]
    fn scalars_survive() {
        let mut rng = StdRng::seed_from_u64(1);
        let time = Timestamp::from_unix(0).unwrap();
        for value in [
            Value::from("x"),
            Value::from("ä\n"),
            Value::Int(i64::MIN),
            Value::Float(1e300),
            Value::Float(f64::NEG_INFINITY),
            Value::Bool(true),
            Value::Bool(false),
            Value::Time(time),
        ] {
            let sealed = key().seal(&value, "a:", &mut rng).unwrap();
            let Ok(Opened::Value(back)) = key().open(&sealed, "a:") else {
                panic!("{value:?}")
            };
            assert!(back == value, "{value:?}");
        }
        assert!(key().seal(&Value::Null, "a:", &mut rng).is_none());
        assert!(key().seal(&Value::from(""), "a:", &mut rng).is_none());
    }

    #[test]
    fn place_key_and_bytes_are_authenticated() {
        let sealed = key()
            .seal(&Value::from("secret"), "a:", &mut StdRng::seed_from_u64(1))
            .unwrap();
        let flaw = |key: &DataKey, text: &str, place| key.open(text, place).err();
        assert_eq!(flaw(&key(), &sealed, "b:"), Some(Flaw::Forged));
        assert_eq!(
            flaw(&DataKey::from_bytes(&[8; 32]).unwrap(), &sealed, "a:"),
            Some(Flaw::Forged)
        );
        let other = key()
            .seal(&Value::from("public"), "a:", &mut StdRng::seed_from_u64(2))
            .unwrap();
        let (head, _) = sealed.split_once(",iv:").unwrap();
        let (_, tail) = other.split_once(",iv:").unwrap();
        assert_eq!(
            flaw(&key(), &format!("{head},iv:{tail}"), "a:"),
            Some(Flaw::Forged)
        );
        assert_eq!(flaw(&key(), "plain", "a:"), Some(Flaw::NotEncrypted));
        assert_eq!(
            flaw(&key(), &sealed.replace("type:str", "type:date"), "a:"),
            Some(Flaw::UnknownType)
        );
        assert_eq!(
            flaw(&key(), &sealed.replace("type:str", "type:int"), "a:"),
            Some(Flaw::BadPlaintext)
        );
        for cut in 1..sealed.len() {
            assert!(flaw(&key(), &sealed[..cut], "a:").is_some());
        }
    }
}
