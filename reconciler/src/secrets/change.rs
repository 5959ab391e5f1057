//! New content for files of secrets: one value, a whole file, other recipients. What does not change keeps its bytes.

use super::rules::{Rules, Wanted};
use super::scan::must_be_sealed;
use super::{Keyring, SecretsError, Target, WorkTree, destroyed, erase, person_keys, sops_time};
use jiff::Timestamp;
use std::collections::BTreeMap;
use tenantry_schema::document::{Kind, classify};
use tenantry_schema::id::CustomerId;
use tenantry_sops::{
    Change, EncryptOptions, Identities, Map, Path, Recipient, SecretString, SopsFile, Value,
    encrypt, encrypt_text,
};

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Saved {
    /// It is new.
    Created,
    /// It has changed.
    Changed,
    /// It was so already.
    Unchanged,
}

/// What files are changed with.
pub struct Writer<'a> {
    /// Where they are.
    pub tree: &'a WorkTree,
    /// What they are opened with. A new file needs no key.
    pub keyring: &'a Keyring,
    /// Who should be able to open them.
    pub rules: &'a Rules,
    /// The time to write into them.
    pub now: Timestamp,
}

/// A file that may be changed.
pub struct Draft {
    /// As it is; `None` where there is none yet.
    pub file: Option<SopsFile>,
    identities: Identities,
    wanted: Wanted,
}

