//! ed25519 keys in OpenSSH's formats: parsed once, then used many times. Nothing is read from or written to disk here.

use aws_lc_rs::hkdf;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, ParsedPublicKey};
use rand_core::CryptoRng;
use ssh_key::private::{Ed25519Keypair, Ed25519PrivateKey, KeypairData};
use ssh_key::public::{Ed25519PublicKey, KeyData, SkEd25519};
use ssh_key::{HashAlg, LineEnding};
use std::fmt;
use std::sync::Arc;
use tenantry_schema::Secret;
use tenantry_schema::key::{PersonKey, SshPublicKey};
use zeroize::Zeroizing;

/// Bytes behind a signature of a security key: flags, and a counter.
const TRAILER: usize = 5;
/// The flag that somebody touched it.
const TOUCHED: u8 = 1;

/// Why a key cannot be used. Never quotes key material.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not an OpenSSH private key in PEM form.
    #[error("not an OpenSSH private key")]
    Private,
    /// Protected by a passphrase.
    #[error("the private key is protected by a passphrase")]
    Encrypted,
    /// RSA, ECDSA or a hardware key.
    #[error("only ed25519 keys are used here")]
    NotEd25519,
    /// Public and private half do not belong together.
    #[error("the halves of the key do not belong together")]
    Mismatch,
    /// Not an SSH public key.
    #[error("not an SSH public key")]
    Public,
}

/// A key that signs. It cannot be printed, and its seed is wiped from memory when dropped.
pub struct SigningKey {
    seed: Zeroizing<[u8; 32]>,
    pair: Ed25519KeyPair,
    public: VerifyingKey,
}

impl SigningKey {
    /// A new key from 32 bytes of `rng`.
    pub fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *seed);
        Self::from_seed(seed)
    }

    /// The key of a seed as RFC 8032 defines it: every 32 bytes are one.
    fn from_seed(seed: Zeroizing<[u8; 32]>) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(&*seed).expect("every 32 bytes are a seed");
        let mut public = [0; 32];
        public.copy_from_slice(pair.public_key().as_ref());
        Self {
            seed,
            pair,
            public: VerifyingKey::from_bytes(public),
        }
    }

    /// Reads OpenSSH's PEM form, without passphrase (`-----BEGIN OPENSSH PRIVATE KEY-----`).
    pub fn from_openssh(pem: &str) -> Result<Self, KeyError> {
        let private = ssh_key::PrivateKey::from_openssh(pem).map_err(|_| KeyError::Private)?;
        match private.key_data() {
            KeypairData::Ed25519(pair) => {
                let key = Self::from_seed(Zeroizing::new(pair.private.to_bytes()));
                if key.public.bytes == pair.public.0 {
                    Ok(key)
                } else {
                    Err(KeyError::Mismatch)
                }
            }
            KeypairData::Encrypted(_) => Err(KeyError::Encrypted),
            _ => Err(KeyError::NotEd25519),
        }
    }

    /// Writes OpenSSH's PEM form, without passphrase; `comment` is plain text such as `tenantry hub`.
    pub fn to_openssh(&self, comment: &str) -> Secret {
        let pair = Ed25519Keypair {
            public: Ed25519PublicKey(self.public.bytes),
            private: Ed25519PrivateKey::from_bytes(&self.seed),
        };
        let pem = ssh_key::PrivateKey::new(KeypairData::Ed25519(pair), comment)
            .and_then(|key| key.to_openssh(LineEnding::LF))
            .expect("an ed25519 key in memory can always be written");
        Secret::new(pem.as_str().to_owned())
    }

    /// The public half as it stands in documents.
    pub fn public(&self) -> SshPublicKey {
        self.public.ssh()
    }

    /// The public half, ready to check signatures.
    pub fn verifying_key(&self) -> &VerifyingKey {
        &self.public
    }

    /// Signs `message`: the 64 bytes of RFC 8032.
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }

    /// A secret for `purpose` that only the holder of this key can derive, always the same.
    ///
    /// HKDF-SHA-256 (RFC 5869): input the ed25519 seed, salt `tenantry`, info `purpose`.
    pub fn derive(&self, purpose: &str) -> Secret<[u8; 32]> {
        let mut out = [0; 32];
        hkdf::Salt::new(hkdf::HKDF_SHA256, b"tenantry")
            .extract(&*self.seed)
            .expand(&[purpose.as_bytes()], hkdf::HKDF_SHA256)
            .and_then(|okm| okm.fill(&mut out))
            .expect("32 bytes are one block of HKDF-SHA-256");
        Secret::new(out)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public.fingerprint)
    }
}

