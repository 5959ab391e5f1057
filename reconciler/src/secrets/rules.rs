//! Who should be able to open a file, and which of its leaves are encrypted: `.sops.yaml`, and the customer's key for personal data.

use super::{SecretsError, Target, WorkTree, person_keys};
use tenantry_planner::documents;
use tenantry_planner::input::SourceFile;
use tenantry_planner::object::ObjectId;
use tenantry_schema::document::{Hub, Staff};
use tenantry_sops::{CreationRules, Recipient, Rule};

/// Where the rules stand.
pub const RULES: &str = ".sops.yaml";

/// The rules of a fleet, and the keys that its settings name.
pub struct Rules {
    creation: CreationRules,
    /// `hub.yaml`
    pub hub: Hub,
    /// `staff.yaml`
    pub staff: Staff,
}

/// What the rules say about one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Who can open it.
    pub recipients: Vec<Recipient>,
    /// Which leaves are encrypted.
    pub rule: Rule,
    /// Whether clear leaves can be edited by hand.
    pub mac_only_encrypted: bool,
}

impl Rules {
    /// Reads those of a work tree.
    pub fn read(tree: &WorkTree) -> Result<Self, SecretsError> {
        let creation = tree.read(RULES)?.unwrap_or_default();
        Ok(Self {
            creation: CreationRules::parse(&creation).map_err(SecretsError::sops(RULES))?,
            hub: document(tree, "fleet/hub.yaml")?.ok_or_else(|| {
                SecretsError::refused(
                    "the fleet has no fleet/hub.yaml; `tenantry init DIR` makes a fleet",
                )
            })?,
            staff: document(tree, "fleet/staff.yaml")?.unwrap_or_default(),
        })
    }

    /// The hub and the recovery key.
    pub fn keepers(&self) -> Result<Vec<Recipient>, SecretsError> {
        let keys = &self.hub.keys;
        [&keys.hub.age, &keys.recovery.age]
            .into_iter()
            .map(|key| {
                key.as_str()
                    .parse()
                    .map_err(SecretsError::sops("fleet/hub.yaml"))
            })
            .collect()
    }

    /// What they say about `target`. `None` where no rule speaks of it, and for personal data of a customer who has no key yet.
    pub fn wanted(&self, tree: &WorkTree, target: &Target) -> Result<Option<Wanted>, SecretsError> {
        if let Target::Person(customer) = target {
            let key = person_keys::find(tree.repository(), customer)?;
            return Ok(key.map(|key| Wanted::for_person(key.recipient)));
        }
        let path = target.path();
        let rule = self
            .creation
            .for_path(&path)
            .map_err(|source| SecretsError::Sops {
                path: format!("{RULES}, in the rule for {path}"),
                source,
            })?;
        Ok(rule.map(|rule| Wanted {
            recipients: rule.recipients.clone(),
            rule: rule.rule.clone(),
            mac_only_encrypted: rule.mac_only_encrypted,
        }))
    }
}

impl Wanted {
    /// Personal data: for the customer's own key alone.
    pub fn for_person(recipient: Recipient) -> Self {
        Self {
            recipients: vec![recipient],
            rule: Rule::all(),
            mac_only_encrypted: true,
        }
    }

    /// Whether a file can be opened by exactly these, in any order.
    pub fn same_recipients<'r>(&self, found: impl Iterator<Item = &'r str>) -> bool {
        let mut found: Vec<&str> = found.collect();
        let mut wanted: Vec<&str> = self.recipients.iter().map(Recipient::as_str).collect();
        found.sort_unstable();
        wanted.sort_unstable();
        found == wanted
    }
}

/// Reads one document of the fleet; what is wrong with it is the error.
pub(crate) fn document<T: serde::de::DeserializeOwned>(
    tree: &WorkTree,
    path: &str,
) -> Result<Option<T>, SecretsError> {
    let Some(text) = tree.read(path)? else {
        return Ok(None);
    };
    parse(path, &text).map(Some)
}

/// The same of a text.
pub(crate) fn parse<T: serde::de::DeserializeOwned>(
    path: &str,
    text: &str,
) -> Result<T, SecretsError> {
    let mut found = Vec::new();
    let file = SourceFile {
        path: path.to_owned(),
        id: ObjectId([0; 20]),
        text: Ok(text.into()),
    };
    documents::read(&file, &mut found).ok_or_else(|| {
        let first = found.first().map(|diagnostic| diagnostic.message.clone());
        SecretsError::refused(format!(
            "{path} has errors ({}); `tenantry check` lists them",
            first.unwrap_or_default()
        ))
    })
}