impl Writer<'_> {
    /// Opens a file for changing it, or says how a new one is encrypted. Makes a customer's key for personal data where it is missing.
    pub fn draft(&self, target: &Target) -> Result<Draft, SecretsError> {
        let path = target.path();
        if let Some(customer) = target.customer() {
            self.tree.expect_customer(customer)?;
        }
        let text = self.tree.read(&path)?;
        let file = text
            .map(|text| SopsFile::parse(&text))
            .transpose()
            .map_err(|error| match error {
                tenantry_sops::Error::NotSops => self.not_encrypted(target),
                error => SecretsError::sops(&path)(error),
            })?;
        let mut identities = self.keyring.for_target(self.tree, target)?;
        let (wanted, key) = self.wanted(target, file.as_ref())?;
        if let Some(key) = key {
            identities.extend(&key);
        }
        Ok(Draft {
            file,
            identities,
            wanted,
        })
    }

    /// Who should be able to open `target`, which is `file` now; for personal data with the customer's key, if it was made or can be opened.
    fn wanted(
        &self,
        target: &Target,
        file: Option<&SopsFile>,
    ) -> Result<(Wanted, Option<Identities>), SecretsError> {
        let Target::Person(customer) = target else {
            let wanted = self.rules.wanted(self.tree, target)?.ok_or_else(|| {
                SecretsError::refused(format!(
                    "no rule of .sops.yaml speaks of {}: add one that says who can open it",
                    target.path()
                ))
            })?;
            return Ok((wanted, None));
        };
        let record = erase::record_path(customer);
        if self.tree.read(&record)?.is_some() {
            return Err(SecretsError::refused(format!(
                "personal data of {customer} was erased: {record} says when; remove that record first if they are a customer anew"
            )));
        }
        let (recipient, key) = person_keys::ensure(
            self.tree,
            customer,
            self.keyring.identities(),
            &self.rules.keepers()?,
            &|| self.may_make_key(customer, file),
            self.now,
        )?;
        Ok((Wanted::for_person(recipient), key))
    }

    /// What to say of a file in clear text: that it has to be encrypted, or that it is something else.
    fn not_encrypted(&self, target: &Target) -> SecretsError {
        let path = target.path();
        let spoken_of = || matches!(self.rules.wanted(self.tree, target), Ok(Some(_)));
        if must_be_sealed(&path) || spoken_of() {
            return SecretsError::refused(format!(
                "{path} is in clear text: if it was committed, its secrets are known; `tenantry secrets updatekeys {target}` encrypts it"
            ));
        }
        let what = match classify(&path) {
            Kind::Order(..) => "an order",
            Kind::Customer(_) => "the settings of a customer",
            Kind::Server(..) => "a server",
            Kind::Hub => "the settings of the fleet",
            Kind::Staff => "the list of the staff",
            _ => "something else",
        };
        SecretsError::refused(format!(
            "{path} is no file of secrets: it is {what}, and stays in clear text; `tenantry secrets list` names the files of secrets"
        ))
    }

    /// Encrypts a file of secrets that is in clear text. Comments and order stay.
    fn seal(&self, target: &Target, text: &str) -> Result<Saved, SecretsError> {
        let path = target.path();
        let (wanted, _) = self.wanted(target, None)?;
        let sealed = encrypt_text(text, &self.options(&wanted)?, &mut rand::rng())
            .map_err(SecretsError::sops(&path))?;
        if !target.is_person() {
            check_flat(
                &path,
                &SopsFile::parse(&sealed).map_err(SecretsError::sops(&path))?,
            )?;
        }
        self.tree.write(&path, &sealed)?;
        Ok(Saved::Created)
    }

    /// Whether a customer who has no key gets one. A new one does not open what the old one closed, and it would stand in the record of an
    /// erasure for the one that was destroyed.
    fn may_make_key(
        &self,
        customer: &CustomerId,
        file: Option<&SopsFile>,
    ) -> Result<(), SecretsError> {
        destroyed::may_make(self.tree, customer, file)?;
        let Some(file) = file else {
            return Ok(());
        };
        let path = Target::Person(customer.clone()).path();
        match file.decrypt(self.keyring.identities()) {
            Ok(_) => Ok(()),
            Err(tenantry_sops::Error::NoMatchingKey { .. }) => Err(SecretsError::refused(format!(
                "{path} cannot be opened: the key that it is encrypted to is not on {}, and none of yours is it. No new key is made over \
                 it. If the customer was erased: `tenantry erase {customer}`; if the reference is somewhere else, fetch it; if the data is \
                 lost, remove the file first",
                person_keys::REFERENCE
            ))),
            Err(error) => Err(SecretsError::sops(&path)(error)),
        }
    }

    /// Sets one value.
    pub fn set(
        &self,
        target: &Target,
        name: &Path,
        value: SecretString,
    ) -> Result<Saved, SecretsError> {
        let draft = self.draft(target)?;
        let change = Change::Set {
            path: name.clone(),
            value: Value::Str(value),
        };
        self.apply(target, &draft, &[change])
    }

    /// Makes changes of values.
    pub fn apply(
        &self,
        target: &Target,
        draft: &Draft,
        changes: &[Change],
    ) -> Result<Saved, SecretsError> {
        let path = target.path();
        let failed = SecretsError::sops(&path);
        let mut rng = rand::rng();
        let text = match &draft.file {
            Some(file) => file
                .edit(&draft.identities, changes, sops_time(self.now)?, &mut rng)
                .map_err(failed)?,
            None => self.fresh(&draft.wanted, changes).map_err(failed)?,
        };
        self.save(target, draft, text)
    }

    /// A new file with only these changes: made under a key that is forgotten at once, so that it needs none of ours.
    fn fresh(&self, wanted: &Wanted, changes: &[Change]) -> Result<String, tenantry_sops::Error> {
        let mut rng = rand::rng();
        let once = age::x25519::Identity::generate();
        let last_modified = sops_time(self.now).map_err(|_| bad_time())?;
        let options = EncryptOptions {
            recipients: vec![once.to_public().to_string().parse()?],
            rule: wanted.rule.clone(),
            mac_only_encrypted: wanted.mac_only_encrypted,
            last_modified,
        };
        let once = Identities::from(once);
        let blank = SopsFile::parse(&encrypt(&Map::new(), &options, &mut rng)?)?;
        let filled = SopsFile::parse(&blank.edit(&once, changes, last_modified, &mut rng)?)?;
        filled.update_recipients(&once, &wanted.recipients)
    }

    /// Replaces the whole plaintext.
    pub fn replace(
        &self,
        target: &Target,
        draft: &Draft,
        plain: &SecretString,
    ) -> Result<Saved, SecretsError> {
        use tenantry_sops::ExposeSecret as _;
        let path = target.path();
        let failed = SecretsError::sops(&path);
        let mut rng = rand::rng();
        let text = match &draft.file {
            Some(file) => {
                file.replace_text(&draft.identities, plain, sops_time(self.now)?, &mut rng)
            }
            None => encrypt_text(
                plain.expose_secret(),
                &self.options(&draft.wanted)?,
                &mut rng,
            ),
        };
        self.save(target, draft, text.map_err(failed)?)
    }

    /// Brings a file to the recipients that the rules name. Who is dropped does not know the new data key. One in clear text is encrypted, if
    /// it is one that has to be.
    pub fn update_recipients(&self, target: &Target) -> Result<Saved, SecretsError> {
        let path = target.path();
        if must_be_sealed(&path)
            && let Some(text) = self.tree.read(&path)?
            && matches!(SopsFile::parse(&text), Err(tenantry_sops::Error::NotSops))
        {
            return self.seal(target, &text);
        }
        let draft = self.draft(target)?;
        let Some(file) = &draft.file else {
            return Err(SecretsError::refused(format!(
                "there is no file {}",
                target.path()
            )));
        };
        let text = file.as_str().to_owned();
        self.save(target, &draft, text)
    }

    /// Brings a file to other recipients under a new data key, whatever the rules say.
    pub fn rotate_for(
        &self,
        target: &Target,
        recipients: &[Recipient],
    ) -> Result<(), SecretsError> {
        let path = target.path();
        let (file, identities) = self.keyring.open(self.tree, target)?;
        let text = file
            .rotate(
                &identities,
                recipients,
                sops_time(self.now)?,
                &mut rand::rng(),
            )
            .map_err(SecretsError::sops(&path))?;
        self.tree.write(&path, &text)
    }

    /// Checks what the hub needs of a file, brings it to its recipients, and writes it.
    fn save(
        &self,
        target: &Target,
        draft: &Draft,
        mut text: String,
    ) -> Result<Saved, SecretsError> {
        let path = target.path();
        let failed = SecretsError::sops(&path);
        let file = SopsFile::parse(&text).map_err(&failed)?;
        if !matches!(target, Target::Person(_) | Target::Path(_)) {
            check_flat(&path, &file)?;
        }
        if draft.file.is_some() {
            text = self.bring(draft, &file).map_err(&failed)?;
        }
        match &draft.file {
            Some(old) if old.as_str() == text => Ok(Saved::Unchanged),
            old => {
                self.tree.write(&path, &text)?;
                Ok(if old.is_some() {
                    Saved::Changed
                } else {
                    Saved::Created
                })
            }
        }
    }

    fn bring(&self, draft: &Draft, file: &SopsFile) -> Result<String, tenantry_sops::Error> {
        if draft.wanted.same_recipients(file.recipients()) {
            return Ok(file.as_str().to_owned());
        }
        let wanted = &draft.wanted.recipients;
        let dropped = file
            .recipients()
            .any(|found| !wanted.iter().any(|wanted| wanted.as_str() == found));
        if dropped {
            let time = sops_time(self.now).map_err(|_| bad_time())?;
            file.rotate(&draft.identities, wanted, time, &mut rand::rng())
        } else {
            file.update_recipients(&draft.identities, wanted)
        }
    }

    fn options(&self, wanted: &Wanted) -> Result<EncryptOptions, SecretsError> {
        Ok(EncryptOptions {
            recipients: wanted.recipients.clone(),
            rule: wanted.rule.clone(),
            mac_only_encrypted: wanted.mac_only_encrypted,
            last_modified: sops_time(self.now)?,
        })
    }
}

