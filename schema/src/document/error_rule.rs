//! `error_rules:` of `hub.yaml` and `stack.yaml`: what in the logs of containers means trouble.

use crate::amount::Duration;
use crate::id::RuleName;
use crate::pattern::LogPattern;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;

/// Rules by name.
pub type ErrorRules = BTreeMap<RuleName, ErrorRule>;

/// Most lines of context on each side.
pub const MOST_CONTEXT: u8 = 20;

/// A rule that is applied to every line of a log. In `hub.yaml` it is for all tools, in `stack.yaml` for this one; of two with the same name
/// that of the stack counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ErrorRule {
    /// A line that this regular expression is found in is told. Syntax of Rust's `regex`: no look-around, no back references; `(?i)` in
    /// front ignores case.
    #[serde(rename = "match")]
    pub pattern: LogPattern,
    /// Lines that this is found in are not meant. Absent: all are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub except: Option<LogPattern>,
    /// Services whose logs are read. Empty: all of the tool's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<String>,
    /// Lines before and after that are told with it, 0 to 20.
    #[serde(default = "context", deserialize_with = "few")]
    #[schemars(range(max = MOST_CONTEXT))]
    pub context: u8,
    /// After one line was told, others that match in the same service are only counted for so long, up to 1d.
    #[serde(default = "pause", deserialize_with = "short")]
    pub pause: Duration,
}

fn context() -> u8 {
    2
}

fn pause() -> Duration {
    Duration { minutes: 5 }
}

fn few<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
    let lines = u8::deserialize(deserializer)?;
    if lines <= MOST_CONTEXT {
        Ok(lines)
    } else {
        Err(serde::de::Error::custom(format!(
            "at most {MOST_CONTEXT} lines on each side"
        )))
    }
}

fn short<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let pause = Duration::deserialize(deserializer)?;
    if pause.minutes <= 24 * 60 {
        Ok(pause)
    } else {
        Err(serde::de::Error::custom("the longest pause is 1d"))
    }
}