/// A key that checks signatures. Cloning is cheap.
#[derive(Clone)]
pub struct VerifyingKey {
    bytes: [u8; 32],
    /// Of a key whose private half is in a security key: for which application it was made, mostly `ssh:`.
    application: Option<Arc<str>>,
    parsed: ParsedPublicKey,
    fingerprint: Arc<str>,
}

impl VerifyingKey {
    pub(crate) fn from_bytes(bytes: [u8; 32]) -> Self {
        let fingerprint = KeyData::Ed25519(Ed25519PublicKey(bytes))
            .fingerprint(HashAlg::Sha256)
            .to_string();
        Self {
            bytes,
            application: None,
            parsed: ParsedPublicKey::new(&ED25519, bytes)
                .expect("every 32 bytes are read as an ed25519 key"),
            fingerprint: fingerprint.into(),
        }
    }

    /// `SHA256:…` as `ssh-keygen -l` prints it.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// A key whose private half is in a security key. What it signs is more than the message (`PROTOCOL.u2f`), so that it can sign nothing but SSH
    /// signatures.
    fn in_security_key(key: &SkEd25519) -> Self {
        let data = KeyData::SkEd25519(key.clone());
        Self {
            application: Some(key.application().into()),
            fingerprint: data.fingerprint(HashAlg::Sha256).to_string().into(),
            ..Self::from_bytes(key.public_key().0)
        }
    }

    /// As it stands in documents, where it is in no security key.
    fn ssh(&self) -> SshPublicKey {
        let line = ssh_key::PublicKey::from(KeyData::Ed25519(Ed25519PublicKey(self.bytes)))
            .to_openssh()
            .expect("an ed25519 key in memory can always be written");
        SshPublicKey::try_from(line)
            .expect("OpenSSH's form of an ed25519 key is what documents hold")
    }

    /// Whether `signature` is this key's over `message`. Never where it is in a security key.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.application.is_none() && self.parsed.verify_sig(message, signature).is_ok()
    }

    /// Whether `signature` is this security key's over `message`, made while somebody touched it: the signature itself, a byte of flags and four of a
    /// counter, over the digests of application and message with those between them (`PROTOCOL.u2f`, "SSH U2F Signatures").
    pub(crate) fn verifies_touch(&self, message: &[u8], signature: &[u8]) -> bool {
        let (Some(application), Some((signature, trailer))) =
            (&self.application, signature.split_last_chunk::<TRAILER>())
        else {
            return false;
        };
        let digest = |bytes: &[u8]| aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
        let mut signed = digest(application.as_bytes()).as_ref().to_vec();
        signed.extend_from_slice(trailer);
        signed.extend_from_slice(digest(message).as_ref());
        trailer[0] & TOUCHED != 0 && self.parsed.verify_sig(&signed, signature).is_ok()
    }

    /// For which application it is in a security key. None: it is in none.
    pub(crate) fn application(&self) -> Option<&str> {
        self.application.as_deref()
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.bytes
    }
}

impl TryFrom<&SshPublicKey> for VerifyingKey {
    type Error = KeyError;
    fn try_from(key: &SshPublicKey) -> Result<Self, KeyError> {
        let key = ssh_key::PublicKey::from_openssh(key.as_str()).map_err(|_| KeyError::Public)?;
        match key.key_data() {
            KeyData::Ed25519(key) => Ok(Self::from_bytes(key.0)),
            _ => Err(KeyError::NotEd25519),
        }
    }
}

impl TryFrom<&PersonKey> for VerifyingKey {
    type Error = KeyError;
    fn try_from(key: &PersonKey) -> Result<Self, KeyError> {
        let key = ssh_key::PublicKey::from_openssh(key.as_str()).map_err(|_| KeyError::Public)?;
        match key.key_data() {
            KeyData::Ed25519(key) => Ok(Self::from_bytes(key.0)),
            KeyData::SkEd25519(key) => Ok(Self::in_security_key(key)),
            _ => Err(KeyError::NotEd25519),
        }
    }
}

impl PartialEq for VerifyingKey {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes && self.application == other.application
    }
}

impl Eq for VerifyingKey {}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({})", self.fingerprint)
    }
}
