//! Values of secrets: drawn by the rules of a stack, shared, or worked out from others. Nothing that is there is ever replaced here.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use rand::{CryptoRng, Rng};
use std::collections::BTreeMap;
use tenantry_schema::document::{Alphabet, Derivation, SecretKind, SecretSpec};
use tenantry_sops::{ExposeSecret as _, SecretString};

/// Values by name.
pub type Values = BTreeMap<String, SecretString>;

/// Why a value cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GenerateError {
    /// What it follows is not there.
    #[error("`{name}` follows the secret `{source_name}`, which has no value")]
    NoSource {
        /// The secret.
        name: String,
        /// What it follows.
        source_name: String,
    },
    /// Two that must differ came out the same again and again.
    #[error("`{0}` and `{1}` must differ, and there are too few values for them")]
    Same(String, String),
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
        for (name, spec) in specs {
            if let Some(other) = &spec.share_with {
                let value = source(name, other.as_str(), &values, there)?.clone();
                values.insert(name.clone(), value);
            }
        }
        if let Some(pair) = equals(specs, &values, there) {
            same = pair;
            continue;
        }
        for (name, spec) in specs {
            if let Some(derivation) = &spec.derive {
                let from = source(name, derivation.source().as_str(), &values, there)?;
                let value = hash(name, derivation, from, rng)?;
                values.insert(name.clone(), value);
            }
        }
        return Ok(values);
    }
    Err(GenerateError::Same(same.0, same.1))
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

/// What bcrypt costs. The passwords are drawn, so it is the format that counts.
const BCRYPT_COST: u32 = 10;
/// Memory in KiB, passes and lanes of Argon2id: the first choice of OWASP's cheat sheet for passwords.
const ARGON2: (u32, u32, u32) = (19_456, 2, 1);
/// Rounds that Django 4.2 takes; with fewer it would write the hash anew at the first log-in.
const PBKDF2_ROUNDS: u32 = 600_000;

