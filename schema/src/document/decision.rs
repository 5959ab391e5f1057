//! `decisions/…`: what the hub chose, and facts that cannot be observed again. Written by the hub alone, in one canonical form.

use crate::id::{ServerId, SiteName, ToolName};
use crate::name::DomainName;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `<customer>/<order>/server.yaml`: the server that an order runs on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerAssignment {
    /// The server, of the same customer.
    pub server: ServerId,
    /// Why this one.
    pub because: String,
}

/// `<customer>/<order>/domain.yaml`: the domain that an order holds. The first keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DomainClaim {
    /// The domain.
    pub domain: DomainName,
}

/// `<customer>/<order>/tools/<tool>.yaml`: what was chosen for one tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolDecision {
    /// The version of the stack that runs.
    pub pin: Pin,
    /// The loopback port of each site on its server.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ports: BTreeMap<SiteName, u16>,
}

/// Which Git trees a tool runs from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    /// Object id of the tree of `stacks/<tool>`, 40 hexadecimal digits.
    pub tree: String,
    /// Object id of the tree of `nginx`.
    pub nginx: String,
}

/// `<customer>/<order>/fulfilled.yaml`: the record of first fulfilment, of the order and of each tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fulfilled {
    /// When everything ordered at first ran for the first time. Absent: not yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<Timestamp>,
    /// When each tool first ran.
    #[serde(default)]
    pub tools: BTreeMap<ToolName, Timestamp>,
}
