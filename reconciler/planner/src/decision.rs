//! Decisions: choices and records as values, where they are kept, and what is written there. The hub commits them; nothing else does (law 2).

use serde::Serialize;
use std::collections::BTreeMap;
use tenantry_schema::document::{
    DomainClaim, Fulfilled, SecretSpec, ServerAssignment, ToolDecision,
};
use tenantry_schema::id::{OrderKey, ToolName};
use tenantry_schema::name::VariableName;

/// One choice or record of one order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The order.
    pub order: OrderKey,
    /// What is chosen.
    pub choice: Choice,
}

/// What is chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// The server.
    Server(ServerAssignment),
    /// The domain.
    Domain(DomainClaim),
    /// Pin and ports of a tool.
    Tool(ToolName, ToolDecision),
    /// Secrets of a tool that do not exist yet. The values are drawn when the decision is committed; those that exist stay.
    Secrets(ToolName, BTreeMap<VariableName, SecretSpec>),
    /// Secrets of the customer's backups, drawn as those of a tool are.
    BackupSecrets(BTreeMap<VariableName, SecretSpec>),
    /// First fulfilment.
    Fulfilled(Fulfilled),
}

impl Decision {
    /// Where it is kept.
    pub fn path(&self) -> String {
        let OrderKey { customer, order } = &self.order;
        let folder = format!("fleet/decisions/{customer}/{order}");
        match &self.choice {
            Choice::Server(_) => format!("{folder}/server.yaml"),
            Choice::Domain(_) => format!("{folder}/domain.yaml"),
            Choice::Tool(tool, _) => format!("{folder}/tools/{tool}.yaml"),
            Choice::Secrets(tool, _) => format!("{folder}/tools/{tool}.secrets.yaml"),
            Choice::BackupSecrets(_) => format!("fleet/decisions/{customer}/backups.secrets.yaml"),
            Choice::Fulfilled(_) => format!("{folder}/fulfilled.yaml"),
        }
    }

    /// The file's content; none for secrets, which are encrypted by the hub.
    pub fn content(&self) -> Option<String> {
        match &self.choice {
            Choice::Server(document) => Some(yaml(document)),
            Choice::Domain(document) => Some(yaml(document)),
            Choice::Tool(_, document) => Some(yaml(document)),
            Choice::Fulfilled(document) => Some(yaml(document)),
            Choice::Secrets(..) | Choice::BackupSecrets(_) => None,
        }
    }

    /// One line for the commit message. Ids only, no personal data.
    pub fn summary(&self) -> String {
        let order = &self.order;
        match &self.choice {
            Choice::Server(document) => {
                format!("{order}: server {} ({})", document.server, document.because)
            }
            Choice::Domain(document) => format!("{order}: domain {}", document.domain),
            Choice::Tool(tool, document) => {
                let ports: Vec<String> = document
                    .ports
                    .iter()
                    .map(|(site, port)| format!("{site}={port}"))
                    .collect();
                let pin = document.pin.tree.get(..12).unwrap_or(&document.pin.tree);
                format!(
                    "{order}: {tool} at {pin}{}{}",
                    if ports.is_empty() { "" } else { ", ports " },
                    ports.join(" ")
                )
            }
            Choice::Secrets(tool, names) => {
                format!("{order}: {tool} secrets generated: {}", join(names.keys()))
            }
            Choice::BackupSecrets(names) => {
                format!(
                    "{order}: secrets of backups generated: {}",
                    join(names.keys())
                )
            }
            Choice::Fulfilled(record) => match record.order {
                Some(_) => format!("{order}: fulfilled ({})", join(record.tools.keys())),
                None => format!("{order}: first run of {}", join(record.tools.keys())),
            },
        }
    }
}

fn join<T: ToString>(items: impl Iterator<Item = T>) -> String {
    items
        .map(|item| item.to_string())
        .collect::<Vec<_>>()
        .join(", ")
}

fn yaml<T: Serialize>(document: &T) -> String {
    // Plain data types of ours: serialising them cannot fail.
    let body = serde_yaml::to_string(document).unwrap_or_default();
    format!("# Written by the hub.\n{body}")
}
