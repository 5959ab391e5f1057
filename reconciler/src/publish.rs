//! From a slice's input to a sealed slice: opens the secrets it needs, renders, encrypts to the server's agent, signs.

use crate::git::Objects;
use crate::keys::{HubIdentity, KeyError};
use jiff::Timestamp;
use std::collections::BTreeMap;
use tenantry_planner::render::{Plaintext, RenderError, Rendered, render};
use tenantry_planner::slice_input::SliceInput;
use tenantry_schema::Secret;
use tenantry_schema::id::InstanceName;
use tenantry_schema::name::{RelativePath, VariableName};
use tenantry_schema::wire::REGISTRY_SECRETS;
use tenantry_sops::{EncryptOptions, Map, Recipient, Rule, Value, encrypt};
use tenantry_wire::{SigningKey, slice};

/// Why a slice cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// A file of secrets cannot be opened.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Rendering failed.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// Encrypting to the agent failed.
    #[error("secrets cannot be encrypted to the agent")]
    Sops(#[from] tenantry_sops::Error),
    /// Signing failed.
    #[error("the slice cannot be sealed")]
    Seal(#[from] slice::SealError),
}

/// A slice, ready to be kept and sent.
pub struct Sealed {
    /// Its files, manifest and signature included.
    pub files: BTreeMap<RelativePath, Vec<u8>>,
    /// Digest of its content.
    pub content: String,
}

/// What slices are made with.
pub struct Publisher<'a> {
    /// Where files of secrets are read.
    pub objects: &'a Objects,
    /// Opens them.
    pub identity: &'a HubIdentity,
    /// Signs.
    pub signer: &'a SigningKey,
    /// The fleet commit.
    pub commit: String,
    /// Its generation.
    pub generation: u64,
    /// The time.
    pub now: Timestamp,
}

impl Publisher<'_> {
    /// Makes one slice.
    pub fn make(&self, input: &SliceInput) -> Result<Sealed, PublishError> {
        let rendered = render(input, &self.plaintext(input)?)?;
        let content = slice::content_digest(
            &slice::content_key(self.signer, &input.server),
            &in_clear(&rendered),
        );
        let mut files = rendered.files;
        let agent: Recipient = input.agent.age.as_str().parse()?;
        for (instance, secrets) in &rendered.secrets {
            let text = self.encrypt(&agent, secrets)?;
            if let Some(path) = secrets_path(instance) {
                files.insert(path, text.into_bytes());
            }
        }
        if !rendered.backup_secrets.is_empty() {
            let text = self.encrypt(&agent, &rendered.backup_secrets)?;
            if let Some(path) = backup_secrets_path() {
                files.insert(path, text.into_bytes());
            }
        }
        if !rendered.registry_secrets.is_empty() {
            let text = self.encrypt(&agent, &rendered.registry_secrets)?;
            if let Some(path) = registry_secrets_path() {
                files.insert(path, text.into_bytes());
            }
        }
        let draft = slice::Draft {
            fleet_id: input.fleet_id.clone(),
            server: input.server.clone(),
            generation: self.generation,
            commit: self.commit.clone(),
            issued: self.now,
            content: content.clone(),
            files,
        };
        Ok(Sealed {
            files: slice::seal(draft, self.signer)?,
            content,
        })
    }

    fn plaintext(&self, input: &SliceInput) -> Result<Plaintext, KeyError> {
        let customer = &input.server.customer;
        let mut plaintext = Plaintext::default();
        if let Some(blob) = input.customer_secrets {
            plaintext.customer = self.identity.open(
                self.objects,
                blob,
                &format!("fleet/customers/{customer}/secrets.yaml"),
            )?;
        }
        for (name, instance) in &input.instances {
            if let Some(blob) = instance.secrets {
                let what = format!(
                    "fleet/decisions/{customer}/{}/tools/{}.secrets.yaml",
                    instance.order, instance.tool
                );
                plaintext
                    .generated
                    .insert(name.clone(), self.identity.open(self.objects, blob, &what)?);
            }
        }
        if let Some(backups) = &input.backups {
            let what = format!("fleet/decisions/{customer}/backups.secrets.yaml");
            plaintext.backups = self.identity.open(self.objects, backups.secrets, &what)?;
        }
        Ok(plaintext)
    }

    fn encrypt(
        &self,
        agent: &Recipient,
        secrets: &BTreeMap<VariableName, Secret>,
    ) -> Result<String, tenantry_sops::Error> {
        let mut map = Map::new();
        for (name, value) in secrets {
            map.insert(name.as_str(), Value::text(value.expose().clone()));
        }
        let options = EncryptOptions {
            recipients: vec![agent.clone()],
            rule: Rule::all(),
            mac_only_encrypted: false,
            last_modified: tenantry_sops::Timestamp::parse_rfc3339(&format!("{:.0}", self.now))?,
        };
        encrypt(&map, &options, &mut rand::rng())
    }
}

fn secrets_path(instance: &InstanceName) -> Option<RelativePath> {
    RelativePath::try_from(format!("stacks/{instance}/secrets.yaml")).ok()
}

fn registry_secrets_path() -> Option<RelativePath> {
    RelativePath::try_from(REGISTRY_SECRETS).ok()
}

fn backup_secrets_path() -> Option<RelativePath> {
    RelativePath::try_from("backups.secrets.yaml").ok()
}

/// All files as they are before encryption, for the digest: equal content, equal digest, whatever the encryption makes of it.
fn in_clear(rendered: &Rendered) -> BTreeMap<RelativePath, Vec<u8>> {
    let mut files = rendered.files.clone();
    let of_instances = rendered
        .secrets
        .iter()
        .map(|(instance, secrets)| (secrets_path(instance), secrets));
    let of_backups = (backup_secrets_path(), &rendered.backup_secrets);
    let of_registries = (registry_secrets_path(), &rendered.registry_secrets);
    for (path, secrets) in of_instances.chain([of_backups, of_registries]) {
        if secrets.is_empty() {
            continue;
        }
        let lines: BTreeMap<&str, &str> = secrets
            .iter()
            .map(|(name, value)| (name.as_str(), value.expose().as_str()))
            .collect();
        if let (Some(path), Ok(content)) = (path, serde_json::to_vec(&lines)) {
            files.insert(path, content);
        }
    }
    files
}
