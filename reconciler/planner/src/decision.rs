//! Decisions: choices and records as values, where they are kept, and what is written there. The hub commits them; nothing else does (law 2).

use serde::Serialize;
use std::collections::BTreeMap;
use tenantry_schema::document::{
    DomainClaim, Fulfilled, OperationOutcome, OperationRecord, SecretSpec, ServerAssignment,
    ToolDecision,
};
use tenantry_schema::id::{OperationId, OrderKey, ToolName};
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
    /// An operation was started, or ended.
    Operation(OperationId, OperationRecord),
}

/// Which of an order's decisions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum What {
    /// The server.
    Server,
    /// The domain.
    Domain,
    /// Pin and ports of a tool.
    Tool(ToolName),
    /// Generated secrets of a tool.
    Secrets(ToolName),
    /// Secrets of the customer's backups.
    BackupSecrets,
    /// First fulfilment.
    Fulfilled,
    /// That an operation was started, and what came of it.
    Operation(OperationId),
}

impl What {
    /// Where it is kept.
    pub fn path(&self, order: &OrderKey) -> String {
        let OrderKey { customer, order } = order;
        let folder = format!("fleet/decisions/{customer}/{order}");
        match self {
            Self::Server => format!("{folder}/server.yaml"),
            Self::Domain => format!("{folder}/domain.yaml"),
            Self::Tool(tool) => format!("{folder}/tools/{tool}.yaml"),
            Self::Secrets(tool) => format!("{folder}/tools/{tool}.secrets.yaml"),
            Self::BackupSecrets => format!("fleet/decisions/{customer}/backups.secrets.yaml"),
            Self::Fulfilled => format!("{folder}/fulfilled.yaml"),
            Self::Operation(id) => format!("fleet/decisions/{customer}/operations.d/{id}.yaml"),
        }
    }
}

impl Choice {
    /// Which decision it is.
    pub fn what(&self) -> What {
        match self {
            Self::Server(_) => What::Server,
            Self::Domain(_) => What::Domain,
            Self::Tool(tool, _) => What::Tool(tool.clone()),
            Self::Secrets(tool, _) => What::Secrets(tool.clone()),
            Self::BackupSecrets(_) => What::BackupSecrets,
            Self::Fulfilled(_) => What::Fulfilled,
            Self::Operation(id, _) => What::Operation(id.clone()),
        }
    }

    /// Whether it writes down what happened, and chooses nothing.
    pub fn is_record(&self) -> bool {
        match self {
            Self::Fulfilled(_) => true,
            Self::Operation(_, record) => record.done.is_some(),
            _ => false,
        }
    }
}

impl Decision {
    /// Where it is kept.
    pub fn path(&self) -> String {
        self.choice.what().path(&self.order)
    }

    /// The file's content; none for secrets, which are encrypted by the hub.
    pub fn content(&self) -> Option<String> {
        match &self.choice {
            Choice::Server(document) => Some(yaml(document)),
            Choice::Domain(document) => Some(yaml(document)),
            Choice::Tool(_, document) => Some(yaml(document)),
            Choice::Fulfilled(document) => Some(yaml(document)),
            Choice::Operation(_, document) => Some(yaml(document)),
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
            Choice::Operation(id, record) => match record.done.as_ref().map(|done| done.outcome) {
                None => format!("{order}: operation {id} is started on {}", record.server),
                Some(OperationOutcome::Done) => format!("{order}: operation {id} is done"),
                Some(OperationOutcome::Failed) => format!("{order}: operation {id} failed"),
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
