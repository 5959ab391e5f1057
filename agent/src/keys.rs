//! The private keys of this server: made once, kept in files for root alone, never sent anywhere.

use crate::files::{FilesError, Root};
use age::secrecy::ExposeSecret as _;
use std::path::Path;
use tenantry_schema::key::{AgeRecipient, PublicKeys};
use tenantry_schema::name::RelativePath;
use tenantry_sops::Identities;
use tenantry_wire::{KeyError, SigningKey};

const SIGN: &str = "sign";
const AGE: &str = "age.txt";

/// Why the keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// One of the files cannot be read or written.
    #[error("cannot use the keys of this server")]
    Files(#[from] FilesError),
    /// There is no such file.
    #[error("{0} does not exist: run `tenantry-agent enrol` first")]
    Missing(String),
    /// It is not such a key.
    #[error("keys/{SIGN} is damaged")]
    Sign(#[from] KeyError),
    /// It is not such a key.
    #[error("keys/{AGE} is damaged")]
    Age,
}

/// The keys of this server.
#[derive(Debug)]
pub struct Keys {
    /// Signs requests.
    pub sign: SigningKey,
    /// Decrypts secrets.
    pub age: Identities,
    /// The public halves.
    pub public: PublicKeys,
}

/// Reads the keys in `folder`.
pub fn load(folder: &Path) -> Result<Keys, KeysError> {
    let root = Root::private(folder)?;
    let sign = SigningKey::from_openssh(&read(&root, SIGN)?.ok_or_else(|| missing(folder, SIGN))?)?;
    let text = read(&root, AGE)?.ok_or_else(|| missing(folder, AGE))?;
    let age = Identities::parse(&text).map_err(|_| KeysError::Age)?;
    let recipient = age
        .recipients()
        .next()
        .ok_or(KeysError::Age)?
        .as_str()
        .to_owned();
    let public = PublicKeys {
        sign: sign.public(),
        age: AgeRecipient::try_from(recipient).map_err(|_| KeysError::Age)?,
    };
    Ok(Keys { sign, age, public })
}

/// Reads the keys in `folder`, after making those that are missing. What is there is never overwritten.
pub fn ensure(folder: &Path) -> Result<Keys, KeysError> {
    let root = Root::private(folder)?;
    if read(&root, SIGN)?.is_none() {
        let key = SigningKey::generate(&mut rand::rng());
        root.write(
            &name(SIGN),
            key.to_openssh("tenantry agent").expose().as_bytes(),
        )?;
    }
    if read(&root, AGE)?.is_none() {
        let identity = age::x25519::Identity::generate();
        let text = format!(
            "# public key: {}\n{}\n",
            identity.to_public(),
            identity.to_string().expose_secret()
        );
        root.write(&name(AGE), text.as_bytes())?;
    }
    load(folder)
}

fn read(root: &Root, file: &str) -> Result<Option<String>, KeysError> {
    let bytes = root.read(&name(file), 16 << 10)?;
    Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

fn missing(folder: &Path, file: &str) -> KeysError {
    KeysError::Missing(folder.join(file).display().to_string())
}

fn name(file: &str) -> RelativePath {
    RelativePath::try_from(file).expect("a plain name")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn made_once_for_root_alone() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("keys");
        assert!(matches!(load(&folder), Err(KeysError::Missing(_))));
        let first = ensure(&folder).unwrap();
        let second = ensure(&folder).unwrap();
        assert_eq!(first.public, second.public);
        for file in [SIGN, AGE] {
            let mode = std::fs::metadata(folder.join(file))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600, "{file}");
        }
        std::fs::write(folder.join(AGE), "nonsense").unwrap();
        assert!(matches!(ensure(&folder), Err(KeysError::Age)));
    }
}
