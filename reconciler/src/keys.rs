//! The keys of a hub: its age identity, which comes from a file, and the signing key, which comes encrypted from the fleet.

use crate::git::{GitError, Objects, Oid};
use crate::load::{self, MAX_FILE};
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use tenantry_planner::ObjectId;
use tenantry_planner::documents::HeadDocuments;
use tenantry_schema::Secret;
use tenantry_schema::key::{AgeRecipient, SshPublicKey};
use tenantry_sops::{ExposeSecret, Identities, SopsFile};
use tenantry_wire::SigningKey;

/// Begins the line of an identity file, a comment to `age`, that names a commit known to be good.
pub const TRUST_ROOT: &str = "# trust-root:";

/// Why keys cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The identity file cannot be read.
    #[error(
        "cannot read the hub's key file {path}: give the `hub.agekey` that `tenantry init` wrote"
    )]
    File {
        /// Its path.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It holds no age identity.
    #[error("{path} is not an age identity file (one line `AGE-SECRET-KEY-1…`)")]
    Identity {
        /// Its path.
        path: PathBuf,
        /// Why.
        #[source]
        source: tenantry_sops::Error,
    },
    /// The file is empty.
    #[error("{0} holds no age identity; `tenantry init` writes one, `age-keygen` makes one")]
    NoIdentity(PathBuf),
    /// A file of secrets cannot be opened.
    #[error("secrets in {what} cannot be decrypted")]
    Sops {
        /// Which file.
        what: String,
        /// Why.
        #[source]
        source: tenantry_sops::Error,
    },
    /// A file of secrets is not UTF-8.
    #[error("{0} is not UTF-8")]
    Text(String),
    /// The fleet has no signing key.
    #[error("fleet/hub-key.yaml is missing or has no `signing_key`")]
    NoSigningKey,
    /// It is not the one that `hub.yaml` names.
    #[error(
        "the signing key in fleet/hub-key.yaml ({found}) is not the one in fleet/hub.yaml ({named})"
    )]
    OtherSigningKey {
        /// In `hub-key.yaml`.
        found: SshPublicKey,
        /// In `hub.yaml`.
        named: SshPublicKey,
    },
    /// The key does not parse.
    #[error("the signing key in fleet/hub-key.yaml cannot be read")]
    BadSigningKey(#[source] tenantry_wire::KeyError),
    /// Git failed.
    #[error("the fleet's objects cannot be read")]
    Git(#[from] GitError),
}

/// Largest key file, in bytes. A key has 74.
const MAX_KEY_FILE: u64 = 64 << 10;

/// The text of a key file. Whatever the path leads to, no more than that much is read.
fn read_bounded(path: &Path) -> std::io::Result<String> {
    let file = std::fs::File::open(path)?;
    let mut text = String::new();
    file.take(MAX_KEY_FILE + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_KEY_FILE {
        let why = "it is larger than 64 KiB, so it is no key file";
        return Err(std::io::Error::new(std::io::ErrorKind::FileTooLarge, why));
    }
    Ok(text)
}

/// The age identity of a hub or operator.
#[derive(Clone)]
pub struct HubIdentity {
    identities: Identities,
    recipient: AgeRecipient,
    trust_root: Option<Oid>,
}

impl HubIdentity {
    /// Reads an age identity file, as `age-keygen` writes it.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let text = read_bounded(path).map(Secret::new);
        let text = text.map_err(|source| KeyError::File {
            path: path.to_owned(),
            source,
        })?;
        let identities = Identities::parse(text.expose()).map_err(|source| KeyError::Identity {
            path: path.to_owned(),
            source,
        })?;
        let first = identities
            .recipients()
            .next()
            .map(|recipient| recipient.as_str().to_owned());
        let recipient = first
            .and_then(|text| AgeRecipient::try_from(text).ok())
            .ok_or_else(|| KeyError::NoIdentity(path.to_owned()))?;
        let trust_root = text
            .expose()
            .lines()
            .find_map(|line| Oid::from_str(line.strip_prefix(TRUST_ROOT)?.trim()).ok());
        Ok(Self {
            identities,
            recipient,
            trust_root,
        })
    }

    /// The commit that the file says is known to be good (`# trust-root: …`): a hub that remembers nothing judges from there on.
    pub fn trust_root(&self) -> Option<Oid> {
        self.trust_root
    }

    /// Its public half.
    pub fn recipient(&self) -> &AgeRecipient {
        &self.recipient
    }

    /// For opening files.
    pub fn identities(&self) -> &Identities {
        &self.identities
    }

    /// Opens a SOPS file of the fleet by object id; `what` names it in errors.
    pub fn open(
        &self,
        objects: &Objects,
        blob: ObjectId,
        what: &str,
    ) -> Result<BTreeMap<String, Secret>, KeyError> {
        let content = objects.blob(load::oid(blob)?, MAX_FILE)?;
        let text = String::from_utf8(content).map_err(|_| KeyError::Text(what.to_owned()))?;
        let failed = |source| KeyError::Sops {
            what: what.to_owned(),
            source,
        };
        let decrypted = SopsFile::parse(&text)
            .and_then(|file| file.decrypt(&self.identities))
            .map_err(failed)?;
        let values = decrypted.to_flat_map().map_err(failed)?;
        Ok(values
            .into_iter()
            .map(|(name, value)| (name, Secret::new(value.expose_secret().to_owned())))
            .collect())
    }

    /// The fleet's signing key, checked against `hub.yaml`.
    pub fn signing_key(
        &self,
        objects: &Objects,
        head: &HeadDocuments,
    ) -> Result<SigningKey, KeyError> {
        let blob = head.hub_key.ok_or(KeyError::NoSigningKey)?;
        let secrets = self.open(objects, blob, "fleet/hub-key.yaml")?;
        let pem = secrets.get("signing_key").ok_or(KeyError::NoSigningKey)?;
        let key = SigningKey::from_openssh(pem.expose()).map_err(KeyError::BadSigningKey)?;
        let named = head.hub.keys.hub.sign.clone();
        if key.public() == named {
            Ok(key)
        } else {
            Err(KeyError::OtherSigningKey {
                found: key.public(),
                named,
            })
        }
    }
}
