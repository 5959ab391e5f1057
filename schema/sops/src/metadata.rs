//! The `sops` mapping at the end of a file: reading it, and writing it in the order that `sops` 3.11 uses.

use crate::yaml::{Data, Node};
use crate::{Error, Rule, Timestamp, emit};

/// The version that files written here carry. `sops` refuses files without one.
pub(crate) const WRITTEN_VERSION: &str = "3.11.0";

/// The lists of the other key services.
const OTHER_KEYS: [&str; 6] = ["pgp", "kms", "gcp_kms", "azure_kv", "hc_vault", "hckms"];

/// The data key wrapped for one recipient.
#[derive(Clone, Debug)]
pub(crate) struct AgeEntry {
    pub(crate) recipient: String,
    /// Armoured age file.
    pub(crate) enc: String,
}

#[derive(Clone, Debug)]
pub(crate) struct Metadata {
    pub(crate) age: Vec<AgeEntry>,
    pub(crate) last_modified: Timestamp,
    pub(crate) mac: String,
    pub(crate) rule: Rule,
    pub(crate) mac_only_encrypted: bool,
    pub(crate) version: String,
}

impl Metadata {
    pub(crate) fn read(node: &Node) -> Result<Self, Error> {
        if node.as_map().is_none() {
            return Err(Error::NotSops);
        }
        let version = text(node, "version")?;
        if version.split('.').next() != Some("3") {
            return Err(Error::UnsupportedVersion {
                version: version.to_owned(),
            });
        }
        if is_filled(node, "key_groups") {
            return Err(Error::UnsupportedKeyType {
                kind: "key_groups".into(),
            });
        }
        let age = age_entries(node)?;
        if age.is_empty() {
            let other = OTHER_KEYS.into_iter().find(|kind| is_filled(node, kind));
            return Err(other.map_or_else(
                || Error::metadata("age", "is missing"),
                |kind| Error::UnsupportedKeyType { kind: kind.into() },
            ));
        }
        let last_modified = text(node, "lastmodified")?;
        Ok(Self {
            age,
            last_modified: Timestamp::parse_rfc3339(last_modified)
                .map_err(|_| Error::metadata("lastmodified", "is not an RFC 3339 time"))?,
            mac: text(node, "mac")?.to_owned(),
            rule: Rule::from_fields(|name| node.get(name)?.as_text())?,
            mac_only_encrypted: match node.get("mac_only_encrypted").and_then(Node::as_text) {
                None | Some("false" | "") => false,
                Some("true") => true,
                Some(_) => {
                    return Err(Error::metadata(
                        "mac_only_encrypted",
                        "is neither true nor false",
                    ));
                }
            },
            version: version.to_owned(),
        })
    }

    /// The whole block, `sops:` included.
    pub(crate) fn write(&self) -> String {
        let mut out = format!("sops:\n    {}", write_age(&self.age, 4));
        let mut field = |name: &str, text: &str| {
            out.push_str("    ");
            out.push_str(name);
            out.push_str(": ");
            out.push_str(text);
            out.push('\n');
        };
        field(
            "lastmodified",
            &emit::double_quoted(&self.last_modified.to_seconds_text()),
        );
        field("mac", &self.mac);
        let (selector, text) = self.rule.field();
        field(selector, &emit::inline_string(text));
        if self.mac_only_encrypted {
            field("mac_only_encrypted", "true");
        }
        field("version", &self.version);
        out
    }
}

/// The `age` entry of the block, for a line that starts at `column`.
pub(crate) fn write_age(entries: &[AgeEntry], column: usize) -> String {
    let items = entries
        .iter()
        .map(|entry| {
            emit::Out::Map(vec![
                (
                    "recipient".into(),
                    emit::Out::Inline(emit::inline_string(&entry.recipient)),
                ),
                ("enc".into(), emit::string(&entry.enc)),
            ])
        })
        .collect();
    let mut out = String::new();
    emit::entries(&mut out, &[("age".into(), emit::Out::List(items))], column);
    out
}

fn text<'a>(node: &'a Node, field: &str) -> Result<&'a str, Error> {
    node.get(field)
        .and_then(Node::as_text)
        .filter(|text| !text.is_empty())
        .ok_or_else(|| Error::metadata(field, "is missing"))
}

fn is_filled(node: &Node, field: &str) -> bool {
    match node.get(field).map(|node| &node.data) {
        Some(Data::List(items)) => !items.is_empty(),
        Some(Data::Map(entries)) => !entries.is_empty(),
        _ => false,
    }
}

fn age_entries(node: &Node) -> Result<Vec<AgeEntry>, Error> {
    let Some(Data::List(items)) = node.get("age").map(|node| &node.data) else {
        return Ok(Vec::new());
    };
    items
        .iter()
        .map(|item| {
            let part = |name| {
                let found = item.get(name).and_then(Node::as_text);
                found.ok_or_else(|| Error::metadata("age", format!("an entry has no `{name}`")))
            };
            Ok(AgeEntry {
                recipient: part("recipient")?.to_owned(),
                enc: part("enc")?.to_owned(),
            })
        })
        .collect()
}
