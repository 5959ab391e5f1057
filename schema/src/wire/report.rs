//! What an agent tells the hub. Everything the hub derives from reports is rebuilt from one full report (law 7).

use super::BackupsReport;
use super::certificate::CertificateReport;
use super::error_rule::LogMatch;
use super::machine::{AgentUpdate, AreaReport};
use super::news::{Event, Refusal};
use super::rollout::RolloutReport;
use super::usage::UsageWindow;
use crate::document::HostArea;
use crate::id::{InstanceName, ToolName};
use crate::name::DomainName;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Reports in the order they were made. Sending one again is harmless: the hub keeps the highest number it has seen for each ledger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReportBatch {
    /// Random id made together with the agent's ledger: a new ledger starts counting anew.
    pub ledger: String,
    /// At least one.
    pub reports: Vec<Report>,
}

/// The hub's answer to a [`ReportBatch`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Everything up to and including this number is kept and need not be sent again.
    pub accepted: u64,
}

/// The state of a server at one moment, and what happened since the report before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Counts up by one within a ledger.
    pub sequence: u64,
    /// The first report whose news this one carries, where it carries those of others: they waited so long that they were put together, and
    /// will not come by themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
    /// When, by the server's clock.
    pub taken_at: Timestamp,
    /// Release of the agent.
    pub release: String,
    /// The slice that the agent has accepted. Absent: none yet.
    #[serde(default)]
    pub slice: Option<SliceRef>,
    /// Digest of the content that the server was last seen to be in full agreement with.
    #[serde(default)]
    pub converged: Option<String>,
    /// Since when no valid answer came from the hub, if that is longer than a day ago.
    #[serde(default)]
    pub stale_since: Option<Timestamp>,
    /// State of everything that should run.
    pub instances: BTreeMap<InstanceName, InstanceReport>,
    /// State of every site.
    pub sites: BTreeMap<DomainName, SiteReport>,
    /// Containers on the engine that are not ours, by name.
    #[serde(default)]
    pub unmanaged: Vec<String>,
    /// Slices that were refused since the last report.
    #[serde(default)]
    pub refusals: Vec<Refusal>,
    /// What happened since the last report.
    #[serde(default)]
    pub events: Vec<Event>,
    /// Facts about the machine.
    #[serde(default)]
    pub host: HostFacts,
    /// How backups stand. Absent: the slice asks for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backups: Option<BackupsReport>,
    /// How the areas of the machine stand that the slice asks for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub areas: BTreeMap<HostArea, AreaReport>,
    /// How it stands with another program for the agent. Absent: none is asked for, or it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_update: Option<AgentUpdate>,
    /// What rules found in logs since the last report.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub matches: Vec<LogMatch>,
    /// What was used since the last report, oldest first. The first to be given up where there is no room.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub usage: Vec<UsageWindow>,
}

impl Report {
    /// Whether it tells something that happened, which no later report tells.
    pub fn has_news(&self) -> bool {
        !(self.events.is_empty() && self.refusals.is_empty() && self.matches.is_empty())
    }
}

/// Names a slice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SliceRef {
    /// Its generation.
    pub generation: u64,
    /// Digest of its content.
    pub content: String,
    /// The fleet commit.
    pub commit: String,
}

/// State of one tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceReport {
    /// The tool.
    pub tool: ToolName,
    /// Where it is.
    pub phase: InstancePhase,
    /// What it waits for, if anything.
    #[serde(default)]
    pub waiting: Option<AgentWait>,
    /// What went wrong, in a sentence.
    #[serde(default)]
    pub message: Option<String>,
    /// The smoke check since the last roll-out.
    #[serde(default)]
    pub smoke: SmokeResult,
    /// The roll-out of the version that the slice asks for, unless that version runs and is good.
    #[serde(default)]
    pub rollout: Option<RolloutReport>,
    /// Its containers.
    pub containers: Vec<ContainerReport>,
}

/// Where a tool is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InstancePhase {
    /// As it should be, healthy.
    Healthy,
    /// Being changed, or not healthy yet.
    Progressing,
    /// Something is wrong and is being put right.
    Degraded,
    /// Could not be put right; see the message.
    Failed,
    /// Stopped, as wanted.
    Stopped,
    /// Needs changes that the agent may not make now.
    Waiting,
}

