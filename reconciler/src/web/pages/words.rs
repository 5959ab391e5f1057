//! Words, tones and times as pages show them. Every tone comes with a word: nothing is said by colour alone.

use crate::web::metrics::word;
use jiff::Timestamp;
use serde::Serialize;
use tenantry_planner::status::{Health, Phase};
use tenantry_schema::wire::{
    AgentWait, AreaReport, AreaState, ContainerHealth, ContainerReport, ContainerState,
    InstancePhase, SmokeResult,
};

/// A word with a tone: `good`, `busy`, `warn`, `bad`, `mute`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Badge {
    pub(super) tone: &'static str,
    pub(super) word: String,
}

impl Badge {
    pub(super) fn new(tone: &'static str, word: impl Into<String>) -> Self {
        Self {
            tone,
            word: word.into(),
        }
    }
}

/// The variant's word with spaces.
pub(super) fn spoken(variant: &impl Serialize) -> String {
    word(variant).replace('_', " ")
}

pub(super) fn health(health: Health) -> Badge {
    let tone = match health {
        Health::Healthy => "good",
        Health::Progressing => "busy",
        Health::Degraded => "warn",
        Health::Failed => "bad",
        Health::Unknown => "mute",
    };
    Badge::new(tone, spoken(&health))
}

/// How far an order is, with the number of steps behind it out of four.
pub(super) fn phase(phase: Phase) -> (Badge, u8) {
    let (tone, steps) = match phase {
        Phase::PaymentConfirmed => ("busy", 1),
        Phase::AwaitingServer => ("warn", 1),
        Phase::ServerReady => ("busy", 2),
        Phase::Provisioning => ("busy", 3),
        Phase::Fulfilled => ("good", 4),
        Phase::NeedsAttention => ("bad", 1),
    };
    (Badge::new(tone, spoken(&phase)), steps)
}

pub(super) fn instance(phase: InstancePhase) -> Badge {
    let tone = match phase {
        InstancePhase::Healthy => "good",
        InstancePhase::Progressing => "busy",
        InstancePhase::Degraded | InstancePhase::Waiting => "warn",
        InstancePhase::Failed => "bad",
        InstancePhase::Stopped => "mute",
    };
    Badge::new(tone, spoken(&phase))
}

/// State and health check of a container in one badge.
pub(super) fn container(container: &ContainerReport) -> Badge {
    let tone = match (container.state, container.health) {
        (ContainerState::Running, ContainerHealth::None | ContainerHealth::Healthy) => "good",
        (ContainerState::Running, ContainerHealth::Starting) | (ContainerState::Created, _) => {
            "busy"
        }
        (ContainerState::Exited, _) if container.exit_code == Some(0) => "mute",
        (ContainerState::Running, ContainerHealth::Unhealthy)
        | (ContainerState::Missing | ContainerState::Dead | ContainerState::Exited, _) => "bad",
        (ContainerState::Restarting | ContainerState::Paused, _) => "warn",
    };
    let mut words = spoken(&container.state);
    match (container.state, container.health, container.exit_code) {
        (ContainerState::Running, ContainerHealth::None, _) => {}
        (ContainerState::Running, health, _) => words = format!("{words}, {}", spoken(&health)),
        (ContainerState::Exited | ContainerState::Dead, _, Some(code)) => {
            words = format!("{words} ({code})");
        }
        _ => {}
    }
    Badge::new(tone, words)
}

pub(super) fn smoke(result: &SmokeResult) -> Option<Badge> {
    match result {
        SmokeResult::NotRun => None,
        SmokeResult::Passed => Some(Badge::new("good", "smoke check passed")),
        SmokeResult::Failed { reason } => {
            Some(Badge::new("bad", format!("smoke check failed: {reason}")))
        }
    }
}

/// What an agent waits for, in a sentence.
pub(super) fn agent_wait(wait: &AgentWait) -> String {
    match wait {
        AgentWait::ObserveOnly => "the server is managed by `observe`: nothing is changed".into(),
        AgentWait::Window { opens } => {
            format!("waits for the maintenance window, which opens at {opens:.0}")
        }
        AgentWait::Retry { at, attempts } => format!("tried {attempts} times, again at {at:.0}"),
        AgentWait::Healthy { service } => format!("waits for {service} to become healthy"),
        AgentWait::DriftReported => "drift is only reported here".into(),
        AgentWait::RolledBack { since } => {
            format!("the last good version runs since {since:.0}, until another one is wanted")
        }
        AgentWait::Held { since } => format!("held since {since:.0}: a person has to decide"),
        AgentWait::Backup { since } => {
            format!("waits for a verified backup that is newer than {since:.0}")
        }
        AgentWait::Image { image, done, total } => {
            format!("fetches {image}: {}", fetched(*done, *total))
        }
        AgentWait::Disk { free, needed } => format!(
            "waits for room: {} MiB are free, {} MiB must be",
            free >> 20,
            needed >> 20
        ),
        AgentWait::Paused { until } => format!("paused by hand until {until:.0}"),
    }
}

