//! SSH signatures over bytes, as `ssh-keygen -Y sign` and `-Y verify` make and check them (OpenSSH's `PROTOCOL.sshsig`).

use crate::key::{SigningKey, VerifyingKey};
use ssh_key::public::{Ed25519PublicKey, KeyData};
use ssh_key::{Algorithm, HashAlg, LineEnding, Signature, SshSig};

/// Why a signature is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SshSigError {
    /// Not `-----BEGIN SSH SIGNATURE-----`.
    #[error("not an SSH signature")]
    Malformed,
    /// Made for another purpose.
    #[error("the signature is for namespace `{0}`")]
    Namespace(String),
    /// By a key that is not trusted here.
    #[error("signed by {0}, which is not trusted here")]
    WrongSigner(String),
    /// By a trusted key, but over something else.
    #[error("the signature does not fit what it should sign")]
    BadSignature,
}

/// Signs `message` for `namespace` (not empty) and returns the PEM text.
pub fn sign(key: &SigningKey, namespace: &str, message: &[u8]) -> String {
    // OpenSSH's own default.
    let hash = HashAlg::Sha512;
    let public = KeyData::Ed25519(Ed25519PublicKey(*key.verifying_key().bytes()));
    let data = SshSig::signed_data(namespace, hash, message).expect("a namespace is never empty");
    Signature::new(Algorithm::Ed25519, key.sign(&data))
        .and_then(|signature| SshSig::new(public, namespace, hash, signature))
        .and_then(|signature| signature.to_pem(LineEnding::LF))
        .expect("an ed25519 signature can always be written")
}

/// Checks that one of `trusted` signed `message` for `namespace`, and returns which.
pub fn verify<'k>(
    trusted: &'k [VerifyingKey],
    namespace: &str,
    message: &[u8],
    pem: &str,
) -> Result<&'k VerifyingKey, SshSigError> {
    let signature = SshSig::from_pem(pem).map_err(|_| SshSigError::Malformed)?;
    if signature.namespace() != namespace {
        return Err(SshSigError::Namespace(
            signature.namespace().escape_debug().take(64).collect(),
        ));
    }
    let signer = match signature.public_key() {
        KeyData::Ed25519(key) => trusted
            .iter()
            .find(|known| *known.bytes() == key.0 && known.application().is_none()),
        KeyData::SkEd25519(key) => trusted.iter().find(|known| {
            *known.bytes() == key.public_key().0 && known.application() == Some(key.application())
        }),
        _ => None,
    };
    let signer = signer.ok_or_else(|| {
        SshSigError::WrongSigner(
            signature
                .public_key()
                .fingerprint(HashAlg::Sha256)
                .to_string(),
        )
    })?;
    let data = SshSig::signed_data(namespace, signature.hash_alg(), message)
        .map_err(|_| SshSigError::Malformed)?;
    let bytes = signature.signature_bytes();
    let good = match signature.algorithm() {
        Algorithm::Ed25519 => signer.verifies(&data, bytes),
        Algorithm::SkEd25519 => signer.verifies_touch(&data, bytes),
        _ => false,
    };
    if good {
        Ok(signer)
    } else {
        Err(SshSigError::BadSignature)
    }
}
