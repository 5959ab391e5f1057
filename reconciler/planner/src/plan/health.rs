//! What a server's report says about one tool.

use super::customer::Customer;
use crate::desired::ToolDesired;
use crate::slice_input::SliceInput;
use crate::status::Health;
use crate::waiting::WaitingOn;
use std::sync::Arc;
use tenantry_schema::document::State;
use tenantry_schema::id::{InstanceName, ServerId};
use tenantry_schema::wire::{AgentWait, InstancePhase, InstanceReport, SmokeResult};

/// What is known about one tool.
pub(super) struct ToolView {
    pub(super) health: Health,
    pub(super) waiting: Vec<WaitingOn>,
    /// Its server has the slice with the tool in it.
    pub(super) delivered: bool,
    /// It runs as ordered: healthy, smoke check passed, site live, from the newest slice.
    pub(super) proven: bool,
}

impl ToolView {
    fn unknown(waiting: WaitingOn) -> Self {
        Self { health: Health::Unknown, waiting: vec![waiting], delivered: false, proven: false }
    }
}

/// Looks at one tool through its server's report.
pub(super) fn view_tool(
    customer: &Customer<'_>,
    server: Option<&ServerId>,
    instance: &InstanceName,
    tool: &ToolDesired,
    slice: Option<&(Arc<SliceInput>, String)>,
) -> ToolView {
    let nothing = ToolView { health: Health::Unknown, waiting: Vec::new(), delivered: false, proven: false };
    let Some(server) = server else { return nothing };
    let Some(document) = customer.desired.servers.get(server) else { return nothing };
    if document.agent.is_none() {
        return ToolView::unknown(WaitingOn::AgentKeys { server: server.clone() });
    }
    let Some(seen) = customer.seen(server) else {
        return ToolView::unknown(WaitingOn::FirstContact { server: server.clone() });
    };
    if let Some(since) = customer.silent_since(seen) {
        return ToolView::unknown(WaitingOn::AgentSilent { server: server.clone(), since });
    }
    let published = customer.published(server);
    let current = published.filter(|published| slice.is_some_and(|(_, digest)| *digest == published.inputs));
    let report = seen.report.as_ref();
    let delivered = current.is_some_and(|published| report.slice.as_ref().is_some_and(|slice| slice.content == published.content));
    if !delivered {
        let refused = seen.refusals.last().filter(|refusal| published.is_some_and(|published| refusal.at >= published.at));
        let waiting = match refused {
            Some(refusal) => WaitingOn::SliceRefused { server: server.clone(), reason: refusal.kind, detail: refusal.detail.clone() },
            None => WaitingOn::SliceDelivery { server: server.clone() },
        };
        let health = report.instances.get(instance).map_or(Health::Progressing, |report| health_of(report.phase));
        return ToolView { health, waiting: vec![waiting], delivered, proven: false };
    }
    let Some(report_of_tool) = report.instances.get(instance) else {
        let waiting = WaitingOn::Convergence { instance: instance.clone(), message: None };
        return ToolView { health: Health::Progressing, waiting: vec![waiting], delivered, proven: false };
    };
    let sites_live = tool.hosts.values().all(|host| report.sites.get(host).is_some_and(|site| site.live));
    let running = tool.document.wanted_state() == State::Running;
    let proven = running
        && report_of_tool.phase == InstancePhase::Healthy
        && sites_live
        && match report_of_tool.smoke {
            SmokeResult::Passed => true,
            SmokeResult::NotRun => tool.stack.as_ref().is_some_and(|stack| stack.document.smoke.is_none()),
            SmokeResult::Failed { .. } => false,
        };
    let waiting = waiting_of(customer, server, instance, report_of_tool);
    ToolView { health: health_of(report_of_tool.phase), waiting: waiting.into_iter().collect(), delivered, proven }
}

fn waiting_of(customer: &Customer<'_>, server: &ServerId, instance: &InstanceName, report: &InstanceReport) -> Option<WaitingOn> {
    let message = || report.message.clone();
    Some(match (&report.waiting, report.phase) {
        (Some(AgentWait::Window { opens }), _) => {
            customer.wake_at(*opens);
            WaitingOn::Window { opens: *opens }
        }
        (Some(AgentWait::ObserveOnly), _) => WaitingOn::ObserveOnly { server: server.clone() },
        (Some(AgentWait::Paused { until }), _) => WaitingOn::AgentPaused { until: *until },
        (Some(AgentWait::Retry { .. }), _) | (_, InstancePhase::Failed) => {
            WaitingOn::AgentFailure { instance: instance.clone(), message: message().unwrap_or_else(|| "no reason given".into()) }
        }
        (Some(AgentWait::Healthy { service }), _) => {
            let message = message().unwrap_or_else(|| format!("{service} is not healthy yet"));
            WaitingOn::Convergence { instance: instance.clone(), message: Some(message) }
        }
        (None, InstancePhase::Progressing | InstancePhase::Degraded | InstancePhase::Waiting) => {
            WaitingOn::Convergence { instance: instance.clone(), message: message() }
        }
        (None, InstancePhase::Healthy | InstancePhase::Stopped) => return None,
    })
}

/// What a phase means for people.
pub(super) fn health_of(phase: InstancePhase) -> Health {
    match phase {
        InstancePhase::Healthy | InstancePhase::Stopped => Health::Healthy,
        InstancePhase::Progressing => Health::Progressing,
        InstancePhase::Degraded | InstancePhase::Waiting => Health::Degraded,
        InstancePhase::Failed => Health::Failed,
    }
}
