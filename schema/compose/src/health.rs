//! Health checks of a service: type and reading.

use crate::reader::At;
use crate::units;
use crate::values::{Sensitive, Words};
use std::time::Duration;

/// What is run to learn whether a container is healthy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HealthTest {
    /// What the image says.
    Image,
    /// Nothing, whatever the image says.
    Disabled,
    /// A program with arguments.
    Exec(Words),
    /// A line for the container's shell.
    Shell(Sensitive),
}

/// A health check; `None` leaves the image's or the engine's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Healthcheck {
    /// What is run.
    pub test: HealthTest,
    /// Time between runs.
    pub interval: Option<Duration>,
    /// Time that a run may take.
    pub timeout: Option<Duration>,
    /// Failures in a row until unhealthy.
    pub retries: Option<u32>,
    /// Time after the start in which failures do not count.
    pub start_period: Option<Duration>,
    /// Time between runs in that period.
    pub start_interval: Option<Duration>,
}

pub(crate) fn duration(at: &At<'_>) -> Option<Duration> {
    at.parse(
        "a duration such as `1m30s`",
        Duration::from_secs(1),
        units::duration,
    )
}

pub(crate) fn read(at: &At<'_>) -> Option<Healthcheck> {
    let known = [
        "test",
        "interval",
        "timeout",
        "retries",
        "start_period",
        "start_interval",
        "disable",
    ];
    let fields = at.fields(&known, &[])?;
    let time = |key: &str| fields.get(key).and_then(duration);
    let test = match fields.get("test") {
        _ if fields.boolean("disable") => HealthTest::Disabled,
        None => HealthTest::Image,
        Some(at) => test(at)?,
    };
    Some(Healthcheck {
        test,
        interval: time("interval"),
        timeout: time("timeout"),
        retries: fields
            .get("retries")
            .and_then(|at| at.parse("a whole number", 3, |text| text.parse().ok())),
        start_period: time("start_period"),
        start_interval: time("start_interval"),
    })
}

fn test(at: &At<'_>) -> Option<HealthTest> {
    if at.node.as_sequence().is_none() {
        let line = at.owned()?;
        return Some(HealthTest::Shell(Sensitive::new(line)));
    }
    let mut words = at.texts(false)?;
    let help = "begin it with CMD, CMD-SHELL or NONE";
    match words.first().map(String::as_str) {
        Some("NONE") if words.len() == 1 => Some(HealthTest::Disabled),
        Some("CMD") if words.len() > 1 => {
            words.remove(0);
            Some(HealthTest::Exec(Words::new(words)))
        }
        Some("CMD-SHELL") if words.len() == 2 => {
            words.pop().map(Sensitive::new).map(HealthTest::Shell)
        }
        Some("CMD-SHELL") => {
            at.invalid_with(
                "CMD-SHELL takes exactly one line",
                "write the line as one item",
            );
            None
        }
        _ => {
            at.invalid_with("this test says not how it is run", help);
            None
        }
    }
}
