//! How the server stands, for people and for programs. Looking is done elsewhere.

use crate::link::troubles::{About, Now};
use crate::outbox::aside::Summary;
use serde::Serialize;
use std::fmt::Write as _;
use tenantry_schema::wire::{
    AgentWait, AreaState, ContainerHealth, ContainerReport, ContainerState, InstancePhase, Report,
};

/// Everything that is known about how the server stands. As JSON: the report, and what is not in it.
#[derive(Debug, Clone, Serialize)]
pub struct Standing {
    /// `customer/server`.
    pub server: String,
    /// Whether an agent is at work.
    pub running: bool,
    /// Reports that the hub does not have yet.
    pub waiting_reports: usize,
    /// Reports that it will not take.
    pub refused_reports: Summary,
    /// What stands between this server and its hub.
    pub hub_troubles: Now,
    /// The state of the server.
    #[serde(flatten)]
    pub report: Report,
}

impl Standing {
    /// In words, a line each.
    pub fn words(&self) -> String {
        let mut lines = vec![format!(
            "{}: tenantry-agent {} {}",
            self.server,
            self.report.release,
            if self.running {
                "is running"
            } else {
                "is not running"
            }
        )];
        lines.push(self.slice());
        lines.push(self.machine());
        if let Some(until) = self.report.host.paused_until {
            lines.push(format!(
                "paused until {until:.0}: nothing is changed here; `tenantry-agent resume` ends it"
            ));
        }
        lines.extend(self.areas());
        lines.extend(self.hub());
        lines.extend(self.instances());
        lines.extend(self.sites());
        let mut text = String::new();
        for line in lines {
            let _ = writeln!(text, "{line}");
        }
        text
    }

    fn slice(&self) -> String {
        let Some(slice) = &self.report.slice else {
            return "slice: none accepted yet".to_owned();
        };
        let stale = self.report.stale_since.map_or(String::new(), |since| {
            format!("; nothing was heard from the hub since {since:.0}")
        });
        format!(
            "slice: generation {}, commit {}, content {:.12}{stale}",
            slice.generation, slice.commit, slice.content
        )
    }

    fn machine(&self) -> String {
        let host = &self.report.host;
        let engine = host
            .engine
            .as_deref()
            .map_or("does not answer".to_owned(), |version| {
                format!("{version} answers")
            });
        let web = if host.web_server_running {
            "runs"
        } else {
            "does not run"
        };
        format!("container engine: {engine}; web server: {web}")
    }

    fn areas(&self) -> Vec<String> {
        let areas = self.report.areas.iter();
        areas
            .map(|(area, report)| {
                let state = match report.state {
                    AreaState::Good => "as it should be",
                    AreaState::Changing => "has to be changed",
                    AreaState::Waiting => "waits",
                    AreaState::Refused => "refused",
                    AreaState::Failed => "failed",
                };
                let because = because(report.message.as_deref(), report.waiting.as_ref());
                let because = because.map_or(String::new(), |because| format!(": {because}"));
                format!("machine, {area}: {state}{because}")
            })
            .collect()
    }

    fn hub(&self) -> Vec<String> {
        let mut lines: Vec<_> = self
            .hub_troubles
            .iter()
            .map(|(about, trouble)| {
                let about = match about {
                    About::Slices => "no answer about slices",
                    About::Reports => "reports cannot be delivered",
                };
                format!(
                    "hub: {about} since {:.0}: {}",
                    trouble.since, trouble.message
                )
            })
            .collect();
        match self.waiting_reports {
            0 => {}
            1 => lines.push("1 report waits for the hub".to_owned()),
            many => lines.push(format!("{many} reports wait for the hub")),
        }
        let refused = &self.refused_reports;
        if refused.count > 0 {
            let because = refused.last.as_ref().map_or(String::new(), |why| {
                format!("; the last at {:.0}: {}", why.at, why.message)
            });
            let many = match refused.count {
                1 => "1 report is".to_owned(),
                many => format!("{many} reports are"),
            };
            lines.push(format!(
                "{many} set aside, for the hub will not take them{because}"
            ));
        }
        lines
    }