/// A number of bytes: two digits where it is small.
pub(super) fn bytes(value: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut number, mut unit) = (value as f64, 0);
    while number >= 1024.0 && unit + 1 < UNITS.len() {
        number /= 1024.0;
        unit += 1;
    }
    let digits = usize::from(unit > 0 && number < 10.0);
    format!("{number:.digits$} {}", UNITS[unit])
}

/// How an area of the machine stands.
pub(super) fn area(report: &AreaReport) -> (Badge, String) {
    let (tone, sentence) = match report.state {
        AreaState::Good => ("good", "it is as it should be"),
        AreaState::Changing => ("busy", "it is being changed"),
        AreaState::Waiting => ("warn", "it is not as it should be"),
        AreaState::Refused => ("bad", "what is asked for would do harm"),
        AreaState::Failed => ("bad", "it failed, and is tried again"),
    };
    let sentence = report
        .message
        .clone()
        .unwrap_or_else(|| sentence.to_owned());
    let sentence = match &report.waiting {
        Some(wait) => format!("{sentence}; {}", agent_wait(wait)),
        None => sentence,
    };
    (Badge::new(tone, spoken(&report.state)), sentence)
}

/// How much of an image is here.
fn fetched(done: u64, total: u64) -> String {
    match total {
        0 => "not begun".to_owned(),
        total => format!(
            "{} of {} MiB, {} %",
            done >> 20,
            total.div_ceil(1 << 20),
            done.min(total) * 100 / total
        ),
    }
}

/// A moment: how long ago for people, exactly for machines and the tooltip.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Moment {
    pub(super) iso: String,
    pub(super) ago: String,
}

impl Moment {
    pub(super) fn new(at: Timestamp, now: Timestamp) -> Self {
        Self {
            iso: format!("{at:.0}"),
            ago: ago(now.as_second().saturating_sub(at.as_second())),
        }
    }
}

/// Seconds as one rounded-down unit. `live.js` says the same.
fn ago(seconds: i64) -> String {
    let (unit, size) = match seconds {
        ..-60 => return "in the future".into(),
        -60..5 => return "just now".into(),
        5..120 => ("s", 1),
        120..7_200 => ("min", 60),
        7_200..172_800 => ("h", 3_600),
        172_800.. => ("d", 86_400),
    };
    format!("{} {unit} ago", seconds / size)
}

/// An address that may become a link: anything but http and https could be a script.
pub(super) fn is_link(url: &str) -> bool {
    let lower = url.get(..8).unwrap_or(url).to_ascii_lowercase();
    lower.starts_with("https://") || lower.starts_with("http://")
}

/// The first twelve characters of an object id.
pub(super) fn short(id: &str) -> String {
    id.chars().take(12).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let shown = [0, 1023, 1024, 1536, 5 << 20, 20 << 30, u64::MAX].map(bytes);
        assert_eq!(
            shown,
            [
                "0 B",
                "1023 B",
                "1.0 KiB",
                "1.5 KiB",
                "5.0 MiB",
                "20 GiB",
                "16777216 TiB"
            ]
        );
    }

    #[test]
    fn ages() {
        let cases = [
            (0, "just now"),
            (5, "5 s ago"),
            (119, "119 s ago"),
            (120, "2 min ago"),
            (7_199, "119 min ago"),
            (7_200, "2 h ago"),
        ];
        for (seconds, words) in cases.into_iter().chain([
            (172_800, "2 d ago"),
            (-3, "just now"),
            (-3_600, "in the future"),
        ]) {
            assert_eq!(ago(seconds), words);
        }
    }

    #[test]
    fn only_web_addresses_become_links() {
        assert!(is_link("https://a.example") && is_link("HTTP://a.example"));
        for bad in [
            "javascript:alert(1)",
            " https://x",
            "data:text/html,x",
            "//x",
            "",
            "httpsé://",
        ] {
            assert!(!is_link(bad), "{bad}");
        }
    }
}
