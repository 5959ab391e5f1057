//! The gate that every slice goes through: checked in full, kept, written to the ledger, and only then returned to be applied.
//! Nothing is written for a slice that is refused.

use crate::containers::{Login, Logins};
use crate::execute::sentence;
use crate::files::FilesError;
use crate::ledger::LedgerFile;
use crate::slices::Slices;
use std::collections::BTreeMap;
use tenantry_schema::Secret;
use tenantry_schema::id::{FleetId, InstanceName, OperationId, ServerKey};
use tenantry_schema::name::RelativePath;
use tenantry_schema::wire::{
    APPEND_PASSWORD, BackupsSpec, HostSpec, Manifest, REGISTRY_SECRETS, REPOSITORY_KEY,
    RefusalKind, RestoreSpec, SliceRef,
};
use tenantry_sops::{ExposeSecret as _, Identities, SopsFile};
use tenantry_wire::bundle::{self, Limits};
use tenantry_wire::ledger::{Verdict, judge};
use tenantry_wire::slice::{Expect, open};
use tenantry_wire::{Refused, VerifyingKey};

/// What a slice is checked against.
#[derive(Debug)]
pub struct Gate {
    /// Our fleet.
    pub fleet_id: FleetId,
    /// Ourselves.
    pub server: ServerKey,
    /// Keys that may sign.
    pub trusted: Vec<VerifyingKey>,
    /// Our keys for secrets.
    pub identities: Identities,
}

/// A slice that may be applied.
#[derive(Debug, Clone)]
pub struct Slice {
    /// Its name.
    pub reference: SliceRef,
    /// `slice.yaml`.
    pub manifest: Manifest,
    /// `host.yaml`.
    pub host: HostSpec,
    /// All files, by path in the slice.
    pub files: BTreeMap<RelativePath, Vec<u8>>,
    /// Decrypted secrets by instance and name.
    pub secrets: BTreeMap<InstanceName, BTreeMap<String, Secret>>,
    /// How registries are logged in to.
    pub logins: Logins,
    /// What is backed up, if anything is.
    pub backups: Option<Backups>,
}

/// `backups.yaml` and the secrets that belong to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Backups {
    /// What is kept, where and when.
    pub spec: BackupsSpec,
    /// What repositories are encrypted with.
    pub key: Secret,
    /// What agents log in with where backups are kept.
    pub password: Secret,
    /// Data that is to be put back, by operation.
    pub restores: BTreeMap<OperationId, RestoreSpec>,
}

/// What came of an offer.
#[derive(Debug)]
pub enum Offered {
    /// It is another than before: apply it.
    New(Slice),
    /// The content is what was accepted before.
    Same(Slice),
}

