//! From decisions to a commit: draws the random values, encrypts them, words the message. The only place where dice are rolled (law 2).

use crate::generate::{GenerateError, Values, draw};
use crate::git::{Change, GitError, Objects, Oid};
use crate::keys::HubIdentity;
use crate::load::MAX_FILE;
use jiff::Timestamp;
use rand::CryptoRng;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use tenantry_planner::decision::{Choice, Decision};
use tenantry_planner::documents::HeadDocuments;
use tenantry_planner::sealing;
use tenantry_schema::document::SecretSpec;
use tenantry_schema::name::{RelativePath, VariableName};
use tenantry_sops::{
    CreationRules, EncryptOptions, Map, Path, Recipient, Rule, SecretString, SopsFile, Value,
    encrypt,
};

/// Why decisions cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum DecideError {
    /// Git failed.
    #[error("the fleet's objects cannot be read")]
    Git(#[from] GitError),
    /// Encryption failed.
    #[error("{path} cannot be written")]
    Sops {
        /// Which file.
        path: String,
        /// Why.
        #[source]
        source: tenantry_sops::Error,
    },
    /// Values cannot be made.
    #[error("the secrets of {path} cannot be generated")]
    Generate {
        /// Which file.
        path: String,
        /// Why.
        #[source]
        source: GenerateError,
    },
    /// The rules of encryption are wrong.
    #[error("new secrets cannot be encrypted: .sops.yaml is wrong")]
    Rules(#[source] tenantry_sops::Error),
    /// A file is not what it should be.
    #[error("{0} is not a text file")]
    Text(String),
}

/// What decisions are written with.
pub struct Decider<'a> {
    /// Where existing files are read.
    pub objects: &'a Objects,
    /// The tree that the decisions were planned on.
    pub tree: Oid,
    /// Settings of the fleet.
    pub head: &'a HeadDocuments,
    /// Opens files that get more secrets.
    pub identity: &'a HubIdentity,
    /// The time.
    pub now: Timestamp,
}

