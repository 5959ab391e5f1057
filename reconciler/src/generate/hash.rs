//! Hashes of secrets in the forms in which tools take them.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use tenantry_schema::document::{Derivation, SecretSpec};
use tenantry_sops::{ExposeSecret as _, SecretString};

/// What bcrypt costs. The passwords are drawn, so it is the format that counts.
const BCRYPT_COST: u32 = 10;
/// Memory in KiB, passes and lanes of Argon2id: the first choice of OWASP's cheat sheet for passwords.
const ARGON2: (u32, u32, u32) = (19_456, 2, 1);
/// Rounds that Django 4.2 takes; with fewer it would write the hash anew at the first log-in.
const PBKDF2_ROUNDS: u32 = 600_000;

/// The most that a hash which people gave may cost to be looked at: some seconds.
struct Dearest {
    bcrypt: u32,
    /// KiB and passes.
    argon2: (u32, u32),
    /// Rounds.
    pbkdf2: u32,
}

const DEAREST: Dearest = Dearest {
    bcrypt: 15,
    argon2: (262_144, 16),
    pbkdf2: 5_000_000,
};

/// The hash of `from`. Where none can be made: why.
pub(super) fn of(
    derivation: &Derivation,
    from: &SecretString,
    salt: [u8; 16],
) -> Result<SecretString, String> {
    let password = from.expose_secret().as_bytes();
    let text = match derivation {
        Derivation::Bcrypt(_) => bcrypt::non_truncating_hash_with_salt(password, BCRYPT_COST, salt)
            .map_err(|why| match why {
                bcrypt::BcryptError::Truncation(_) => {
                    "bcrypt takes at most 71 bytes, and it is longer: give a shorter value"
                        .to_owned()
                }
                other => other.to_string(),
            })?
            .format_for_version(bcrypt::Version::TwoB),
        Derivation::Argon2(_) => phc(password, salt).map_err(|why| why.to_string())?,
        Derivation::Pbkdf2(_) => django(password, &hex::encode(salt), PBKDF2_ROUNDS),
    };
    Ok(SecretString::from(text))
}

/// Whether `value` is what a secret of this rule has where `from` is the value of what it follows, with whatever cost and salt it was made.
/// What would cost more than [`DEAREST`] to look at counts as something else.
pub fn fits(spec: &SecretSpec, from: Option<&SecretString>, value: Option<&SecretString>) -> bool {
    let (Some(from), Some(value)) = (from, value) else {
        return false;
    };
    let (password, text) = (from.expose_secret(), value.expose_secret());
    match &spec.derive {
        None => password == text,
        Some(Derivation::Bcrypt(_)) => {
            let cost = text.get(4..6).and_then(|cost| cost.parse::<u32>().ok());
            cost.is_some_and(|cost| cost <= DEAREST.bcrypt)
                && bcrypt::verify(password, text).unwrap_or(false)
        }
        Some(Derivation::Argon2(_)) => fits_argon2(password.as_bytes(), text).unwrap_or(false),
        Some(Derivation::Pbkdf2(_)) => fits_django(password.as_bytes(), text).unwrap_or(false),
    }
}

/// None: it is no such hash, or too dear.
fn fits_argon2(password: &[u8], text: &str) -> Option<bool> {
    let mut parts = text.strip_prefix("$argon2id$v=19$")?.split('$');
    let costs = parts.next()?;
    let cost = |name: &str| {
        let mut costs = costs.split(',').filter_map(|cost| cost.split_once('='));
        let (_, number) = costs.find(|(key, _)| *key == name)?;
        number.parse::<u32>().ok()
    };
    let (memory, passes, lanes) = (cost("m")?, cost("t")?, cost("p")?);
    let salt = STANDARD_NO_PAD.decode(parts.next()?).ok()?;
    let key = STANDARD_NO_PAD.decode(parts.next()?).ok()?;
    let (most, most_passes) = DEAREST.argon2;
    if parts.next().is_some() || memory > most || passes > most_passes || key.len() > 64 {
        return None;
    }
    let made = argon2id(password, &salt, (memory, passes, lanes), key.len()).ok()?;
    Some(made == key)
}

/// None: it is no such hash, or too dear.
fn fits_django(password: &[u8], text: &str) -> Option<bool> {
    let mut parts = text.strip_prefix("pbkdf2_sha256$")?.split('$');
    let rounds = parts.next()?.parse().ok()?;
    let (salt, _key) = (parts.next()?, parts.next()?);
    let good = parts.next().is_none() && (1..=DEAREST.pbkdf2).contains(&rounds);
    good.then(|| django(password, salt, rounds) == text)
}

