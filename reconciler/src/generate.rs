//! Values of secrets: drawn by the rules of a stack, shared, or worked out from others. Nothing that is there is ever replaced here.

mod hash;

pub use hash::fits;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rand::{CryptoRng, Rng};
use std::collections::BTreeMap;
use tenantry_schema::document::{Alphabet, SecretKind, SecretSpec, followers, on_both_sides};
use tenantry_sops::{ExposeSecret as _, SecretString};

/// Values by name.
pub type Values = BTreeMap<String, SecretString>;

/// Why a value cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GenerateError {
    /// What it follows is not there.
    #[error(
        "`{name}` follows the secret `{source_name}`, which has no value: generate `{source_name}` as well, or set it, and `{name}` goes with it"
    )]
    NoSource {
        /// The secret.
        name: String,
        /// What it follows.
        source_name: String,
    },
    /// Two that must differ came out the same again and again.
    #[error(
        "`{0}` and `{1}` must differ, and there are too few values for them: make them longer in stack.yaml, or take away `must_differ`"
    )]
    Same(String, String),
    /// A person gave a value that another has already.
    #[error("`{0}` must differ from `{1}`, and this is the value of `{1}`: give another one")]
    Taken(String, String),
    /// A hash could not be made.
    #[error("`{name}` cannot be worked out: {why}")]
    Hash {
        /// The secret.
        name: String,
        /// Why.
        why: String,
    },
}

/// How often values are drawn until those that must differ do.
const ATTEMPTS: usize = 100;

/// Values for `specs`; `there` are those of other secrets of the same tool that exist.
///
/// # Errors
/// Where one follows a secret that is in neither.
pub fn draw(
    specs: &BTreeMap<String, SecretSpec>,
    there: &Values,
    rng: &mut dyn CryptoRng,
) -> Result<Values, GenerateError> {
    let mut same = (String::new(), String::new());
    for _ in 0..ATTEMPTS {
        let mut values = Values::new();
        for (name, spec) in specs.iter().filter(|(_, spec)| spec.follows().is_none()) {
            values.insert(name.clone(), SecretString::from(generate(spec, rng)));
        }
        share(specs, &mut values, there)?;
        match equals(specs, &values, there) {
            Some(pair) => same = pair,
            None => return derive(specs, values, there, rng),
        }
    }
    Err(GenerateError::Same(same.0, same.1))
}

/// The value that a person gives for `name`, and those of what follows it; `there` are those of other secrets of the same tool that exist.
/// Hashes among these that were made of the new value stay as they are.
///
/// # Errors
/// Where another one that must differ has this value, or no hash can be made of it.
pub fn given(
    specs: &BTreeMap<String, SecretSpec>,
    name: &str,
    value: SecretString,
    there: &Values,
    rng: &mut dyn CryptoRng,
) -> Result<Values, GenerateError> {
    let mut values = Values::from([(name.to_owned(), value)]);
    let following: BTreeMap<String, SecretSpec> = followers(specs, name)
        .filter_map(|follower| Some((follower.to_owned(), specs.get(follower)?.clone())))
        .collect();
    share(&following, &mut values, there)?;
    let about = on_both_sides(specs, |name| values.contains_key(name));
    if let Some((one, other)) = equals(&about, &values, there) {
        return Err(GenerateError::Taken(one, other));
    }
    let stale = following.into_iter().filter(|(name, spec)| {
        let from = spec.derive.as_ref().map(|it| it.source().as_str());
        let from = from.and_then(|from| values.get(from).or_else(|| there.get(from)));
        !fits(spec, from, there.get(name))
    });
    derive(&stale.collect(), values, there, rng)
}

/// Adds those that have the value of another one.
fn share(
    specs: &BTreeMap<String, SecretSpec>,
    values: &mut Values,
    there: &Values,
) -> Result<(), GenerateError> {
    for (name, spec) in specs {
        if let Some(other) = &spec.share_with {
            let value = source(name, other.as_str(), values, there)?.clone();
            values.insert(name.clone(), value);
        }
    }
    Ok(())
}

