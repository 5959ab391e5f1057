//! `decisions/…`: what the hub chose, and facts that cannot be observed again. Written by the hub alone, in one canonical form.

use crate::id::{InstanceName, ServerId, SiteName, ToolName};
use crate::key::{AgeRecipient, SshPublicKey};
use crate::map::SharedMap;
use crate::name::DomainName;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `<customer>/<order>/server.yaml`: the server that an order runs on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{ "server": "acme-1", "because": "only server of the customer with 4 GB free" }]))]
pub struct ServerAssignment {
    /// The server, of the same customer.
    pub server: ServerId,
    /// Why this one.
    pub because: String,
}

/// `<customer>/<order>/domain.yaml`: the domain that an order holds. The first keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DomainClaim {
    /// The domain.
    pub domain: DomainName,
    /// The generation of the fleet that it was decided on: of two claims in each other's way the later one counts. 0 in claims that do not
    /// say.
    #[serde(default)]
    pub generation: u64,
}

/// `<customer>/<order>/tools/<tool>.yaml`: what was chosen for one tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{
    "pin": { "tree": "9fb09ce15d23aa3d629a3d210a891dc8d580aed9", "nginx": "d22277fe121cf44a213d760e67c6a54dcb6260d4" },
    "ports": { "site": 20000 },
}]))]
pub struct ToolDecision {
    /// The version of the stack that runs.
    pub pin: Pin,
    /// The loopback port of each site on its server.
    #[serde(default, skip_serializing_if = "SharedMap::is_empty")]
    pub ports: SharedMap<SiteName, u16>,
}

/// Which Git trees a tool runs from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    /// Object id of the tree of `stacks/<tool>`, 40 hexadecimal digits.
    #[schemars(regex(pattern = "^[0-9a-f]{40}$"))]
    pub tree: String,
    /// Object id of the tree of `nginx`, 40 hexadecimal digits.
    #[schemars(regex(pattern = "^[0-9a-f]{40}$"))]
    pub nginx: String,
}

/// `<customer>/<order>/fulfilled.yaml`: the record of first fulfilment, of the order and of each tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{ "order": "2026-11-21T10:00:00Z", "tools": { "html": "2026-11-21T10:00:00Z" } }]))]
pub struct Fulfilled {
    /// When everything ordered at first ran for the first time. Absent: not yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<Timestamp>,
    /// When each tool first ran.
    #[serde(default)]
    pub tools: BTreeMap<ToolName, Timestamp>,
}

/// `<customer>/erased.yaml`: the record that the personal data of a customer was erased. Ids and digests only: it must not say who it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Erased {
    /// When.
    pub erased: Timestamp,
    /// Public half of the key that was destroyed. Absent: there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<AgeRecipient>,
    /// How many versions of `person.yaml` Git's history has.
    pub versions: u32,
    /// How many of them were encrypted to other keys, or not at all, so that destroying the key does not erase them.
    #[serde(default)]
    pub readable: u32,
    /// SHA-256 of the last version, encrypted as it was, in hexadecimal. Absent: there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[0-9a-f]{64}$"))]
    pub digest: Option<String>,
    /// What accounting law keeps, by path.
    #[serde(default)]
    pub kept: Vec<String>,
}

/// `<customer>/operations.d/<operation>.yaml`: the record that an operation was started, and of what came of it. It is committed before the
/// agent is told, so whatever is lost afterwards, the operation is not started a second time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OperationRecord {
    /// When the agent was told.
    pub started: Timestamp,
    /// The server that it is done on.
    pub server: ServerId,
    /// The instance that it is done to.
    pub instance: InstanceName,
    /// The agent that was told: one with another key does not know whether it was done.
    pub agent: SshPublicKey,
    /// What came of it. Absent: it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done: Option<OperationDone>,
}

/// What came of an operation. Names and numbers only: messages of database servers can quote data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OperationDone {
    /// When it ended.
    pub at: Timestamp,
    /// How.
    pub outcome: OperationOutcome,
    /// The backup that was put back. Absent: it did not come so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
    /// The backup of what was overwritten. Absent: it did not come so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// Seconds for which the tool stood still.
    #[serde(default)]
    pub downtime: u64,
    /// What was put back and compared, one line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<String>,
}

/// How an operation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OperationOutcome {
    /// As it should.
    Done,
    /// With an error, which the server's page shows.
    Failed,
}
