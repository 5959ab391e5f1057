//! What the handlers share. The outside fills [`WebState`]; caches that only pages need are added here.

use super::agent::{AgentDirectory, Limits, ReportSink, SliceSource};
use super::events::Audience;
use super::operator::{QuestionDesk, Seen, ServerDoors};
use super::pages::Templates;
use super::snapshot::Snapshots;
use super::usage::Recent;
use super::webhooks::{ForgeDoors, Turn};
use jiff::Timestamp;
use metrics_exporter_prometheus::PrometheusHandle;
use std::path::PathBuf;
use std::sync::Arc;
use tenantry_planner::status::FleetStatus;
use tenantry_wire::SigningKey;
use tokio::sync::watch;

/// Where the web module gets everything from.
#[derive(Clone)]
pub struct WebState {
    /// The newest state of the fleet. Sending a new one wakes every open page.
    pub status: watch::Receiver<Arc<FleetStatus>>,
    /// Who may speak as which server.
    pub agents: watch::Receiver<Arc<AgentDirectory>>,
    /// The newest slice of every server.
    pub slices: Arc<dyn SliceSource>,
    /// Where agents' reports go.
    pub reports: Arc<dyn ReportSink>,
    /// Signs every answer to an agent. None: this hub has no key, and agents' endpoints answer 503.
    pub signer: watch::Receiver<Option<Arc<SigningKey>>>,
    /// The clock: ages on pages, and whether an agent's request is recent.
    pub clock: fn() -> Timestamp,
    /// Renders what was counted; see [`super::metrics::install`].
    pub metrics: PrometheusHandle,
    /// Webhooks of the forge, and verdicts that were posted there.
    pub forge: ForgeDoors,
    /// What pages and operators are told of single servers.
    pub servers: ServerDoors,
    /// How much one agent may ask for.
    pub limits: Limits,
    /// The folder of programs for agents, each named by its SHA-256.
    pub programs: Option<PathBuf>,
}

/// [`WebState`] and the caches that belong to it.
#[derive(Clone)]
pub(super) struct App(Arc<Inner>);

pub(super) struct Inner {
    pub(super) state: WebState,
    pub(super) snapshots: Snapshots,
    pub(super) templates: Templates,
    pub(super) audience: Audience,
    pub(super) turn: Turn,
    pub(super) questions: QuestionDesk,
    pub(super) seen: Seen,
    pub(super) usage: Recent,
}

impl App {
    pub(super) fn new(state: WebState) -> Self {
        Self(Arc::new(Inner {
            snapshots: Snapshots::new(state.status.clone()),
            templates: Templates::new(),
            audience: Audience::default(),
            turn: Turn::default(),
            questions: QuestionDesk::default(),
            seen: Seen::default(),
            usage: Recent::default(),
            state,
        }))
    }
}

impl std::ops::Deref for App {
    type Target = Inner;
    fn deref(&self) -> &Inner {
        &self.0
    }
}
