//! How the server stands, as a report says it, for people. Looking is done elsewhere.

use std::fmt::Write as _;
use tenantry_schema::wire::{AgentWait, InstancePhase, Report};

/// The report in words. `server`: `customer/server`; `waiting`: reports that the hub does not have yet; `running`: whether an agent
/// is at work.
pub fn words(server: &str, report: &Report, waiting: usize, running: bool) -> String {
    let mut text = String::new();
    let mut line = |words: String| {
        let _ = writeln!(text, "{words}");
    };
    line(format!(
        "{server}: tenantry-agent {} {}",
        report.release,
        if running {
            "is running"
        } else {
            "is not running"
        }
    ));
    match &report.slice {
        Some(slice) => line(format!(
            "slice: generation {}, commit {}, content {:.12}",
            slice.generation, slice.commit, slice.content
        )),
        None => line("slice: none accepted yet".to_owned()),
    }
    let engine = report
        .host
        .engine
        .as_deref()
        .map_or("does not answer".to_owned(), |version| {
            format!("{version} answers")
        });
    line(format!(
        "container engine: {engine}; web server: {}",
        if report.host.web_server_running {
            "runs"
        } else {
            "does not run"
        }
    ));
    if waiting > 0 {
        line(format!("{waiting} reports wait for the hub"));
    }
    for (name, instance) in &report.instances {
        let because = instance
            .message
            .as_ref()
            .map_or(String::new(), |message| format!(": {message}"));
        let until = instance
            .waiting
            .as_ref()
            .map_or(String::new(), |wait| format!(" ({})", sentence(wait)));
        line(format!(
            "  {name:<30} {}{until}{because}",
            phase(instance.phase)
        ));
        for container in &instance.containers {
            line(format!(
                "    {:<28} {:?}, health {:?}",
                container.name, container.state, container.health
            ));
        }
    }
    for (host, site) in &report.sites {
        let state = if site.live { "live" } else { "not live" };
        let because = site
            .message
            .as_ref()
            .map_or(String::new(), |message| format!(": {message}"));
        let certificate = match (&site.certificate_expires, site.self_signed) {
            (Some(until), true) => format!(", self-signed until {until}"),
            (Some(until), false) => format!(", certificate until {until}"),
            (None, _) => String::new(),
        };
        line(format!(
            "  https://{host:<22} {state}{certificate}{because}"
        ));
    }
    text
}

fn phase(phase: InstancePhase) -> &'static str {
    match phase {
        InstancePhase::Healthy => "healthy",
        InstancePhase::Progressing => "progressing",
        InstancePhase::Degraded => "degraded",
        InstancePhase::Failed => "failed",
        InstancePhase::Stopped => "stopped",
        InstancePhase::Waiting => "waiting",
    }
}

fn sentence(wait: &AgentWait) -> String {
    match wait {
        AgentWait::ObserveOnly => "this server is only observed".to_owned(),
        AgentWait::Window { opens } => format!("until the maintenance window opens at {opens}"),
        AgentWait::Retry { at, attempts } => format!("attempt {attempts} failed, next at {at}"),
        AgentWait::Healthy { service } => format!("until {service} is healthy"),
        AgentWait::Paused { until } => format!("paused until {until}"),
    }
}
