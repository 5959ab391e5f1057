//! What people see: the state of the whole fleet as one plain value. How it is drawn is the web module's and the command line's.

use crate::operations::OperationStatus;
use crate::waiting::WaitingOn;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tenantry_schema::document::{HostArea, Manage, State};
use tenantry_schema::id::{CustomerId, InstanceName, OrderId, RuleName, ServerId, ToolName};
use tenantry_schema::name::DomainName;
use tenantry_schema::wire::{
    AgentWait, AreaReport, BackupsReport, ContainerReport, Event, InstancePhase, LogMatch, Refusal,
    RolloutReport, SiteReport, SmokeResult,
};
use tenantry_schema::{Diagnostic, SharedMap};

/// The state of the whole fleet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FleetStatus {
    /// The fleet.
    pub fleet_id: String,
    /// Release of the hub.
    pub release: String,
    /// Whether this hub acts, and if not, why.
    pub mode: Mode,
    /// The newest commit that was read.
    pub commit: Option<CommitInfo>,
    /// Set where the branch was rewound or the remote cannot be read: the state shown is that of `commit`, and this is why it does not move.
    pub source_problem: Option<String>,
    /// Set where the forge named in `hub.yaml` does not take what the hub thinks of commits, and why. Nothing else depends on it.
    #[serde(default)]
    pub forge_problem: Option<String>,
    /// How the repositories of backups were looked after last. None: it was not done yet, or is not to be.
    #[serde(default)]
    pub upkeep: Option<UpkeepStatus>,
    /// When it was worked out.
    pub at: Timestamp,
    /// Totals.
    pub totals: Totals,
    /// Every order, by customer and id.
    pub orders: Vec<Arc<OrderStatus>>,
    /// Every server, by customer and id.
    pub servers: Vec<Arc<ServerStatus>>,
    /// Every operation, by customer and id.
    #[serde(default)]
    pub operations: Vec<Arc<OperationStatus>>,
    /// Customers that stay at an earlier commit because of errors.
    pub frozen: Vec<FrozenScope>,
    /// Everything wrong with the newest commit.
    pub diagnostics: Arc<Vec<Diagnostic>>,
}

impl FleetStatus {
    /// Of a fleet of which nothing was read: no order, no server, nothing wrong.
    pub fn nothing(fleet_id: String, release: String, mode: Mode, at: Timestamp) -> Self {
        Self {
            fleet_id,
            release,
            mode,
            commit: None,
            source_problem: None,
            forge_problem: None,
            upkeep: None,
            at,
            totals: Totals::default(),
            orders: Vec::new(),
            servers: Vec::new(),
            operations: Vec::new(),
            frozen: Vec::new(),
            diagnostics: Arc::default(),
        }
    }
}

/// How the repositories of backups were looked after: what is not kept any more was forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpkeepStatus {
    /// When it ended.
    pub at: Timestamp,
    /// Repositories that there are.
    pub repositories: usize,
    /// Snapshots that were forgotten.
    pub forgotten: usize,
    /// How many repositories could not be looked after.
    pub failed: usize,
    /// Why, for the first of them.
    pub failures: Vec<String>,
    /// When it is done next.
    pub next: Option<Timestamp>,
}

impl UpkeepStatus {
    /// When it ended, and whether nothing failed.
    pub fn last(&self) -> (Timestamp, bool) {
        (self.at, self.failed == 0)
    }
}

/// Whether a hub acts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "mode")]
pub enum Mode {
    /// It acts.
    Active,
    /// It only looks.
    Observing {
        /// Why.
        reason: String,
    },
}

/// A commit of the fleet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitInfo {
    /// Object id.
    pub id: String,
    /// First line of its message.
    pub summary: String,
    /// Who.
    pub author: String,
    /// When.
    pub time: Timestamp,
    /// Its generation.
    pub generation: u64,
}

/// Totals for the head of the page.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Customers.
    pub customers: usize,
    /// Orders.
    pub orders: usize,
    /// Orders that have been fulfilled.
    pub fulfilled: usize,
    /// Servers.
    pub servers: usize,
    /// Servers whose agent reports and where everything is healthy.
    pub healthy_servers: usize,
    /// Tools that should run.
    pub instances: usize,
    /// Of those, the healthy ones.
    pub healthy_instances: usize,
}

/// One order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderStatus {
    /// Who ordered.
    pub customer: CustomerId,
    /// Its id.
    pub order: OrderId,
    /// The plan bought.
    pub plan: String,
    /// Its domain.
    pub domain: String,
    /// How far it is.
    pub phase: Phase,
    /// Whether what was fulfilled is well now. An axis of its own: an old order never falls back to `provisioning`.
    pub health: Health,
    /// The server, once decided.
    pub server: Option<ServerId>,
    /// Why it is not further or not well, most important first.
    pub waiting: Vec<WaitingOn>,
    /// Its tools.
    pub tools: Vec<ToolStatus>,
    /// When it was first fulfilled.
    pub fulfilled_at: Option<Timestamp>,
}

