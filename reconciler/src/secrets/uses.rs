//! What uses a secret: orders that refer to what people gave, stacks that declare what is generated, containers that a new value restarts.

use super::{SecretsError, WorkTree, rules};
use std::collections::{BTreeMap, BTreeSet};
use tenantry_schema::document::{EnvValue, Kind, Order, SecretSpec, Stack, ToolDecision, classify};
use tenantry_schema::id::{CustomerId, OrderId, ToolName};
use tenantry_yaml::{Limits, Node};

/// One reference of an order to a secret that people gave.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Use {
    /// Whose order.
    pub customer: CustomerId,
    /// Which one.
    pub order: OrderId,
    /// The tool that gets the value.
    pub tool: ToolName,
    /// In this variable.
    pub variable: String,
    /// The name in the customer's `secrets.yaml`.
    pub secret: String,
}

impl Use {
    /// The order's file.
    pub fn path(&self) -> String {
        format!(
            "fleet/customers/{}/orders/{}.yaml",
            self.customer, self.order
        )
    }
}

/// Every reference of an order of the fleet. Orders with errors are left out; `check` tells of them.
pub fn references(tree: &WorkTree, files: &[String]) -> Result<Vec<Use>, SecretsError> {
    let mut uses = Vec::new();
    for path in files {
        let Kind::Order(customer, order) = classify(path) else {
            continue;
        };
        let Ok(Some(document)) = rules::document::<Order>(tree, path) else {
            continue;
        };
        for (tool, settings) in &document.tools {
            for (variable, value) in &settings.env {
                if let EnvValue::Secret { secret } = value {
                    uses.push(Use {
                        customer: customer.clone(),
                        order: order.clone(),
                        tool: tool.clone(),
                        variable: variable.to_string(),
                        secret: secret.clone(),
                    });
                }
            }
        }
    }
    uses.sort();
    Ok(uses)
}

/// What a stack says about the secrets of one tool.
#[derive(Debug, Default)]
pub struct Declared {
    /// As the version says that the tool runs, else that of the branch.
    pub secrets: BTreeMap<String, SecretSpec>,
    compose: String,
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
        Self::of_version(tree, tool, pin.as_deref())
    }

    /// Reads the version with this tree, or where there is none that of the work tree.
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
        templates.retain(|path, _| path.starts_with("files/") && path.ends_with(".j2"));
        Ok(Self {
            secrets: document
                .secrets
                .into_iter()
                .map(|(name, spec)| (name.to_string(), spec))
                .collect(),
            compose,
            templates,
        })
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
        let Ok(root) = tenantry_yaml::parse(&self.compose, &Limits::default()) else {
            return BTreeSet::new();
        };
        let entries = |section: &str| {
            let section = root.get(section).and_then(Node::as_mapping);
            section.unwrap_or_default().iter()
        };
        let touches = |node: &Node| {
            let text = node.span.of(&self.compose);
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
}

/// Whether a service's list of secrets or configs has one of this name, in the short or the long form.
fn lists(list: &Node, name: &str) -> bool {
    let items = list.as_sequence().unwrap_or_default();
    items.iter().any(|item| {
        let source = item.get("source").and_then(Node::as_str);
        item.as_str() == Some(name) || source == Some(name)
    })
}

/// The tree of the stack that a tool is pinned to.
pub fn pin(
    tree: &WorkTree,
    customer: &CustomerId,
    order: &OrderId,
    tool: &ToolName,
) -> Result<Option<String>, SecretsError> {
    let decision = format!("fleet/decisions/{customer}/{order}/tools/{tool}.yaml");
    let decision = rules::document::<ToolDecision>(tree, &decision)?;
    Ok(decision.map(|decision| decision.pin.tree))
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
            templates: BTreeMap::from([(
                "files/cache.conf.j2".to_owned(),
                "auth {{ DB_PASSWORD }}".to_owned(),
            )]),
        };
        let services: Vec<_> = declared.services("DB_PASSWORD").into_iter().collect();
        assert_eq!(services, ["api", "cache", "db", "jobs", "web"]);
        assert!(declared.services("DB").is_empty());
    }
}
