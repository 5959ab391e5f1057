//! What a stack says about the secrets of one tool, and which services get their values.

use super::{Orders, pin};
use crate::secrets::{SecretsError, WorkTree, rules};
use std::collections::{BTreeMap, BTreeSet};
use tenantry_schema::document::{SecretSpec, Stack, drawn_for, followers};
use tenantry_schema::id::{CustomerId, OrderId, ToolName};
use tenantry_yaml::{Limits, Node};

/// What a stack says about the secrets of one tool.
#[derive(Debug, Default)]
pub struct Declared {
    /// As the version says that the tool runs, else that of the branch.
    pub secrets: BTreeMap<String, SecretSpec>,
    compose: String,
    /// What the order lays on top.
    over: Option<String>,
    templates: BTreeMap<String, String>,
}

impl Declared {
    /// Reads the version that `customer/order` is pinned to, or where nothing is pinned that of the work tree. `None`: there is no such stack.
    pub fn read(
        tree: &WorkTree,
        customer: &CustomerId,
        order: &OrderId,
        tool: &ToolName,
    ) -> Result<Option<Self>, SecretsError> {
        let pin = pin(tree, customer, order, tool)?;
        let pinned = pin.and_then(|pin| Self::of_tree(tree, tool, &pin).transpose());
        let orders = Orders::of(tree, customer);
        let found = match pinned.transpose()? {
            Some(found) => Some(found),
            // Only here its name matters.
            None => Self::of_files(tree, &orders.stack(customer, order, tool))?,
        };
        let over = orders.over(tree, customer, order, tool)?;
        Ok(found.map(|found| Self { over, ..found }))
    }

    /// Reads the version of a stack with this tree, or where there is none that of the work tree.
    pub fn of_version(
        tree: &WorkTree,
        tool: &ToolName,
        pin: Option<&str>,
    ) -> Result<Option<Self>, SecretsError> {
        let pinned = pin
            .map(|pin| Self::of_tree(tree, tool, pin))
            .transpose()?
            .flatten();
        match pinned {
            Some(found) => Ok(Some(found)),
            None => Self::of_files(tree, tool),
        }
    }

    fn of_tree(tree: &WorkTree, tool: &ToolName, pin: &str) -> Result<Option<Self>, SecretsError> {
        let Ok(pinned) = git2::Oid::from_str(pin).and_then(|oid| tree.repository().find_tree(oid))
        else {
            return Ok(None);
        };
        let text = |path: &str| {
            let entry = pinned.get_path(std::path::Path::new(path)).ok()?;
            let blob = tree.repository().find_blob(entry.id()).ok()?;
            String::from_utf8(blob.content().to_vec()).ok()
        };
        let Some(stack) = text("stack.yaml") else {
            return Ok(None);
        };
        let mut templates = BTreeMap::new();
        let _ = pinned.walk(git2::TreeWalkMode::PreOrder, |folder, entry| {
            if let Ok(name) = entry.name()
                && let path = format!("{folder}{name}")
                && let Some(content) = text(&path)
            {
                templates.insert(path, content);
            }
            git2::TreeWalkResult::Ok
        });
        Self::of(
            tool,
            &stack,
            text("compose.yaml").unwrap_or_default(),
            templates,
        )
        .map(Some)
    }

    /// Reads the version of the work tree.
    pub fn of_files(tree: &WorkTree, tool: &ToolName) -> Result<Option<Self>, SecretsError> {
        let folder = format!("stacks/{tool}");
        let Some(stack) = tree.read(&format!("{folder}/stack.yaml"))? else {
            return Ok(None);
        };
        let compose = tree
            .read(&format!("{folder}/compose.yaml"))?
            .unwrap_or_default();
        let mut templates = BTreeMap::new();
        let root = tree.root().join(&folder);
        let mut folders = vec![root.join("files")];
        while let Some(next) = folders.pop() {
            for entry in std::fs::read_dir(&next).into_iter().flatten().flatten() {
                let path = entry.path();
                let kind = entry.file_type();
                if kind.as_ref().is_ok_and(std::fs::FileType::is_dir) {
                    folders.push(path);
                } else if kind.is_ok_and(|kind| kind.is_file())
                    && let Some(inner) = path
                        .strip_prefix(&root)
                        .ok()
                        .and_then(|inner| inner.to_str())
                    && let Ok(Some(text)) = tree.read(&format!("{folder}/{inner}"))
                {
                    templates.insert(inner.to_owned(), text);
                }
            }
        }
        Self::of(tool, &stack, compose, templates).map(Some)
    }

    fn of(
        tool: &ToolName,
        stack: &str,
        compose: String,
        mut templates: BTreeMap<String, String>,
    ) -> Result<Self, SecretsError> {
        let document: Stack = rules::parse(&format!("stacks/{tool}/stack.yaml"), stack)?;
        let mut secrets: BTreeMap<String, SecretSpec> = document
            .secrets
            .into_iter()
            .map(|(name, spec)| (name.to_string(), spec))
            .collect();
        let drawn: Vec<_> = secrets
            .keys()
            .filter_map(|name| {
                Some((
                    name.clone(),
                    secrets[drawn_for(&secrets, name).ok()?].rotate,
                ))
            })
            .collect();
        // What follows another secret is replaced when that one is.
        for (name, rotate) in drawn {
            secrets.entry(name).and_modify(|spec| spec.rotate = rotate);
        }
        templates.retain(|path, _| path.starts_with("files/") && path.ends_with(".j2"));
        Ok(Self {
            secrets,
            compose,
            over: None,
            templates,
        })
    }