/// How far an order is (DESIGN 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Nothing is decided yet.
    PaymentConfirmed,
    /// No server fits.
    AwaitingServer,
    /// A server is assigned, its agent not there yet.
    ServerReady,
    /// The agent is at work.
    Provisioning,
    /// Everything ordered has run.
    Fulfilled,
    /// A person has to look.
    NeedsAttention,
}

/// Whether something is well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// As it should be.
    Healthy,
    /// Being changed, or coming up.
    Progressing,
    /// Not as it should be, being put right.
    Degraded,
    /// Broken.
    Failed,
    /// Nothing was observed (law 7).
    Unknown,
}

/// One tool of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolStatus {
    /// The tool.
    pub tool: ToolName,
    /// Its title, where the stack is known.
    pub title: String,
    /// What is wanted.
    pub wanted: State,
    /// Whether it is well.
    pub health: Health,
    /// Addresses, `https://…`.
    pub urls: Vec<String>,
    /// The tree it runs, first 12 digits.
    pub pin: Option<String>,
    /// Whether the branch has another tree of the stack.
    pub newer_available: bool,
    /// Whether an override file of the customer lies on top of its stack.
    #[serde(default)]
    pub customised: bool,
    /// When it first ran.
    pub fulfilled_at: Option<Timestamp>,
}

/// One server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerStatus {
    /// Whose.
    pub customer: CustomerId,
    /// Its id.
    pub server: ServerId,
    /// Its address.
    pub address: String,
    /// How much the agent may do.
    pub manage: Manage,
    /// Whether it is well.
    pub health: Health,
    /// Its last report.
    pub last_seen: Option<Timestamp>,
    /// Release of its agent.
    pub agent: Option<String>,
    /// Bytes of memory of the machine, as its agent reports. With it the hub chooses among the servers of a customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// Generation of the slice that was published for it.
    pub published: Option<u64>,
    /// Generation of the slice that it has accepted.
    pub accepted: Option<u64>,
    /// Whether it agrees with what was published.
    pub in_sync: bool,
    /// What runs on it.
    pub instances: Vec<InstanceStatus>,
    /// Its sites and their certificates.
    #[serde(default)]
    pub sites: SharedMap<DomainName, SiteReport>,
    /// How the areas of the machine stand that its slice asks for.
    #[serde(default, skip_serializing_if = "SharedMap::is_empty")]
    pub areas: SharedMap<HostArea, AreaReport>,
    /// Why it is not well.
    pub waiting: Vec<WaitingOn>,
    /// Slices that it refused, newest last.
    pub refusals: Vec<Refusal>,
    /// What happened lately, newest last.
    pub events: Vec<Event>,
    /// Where rules found lines in logs lately, newest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub matches: Vec<MatchNote>,
    /// Containers there that are not ours.
    pub unmanaged: Vec<String>,
    /// Until when the agent is paused by hand.
    pub paused_until: Option<Timestamp>,
    /// How its backups stand. None: it makes none.
    #[serde(default)]
    pub backups: Option<BackupsReport>,
}

/// A rule found a line in a log. The line is not told here: pages are public, logs are not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MatchNote {
    /// When the container wrote it.
    pub at: Timestamp,
    /// The rule.
    pub rule: RuleName,
    /// Whose container.
    pub instance: InstanceName,
    /// Its service.
    pub service: String,
    /// Other lines since the one before, that were not told.
    pub untold: u64,
}

impl From<&LogMatch> for MatchNote {
    fn from(found: &LogMatch) -> Self {
        Self {
            at: found.at,
            rule: found.rule.clone(),
            instance: found.instance.clone(),
            service: found.service.clone(),
            untold: found.untold,
        }
    }
}

/// One Compose project on a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceStatus {
    /// Its name.
    pub name: InstanceName,
    /// What the agent says.
    pub phase: InstancePhase,
    /// What the agent waits for.
    pub waiting: Option<AgentWait>,
    /// What went wrong.
    pub message: Option<String>,
    /// The smoke check.
    pub smoke: SmokeResult,
    /// The roll-out of the version that the slice asks for, unless that version runs and is good.
    pub rollout: Option<RolloutReport>,
    /// Its containers.
    pub containers: Vec<ContainerReport>,
}

/// Something that stays at an earlier commit because of errors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrozenScope {
    /// The customer; none means the whole fleet.
    pub customer: Option<CustomerId>,
    /// The commit it stays at. None: it was never good.
    pub stays_at: Option<String>,
    /// How many errors.
    pub errors: usize,
}