fn argon2id(
    password: &[u8],
    salt: &[u8],
    (memory, passes, lanes): (u32, u32, u32),
    length: usize,
) -> Result<Vec<u8>, argon2::Error> {
    let mut key = vec![0_u8; length];
    let params = argon2::Params::new(memory, passes, lanes, Some(length))?;
    argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params)
        .hash_password_into(password, salt, &mut key)?;
    Ok(key)
}

/// A PHC string.
fn phc(password: &[u8], salt: [u8; 16]) -> Result<String, argon2::Error> {
    let (memory, passes, lanes) = ARGON2;
    let key = argon2id(password, &salt, ARGON2, 32)?;
    let (salt, key) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(key));
    Ok(format!(
        "$argon2id$v=19$m={memory},t={passes},p={lanes}${salt}${key}"
    ))
}

/// As Django writes PBKDF2 with SHA-256. It takes a salt of letters and digits, as it stands.
fn django(password: &[u8], salt: &str, rounds: u32) -> String {
    let mut key = [0_u8; 32];
    pbkdf2::pbkdf2_hmac::<sha2::Sha256>(password, salt.as_bytes(), rounds, &mut key);
    format!("pbkdf2_sha256${rounds}${salt}${}", STANDARD.encode(key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tenantry_schema::name::VariableName;

    fn rules() -> [SecretSpec; 3] {
        let source = || VariableName::try_from("A").unwrap();
        [Derivation::Bcrypt, Derivation::Argon2, Derivation::Pbkdf2].map(|make| SecretSpec {
            derive: Some(make(source())),
            ..SecretSpec::default()
        })
    }

    #[test]
    fn a_hash_fits_what_it_was_made_of() {
        let (one, other) = (SecretString::from("one"), SecretString::from("other"));
        for spec in rules() {
            let made = of(spec.derive.as_ref().unwrap(), &one, *b"sixteen bytes...").unwrap();
            assert!(fits(&spec, Some(&one), Some(&made)));
            assert!(!fits(&spec, Some(&other), Some(&made)));
            assert!(!fits(&spec, Some(&one), None) && !fits(&spec, None, Some(&made)));
        }
        let shared = SecretSpec::default();
        assert!(fits(&shared, Some(&one), Some(&one)) && !fits(&shared, Some(&one), Some(&other)));
    }

    #[test]
    fn others_make_hashes_with_other_costs() {
        let [_, argon2, pbkdf2] = rules();
        let one = SecretString::from("one");
        let salt = STANDARD_NO_PAD.encode("eight...");
        let key = STANDARD_NO_PAD.encode(argon2id(b"one", b"eight...", (64, 1, 2), 24).unwrap());
        for (spec, text) in [
            (&argon2, format!("$argon2id$v=19$m=64,t=1,p=2${salt}${key}")),
            (&pbkdf2, django(b"one", "some-salt", 1_000)),
        ] {
            let text = SecretString::from(text);
            assert!(fits(spec, Some(&one), Some(&text)));
            assert!(!fits(spec, Some(&SecretString::from("other")), Some(&text)));
        }
    }

    #[test]
    fn what_would_take_hours_is_not_looked_at() {
        let key = STANDARD_NO_PAD.encode([0; 32]);
        let texts = [
            format!("$2b$31${}", "a".repeat(53)),
            format!("$argon2id$v=19$m=4194304,t=1000,p=1${key}${key}"),
            format!("pbkdf2_sha256$4000000000$salt${}", STANDARD.encode([0; 32])),
        ];
        for (spec, text) in rules().iter().zip(texts) {
            assert!(!fits(
                spec,
                Some(&SecretString::from("one")),
                Some(&SecretString::from(text))
            ));
        }
    }

    #[test]
    fn a_value_that_bcrypt_would_cut_is_refused_with_its_length() {
        let [bcrypt, ..] = rules();
        let of = |length: usize| {
            of(
                bcrypt.derive.as_ref().unwrap(),
                &SecretString::from("x".repeat(length)),
                *b"sixteen bytes...",
            )
        };
        assert!(of(71).is_ok());
        assert!(of(72).unwrap_err().contains("at most 71 bytes"));
    }

    proptest! {
        /// People give anything as a value: it fits nothing, and nothing breaks.
        #[test]
        fn what_is_no_hash_fits_nothing(text in "[$a-z0-9=,/+.]{0,80}", any in ".{0,60}") {
            for spec in rules() {
                for value in [&text, &any] {
                    prop_assert!(!fits(&spec, Some(&SecretString::from("one")), Some(&SecretString::from(value.clone()))));
                }
            }
        }
    }
}
