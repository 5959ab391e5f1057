//! Sealing a slice on the hub and opening it on the agent. What was accepted before is judged in [`crate::ledger`].

use crate::key::{SigningKey, VerifyingKey};
use crate::refused::Refused;
use crate::sshsig::{self, SshSigError};
use aws_lc_rs::{digest, hmac};
use jiff::Timestamp;
use serde::Deserialize;
use std::collections::BTreeMap;
use tenantry_schema::Secret;
use tenantry_schema::id::{FleetId, ServerKey};
use tenantry_schema::name::RelativePath;
use tenantry_schema::wire::{
    MANIFEST_FILE, Manifest, RefusalKind, SIGNATURE_FILE, SIGNATURE_NAMESPACE, SLICE_FORMAT,
};

/// A slice before it is signed.
#[derive(Debug, Clone)]
pub struct Draft {
    /// The fleet.
    pub fleet_id: FleetId,
    /// Whom it is for.
    pub server: ServerKey,
    /// Commits reachable from `commit`, plus the fleet's floor.
    pub generation: u64,
    /// The fleet commit.
    pub commit: String,
    /// When it was rendered.
    pub issued: Timestamp,
    /// [`content_digest`] of the files as they were before encryption.
    pub content: String,
    /// The files as they travel, without manifest and signature.
    pub files: BTreeMap<RelativePath, Vec<u8>>,
}

/// Why a slice cannot be sealed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The draft holds a file of one of the two reserved names.
    #[error("a slice cannot hold a file named `{0}`")]
    ReservedName(RelativePath),
}

/// Adds the manifest and its signature to the files of `draft`.
pub fn seal(draft: Draft, key: &SigningKey) -> Result<BTreeMap<RelativePath, Vec<u8>>, SealError> {
    let Draft {
        fleet_id,
        server,
        generation,
        commit,
        issued,
        content,
        mut files,
    } = draft;
    for name in [manifest_path(), signature_path()] {
        if files.contains_key(&name) {
            return Err(SealError::ReservedName(name));
        }
    }
    let digests = files
        .iter()
        .map(|(path, data)| (path.clone(), sha256(data)))
        .collect();
    let manifest = Manifest {
        format: SLICE_FORMAT,
        fleet_id,
        server,
        generation,
        commit,
        issued,
        content,
        files: digests,
    };
    let text = serde_yaml::to_string(&manifest).expect("a manifest is plain text and numbers");
    let signature = sshsig::sign(key, SIGNATURE_NAMESPACE, text.as_bytes());
    files.insert(manifest_path(), text.into_bytes());
    files.insert(signature_path(), signature.into_bytes());
    Ok(files)
}

/// What a slice must be to be opened here.
#[derive(Debug, Clone, Copy)]
pub struct Expect<'a> {
    /// Our fleet.
    pub fleet_id: &'a FleetId,
    /// Ourselves.
    pub server: &'a ServerKey,
    /// Keys that may sign: the hub's and the recovery key.
    pub trusted: &'a [VerifyingKey],
}

/// A slice whose signature, address and files are in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenSlice {
    /// Its signed head.
    pub manifest: Manifest,
    /// Everything else.
    pub files: BTreeMap<RelativePath, Vec<u8>>,
}

/// Checks everything about a slice that can be checked without knowing what was accepted before.
///
/// The signature is checked before anything signed is parsed.
pub fn open(
    mut files: BTreeMap<RelativePath, Vec<u8>>,
    expect: &Expect<'_>,
) -> Result<OpenSlice, Refused> {
    let mut take = |name: &RelativePath| {
        files
            .remove(name)
            .ok_or_else(|| Refused::new(RefusalKind::Malformed, format!("`{name}` is missing")))
    };
    let (text, signature) = (take(&manifest_path())?, take(&signature_path())?);
    check_signature(&text, &signature, expect.trusted)?;
    let manifest = parse(&text)?;
    if manifest.fleet_id != *expect.fleet_id {
        return Err(Refused::new(
            RefusalKind::WrongFleet,
            format!("the slice is of fleet {}", manifest.fleet_id),
        ));
    }
    if manifest.server != *expect.server {
        return Err(Refused::new(
            RefusalKind::WrongServer,
            format!("the slice is for server {}", manifest.server),
        ));
    }
    check_files(&manifest, &files)?;
    Ok(OpenSlice { manifest, files })
}