/// Why a slice was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum OfferError {
    /// It is not for us to apply.
    #[error("the slice is refused")]
    Refused(#[from] Refused),
    /// It cannot be kept. Nothing was accepted.
    #[error("the slice cannot be kept")]
    Files(#[from] FilesError),
}

impl Gate {
    /// Checks everything about `bundle` but whether it may follow what was accepted before.
    pub fn check(&self, bundle: &[u8]) -> Result<Slice, Refused> {
        let files = bundle::unpack(bundle, &Limits::default())?;
        let expect = Expect {
            fleet_id: &self.fleet_id,
            server: &self.server,
            trusted: &self.trusted,
        };
        let opened = open(files, &expect)?;
        let host = self.host(&opened.files)?;
        let mut secrets = BTreeMap::new();
        for instance in host.instances.keys() {
            secrets.insert(instance.clone(), self.secrets(instance, &opened.files)?);
        }
        let backups = self.backups(&opened.files)?;
        let logins = self.logins(&host, &opened.files)?;
        let manifest = opened.manifest;
        let reference = SliceRef {
            generation: manifest.generation,
            content: manifest.content.clone(),
            commit: manifest.commit.clone(),
        };
        Ok(Slice {
            reference,
            manifest,
            host,
            files: opened.files,
            secrets,
            backups,
            logins,
        })
    }

    /// A registry whose password is missing is not logged in to; fetching then says so.
    fn logins(
        &self,
        host: &HostSpec,
        files: &BTreeMap<RelativePath, Vec<u8>>,
    ) -> Result<Logins, Refused> {
        let secrets = self.sealed(REGISTRY_SECRETS, files)?;
        let logins = host.registries.iter().filter_map(|(registry, login)| {
            let password = secrets.get(login.password.as_str())?.clone();
            let user = login.user.clone();
            Some((registry.clone(), Login { user, password }))
        });
        Ok(logins.collect())
    }

    fn host(&self, files: &BTreeMap<RelativePath, Vec<u8>>) -> Result<HostSpec, Refused> {
        let malformed =
            |detail: String| Refused::new(RefusalKind::Malformed, format!("host.yaml: {detail}"));
        let text = files
            .get("host.yaml")
            .ok_or_else(|| malformed("missing".to_owned()))?;
        let host: HostSpec =
            serde_yaml::from_slice(text).map_err(|error| malformed(error.to_string()))?;
        if host.server == self.server {
            Ok(host)
        } else {
            Err(Refused::new(
                RefusalKind::WrongServer,
                format!("host.yaml is for server {}", host.server),
            ))
        }
    }

    fn secrets(
        &self,
        instance: &InstanceName,
        files: &BTreeMap<RelativePath, Vec<u8>>,
    ) -> Result<BTreeMap<String, Secret>, Refused> {
        self.sealed(&format!("stacks/{instance}/secrets.yaml"), files)
    }

    fn backups(&self, files: &BTreeMap<RelativePath, Vec<u8>>) -> Result<Option<Backups>, Refused> {
        let Some(text) = files.get("backups.yaml") else {
            return Ok(None);
        };
        let malformed = |detail: String| {
            Refused::new(RefusalKind::Malformed, format!("backups.yaml: {detail}"))
        };
        let spec: BackupsSpec =
            serde_yaml::from_slice(text).map_err(|error| malformed(error.to_string()))?;
        let secrets = self.sealed("backups.secrets.yaml", files)?;
        let secret = |name: &str| {
            let value = secrets.get(name).cloned();
            value.ok_or_else(|| malformed(format!("the secret {name} is missing")))
        };
        Ok(Some(Backups {
            spec,
            key: secret(REPOSITORY_KEY)?,
            password: secret(APPEND_PASSWORD)?,
            restores: restores(files)?,
        }))
    }

    /// The values in a file of secrets; none where there is no such file.
    fn sealed(
        &self,
        path: &str,
        files: &BTreeMap<RelativePath, Vec<u8>>,
    ) -> Result<BTreeMap<String, Secret>, Refused> {
        let Some(bytes) = files.get(path) else {
            return Ok(BTreeMap::new());
        };
        let refuse =
            |detail: String| Refused::new(RefusalKind::Undecryptable, format!("{path}: {detail}"));
        let text = std::str::from_utf8(bytes).map_err(|_| refuse("not text".to_owned()))?;
        let decrypted = SopsFile::parse(text).and_then(|file| file.decrypt(&self.identities));
        let values = decrypted
            .and_then(|file| file.to_flat_map())
            .map_err(|error| refuse(error.to_string()))?;
        for name in values.keys() {
            // Names become file names.
            if tenantry_schema::name::VariableName::try_from(name.as_str()).is_err() {
                return Err(Refused::new(
                    RefusalKind::Malformed,
                    format!("{path}: a name is not that of a variable"),
                ));
            }
        }
        Ok(values
            .into_iter()
            .map(|(name, value)| (name, Secret::new(value.expose_secret().to_owned())))
            .collect())
    }

    /// Takes a bundle in: after this returned `New`, it is on disk and in the ledger. `fresh`: it came in an answer to our own nonce.
    pub fn offer(
        &self,
        bundle: &[u8],
        fresh: bool,
        ledger: &mut LedgerFile,
        slices: &Slices,
    ) -> Result<Offered, OfferError> {
        let slice = self.check(bundle)?;
        let verdict = judge(ledger.get().judged_by().as_ref(), &slice.manifest, fresh);
        if let Verdict::Refuse(kind) = verdict {
            let had = ledger
                .get()
                .accepted
                .as_ref()
                .map_or_else(|| "none".to_owned(), |had| had.generation.to_string());
            let detail = format!(
                "generation {} offered, {had} accepted before",
                slice.reference.generation
            );
            return Err(Refused::new(kind, detail).into());
        }
        // The bundle first: the ledger must never name a slice that is not there.
        slices.store(&slice.reference, bundle)?;
        ledger.update(|ledger| ledger.accepted = Some(slice.reference.clone()))?;
        // It is accepted by now: too many old ones on disk are no reason to say otherwise.
        if let Err(error) = slices.prune(&slice.reference, &ledger.get().needed()) {
            tracing::warn!(error = sentence(&error), "old slices cannot be removed");
        }
        Ok(if verdict == Verdict::SameContent {
            Offered::Same(slice)
        } else {
            Offered::New(slice)
        })
    }

    /// The slice with this content, checked again, if it is still kept.
    ///
    /// # Errors
    /// Where it cannot be read, which does not say that it is gone.
    pub fn kept(&self, content: &str, slices: &Slices) -> Result<Option<Slice>, FilesError> {
        let bundle = match slices.find(content) {
            Ok(Some(bundle)) => bundle,
            Err(error @ FilesError::Io { .. }) => return Err(error),
            Ok(None) | Err(_) => return Ok(None),
        };
        let slice = self.check(&bundle).ok();
        Ok(slice.filter(|slice| slice.reference.content == content))
    }

    /// The slice that the ledger names, checked again. `None` without a ledger, or if the slice is gone or damaged: the hub is
    /// then asked for it.
    pub fn accepted(
        &self,
        ledger: &LedgerFile,
        slices: &Slices,
    ) -> Result<Option<Slice>, OfferError> {
        let Some(reference) = &ledger.get().accepted else {
            return Ok(None);
        };
        let Some(bundle) = slices.load(reference)? else {
            return Ok(None);
        };
        let slice = self.check(&bundle)?;
        Ok(Some(slice).filter(|slice| slice.reference == *reference))
    }
}

/// What operations ask to be put back.
fn restores(
    files: &BTreeMap<RelativePath, Vec<u8>>,
) -> Result<BTreeMap<OperationId, RestoreSpec>, Refused> {
    let mut all = BTreeMap::new();
    for (path, text) in files {
        let name = path.as_str().strip_prefix("operations/");
        let Some(name) = name.and_then(|name| name.strip_suffix(".yaml")) else {
            continue;
        };
        let malformed =
            |detail: String| Refused::new(RefusalKind::Malformed, format!("{path}: {detail}"));
        let id = OperationId::try_from(name).map_err(|error| malformed(error.to_string()))?;
        let spec = serde_yaml::from_slice(text).map_err(|error| malformed(error.to_string()))?;
        all.insert(id, spec);
    }
    Ok(all)
}
