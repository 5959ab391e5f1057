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

/// The hash of `from`. Where none can be made: why.
pub(super) fn of(
    derivation: &Derivation,
    from: &SecretString,
    salt: [u8; 16],
) -> Result<SecretString, String> {
    let password = from.expose_secret().as_bytes();
    let text = match derivation {
        Derivation::Bcrypt(_) => bcrypt::non_truncating_hash_with_salt(password, BCRYPT_COST, salt)
            .map_err(|why| why.to_string())?
            .format_for_version(bcrypt::Version::TwoB),
        Derivation::Argon2(_) => argon2id(password, salt).map_err(|why| why.to_string())?,
        Derivation::Pbkdf2(_) => django(password, salt),
    };
    Ok(SecretString::from(text))
}

/// Whether `value` is what a secret of this rule has where `from` is the value of what it follows.
pub fn fits(spec: &SecretSpec, from: Option<&SecretString>, value: Option<&SecretString>) -> bool {
    let (Some(from), Some(value)) = (from, value) else {
        return false;
    };
    let (password, text) = (from.expose_secret(), value.expose_secret());
    // Made once more, with the salt that stands in it.
    let part = |at: usize| text.split('$').nth(at);
    match &spec.derive {
        None => password == text,
        Some(Derivation::Bcrypt(_)) => bcrypt::verify(password, text).unwrap_or(false),
        Some(derivation @ Derivation::Argon2(_)) => {
            let salt = part(4).and_then(|salt| STANDARD_NO_PAD.decode(salt).ok());
            again(derivation, from, salt, text)
        }
        Some(derivation @ Derivation::Pbkdf2(_)) => {
            let salt = part(2).and_then(|salt| hex::decode(salt).ok());
            again(derivation, from, salt, text)
        }
    }
}

fn again(derivation: &Derivation, from: &SecretString, salt: Option<Vec<u8>>, text: &str) -> bool {
    let salt = salt.and_then(|salt| <[u8; 16]>::try_from(salt).ok());
    let made = salt.and_then(|salt| of(derivation, from, salt).ok());
    made.is_some_and(|made| made.expose_secret() == text)
}

/// A PHC string.
fn argon2id(password: &[u8], salt: [u8; 16]) -> Result<String, argon2::Error> {
    let (memory, passes, lanes) = ARGON2;
    let mut key = [0_u8; 32];
    let params = argon2::Params::new(memory, passes, lanes, Some(key.len()))?;
    argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params)
        .hash_password_into(password, &salt, &mut key)?;
    let (salt, key) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(key));
    Ok(format!(
        "$argon2id$v=19$m={memory},t={passes},p={lanes}${salt}${key}"
    ))
}

/// As Django writes PBKDF2 with SHA-256. It takes a salt of letters and digits, as it stands.
fn django(password: &[u8], salt: [u8; 16]) -> String {
    let salt = hex::encode(salt);
    let mut key = [0_u8; 32];
    pbkdf2::pbkdf2_hmac::<sha2::Sha256>(password, salt.as_bytes(), PBKDF2_ROUNDS, &mut key);
    format!(
        "pbkdf2_sha256${PBKDF2_ROUNDS}${salt}${}",
        STANDARD.encode(key)
    )
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