fn check_signature(text: &[u8], signature: &[u8], trusted: &[VerifyingKey]) -> Result<(), Refused> {
    let refuse = |error: SshSigError| {
        let kind = match error {
            SshSigError::WrongSigner(_) => RefusalKind::WrongSigner,
            SshSigError::Malformed | SshSigError::Namespace(_) | SshSigError::BadSignature => {
                RefusalKind::BadSignature
            }
        };
        Refused::new(kind, format!("{MANIFEST_FILE}: {error}"))
    };
    let pem = std::str::from_utf8(signature).map_err(|_| refuse(SshSigError::Malformed))?;
    sshsig::verify(trusted, SIGNATURE_NAMESPACE, text, pem)
        .map(|_| ())
        .map_err(refuse)
}

/// Parses a manifest whose signature is good. The format is looked at first: a newer one may have other fields.
fn parse(text: &[u8]) -> Result<Manifest, Refused> {
    #[derive(Deserialize)]
    struct Head {
        format: u32,
    }
    let malformed = |error: serde_yaml::Error| {
        Refused::new(RefusalKind::Malformed, format!("{MANIFEST_FILE}: {error}"))
    };
    let head: Head = serde_yaml::from_slice(text).map_err(malformed)?;
    if head.format != SLICE_FORMAT {
        return Err(Refused::new(
            RefusalKind::UnknownFormat,
            format!("format {} is not known to this release", head.format),
        ));
    }
    serde_yaml::from_slice(text).map_err(malformed)
}

fn check_files(
    manifest: &Manifest,
    files: &BTreeMap<RelativePath, Vec<u8>>,
) -> Result<(), Refused> {
    let tampered = |detail: String| Err(Refused::new(RefusalKind::TamperedFile, detail));
    if let Some(path) = files
        .keys()
        .find(|path| !manifest.files.contains_key(*path))
    {
        return tampered(format!("`{path}` is not listed in {MANIFEST_FILE}"));
    }
    for (path, expected) in &manifest.files {
        match files.get(path) {
            None => return tampered(format!("`{path}` is missing")),
            Some(data) if sha256(data) != *expected => {
                return tampered(format!("`{path}` does not match its digest"));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// The key of a server's content digests, derived from the hub's signing key, so that a rebuilt hub derives the same and nobody
/// else can guess secrets by their digest.
///
/// [`SigningKey::derive`] with `content-key/v1/<customer>/<server>`.
pub fn content_key(key: &SigningKey, server: &ServerKey) -> Secret<[u8; 32]> {
    key.derive(&format!("content-key/v1/{server}"))
}

/// HMAC-SHA-256 in hexadecimal over the files as they were before encryption: their number, then for each in order of path
/// the length of its path, the path, the length of its content, the content. Numbers are 64 bits, big-endian.
pub fn content_digest(
    key: &Secret<[u8; 32]>,
    plaintext: &BTreeMap<RelativePath, Vec<u8>>,
) -> String {
    let number = |n: usize| (n as u64).to_be_bytes();
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key.expose()));
    context.update(&number(plaintext.len()));
    for (path, data) in plaintext {
        context.update(&number(path.as_str().len()));
        context.update(path.as_str().as_bytes());
        context.update(&number(data.len()));
        context.update(data);
    }
    hex::encode(context.sign())
}

fn sha256(data: &[u8]) -> String {
    hex::encode(digest::digest(&digest::SHA256, data))
}

fn manifest_path() -> RelativePath {
    RelativePath::try_from(MANIFEST_FILE).expect("a plain name")
}

fn signature_path() -> RelativePath {
    RelativePath::try_from(SIGNATURE_FILE).expect("a plain name")
}