/// Adds the hashes.
fn derive(
    specs: &BTreeMap<String, SecretSpec>,
    mut values: Values,
    there: &Values,
    rng: &mut dyn CryptoRng,
) -> Result<Values, GenerateError> {
    for (name, spec) in specs {
        if let Some(derivation) = &spec.derive {
            let from = source(name, derivation.source().as_str(), &values, there)?;
            let mut salt = [0_u8; 16];
            rng.fill_bytes(&mut salt);
            let value = hash::of(derivation, from, salt).map_err(|why| GenerateError::Hash {
                name: name.to_owned(),
                why,
            })?;
            values.insert(name.clone(), value);
        }
    }
    Ok(values)
}

fn source<'v>(
    name: &str,
    other: &str,
    values: &'v Values,
    there: &'v Values,
) -> Result<&'v SecretString, GenerateError> {
    values
        .get(other)
        .or_else(|| there.get(other))
        .ok_or_else(|| GenerateError::NoSource {
            name: name.to_owned(),
            source_name: other.to_owned(),
        })
}

/// Two that must differ and do not.
fn equals(
    specs: &BTreeMap<String, SecretSpec>,
    values: &Values,
    there: &Values,
) -> Option<(String, String)> {
    let value = |name: &str| values.get(name).or_else(|| there.get(name));
    let pairs = specs.iter().flat_map(|(name, spec)| {
        let others = spec.must_differ.iter();
        others.map(move |other| (name.as_str(), other.as_str()))
    });
    let same = |(one, other): &(&str, &str)| match (value(one), value(other)) {
        (Some(one), Some(other)) => one.expose_secret() == other.expose_secret(),
        _ => false,
    };
    pairs
        .filter(|(one, other)| one != other)
        .find(same)
        .map(|(one, other)| (one.to_owned(), other.to_owned()))
}

/// Draws a secret that follows no other.
pub fn generate(spec: &SecretSpec, rng: &mut dyn CryptoRng) -> String {
    let size = spec.bytes.unwrap_or(SecretSpec::BYTES);
    let size = size.clamp(*SecretSpec::SIZES.start(), *SecretSpec::SIZES.end());
    let mut bytes = vec![0; usize::from(size)];
    rng.fill_bytes(&mut bytes);
    let drawn = match spec.kind.unwrap_or_default() {
        SecretKind::Password => password(spec, rng),
        SecretKind::Hex => hex::encode(&bytes),
        SecretKind::Base64 => STANDARD.encode(&bytes),
        SecretKind::Base64url => URL_SAFE_NO_PAD.encode(&bytes),
        SecretKind::Uuid => uuid(rng),
    };
    match &spec.prefix {
        Some(prefix) => format!("{prefix}{drawn}"),
        None => drawn,
    }
}

fn password(spec: &SecretSpec, rng: &mut dyn CryptoRng) -> String {
    let alphabet: &[u8] = match spec.alphabet.unwrap_or_default() {
        Alphabet::UrlSafe => b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
        Alphabet::Hex => b"0123456789abcdef",
        Alphabet::Digits => b"0123456789",
    };
    let length = spec.length.unwrap_or(SecretSpec::LENGTH);
    let length = length.clamp(*SecretSpec::LENGTHS.start(), *SecretSpec::LENGTHS.end());
    (0..length)
        .map(|_| char::from(alphabet[rng.random_range(0..alphabet.len())]))
        .collect()
}

/// RFC 9562, section 5.4.
fn uuid(rng: &mut dyn CryptoRng) -> String {
    let mut bytes = [0_u8; 16];
    rng.fill_bytes(&mut bytes);
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let text = hex::encode(bytes);
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    [
        part(0, 8),
        part(8, 12),
        part(12, 16),
        part(16, 20),
        part(20, 32),
    ]
    .join("-")
}

#[cfg(test)]
mod tests;
