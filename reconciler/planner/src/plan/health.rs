//! What a server's report says about one tool.

use super::customer::{Customer, Slice};
use super::sites;
use crate::desired::ToolDesired;
use crate::inventory::{Published, ServerObservation};
use crate::status::Health;
use crate::waiting::WaitingOn;
use jiff::{SignedDuration, Timestamp};
use tenantry_schema::document::State;
use tenantry_schema::id::{InstanceName, ServerId};
use tenantry_schema::wire::{AgentWait, InstancePhase, InstanceReport, Report, SmokeResult};

/// What is known about one tool.
pub(super) struct ToolView {
    pub(super) health: Health,
    pub(super) waiting: Vec<WaitingOn>,
    /// Its server has the slice with the tool in it.
    pub(super) delivered: bool,
    /// Set where it runs as ordered: healthy, smoke check passed, site live, from the newest slice. When the report that says so arrived.
    pub(super) proven: Option<Timestamp>,
}

impl ToolView {
    fn unknown(waiting: WaitingOn) -> Self {
        Self {
            health: Health::Unknown,
            waiting: vec![waiting],
            delivered: false,
            proven: None,
        }
    }
}

/// Looks at one tool through its server's report.
pub(super) fn view_tool(
    customer: &Customer<'_>,
    server: Option<&ServerId>,
    instance: &InstanceName,
    tool: &ToolDesired,
    slice: Option<&Slice>,
) -> ToolView {
    let nothing = ToolView {
        health: Health::Unknown,
        waiting: Vec::new(),
        delivered: false,
        proven: None,
    };
    let Some(server) = server else { return nothing };
    let Some(document) = customer.desired.servers.get(server) else {
        return nothing;
    };
    if document.agent.is_none() {
        return ToolView::unknown(WaitingOn::AgentKeys {
            server: server.clone(),
        });
    }
    let Some(seen) = customer.seen(server) else {
        return ToolView::unknown(WaitingOn::FirstContact {
            server: server.clone(),
        });
    };
    if let Some(since) = customer.silent_since(seen) {
        return ToolView::unknown(WaitingOn::AgentSilent {
            server: server.clone(),
            since,
        });
    }
    let published = customer.published(server);
    let current = published.filter(|published| {
        slice.is_some_and(|slice| slice.inputs.as_ref() == Some(&published.inputs))
    });
    let report = seen.report.as_ref();
    let delivered = current.is_some_and(|published| {
        report
            .slice
            .as_ref()
            .is_some_and(|slice| slice.content == published.content)
    });
    let wanted = tool.document.wanted_state();
    let health = |report: &InstanceReport| match (wanted, report.phase) {
        (State::Running, InstancePhase::Stopped) => Health::Progressing,
        (_, phase) => health_of(phase),
    };
    if !delivered {
        let waiting = undelivered(server, seen, published, slice);
        let health = report
            .instances
            .get(instance)
            .map_or(Health::Progressing, health);
        return ToolView {
            health,
            waiting: vec![waiting],
            delivered,
            proven: None,
        };
    }
    let Some(report_of_tool) = report.instances.get(instance) else {
        let waiting = WaitingOn::Convergence {
            instance: instance.clone(),
            message: None,
        };
        return ToolView {
            health: Health::Progressing,
            waiting: vec![waiting],
            delivered,
            proven: None,
        };
    };
    let sites = sites_not_live(tool, report);
    let authority = customer.fleet.head.hub.certificates.is_some();
    let proven = wanted == State::Running
        && report_of_tool.phase == InstancePhase::Healthy
        && sites.is_empty()
        && (!authority || sites::trusted(tool, report))
        && match report_of_tool.smoke {
            SmokeResult::Passed => true,
            SmokeResult::NotRun => tool
                .stack
                .as_ref()
                .is_some_and(|stack| stack.document.smoke.is_none()),
            SmokeResult::Failed { .. } => false,
        };
    let mut waiting: Vec<_> = waiting_of(customer, server, instance, report_of_tool)
        .into_iter()
        .collect();
    // While the tool itself is being set up its sites are of no interest, unless the agent complains of them.
    let settled = wanted == State::Running && waiting.is_empty();
    let told = |wait: &WaitingOn| {
        settled
            || matches!(
                wait,
                WaitingOn::Site {
                    message: Some(_),
                    ..
                }
            )
    };
    waiting.extend(sites.into_iter().filter(told));
    if authority && wanted == State::Running {
        waiting.extend(sites::certificates(tool, report));
    }
    let proven = proven.then_some(seen.received_at);
    ToolView {
        health: health(report_of_tool),
        waiting,
        delivered,
        proven,
    }
}