/// What an agent waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum AgentWait {
    /// The server is managed by `observe`.
    ObserveOnly,
    /// The maintenance window.
    Window {
        /// When it opens.
        opens: Timestamp,
    },
    /// A retry after failures.
    Retry {
        /// When.
        at: Timestamp,
        /// How many attempts there were.
        attempts: u32,
    },
    /// A container must become healthy first.
    Healthy {
        /// The service.
        service: String,
    },
    /// `tenantry-agent pause`.
    Paused {
        /// When it ends by itself.
        until: Timestamp,
    },
    /// `drift: report`: what drifted is told and left as it is.
    DriftReported,
    /// The new version was given up and the last good one runs, until the slice asks for something else.
    RolledBack {
        /// Since when.
        since: Timestamp,
    },
    /// The new version did not become healthy in time, and a person has to decide.
    Held {
        /// Since when.
        since: Timestamp,
    },
    /// A verified backup that is newer than this must come first.
    Backup {
        /// How new.
        since: Timestamp,
    },
    /// An image is being fetched.
    Image {
        /// As the Compose file names it.
        image: String,
        /// Bytes that are here.
        done: u64,
        /// Bytes that are known to be needed; grows while the engine finds out.
        total: u64,
    },
    /// There is not enough room to fetch an image.
    Disk {
        /// Bytes that are free.
        free: u64,
        /// Bytes that must be.
        needed: u64,
    },
}

/// Outcome of a smoke check.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "result")]
pub enum SmokeResult {
    /// The stack declares none, or it did not run yet.
    #[default]
    NotRun,
    /// Good.
    Passed,
    /// Bad.
    Failed {
        /// Status or error.
        reason: String,
    },
}

/// State of one container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerReport {
    /// Compose service.
    pub service: String,
    /// Name on the engine.
    pub name: String,
    /// Image as the Compose file names it.
    pub image: String,
    /// Whether it runs.
    pub state: ContainerState,
    /// What its health check says.
    pub health: ContainerHealth,
    /// Restarts by the engine.
    pub restarts: u64,
    /// Exit code, where it ended.
    #[serde(default)]
    pub exit_code: Option<i64>,
    /// Whether the kernel ended it for lack of memory.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub out_of_memory: bool,
    /// What its health check printed last, where it is not good. Secrets are cut out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_output: Option<Box<str>>,
}

/// Whether a container runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ContainerState {
    /// It does not exist.
    Missing,
    /// Made, never started.
    Created,
    /// Runs.
    Running,
    /// Frozen.
    Paused,
    /// The engine starts it again.
    Restarting,
    /// Ended.
    Exited,
    /// The engine gave it up.
    Dead,
}

/// What a health check says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ContainerHealth {
    /// It has none.
    None,
    /// Not known yet.
    Starting,
    /// Good.
    Healthy,
    /// Bad.
    Unhealthy,
}

/// State of one site.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteReport {
    /// Whether the web server serves the configuration of the slice.
    pub live: bool,
    /// Why not, or the web server's complaint.
    #[serde(default)]
    pub message: Option<String>,
    /// When its certificate ends.
    #[serde(default)]
    pub certificate_expires: Option<Timestamp>,
    /// Whether the certificate is signed by itself.
    #[serde(default)]
    pub self_signed: bool,
    /// Who issued it and what comes next, where an authority is asked.
    #[serde(default)]
    pub certificate: Option<Box<CertificateReport>>,
}

/// Facts about the machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostFacts {
    /// Bytes of memory.
    #[serde(default)]
    pub memory: u64,
    /// Version of the container engine.
    #[serde(default)]
    pub engine: Option<String>,
    /// Whether the container engine answered.
    #[serde(default)]
    pub engine_reachable: bool,
    /// Whether the web server runs.
    #[serde(default)]
    pub web_server_running: bool,
    /// Until when `tenantry-agent pause` holds.
    #[serde(default)]
    pub paused_until: Option<Timestamp>,
}