    /// The secrets that follow `name`: the same, or worked out from it. With the word for how.
    pub fn followers<'s>(&'s self, name: &'s str) -> Vec<(&'s str, &'static str)> {
        let all = followers(&self.secrets, name);
        all.map(|follower| (follower, Self::how(&self.secrets[follower])))
            .collect()
    }

    /// How one that follows another is made of it.
    pub fn how(spec: &SecretSpec) -> &'static str {
        let derive = spec.derive.as_ref();
        derive.map_or("the same value", |derive| derive.word())
    }

    /// The secret that is drawn for `name`, where that is another one.
    pub fn source(&self, name: &str) -> Option<&str> {
        let (name, _) = self.secrets.get_key_value(name)?;
        let source = drawn_for(&self.secrets, name).ok()?;
        (source != name).then_some(source)
    }

    /// The services that get `variable`, and so are made anew when its value changes: those that refer to it in the Compose file, and those
    /// that mount a file it is written into.
    pub fn services(&self, variable: &str) -> BTreeSet<String> {
        let files: Vec<&str> = self
            .templates
            .iter()
            .filter(|(_, text)| mentions(text, variable))
            .filter_map(|(path, _)| path.strip_suffix(".j2"))
            .collect();
        let texts = std::iter::once(&self.compose).chain(&self.over);
        texts
            .flat_map(|text| touched(text, variable, &files))
            .collect()
    }
}

/// The services of one Compose file that get `variable`, or one of `files`.
fn touched(compose: &str, variable: &str, files: &[&str]) -> BTreeSet<String> {
    let Ok(root) = tenantry_yaml::parse(compose, &Limits::compose()) else {
        return BTreeSet::new();
    };
    let entries = |section: &str| {
        let section = root.get(section).and_then(Node::as_mapping);
        section.unwrap_or_default().iter()
    };
    let touches = |node: &Node| {
        let text = node.span.of(compose);
        interpolates(text, variable) || files.iter().any(|file| text.contains(file))
    };
    // Files that Compose makes of variables or takes from the stack.
    let mut mounted = BTreeSet::new();
    for section in ["secrets", "configs"] {
        for (name, node) in entries(section) {
            let environment = node.get("environment").and_then(Node::as_str);
            if environment == Some(variable) || touches(node) {
                mounted.extend(name.as_str().map(|name| (section, name)));
            }
        }
    }
    let mounts = |service: &Node| {
        mounted
            .iter()
            .any(|(section, name)| service.get(section).is_some_and(|list| lists(list, name)))
    };
    entries("services")
        .filter(|(_, service)| touches(service) || mounts(service))
        .filter_map(|(name, _)| name.as_str().map(str::to_owned))
        .collect()
}

/// Whether a service's list of secrets or configs has one of this name, in the short or the long form.
fn lists(list: &Node, name: &str) -> bool {
    let items = list.as_sequence().unwrap_or_default();
    items.iter().any(|item| {
        let source = item.get("source").and_then(Node::as_str);
        item.as_str() == Some(name) || source == Some(name)
    })
}

/// Whether a text holds `$NAME` or `${NAME…}`.
fn interpolates(text: &str, variable: &str) -> bool {
    text.match_indices('$').any(|(at, _)| {
        let rest = text[at + 1..].trim_start_matches('{');
        rest.strip_prefix(variable)
            .is_some_and(|after| !after.starts_with(is_name))
    })
}

/// Whether a template names it as a word.
fn mentions(text: &str, variable: &str) -> bool {
    text.match_indices(variable).any(|(at, _)| {
        let after = &text[at + variable.len()..];
        !text[..at].ends_with(is_name) && !after.starts_with(is_name)
    })
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_that_get_a_variable() {
        let compose = "services:\n  web:\n    image: x\n    environment: { A: \"${DB_PASSWORD:-x}\" }\n  db:\n    image: y\n    environment:\n      P: $DB_PASSWORD\n  cache:\n    image: z\n    volumes: [./files/cache.conf:/etc/cache.conf]\n  other:\n    environment: { B: \"${DB_PASSWORD_FILE}\" }\n  api:\n    secrets: [pw]\n  jobs:\n    secrets:\n      - source: pw\nsecrets:\n  pw: { environment: DB_PASSWORD }\n";
        let declared = Declared {
            secrets: BTreeMap::new(),
            compose: compose.to_owned(),
            over: Some(
                "services:\n  web:\n  extra: { image: z, command: [\"${DB_PASSWORD}\"] }\n"
                    .to_owned(),
            ),
            templates: BTreeMap::from([(
                "files/cache.conf.j2".to_owned(),
                "auth {{ DB_PASSWORD }}".to_owned(),
            )]),
        };
        let services: Vec<_> = declared.services("DB_PASSWORD").into_iter().collect();
        assert_eq!(services, ["api", "cache", "db", "extra", "jobs", "web"]);
        assert!(declared.services("DB").is_empty());
    }
}
