//! What a slice is rendered from: everything that can make it differ, as plain data with one digest. Equal digest, nothing to render.

use crate::catalogue::{CompiledStack, Templates};
use crate::object::ObjectId;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;
use tenantry_schema::SharedMap;
use tenantry_schema::document::{
    AgentRelease, Certificates, Drift, ErrorRules, Host, Manage, RegistryLogin, State, Tool,
    WebPorts,
};
use tenantry_schema::id::{
    FleetId, InstanceName, OperationId, OrderId, ServerKey, SiteName, StaffId, ToolName,
};
use tenantry_schema::key::PublicKeys;
use tenantry_schema::name::DomainName;
use tenantry_schema::window::Window;
use tenantry_schema::wire::{BackupsSpec, RestoreSpec, UserSpec};

/// Bumped when rendering changes so that equal inputs no longer give equal files.
pub const RENDERER: u32 = 5;

/// Everything that the slice of one server is made of, apart from the plaintext of secrets, which is named by object id.
#[derive(Debug, Clone, Serialize)]
pub struct SliceInput {
    /// [`RENDERER`].
    pub renderer: u32,
    /// The fleet.
    pub fleet_id: FleetId,
    /// The server.
    pub server: ServerKey,
    /// Its agent's keys: secrets are encrypted to them.
    pub agent: PublicKeys,
    /// How much the agent may do.
    pub manage: Manage,
    /// When disruptive steps may be taken.
    pub window: Option<Window>,
    /// What happens to what drifts on it.
    pub drift: Drift,
    /// Where the web server listens.
    pub web: WebPorts,
    /// Who issues certificates.
    pub certificates: Option<Arc<Certificates>>,
    /// What the machine should be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<Arc<Host>>,
    /// Who may log in, where that is looked after.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub users: BTreeMap<StaffId, UserSpec>,
    /// The agent's own program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_release: Option<Arc<AgentRelease>>,
    /// How private registries are logged in to.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub registries: BTreeMap<String, RegistryLogin>,
    /// The customer's own secrets file.
    pub customer_secrets: Option<ObjectId>,
    /// What is backed up, where backups are made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backups: Option<BackupsInput>,
    /// What in the logs of all tools means trouble.
    #[serde(skip_serializing_if = "no_rules")]
    pub error_rules: Arc<ErrorRules>,
    /// What runs.
    pub instances: BTreeMap<InstanceName, InstanceInput>,
}

fn no_rules(rules: &Arc<ErrorRules>) -> bool {
    rules.is_empty()
}

/// Backups of a server.
#[derive(Debug, Clone, Serialize)]
pub struct BackupsInput {
    /// `backups.yaml`.
    pub spec: BackupsSpec,
    /// The file of generated secrets.
    pub secrets: ObjectId,
    /// Data that is to be put back, by operation.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub restores: BTreeMap<OperationId, RestoreSpec>,
}

/// What one tool is rendered from.
#[derive(Debug, Clone, Serialize)]
pub struct InstanceInput {
    /// Its order.
    pub order: OrderId,
    /// The tool.
    pub tool: ToolName,
    /// Whether it runs.
    pub state: State,
    /// The order's domain.
    pub domain: DomainName,
    /// What of the customer the stack uses, by variable.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub customer: BTreeMap<String, String>,
    /// Settings of the order, without what is said by `state` and `tree`.
    pub document: Tool,
    /// The stack's tree.
    pub tree: ObjectId,
    /// The file that lies on top of the stack's Compose file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub over: Option<ObjectId>,
    /// The templates' tree.
    pub nginx: ObjectId,
    /// Ports by site.
    pub ports: SharedMap<SiteName, u16>,
    /// Names by site.
    pub hosts: SharedMap<SiteName, DomainName>,
    /// More names by site, which lead to the first.
    pub redirects: SharedMap<SiteName, Vec<DomainName>>,
    /// Whether the policy lets it reach beyond its containers.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub trusted: bool,
    /// The file of generated secrets.
    pub secrets: Option<ObjectId>,
    /// The stack itself; named by `tree`.
    #[serde(skip)]
    pub stack: Arc<CompiledStack>,
    /// The templates themselves; named by `nginx`.
    #[serde(skip)]
    pub templates: Arc<Templates>,
}

impl SliceInput {
    /// SHA-256 of everything in it, in hexadecimal.
    pub fn digest(&self) -> String {
        let mut hasher = Sha256::new();
        // Plain data types of ours: serialising them cannot fail.
        hasher.update(serde_json::to_vec(self).unwrap_or_default());
        hex::encode(hasher.finalize())
    }
}