impl Draft {
    /// The plaintext as YAML; `None` where there is no file yet.
    pub fn plain(&self, target: &Target) -> Result<Option<SecretString>, SecretsError> {
        self.file
            .as_ref()
            .map(|file| file.plain_text(&self.identities))
            .transpose()
            .map_err(SecretsError::sops(&target.path()))
    }

    /// Every top-level value as text, by name.
    pub fn values(&self, target: &Target) -> Result<BTreeMap<String, SecretString>, SecretsError> {
        match &self.file {
            None => Ok(BTreeMap::new()),
            Some(file) => file
                .decrypt(&self.identities)
                .and_then(|opened| opened.to_flat_map())
                .map_err(SecretsError::sops(&target.path())),
        }
    }
}

fn bad_time() -> tenantry_sops::Error {
    tenantry_sops::Error::BadTime {
        text: String::new(),
    }
}

/// The hub hands each value to a tool as one variable, so lists and mappings have no place among secrets.
fn check_flat(path: &str, file: &SopsFile) -> Result<(), SecretsError> {
    let nested = file
        .leaves()
        .into_iter()
        .find(|leaf| leaf.path.segments().len() != 1);
    match nested {
        None => Ok(()),
        Some(leaf) => Err(SecretsError::refused(format!(
            "{path}: `{}` is inside a list or mapping; secrets are `name: value`, one a line",
            leaf.path
        ))),
    }
}

/// The name of a value as people type it: a key as it is, or keys with dots between them.
pub fn name(file: Option<&SopsFile>, text: &str) -> Result<Path, SecretsError> {
    if text.is_empty() || text.chars().any(char::is_control) {
        return Err(SecretsError::refused(
            "the name of a secret cannot be empty or hold control characters",
        ));
    }
    let is_key = file.is_some_and(|file| file.top_level_keys().any(|key| key == text));
    if is_key || !text.contains('.') || text.split('.').any(str::is_empty) {
        return Ok(Path::from(text));
    }
    Ok(text.split('.').fold(Path::root(), Path::key))
}