/// The sites of a tool that the web server does not serve as the slice says, each with what the agent says about it.
fn sites_not_live(tool: &ToolDesired, report: &Report) -> Vec<WaitingOn> {
    let sites = tool.hosts.values().filter_map(|host| {
        let site = report.sites.get(host);
        let live = site.is_some_and(|site| site.live);
        (!live).then(|| WaitingOn::Site {
            host: host.clone(),
            message: site.and_then(|site| site.message.clone()),
        })
    });
    sites.collect()
}

/// How far an agent's clock may be behind the hub's.
const CLOCK_SKEW: SignedDuration = SignedDuration::from_secs(300);

/// Why the newest slice is not on its server.
fn undelivered(
    server: &ServerId,
    seen: &ServerObservation,
    published: Option<&Published>,
    slice: Option<&Slice>,
) -> WaitingOn {
    if let Some(blocked) = slice.and_then(|slice| slice.blocked.clone()) {
        return blocked;
    }
    let current = published.filter(|published| {
        slice.is_some_and(|slice| slice.inputs.as_ref() == Some(&published.inputs))
    });
    let since = current.map(|published| {
        published
            .at
            .checked_sub(CLOCK_SKEW)
            .unwrap_or(Timestamp::MIN)
    });
    match seen
        .refusals
        .last()
        .filter(|refusal| since.is_some_and(|since| refusal.at >= since))
    {
        Some(refusal) => WaitingOn::SliceRefused {
            server: server.clone(),
            reason: refusal.kind,
            detail: refusal.detail.clone(),
        },
        None => WaitingOn::SliceDelivery {
            server: server.clone(),
        },
    }
}

/// What the agent says that a tool waits for.
pub(super) fn waiting_of(
    customer: &Customer<'_>,
    server: &ServerId,
    instance: &InstanceName,
    report: &InstanceReport,
) -> Option<WaitingOn> {
    let message = || report.message.clone();
    Some(match (&report.waiting, report.phase) {
        (Some(AgentWait::Window { opens }), _) => {
            customer.wake_at(*opens);
            WaitingOn::Window { opens: *opens }
        }
        (Some(AgentWait::ObserveOnly), _) => WaitingOn::ObserveOnly {
            server: server.clone(),
        },
        (Some(AgentWait::Paused { until }), _) => WaitingOn::AgentPaused { until: *until },
        (Some(AgentWait::RolledBack { .. }), _) => WaitingOn::RolledBack {
            instance: instance.clone(),
            message: because(report),
        },
        (Some(AgentWait::Held { .. }), _) => WaitingOn::RolloutHeld {
            instance: instance.clone(),
            message: because(report),
        },
        (Some(AgentWait::Backup { .. }), _) => WaitingOn::BackupFirst {
            instance: instance.clone(),
            message: message(),
        },
        (Some(AgentWait::Disk { free, needed }), _) => WaitingOn::Disk {
            free: *free,
            needed: *needed,
        },
        (Some(AgentWait::DriftReported), _) => WaitingOn::DriftReported {
            instance: instance.clone(),
            message: message(),
        },
        (Some(AgentWait::Image { .. }), _) => WaitingOn::Convergence {
            instance: instance.clone(),
            message: message(),
        },
        (Some(AgentWait::Retry { .. }), _) | (_, InstancePhase::Failed) => {
            WaitingOn::AgentFailure {
                instance: instance.clone(),
                message: message().unwrap_or_else(|| "no reason given".into()),
            }
        }
        (Some(AgentWait::Healthy { service }), _) => {
            let message = message().unwrap_or_else(|| format!("{service} is not healthy yet"));
            WaitingOn::Convergence {
                instance: instance.clone(),
                message: Some(message),
            }
        }
        (None, InstancePhase::Progressing | InstancePhase::Degraded | InstancePhase::Waiting) => {
            WaitingOn::Convergence {
                instance: instance.clone(),
                message: message(),
            }
        }
        (None, InstancePhase::Healthy | InstancePhase::Stopped) => return None,
    })
}

/// Why a version was given up.
fn because(report: &InstanceReport) -> String {
    let evidence = report.rollout.as_ref().and_then(|it| it.evidence.as_ref());
    let seen = evidence.map(|evidence| evidence.reason.clone());
    let told = seen.or_else(|| report.message.clone());
    told.unwrap_or_else(|| "no reason given".into())
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