impl Decider<'_> {
    /// The change of a file that writes `decision` down. None: nothing has to be.
    pub fn change(
        &self,
        decision: &Decision,
        rng: &mut dyn CryptoRng,
    ) -> Result<Option<Change>, DecideError> {
        let path = decision.path();
        let content = match (&decision.choice, decision.content()) {
            (Choice::Secrets(_, names) | Choice::BackupSecrets(names), _) => {
                self.secrets(&path, names, rng)?
            }
            (_, Some(content)) => content,
            (_, None) => return Ok(None),
        };
        // Built from ids alone, so it is always a path.
        let path = RelativePath::try_from(path).ok();
        Ok(path.map(|path| Change {
            path,
            content: Some(content.into_bytes()),
        }))
    }

    /// What a failed attempt at `decision` was made from: tried anew as soon as that changes.
    pub fn key(&self, decision: &Decision) -> Result<String, DecideError> {
        let path = decision.path();
        let before = self.objects.lookup(self.tree, &path)?;
        let before = before.map_or_else(String::new, |entry| format!(" {}", entry.oid));
        Ok(format!("decide {path}{before}"))
    }

    /// A SOPS file with `names` generated: a new one, or the existing one with these added. What exists is never touched.
    fn secrets(
        &self,
        path: &str,
        names: &BTreeMap<VariableName, SecretSpec>,
        rng: &mut dyn CryptoRng,
    ) -> Result<String, DecideError> {
        let failed = |source| DecideError::Sops {
            path: path.to_owned(),
            source,
        };
        let last_modified =
            tenantry_sops::Timestamp::from_unix(self.now.as_second()).unwrap_or_else(epoch);
        let mut specs: BTreeMap<String, SecretSpec> = names
            .iter()
            .map(|(name, spec)| (name.to_string(), spec.clone()))
            .collect();
        let generated = |source| DecideError::Generate {
            path: path.to_owned(),
            source,
        };
        if let Some(text) = self.text(path)? {
            let file = SopsFile::parse(&text).map_err(failed)?;
            specs.retain(|name, _| !file.top_level_keys().any(|key| key == name));
            // Values that are there are needed by those alone that have to do with them.
            let there = if specs.values().any(SecretSpec::is_related) {
                let opened = file.decrypt(self.identity.identities());
                opened
                    .and_then(|opened| opened.to_flat_map())
                    .map_err(failed)?
            } else {
                Values::new()
            };
            let values = draw(&specs, &there, rng).map_err(generated)?;
            let set = |(name, value): (String, SecretString)| tenantry_sops::Change::Set {
                path: Path::from(name.as_str()),
                value: Value::from(value),
            };
            let changes: Vec<_> = values.into_iter().map(set).collect();
            return file
                .edit(self.identity.identities(), &changes, last_modified, rng)
                .map_err(failed);
        }
        let rules = self.rules()?;
        let mut map = Map::new();
        for (name, value) in draw(&specs, &Values::new(), rng).map_err(generated)? {
            map.insert(name, value);
        }
        let options = self
            .options(path, rules.as_ref(), last_modified)
            .map_err(failed)?;
        encrypt(&map, &options, rng).map_err(failed)
    }

    /// Read only where a new file is made. The planner asks for none where they are wrong.
    fn rules(&self) -> Result<Option<CreationRules>, DecideError> {
        let text = self.text(sealing::FILE)?;
        let rules = text.map(|text| CreationRules::parse(&text));
        rules.transpose().map_err(DecideError::Rules)
    }

    /// As `.sops.yaml` says for the path, and always readable by the hub and the recovery key.
    fn options(
        &self,
        path: &str,
        rules: Option<&CreationRules>,
        last_modified: tenantry_sops::Timestamp,
    ) -> Result<EncryptOptions, tenantry_sops::Error> {
        let rule = rules
            .map(|rules| rules.for_path(path))
            .transpose()?
            .flatten();
        let mut recipients: Vec<Recipient> =
            rule.map(|rule| rule.recipients.clone()).unwrap_or_default();
        let keys = &self.head.hub.keys;
        for key in [&keys.hub.age, &keys.recovery.age] {
            let recipient: Recipient = key.as_str().parse()?;
            if !recipients.contains(&recipient) {
                recipients.push(recipient);
            }
        }
        Ok(EncryptOptions {
            recipients,
            rule: rule.map_or_else(Rule::all, |rule| rule.rule.clone()),
            mac_only_encrypted: rule.is_none_or(|rule| rule.mac_only_encrypted),
            last_modified,
        })
    }

    fn text(&self, path: &str) -> Result<Option<String>, DecideError> {
        let Some(entry) = self.objects.lookup(self.tree, path)? else {
            return Ok(None);
        };
        let content = self.objects.blob(entry.oid, MAX_FILE)?;
        String::from_utf8(content)
            .map(Some)
            .map_err(|_| DecideError::Text(path.to_owned()))
    }
}

fn epoch() -> tenantry_sops::Timestamp {
    tenantry_sops::Timestamp::from_unix(0).expect("1970 is a year")
}

/// The message of a commit of decisions: one line for one, a list for several.
pub fn message(decisions: &[&Decision]) -> String {
    match decisions {
        [one] => format!("decide: {}\n", one.summary()),
        many => {
            let mut orders: Vec<String> = many
                .iter()
                .map(|decision| decision.order.to_string())
                .collect();
            orders.dedup();
            let shown = if orders.len() == 1 {
                orders.remove(0)
            } else {
                format!("{} orders", orders.len())
            };
            let mut out = format!("decide: {} for {shown}\n\n", plural(many.len(), "choice"));
            for decision in many {
                let _ = writeln!(out, "- {}", decision.summary());
            }
            out
        }
    }
}

fn plural(count: usize, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}
