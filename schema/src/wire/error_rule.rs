//! Rules that look for trouble in the logs of containers, as an agent gets them, and what it found.

use crate::document::ErrorRule;
use crate::id::{InstanceName, RuleName};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The rules of each instance, by name.
pub type ErrorRules = BTreeMap<InstanceName, BTreeMap<RuleName, ErrorRule>>;

/// A line of a log that a rule matches. Secrets are cut out of all lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogMatch {
    /// When the container wrote it, by the server's clock.
    pub at: Timestamp,
    /// The rule.
    pub rule: RuleName,
    /// Whose container it is.
    pub instance: InstanceName,
    /// Its service.
    pub service: String,
    /// The line.
    pub line: String,
    /// Lines before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<String>,
    /// Lines after it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<String>,
    /// Other lines that the rule matched in this service since the last one that was told, and that are not told.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub untold: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}
