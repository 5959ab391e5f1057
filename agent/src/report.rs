//! What the hub is told: state, and what happened. Built from what was seen and decided; keeping and sending it is done elsewhere.

mod news;

pub use news::{News, add_match};

use crate::agent::Look;
use crate::desired::{Desired, Instance, Site};
use crate::host_state::HostState;
use crate::ledger::Ledger;
use jiff::Timestamp;
use std::collections::BTreeMap;
use tenantry_schema::document::State;
use tenantry_schema::id::InstanceName;
use tenantry_schema::name::DomainName;
use tenantry_schema::wire::{
    HostFacts, InstancePhase, InstanceReport, Report, SiteReport, SmokeResult,
};

/// The state of the server in the hub's words, without number, time and news.
pub fn report(desired: Option<&Desired>, look: &Look, ledger: &Ledger) -> Report {
    let (state, plan) = (&look.state, &look.plan);
    let mut report = Report {
        sequence: 0,
        taken_at: Timestamp::UNIX_EPOCH,
        release: env!("CARGO_PKG_VERSION").to_owned(),
        slice: ledger.accepted.clone(),
        converged: ledger.converged.clone(),
        stale_since: None,
        instances: BTreeMap::new(),
        sites: BTreeMap::new(),
        unmanaged: Vec::new(),
        refusals: Vec::new(),
        events: Vec::new(),
        host: host_facts(state),
        backups: None,
        areas: plan.areas.clone(),
        agent_update: None,
        since: None,
        matches: Vec::new(),
        usage: Vec::new(),
    };
    let Some(desired) = desired else {
        return report;
    };
    for (name, instance) in &desired.instances {
        let told = instance_report(desired, look, ledger, name, instance);
        report.instances.insert(name.clone(), told);
    }
    if let Ok(engine) = &state.engine {
        let is_ours = |project: &str, service: &str| is_ours(desired, project, service);
        report.unmanaged = engine.unmanaged(&desired.keeper, is_ours);
    }
    for (host, site) in &desired.sites {
        let told = site_report(desired, look, host, site);
        report.sites.insert(host.clone(), told);
    }
    report
}

/// Whether a container with these labels is for something that should run here. Of an instance whose Compose file cannot be used nobody knows the
/// services, so that any may be one.
fn is_ours(desired: &Desired, project: &str, service: &str) -> bool {
    let mut instances = desired.instances.iter();
    let instance = instances.find(|(name, _)| name.as_str() == project);
    instance.is_some_and(|(_, instance)| match &instance.containers {
        Ok(input) => input.services.contains_key(service),
        Err(_) => true,
    })
}

fn instance_report(
    desired: &Desired,
    look: &Look,
    ledger: &Ledger,
    name: &InstanceName,
    instance: &Instance,
) -> InstanceReport {
    let verdict = look.plan.verdicts.get(name).cloned().unwrap_or_default();
    let services = instance.containers.as_ref().map(|input| &input.services);
    let containers = match (&look.state.engine, services) {
        (Ok(engine), Ok(services)) => services
            .iter()
            .map(|(service, spec)| {
                let (keeper, container) = (&desired.keeper, &spec.container);
                let (title, image) = (&container.name, &container.image);
                engine.report(keeper, name.as_str(), service, title, image)
            })
            .collect(),
        _ => Vec::new(),
    };
    let smoke = ledger.smoke.get(name);
    let smoke = smoke.filter(|record| verdict.smoke_of.as_deref() == Some(&record.of));
    InstanceReport {
        tool: instance.spec.tool.clone(),
        phase: verdict.phase,
        waiting: verdict.waiting,
        message: verdict.message,
        rollout: verdict.rollout,
        smoke: smoke.map_or(SmokeResult::NotRun, |record| record.result.clone()),
        containers,
    }
}

fn site_report(desired: &Desired, look: &Look, host: &DomainName, site: &Site) -> SiteReport {
    let web = look.state.web.as_ref().ok();
    let certificate = web.and_then(|web| web.certificates.get(host));
    let instance = desired.instances.get(&site.instance);
    let stopped = instance.is_some_and(|instance| instance.spec.state == State::Stopped);
    let verdict = look.plan.sites.get(host).cloned().unwrap_or_default();
    SiteReport {
        live: verdict.live,
        message: verdict
            .message
            .or_else(|| stopped.then(|| "stopped, as wanted".to_owned())),
        certificate_expires: certificate.map(|certificate| certificate.until),
        self_signed: certificate.is_some_and(|certificate| certificate.self_signed),
        certificate: look.plan.certificates.get(host).cloned().map(Box::new),
    }
}

/// Facts about the machine that hold whatever there is to do.
fn host_facts(state: &HostState) -> HostFacts {
    let engine = state.engine.as_ref().ok();
    HostFacts {
        memory: memory(&std::fs::read_to_string("/proc/meminfo").unwrap_or_default()),
        engine: engine.map(|engine| engine.version.clone()),
        engine_reachable: engine.is_some(),
        web_server_running: state.web.as_ref().is_ok_and(|web| web.running),
        paused_until: state.paused,
    }
}

/// Bytes of memory, from `/proc/meminfo`.
fn memory(text: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kibibytes =
        line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    kibibytes.map_or(0, |kibibytes| kibibytes * 1024)
}

/// Whether all tools are in the state that they should be.
pub fn all_well(report: &Report) -> bool {
    report.instances.values().all(|instance| {
        matches!(
            instance.phase,
            InstancePhase::Healthy | InstancePhase::Stopped
        )
    })
}

/// For tests: a report with or without an event.
#[cfg(test)]
pub(crate) fn test_report(sequence: u64, news: bool) -> Report {
    let ledger: Ledger = serde_json::from_str(
        r#"{"format":1,"id":"x","sequence":0,"accepted":null,"converged":null,"files":[],"published":{},"smoke":{}}"#,
    )
    .unwrap();
    let state = HostState {
        engine: Err(String::new()),
        files: Err(String::new()),
        secrets: Err(String::new()),
        web: Err(String::new()),
        fetching: BTreeMap::new(),
        too_large: BTreeMap::new(),
        backups: crate::rollout::Backups::new(),
        putting_back: std::collections::BTreeMap::new(),
        standstills: std::collections::BTreeMap::new(),
        paused: None,
        certificates: std::sync::Arc::default(),
        host: None,
    };
    let mut report = report(
        None,
        &Look {
            state,
            plan: crate::converge::Plan::default(),
        },
        &ledger,
    );
    report.sequence = sequence;
    if news {
        let kind = tenantry_schema::wire::EventKind::Started;
        report.events.push(tenantry_schema::wire::Event {
            at: Timestamp::UNIX_EPOCH,
            kind,
            instance: None,
            message: String::new(),
        });
    }
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_in_bytes() {
        assert_eq!(
            memory("MemTotal:       24682352 kB\nMemFree: 1 kB\n"),
            24_682_352 * 1024
        );
        assert_eq!(memory(""), 0);
    }
}