fn hash(
    name: &str,
    derivation: &Derivation,
    from: &SecretString,
    rng: &mut dyn CryptoRng,
) -> Result<SecretString, GenerateError> {
    let password = from.expose_secret().as_bytes();
    let mut salt = [0_u8; 16];
    rng.fill_bytes(&mut salt);
    let failed = |why: String| GenerateError::Hash {
        name: name.to_owned(),
        why,
    };
    let mut key = [0_u8; 32];
    let text = match derivation {
        Derivation::Bcrypt(_) => bcrypt::non_truncating_hash_with_salt(password, BCRYPT_COST, salt)
            .map_err(|why| failed(why.to_string()))?
            .format_for_version(bcrypt::Version::TwoB),
        Derivation::Argon2(_) => {
            let (memory, passes, lanes) = ARGON2;
            let params = argon2::Params::new(memory, passes, lanes, Some(key.len()))
                .map_err(|why| failed(why.to_string()))?;
            argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params)
                .hash_password_into(password, &salt, &mut key)
                .map_err(|why| failed(why.to_string()))?;
            let (salt, key) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(key));
            format!("$argon2id$v=19$m={memory},t={passes},p={lanes}${salt}${key}")
        }
        Derivation::Pbkdf2(_) => {
            // Django takes a salt of letters and digits, as it stands.
            let salt = hex::encode(salt);
            pbkdf2::pbkdf2_hmac::<sha2::Sha256>(password, salt.as_bytes(), PBKDF2_ROUNDS, &mut key);
            format!(
                "pbkdf2_sha256${PBKDF2_ROUNDS}${salt}${}",
                STANDARD.encode(key)
            )
        }
    };
    Ok(SecretString::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::process::Command;
    use tenantry_schema::name::VariableName;

    fn name(text: &str) -> VariableName {
        VariableName::try_from(text).unwrap()
    }

    fn shown(values: &Values, name: &str) -> String {
        values[name].expose_secret().to_owned()
    }

    #[test]
    fn what_follows_is_the_same_or_a_hash_that_others_take() {
        let derived = |derive| SecretSpec {
            derive: Some(derive),
            ..SecretSpec::default()
        };
        let specs = BTreeMap::from([
            ("PASSWORD".to_owned(), SecretSpec::default()),
            (
                "SAME".to_owned(),
                SecretSpec {
                    share_with: Some(name("PASSWORD")),
                    ..SecretSpec::default()
                },
            ),
            (
                "BCRYPT".to_owned(),
                derived(Derivation::Bcrypt(name("SAME"))),
            ),
            (
                "ARGON2".to_owned(),
                derived(Derivation::Argon2(name("PASSWORD"))),
            ),
            (
                "DJANGO".to_owned(),
                derived(Derivation::Pbkdf2(name("PASSWORD"))),
            ),
        ]);
        let values = draw(&specs, &Values::new(), &mut rand::rng()).unwrap();
        let password = shown(&values, "PASSWORD");
        assert_eq!(shown(&values, "SAME"), password);
        assert!(bcrypt::verify(&password, &shown(&values, "BCRYPT")).unwrap());
        let argon2 = shown(&values, "ARGON2");
        assert!(
            argon2.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{argon2}"
        );
        // The C library and Python know the two others by themselves.
        let script = "import sys,hashlib,base64,warnings\nwarnings.simplefilter('ignore')\nimport crypt\np,b,d=sys.argv[1:]\nassert crypt.crypt(p,b)==b\n_,n,s,k=d.split('$')\nassert base64.b64encode(hashlib.pbkdf2_hmac('sha256',p.encode(),s.encode(),int(n))).decode()==k";
        let checked = Command::new("python3")
            .args(["-c", script])
            .args([
                &password,
                &shown(&values, "BCRYPT"),
                &shown(&values, "DJANGO"),
            ])
            .output()
            .unwrap();
        assert!(checked.status.success(), "{checked:?}");
    }

    #[test]
    fn what_is_there_is_what_hashes_are_made_of() {
        let there = Values::from([("OLD".to_owned(), SecretString::from("known"))]);
        let spec = |source| SecretSpec {
            derive: Some(Derivation::Bcrypt(name(source))),
            ..SecretSpec::default()
        };
        let one = |spec| BTreeMap::from([("NEW".to_owned(), spec)]);
        let values = draw(&one(spec("OLD")), &there, &mut rand::rng()).unwrap();
        assert!(bcrypt::verify("known", &shown(&values, "NEW")).unwrap());
        assert_eq!(values.len(), 1, "what is there is not given out again");
        let error = draw(&one(spec("GONE")), &there, &mut rand::rng()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`NEW` follows the secret `GONE`, which has no value"
        );
    }

    /// Dice that always fall the same.
    struct Stuck;

    impl rand::RngCore for Stuck {
        fn next_u32(&mut self) -> u32 {
            7
        }
        fn next_u64(&mut self) -> u64 {
            7
        }
        fn fill_bytes(&mut self, bytes: &mut [u8]) {
            bytes.fill(7);
        }
    }
    impl rand::CryptoRng for Stuck {}

    #[test]
    fn two_that_must_differ_never_come_out_the_same() {
        let specs = BTreeMap::from([
            ("A".to_owned(), SecretSpec::default()),
            (
                "B".to_owned(),
                SecretSpec {
                    must_differ: vec![name("A")],
                    ..SecretSpec::default()
                },
            ),
        ]);
        let error = draw(&specs, &Values::new(), &mut Stuck).unwrap_err();
        assert_eq!(error, GenerateError::Same("B".into(), "A".into()));
        let values = draw(&specs, &Values::new(), &mut rand::rng()).unwrap();
        assert_ne!(shown(&values, "A"), shown(&values, "B"));
    }

    proptest! {
        #[test]
        fn every_kind_is_what_it_says(
            kind in 0usize..5, length in 0u16..600, bytes in 0u16..300, hex in any::<bool>(), prefix in "(base64:|)"
        ) {
            let kind = [SecretKind::Password, SecretKind::Hex, SecretKind::Base64, SecretKind::Base64url, SecretKind::Uuid][kind];
            let spec = SecretSpec {
                kind: Some(kind),
                length: Some(length),
                bytes: Some(bytes),
                alphabet: hex.then_some(Alphabet::Hex),
                prefix: (!prefix.is_empty()).then(|| prefix.clone()),
                ..SecretSpec::default()
            };
            let secret = generate(&spec, &mut rand::rng());
            let drawn = secret.strip_prefix(&prefix).unwrap();
            let size = usize::from(bytes.clamp(8, 256));
            match kind {
                SecretKind::Password => {
                    prop_assert_eq!(drawn.len(), usize::from(length.clamp(8, 512)));
                    prop_assert!(drawn.bytes().all(|b| b.is_ascii_alphanumeric() && (!hex || b.is_ascii_hexdigit())));
                }
                SecretKind::Hex => prop_assert_eq!(hex::decode(drawn).unwrap().len(), size),
                SecretKind::Base64 => prop_assert_eq!(STANDARD.decode(drawn).unwrap().len(), size),
                SecretKind::Base64url => prop_assert_eq!(URL_SAFE_NO_PAD.decode(drawn).unwrap().len(), size),
                SecretKind::Uuid => {
                    let dashes: Vec<usize> = drawn.match_indices('-').map(|(at, _)| at).collect();
                    prop_assert_eq!(dashes, [8, 13, 18, 23]);
                    prop_assert!(drawn.len() == 36 && &drawn[14..15] == "4" && "89ab".contains(&drawn[19..20]));
                }
            }
            if SecretSpec::LENGTHS.contains(&length) && SecretSpec::SIZES.contains(&bytes) {
                prop_assert_eq!(secret.len(), spec.characters());
            }
            prop_assert_ne!(generate(&spec, &mut rand::rng()), secret);
        }
    }
}
