//! `host.yaml`: what a server should be, apart from the files that stand beside it in the slice.

use super::error_rule::ErrorRules;
use super::rollout::UpgradeRule;
use crate::document::{
    AgentRelease, Certificates, Drift, Host, Manage, Protection, Reload, State, WebPorts,
};
use crate::id::{InstanceName, OrderId, ServerKey, SiteName, StaffId, ToolName};
use crate::key::LoginKey;
use crate::name::{DomainName, Smoke, VariableName};
use crate::size::ByteSize;
use crate::window::Window;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The name under which the configuration stands that answers for names nobody ordered. It can be nobody's (RFC 6761).
pub const FALLBACK_SITE: &str = "fallback.invalid";

/// What a server should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostSpec {
    /// The server.
    pub server: ServerKey,
    /// How much the agent may do.
    pub manage: Manage,
    /// When disruptive steps may be taken. Absent: always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    /// Where the web server listens.
    pub web: WebPorts,
    /// Who issues certificates for its sites. Absent: nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificates: Option<Arc<Certificates>>,
    /// How registries are logged in to, by their name such as `ghcr.io`. Passwords are in [`REGISTRY_SECRETS`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub registries: BTreeMap<String, RegistrySpec>,
    /// What the machine should be, by area. Absent: it is left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<Arc<Host>>,
    /// Who may log in, where that area is looked after.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub users: BTreeMap<StaffId, UserSpec>,
    /// The agent's own program. Absent: it stays the one that it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<Arc<AgentRelease>>,
    /// Everything that runs, by Compose project.
    pub instances: BTreeMap<InstanceName, InstanceSpec>,
    /// What in their logs means trouble. Not part of the instances: containers do not depend on it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub error_rules: ErrorRules,
}

/// Somebody who may log in.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserSpec {
    /// Keys that open the door.
    pub keys: Vec<LoginKey>,
    /// Whether they may become root.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sudo: bool,
}

/// The encrypted file of passwords of registries, in the slice.
pub const REGISTRY_SECRETS: &str = "registries.secrets.yaml";

/// How a registry is logged in to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegistrySpec {
    /// The name.
    pub user: String,
    /// Key of the password in [`REGISTRY_SECRETS`].
    pub password: VariableName,
}

/// One tool of one order. Its files are in `stacks/<instance>/`: `compose.yaml`, `.env`, `secrets.yaml`, `files/`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstanceSpec {
    /// The order it belongs to.
    pub order: OrderId,
    /// The tool.
    pub tool: ToolName,
    /// Whether it runs.
    pub state: State,
    /// Asked of the first site after every roll-out; decides success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub smoke: Option<Smoke>,
    /// Its sites; each has its configuration in `sites/<host>.conf`.
    #[serde(default)]
    pub sites: BTreeMap<SiteName, SiteSpec>,
    /// Whether it keeps data: decides what may be done to it without a person.
    pub has_data: bool,
    /// How its versions change.
    #[serde(default, skip_serializing_if = "UpgradeRule::is_default")]
    pub upgrade: UpgradeRule,
    /// What happens to what people or accidents change.
    #[serde(default, skip_serializing_if = "Drift::is_default")]
    pub drift: Drift,
    /// Whether it may reach beyond its containers: the server's network, devices, folders.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub trusted: bool,
    /// Memory that the stack asks for. Absent: it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<ByteSize>,
    /// Protections that services do without.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub relax: BTreeMap<String, BTreeSet<Protection>>,
    /// Services that take changed files in by themselves or at a signal.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub reload: BTreeMap<String, Reload>,
}

/// One public site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SiteSpec {
    /// Its public name.
    pub host: DomainName,
    /// More names that lead to it; its certificate is for them, too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub redirect_from: Vec<DomainName>,
    /// The loopback port that its service is published at.
    pub port: u16,
}
