//! `.sops.yaml`: which recipients and selector a new file gets, by its path. Reads text only.

use regex::Regex;

use crate::yaml::{self, Data, Node};
use crate::{Error, Recipient, Rule, go_regex};

/// Key services other than age, as creation rules name them.
const OTHER_KEYS: [&str; 6] = [
    "pgp",
    "kms",
    "gcp_kms",
    "azure_keyvault",
    "hc_vault_transit_uri",
    "hckms",
];

/// What one rule says for the files it matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreationRule {
    /// Who can open the file.
    pub recipients: Vec<Recipient>,
    /// Which leaves are encrypted.
    pub rule: Rule,
    /// Whether clear leaves are left out of the MAC.
    pub mac_only_encrypted: bool,
}

/// The creation rules of a `.sops.yaml`, in order.
#[derive(Debug, Clone)]
pub struct CreationRules(Vec<Item>);

/// One of them.
#[derive(Debug, Clone)]
struct Item {
    /// 1-based line on which it begins.
    line: usize,
    /// Absent: it matches every path.
    pattern: Option<Regex>,
    /// What it says, or why it cannot be used.
    rule: Result<CreationRule, Error>,
}

impl CreationRules {
    /// Reads the file. Patterns must compile; what else is wrong with a rule is told when a path meets it.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let source = text.strip_prefix('\u{feff}').unwrap_or(text);
        let root = yaml::parse_with_aliases(source)?;
        let rules = match root
            .as_ref()
            .and_then(|root| root.get("creation_rules"))
            .map(|node| &node.data)
        {
            None => return Ok(Self(Vec::new())),
            Some(Data::List(rules)) => rules,
            Some(Data::Scalar(scalar)) if scalar.text.is_empty() => return Ok(Self(Vec::new())),
            Some(_) => return Err(Error::metadata("creation_rules", "is not a list")),
        };
        let items = rules.iter().map(|node| one(source, node));
        items.collect::<Result<_, _>>().map(Self)
    }

    /// Rules that cannot be used, each with the 1-based line on which it begins.
    pub fn broken(&self) -> impl Iterator<Item = (usize, &Error)> {
        self.0
            .iter()
            .filter_map(|item| Some((item.line, item.rule.as_ref().err()?)))
    }

    /// The first rule that matches `path`, which is relative to the folder of `.sops.yaml`, with `/` between parts.
    /// `None` if no rule matches; an error if the matching rule needs what this crate refuses.
    pub fn for_path(&self, path: &str) -> Result<Option<&CreationRule>, Error> {
        let matches = |item: &&Item| {
            let pattern = item.pattern.as_ref();
            pattern.is_none_or(|pattern| pattern.is_match(path))
        };
        let found = self.0.iter().find(matches);
        found
            .map(|item| item.rule.as_ref().map_err(Clone::clone))
            .transpose()
    }
}

fn one(source: &str, node: &Node) -> Result<Item, Error> {
    if node.as_map().is_none() {
        return Err(Error::metadata(
            "creation_rules",
            "an item is not a mapping",
        ));
    }
    let pattern = node
        .get("path_regex")
        .and_then(Node::as_text)
        .filter(|text| !text.is_empty());
    let before = source.get(..node.span.start).unwrap_or_default();
    Ok(Item {
        line: before.matches('\n').count() + 1,
        pattern: pattern.map(go_regex::compile).transpose()?,
        rule: read(node),
    })
}

fn read(node: &Node) -> Result<CreationRule, Error> {
    for kind in OTHER_KEYS.into_iter().chain(["key_groups"]) {
        if node.get(kind).is_some_and(is_filled) {
            return Err(Error::UnsupportedKeyType { kind: kind.into() });
        }
    }
    let recipients = recipients(node.get("age"))?;
    if recipients.is_empty() {
        return Err(Error::NoRecipients);
    }
    let rule = Rule::from_fields(|name| node.get(name)?.as_text())?;
    rule.compile()?;
    let mac_only_encrypted = match node.get("mac_only_encrypted").and_then(Node::as_text) {
        None | Some("false" | "") => false,
        Some("true") => true,
        Some(_) => {
            return Err(Error::metadata(
                "mac_only_encrypted",
                "is neither true nor false",
            ));
        }
    };
    Ok(CreationRule {
        recipients,
        rule,
        mac_only_encrypted,
    })
}

