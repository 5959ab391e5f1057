//! `timers:`: what runs at set times on a server, in a container or from a short list of housekeeping.

use crate::amount::Duration;
use crate::id::ToolName;
use crate::json::text_schema;
use crate::name::text_type;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Something that runs at set times: exactly one of `every` and `at`, exactly one of `run` and `action`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Written", deny_unknown_fields)]
#[schemars(!try_from)]
pub struct Timer {
    /// The time between two runs. Absent: see `at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<Duration>,
    /// The moment of each day or week, in the server's time zone. Absent: see `every`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Moment>,
    /// Up to so much later, another span on every server, the same each time. Absent: not later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub random: Option<Duration>,
    /// It is ended after so long.
    #[serde(default = "hour")]
    pub timeout: Duration,
    /// A command in a container of a tool; on servers without that tool nothing runs. Absent: see `action`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<ContainerCommand>,
    /// Housekeeping of the machine. Absent: see `run`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<HostAction>,
}

/// A command in a container of a tool.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ContainerCommand {
    /// The tool.
    pub tool: ToolName,
    /// The service of its Compose file.
    pub service: String,
    /// The program and its arguments. No shell reads them.
    #[serde(deserialize_with = "command")]
    #[schemars(length(min = 1))]
    pub command: Vec<String>,
    /// The user in the container. Absent: that of the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
}

/// Housekeeping of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HostAction {
    /// Tells disks which blocks are free (`fstrim --all`).
    Trim,
    /// Removes entries of the journal that are older than two weeks (`journalctl --vacuum-time=2weeks`).
    VacuumJournal,
    /// Removes packages that apt has fetched and installed (`apt-get clean`).
    CleanPackages,
}

/// When something runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schedule<'a> {
    /// Again after so long.
    Every(Duration),
    /// At this moment of each day or week.
    At(&'a Moment),
}

/// What runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Job<'a> {
    /// In a container.
    Container(&'a ContainerCommand),
    /// On the machine.
    Host(HostAction),
}

fn hour() -> Duration {
    Duration { minutes: 60 }
}

fn command<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let command = Vec::<String>::deserialize(deserializer)?;
    if command.first().is_none_or(String::is_empty) {
        return Err(serde::de::Error::custom("a command begins with a program"));
    }
    Ok(command)
}

/// The text is not a moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a moment: write `daily 03:00` or `Sun 03:00`")]
pub struct MomentError(String);

text_type!(
    /// A moment of each day or week: `daily 03:00`, `Sun 03:00`.
    Moment,
    MomentError
);
text_schema!(
    Moment,
    "^(daily|Mon|Tue|Wed|Thu|Fri|Sat|Sun) ([01][0-9]|2[0-3]):[0-5][0-9]$",
    ["daily 03:00", "Sun 03:00"]
);

const DAYS: [&str; 8] = ["daily", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

impl TryFrom<String> for Moment {
    type Error = MomentError;
    fn try_from(text: String) -> Result<Self, MomentError> {
        let number = |part: &str, below: u8| {
            part.len() == 2
                && part.bytes().all(|b| b.is_ascii_digit())
                && part.parse::<u8>().is_ok_and(|number| number < below)
        };
        let good = text.split_once(' ').is_some_and(|(day, time)| {
            DAYS.contains(&day)
                && time
                    .split_once(':')
                    .is_some_and(|(hour, minute)| number(hour, 24) && number(minute, 60))
        });
        if good {
            Ok(Self(text.into()))
        } else {
            Err(MomentError(text))
        }
    }
}

impl Moment {
    /// As `OnCalendar=` takes it (`systemd.time(7)`).
    pub fn calendar(&self) -> String {
        let (day, time) = self.0.split_once(' ').unwrap_or(("daily", "00:00"));
        match day {
            "daily" => format!("*-*-* {time}:00"),
            day => format!("{day} *-*-* {time}:00"),
        }
    }
}

/// As written: nothing is known to fit together yet.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    every: Option<Duration>,
    #[serde(default)]
    at: Option<Moment>,
    #[serde(default)]
    random: Option<Duration>,
    #[serde(default = "hour")]
    timeout: Duration,
    #[serde(default)]
    run: Option<ContainerCommand>,
    #[serde(default)]
    action: Option<HostAction>,
}

impl TryFrom<Written> for Timer {
    type Error = &'static str;
    fn try_from(written: Written) -> Result<Self, &'static str> {
        if written.every.is_some() == written.at.is_some() {
            return Err("a timer has either `every` or `at`");
        }
        if written.run.is_some() == written.action.is_some() {
            return Err("a timer has either `run` or `action`");
        }
        Ok(Self {
            every: written.every,
            at: written.at,
            random: written.random,
            timeout: written.timeout,
            run: written.run,
            action: written.action,
        })
    }
}

impl Timer {
    /// When it runs.
    pub fn schedule(&self) -> Option<Schedule<'_>> {
        let every = self.every.map(Schedule::Every);
        every.or_else(|| self.at.as_ref().map(Schedule::At))
    }

    /// What it runs.
    pub fn job(&self) -> Option<Job<'_>> {
        let container = self.run.as_ref().map(Job::Container);
        container.or_else(|| self.action.map(Job::Host))
    }
}
