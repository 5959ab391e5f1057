//! What a healthy server's agent reports, and what was published for it.

use tenantry_planner::inventory::{Published, ServerObservation};
use tenantry_planner::slice_input::SliceInput;
use tenantry_schema::id::{InstanceName, ToolName};
use tenantry_schema::name::DomainName;
use tenantry_schema::wire::{
    ContainerHealth, ContainerReport, ContainerState, HostFacts, InstancePhase, InstanceReport,
    Report, SiteReport, SliceRef, SmokeResult,
};

/// Containers of every instance.
pub(in crate::bench) const SERVICES: [&str; 2] = ["db", "web"];

/// The slice as it was published. Its content is named by what it is made from.
pub(super) fn published(input: &SliceInput, now: jiff::Timestamp) -> Published {
    let inputs = input.digest();
    Published {
        content: inputs.clone(),
        inputs,
        generation: 1,
        at: now,
    }
}

/// A report: everything runs as `input` says.
pub(super) fn report(
    input: &SliceInput,
    content: &str,
    sequence: u64,
    now: jiff::Timestamp,
) -> Report {
    let instances = input.instances.iter();
    let tools = instances.map(|(name, instance)| (name.clone(), instance.tool.clone()));
    let hosts = input
        .instances
        .values()
        .flat_map(|instance| instance.hosts.values());
    all_well(tools, hosts.cloned(), content, sequence, now)
}

/// A report: all of these run, and all of these names are served.
pub(in crate::bench) fn all_well(
    tools: impl Iterator<Item = (InstanceName, ToolName)>,
    hosts: impl Iterator<Item = DomainName>,
    content: &str,
    sequence: u64,
    now: jiff::Timestamp,
) -> Report {
    let instances = tools.map(|(name, tool)| {
        let containers = SERVICES.iter().map(|service| ContainerReport {
            service: (*service).to_owned(),
            name: format!("{name}-{service}-1"),
            image: "registry.example/tool:1.30".to_owned(),
            state: ContainerState::Running,
            health: ContainerHealth::Healthy,
            restarts: 0,
            exit_code: None,
            out_of_memory: false,
            health_output: None,
        });
        let report = InstanceReport {
            tool,
            phase: InstancePhase::Healthy,
            waiting: None,
            message: None,
            rollout: None,
            smoke: SmokeResult::Passed,
            containers: containers.collect(),
        };
        (name, report)
    });
    let site = SiteReport {
        live: true,
        certificate_expires: Some(now),
        ..SiteReport::default()
    };
    Report {
        sequence,
        taken_at: now,
        release: tenantry::RELEASE.to_owned(),
        slice: Some(SliceRef {
            generation: 1,
            content: content.to_owned(),
            commit: "0".repeat(40),
        }),
        converged: Some(content.to_owned()),
        stale_since: None,
        instances: instances.collect(),
        sites: hosts.map(|host| (host, site.clone())).collect(),
        unmanaged: Vec::new(),
        refusals: Vec::new(),
        backups: None,
        areas: std::collections::BTreeMap::new(),
        agent_update: None,
        since: None,
        matches: Vec::new(),
        usage: Vec::new(),
        events: Vec::new(),
        host: HostFacts {
            memory: 8 << 30,
            engine: Some("27.5.1".to_owned()),
            engine_reachable: true,
            web_server_running: true,
            paused_until: None,
        },
    }
}

/// The first report of a server, as the hub remembers it.
pub(super) fn observation(report: Report) -> ServerObservation {
    // Through the wire format, as every report comes.
    let text = serde_json::to_vec(&report).unwrap_or_default();
    let received_at = report.taken_at;
    let report = serde_json::from_slice(&text).unwrap_or(report);
    ServerObservation {
        revision: 1,
        report: std::sync::Arc::new(report),
        received_at,
        refusals: Vec::new(),
        events: Vec::new(),
        matches: Vec::new(),
    }
}