    fn instances(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (name, instance) in &self.report.instances {
            let because = instance
                .message
                .as_ref()
                .map_or(String::new(), |message| format!(": {message}"));
            let until = instance
                .waiting
                .as_ref()
                .map_or(String::new(), |wait| format!(" ({})", sentence(wait)));
            lines.push(format!(
                "  {:<30} {}{until}{because}",
                name.as_str(),
                phase(instance.phase)
            ));
            for container in &instance.containers {
                lines.push(format!(
                    "    {:<28} {}",
                    container.name,
                    container_words(container)
                ));
            }
        }
        lines
    }

    fn sites(&self) -> Vec<String> {
        let sites = self.report.sites.iter().map(|(host, site)| {
            let state = if site.live { "live" } else { "not live" };
            let because = site
                .message
                .as_ref()
                .map_or(String::new(), |message| format!(": {message}"));
            let certificate = match (&site.certificate_expires, site.self_signed) {
                (Some(until), true) => format!(", self-signed until {until:.0}"),
                (Some(until), false) => format!(", certificate until {until:.0}"),
                (None, _) => String::new(),
            };
            let trouble = site.certificate.as_ref().and_then(|certificate| {
                let error = certificate.error.as_ref()?;
                let attempts = certificate.attempts;
                Some(format!(" (attempt {attempts} at another failed: {error})"))
            });
            format!(
                "  https://{:<22} {state}{certificate}{}{because}",
                host.as_str(),
                trouble.unwrap_or_default()
            )
        });
        sites.collect()
    }
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

/// Such as `running, healthy` and `ended with exit code 137, restarted 3 times`.
fn container_words(container: &ContainerReport) -> String {
    let state = match (container.state, container.exit_code) {
        (ContainerState::Missing, _) => "does not exist".to_owned(),
        (ContainerState::Created, _) => "made, never started".to_owned(),
        (ContainerState::Running, _) => "running".to_owned(),
        (ContainerState::Paused, _) => "paused".to_owned(),
        (ContainerState::Restarting, _) => "is being started again and again".to_owned(),
        (ContainerState::Exited, Some(code)) => format!("ended with exit code {code}"),
        (ContainerState::Exited, None) => "ended".to_owned(),
        (ContainerState::Dead, _) => "given up by the container engine".to_owned(),
    };
    let health = match (container.state, container.health) {
        (ContainerState::Running, ContainerHealth::Healthy) => ", healthy",
        (ContainerState::Running, ContainerHealth::Unhealthy) => ", not healthy",
        (ContainerState::Running, ContainerHealth::Starting) => ", not known to be healthy yet",
        _ => "",
    };
    let restarts = match container.restarts {
        0 => String::new(),
        1 => ", restarted once".to_owned(),
        many => format!(", restarted {many} times"),
    };
    format!("{state}{health}{restarts}")
}

/// What is said about something, and what it waits for.
pub fn because(message: Option<&str>, waiting: Option<&AgentWait>) -> Option<String> {
    match (message, waiting.map(sentence)) {
        (Some(message), Some(wait)) => Some(format!("{message} ({wait})")),
        (message, wait) => message.map(str::to_owned).or(wait),
    }
}

fn sentence(wait: &AgentWait) -> String {
    match wait {
        AgentWait::ObserveOnly => "this server is only observed".to_owned(),
        AgentWait::Window { opens } => format!("until the maintenance window opens at {opens}"),
        AgentWait::Retry { at, attempts } => format!("attempt {attempts} failed, next at {at:.0}"),
        AgentWait::Healthy { service } => format!("until {service} is healthy"),
        AgentWait::DriftReported => "drift is only reported".to_owned(),
        AgentWait::RolledBack { since } => format!(
            "the last good version runs since {since:.0}, until the slice asks for another one"
        ),
        AgentWait::Held { since } => format!("held since {since:.0}: a person has to decide"),
        AgentWait::Backup { since } => {
            format!("until there is a verified backup newer than {since:.0}")
        }
        AgentWait::Image { image, done, total } => {
            format!("fetching {image}: {} of {} MiB", done >> 20, total >> 20)
        }
        AgentWait::Disk { free, needed } => format!(
            "until {} MiB are free; {} MiB are",
            needed >> 20,
            free >> 20
        ),
        AgentWait::Paused { until } => format!("paused until {until}"),
    }
}

#[cfg(test)]
mod tests;