fn is_filled(node: &Node) -> bool {
    match &node.data {
        Data::Scalar(scalar) => !matches!(scalar.text.as_str(), "" | "~" | "null"),
        Data::List(items) => !items.is_empty(),
        Data::Map(entries) => !entries.is_empty(),
    }
}

/// One text with commas, or a list of texts.
fn recipients(node: Option<&Node>) -> Result<Vec<Recipient>, Error> {
    let texts: Vec<&str> = match node.map(|node| &node.data) {
        None => Vec::new(),
        Some(Data::Scalar(scalar)) => vec![&scalar.text],
        Some(Data::List(items)) => items.iter().filter_map(Node::as_text).collect(),
        Some(Data::Map(_)) => return Err(Error::metadata("age", "is a mapping")),
    };
    let mut found: Vec<Recipient> = Vec::new();
    for text in texts
        .iter()
        .flat_map(|text| text.split(','))
        .map(str::trim)
        .filter(|text| !text.is_empty())
    {
        let recipient = text.parse()?;
        if !found.contains(&recipient) {
            found.push(recipient);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "age1majmu76yzmg4pma2p7c0luwna50pxpv5dwv7qsr6udvxu7ushemqdtk9ck";

    fn recipient() -> Recipient {
        age::x25519::Identity::generate()
            .to_public()
            .to_string()
            .parse()
            .unwrap()
    }

    #[test]
    fn first_match_wins() {
        let (b, c) = (recipient(), recipient());
        let rules = CreationRules::parse(&format!(
            "creation_rules:\n  - path_regex: person\\.yaml$\n    age: >-\n      {A},\n      {b}\n    unencrypted_suffix: _id\n    mac_only_encrypted: true\n  \
             - path_regex: ^fleet/\n    age: [{b}, {c}]\n    encrypted_regex: ^data$\n  - path_regex: ^pgp/\n    pgp: ABC\n  \
             - path_regex: ^groups/\n    key_groups: [{{age: [{A}]}}]\n  - path_regex: ^none/\nstores: {{}}\n"
        ))
        .unwrap();
        let person = rules
            .for_path("fleet/customers/acme/person.yaml")
            .unwrap()
            .unwrap();
        assert_eq!(person.recipients.len(), 2);
        assert_eq!(person.rule, Rule::UnencryptedSuffix("_id".into()));
        assert!(person.mac_only_encrypted);
        let fleet = rules.for_path("fleet/secrets.yaml").unwrap().unwrap();
        assert_eq!(fleet.recipients, [b, c]);
        assert_eq!(fleet.rule, Rule::EncryptedRegex("^data$".into()));
        let kind = |path| rules.for_path(path).err();
        assert_eq!(
            kind("pgp/x"),
            Some(Error::UnsupportedKeyType { kind: "pgp".into() })
        );
        assert_eq!(
            kind("groups/x"),
            Some(Error::UnsupportedKeyType {
                kind: "key_groups".into()
            })
        );
        assert_eq!(kind("none/x"), Some(Error::NoRecipients));
        assert_eq!(rules.for_path("other/x"), Ok(None));
    }

    #[test]
    fn people_may_name_keys_once() {
        let b = recipient();
        let text = format!(
            "keys:\n  - &hub {A}\n  - &jane {b}\ncreation_rules:\n  - age: [*hub, *jane]\n"
        );
        let rules = CreationRules::parse(&text).unwrap();
        let rule = rules.for_path("x").unwrap().unwrap();
        assert_eq!(rule.recipients, [A.parse().unwrap(), b]);
        assert!(CreationRules::parse("keys: &all [a]\ncreation_rules: *all\n").is_err());
        assert!(CreationRules::parse("creation_rules: [{age: *nobody}]\n").is_err());
    }

    #[test]
    fn odd_files() {
        assert!(
            CreationRules::parse("")
                .unwrap()
                .for_path("x")
                .unwrap()
                .is_none()
        );
        assert!(CreationRules::parse("creation_rules: {}").is_err());
        assert!(CreationRules::parse("creation_rules: [x]").is_err());
        assert!(CreationRules::parse("creation_rules: [{path_regex: '('}]").is_err());
        let both =
            format!("creation_rules: [{{age: {A}, encrypted_regex: x, encrypted_suffix: y}}]");
        assert!(CreationRules::parse(&both).unwrap().for_path("x").is_err());
    }
}
