//! Rows that several pages show: tools, containers, instances, events, refusals.

use super::rollout::RolloutRow;
use super::words::{
    self, Badge, Moment, agent_wait, container, instance, is_link, short, smoke, spoken,
};
use jiff::Timestamp;
use serde::Serialize;
use tenantry_planner::status::{InstanceStatus, MatchNote, ServerStatus, ToolStatus};
use tenantry_schema::document::{HostArea, State};
use tenantry_schema::wire::{AreaReport, ContainerReport, Event, EventKind, Refusal};

/// A tool of an order.
#[derive(Serialize)]
pub(super) struct ToolRow {
    tool: String,
    title: String,
    health: Badge,
    urls: Vec<Url>,
    pin: Option<String>,
    newer: bool,
    customised: bool,
    fulfilled: Option<Moment>,
}

/// An address, and whether it may become a link.
#[derive(Serialize)]
pub(super) struct Url {
    text: String,
    link: bool,
}

impl ToolRow {
    pub(super) fn new(tool: &ToolStatus, now: Timestamp) -> Self {
        let health = match tool.wanted {
            State::Stopped => Badge::new("mute", "stopped"),
            State::Running => words::health(tool.health),
        };
        Self {
            tool: tool.tool.to_string(),
            title: if tool.title.is_empty() {
                tool.tool.to_string()
            } else {
                tool.title.clone()
            },
            health,
            urls: tool
                .urls
                .iter()
                .map(|url| Url {
                    text: url.clone(),
                    link: is_link(url),
                })
                .collect(),
            pin: tool.pin.as_deref().map(short),
            newer: tool.newer_available,
            customised: tool.customised,
            fulfilled: tool.fulfilled_at.map(|at| Moment::new(at, now)),
        }
    }
}

/// A Compose project on a server.
#[derive(Serialize)]
pub(super) struct InstanceRow {
    name: String,
    /// The order's page, where the order is known.
    order: Option<String>,
    badge: Badge,
    waiting: Option<String>,
    message: Option<String>,
    smoke: Option<Badge>,
    rollout: Option<RolloutRow>,
    containers: Vec<ContainerRow>,
}

#[derive(Serialize)]
struct ContainerRow {
    service: String,
    name: String,
    image: String,
    badge: Badge,
    restarts: u64,
    /// Why it is not well, as far as that is known.
    note: Option<String>,
}

impl InstanceRow {
    pub(super) fn new(status: &InstanceStatus, order: Option<String>) -> Self {
        let containers = status.containers.iter().map(|report| ContainerRow {
            service: report.service.clone(),
            name: report.name.clone(),
            image: report.image.clone(),
            badge: container(report),
            restarts: report.restarts,
            note: note(report),
        });
        Self {
            name: status.name.to_string(),
            order,
            badge: instance(status.phase),
            waiting: status.waiting.as_ref().map(agent_wait),
            message: status.message.clone(),
            smoke: smoke(&status.smoke),
            rollout: status.rollout.as_ref().map(RolloutRow::new),
            containers: containers.collect(),
        }
    }
}

/// Why a container is not well, as far as it is known.
fn note(report: &ContainerReport) -> Option<String> {
    if report.out_of_memory {
        return Some("the kernel ended it for lack of memory".to_owned());
    }
    report.health_output.as_deref().map(str::to_owned)
}

/// An area of the machine.
#[derive(Serialize)]
pub(super) struct AreaRow {
    area: String,
    badge: Badge,
    sentence: String,
}

impl AreaRow {
    pub(super) fn new((area, report): (&HostArea, &AreaReport)) -> Self {
        let (badge, sentence) = words::area(report);
        Self {
            area: area.to_string(),
            badge,
            sentence,
        }
    }
}

/// Something that happened.
#[derive(Serialize)]
pub(super) struct EventRow {
    at: Moment,
    badge: Badge,
    instance: Option<String>,
    message: String,
}

impl EventRow {
    fn new(event: &Event, now: Timestamp) -> Self {
        let tone = match event.kind {
            EventKind::SliceAccepted | EventKind::Changed => "busy",
            EventKind::Repaired => "good",
            EventKind::ContainerDied | EventKind::ContainerStopped => "warn",
            EventKind::Failed | EventKind::OutOfMemory => "bad",
            EventKind::Started | EventKind::ContainerRestarted => "mute",
        };
        Self {
            at: Moment::new(event.at, now),
            badge: Badge::new(tone, spoken(&event.kind)),
            instance: event.instance.as_ref().map(ToString::to_string),
            message: event.message.clone(),
        }
    }
}

/// The newest `limit` events of a server, newest first.
pub(super) fn events(server: &ServerStatus, limit: usize, now: Timestamp) -> Vec<EventRow> {
    server
        .events
        .iter()
        .rev()
        .take(limit)
        .map(|event| EventRow::new(event, now))
        .collect()
}

/// A line that a rule found in a log. The line itself is not on the page.
#[derive(Serialize)]
pub(super) struct MatchRow {
    at: Moment,
    rule: String,
    of: String,
    untold: u64,
}

/// The newest `limit` places where rules found something, newest first.
pub(super) fn matches(server: &ServerStatus, limit: usize, now: Timestamp) -> Vec<MatchRow> {
    let row = |found: &MatchNote| MatchRow {
        at: Moment::new(found.at, now),
        rule: found.rule.to_string(),
        of: format!("{}/{}", found.instance, found.service),
        untold: found.untold,
    };
    server.matches.iter().rev().take(limit).map(row).collect()
}

/// A slice that a server refused.
#[derive(Serialize)]
pub(super) struct RefusalRow {
    at: Moment,
    kind: String,
    detail: String,
}

/// The newest `limit` refusals of a server, newest first.
pub(super) fn refusals(server: &ServerStatus, limit: usize, now: Timestamp) -> Vec<RefusalRow> {
    let row = |refusal: &Refusal| RefusalRow {
        at: Moment::new(refusal.at, now),
        kind: spoken(&refusal.kind),
        detail: refusal.detail.clone(),
    };
    server.refusals.iter().rev().take(limit).map(row).collect()
}
