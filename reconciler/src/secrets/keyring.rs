//! The keys that files are opened with: age identity files, and the customers' keys that those open.

use super::{SecretsError, Target, WorkTree, person_keys};
use std::path::{Path, PathBuf};
use tenantry_schema::Secret;
use tenantry_sops::{Identities, SopsFile};
use zeroize::Zeroizing;

/// The keys at hand.
#[derive(Clone, Default)]
pub struct Keyring {
    identities: Identities,
}

/// Where keys are looked for where none is named, as `sops` does.
#[derive(Debug, Default)]
pub struct Sources {
    /// Identity files; those that are not there are left out.
    pub files: Vec<PathBuf>,
    /// Identities themselves, one a line.
    pub inline: Option<Secret>,
}

impl Keyring {
    /// Reads one identity file.
    pub fn of_file(path: &Path) -> Result<Self, SecretsError> {
        let text = std::fs::read_to_string(path)
            .map(Zeroizing::new)
            .map_err(SecretsError::io("read the key file", path))?;
        Self::of_text(&text, &path.display().to_string())
    }

    /// Reads every source that is there. `None` where none is.
    pub fn of_sources(sources: &Sources) -> Result<Option<Self>, SecretsError> {
        let mut keyring = Self::default();
        let mut any = false;
        for file in sources.files.iter().filter(|file| file.is_file()) {
            keyring.add(&Self::of_file(file)?);
            any = true;
        }
        if let Some(text) = &sources.inline {
            keyring.add(&Self::of_text(text.expose(), "the environment")?);
            any = true;
        }
        Ok(any.then_some(keyring))
    }

    fn of_text(text: &str, name: &str) -> Result<Self, SecretsError> {
        // A recovery key file holds an OpenSSH key behind the age identity.
        let age = text.split("-----BEGIN").next().unwrap_or_default();
        let identities = Identities::parse(age).map_err(|error| {
            SecretsError::refused(format!(
                "{name} is not an age identity file (one line `AGE-SECRET-KEY-1…`): {error}"
            ))
        })?;
        if identities.recipients().next().is_none() {
            return Err(SecretsError::refused(format!(
                "{name} holds no age identity; `age-keygen` makes one"
            )));
        }
        Ok(Self { identities })
    }

    fn add(&mut self, other: &Self) {
        self.identities.extend(&other.identities);
    }

    /// Whether no key is at hand.
    pub fn is_empty(&self) -> bool {
        self.identities.recipients().next().is_none()
    }

    /// The keys.
    pub fn identities(&self) -> &Identities {
        &self.identities
    }

    /// The keys for one file: for personal data also the customer's own, if these open it.
    pub fn for_target(&self, tree: &WorkTree, target: &Target) -> Result<Identities, SecretsError> {
        let mut identities = self.identities.clone();
        if let Target::Person(customer) = target
            && let Some(key) = person_keys::open(tree.repository(), customer, &self.identities)?
        {
            identities.extend(&key);
        }
        Ok(identities)
    }

    /// Opens a file of the work tree. Gives it with the keys that open it.
    pub fn open(
        &self,
        tree: &WorkTree,
        target: &Target,
    ) -> Result<(SopsFile, Identities), SecretsError> {
        let path = target.path();
        let text = tree.text(&path)?;
        let file = SopsFile::parse(&text).map_err(SecretsError::sops(&path))?;
        Ok((file, self.for_target(tree, target)?))
    }
}
