//! Rows about operations, and a line about how the repositories of backups were looked after.

use super::words::{Badge, Moment};
use jiff::Timestamp;
use serde::Serialize;
use tenantry_planner::operations::{OperationStatus, Progress, Target};
use tenantry_planner::status::{FleetStatus, UpkeepStatus};
use tenantry_schema::document::OperationOutcome;
use tenantry_schema::id::CustomerId;

/// One operation.
#[derive(Serialize)]
pub(super) struct OperationRow {
    id: String,
    act: String,
    badge: Badge,
    words: String,
    lines: Vec<String>,
}

/// The operations of a customer whose target `shown` takes.
pub(super) fn rows(
    status: &FleetStatus,
    customer: &CustomerId,
    shown: impl Fn(&Target) -> bool,
) -> Vec<OperationRow> {
    let all = status.operations.iter();
    let wanted = all.filter(|operation| {
        operation.customer == *customer && operation.target.as_ref().is_some_and(&shown)
    });
    wanted.map(|operation| row(operation)).collect()
}

fn row(operation: &OperationStatus) -> OperationRow {
    let badge = match &operation.progress {
        Progress::NotStarted if !operation.standing.may_start() => {
            Badge::new("mute", "not approved")
        }
        Progress::NotStarted if operation.waiting.is_empty() => Badge::new("busy", "is started"),
        Progress::NotStarted => Badge::new("warn", "waits"),
        Progress::Told { .. } => Badge::new("busy", "started"),
        Progress::Running { .. } => Badge::new("busy", "at work"),
        Progress::OutcomeUnknown { .. } => Badge::new("bad", "outcome unknown"),
        Progress::Ended { done, .. } => match done.outcome {
            OperationOutcome::Done => Badge::new("good", "done"),
            OperationOutcome::Failed => Badge::new("bad", "failed"),
        },
    };
    let words = match &operation.progress {
        Progress::NotStarted => operation.standing.to_string(),
        progress => progress.to_string(),
    };
    let mut lines: Vec<String> = operation.waiting.iter().map(ToString::to_string).collect();
    match &operation.progress {
        Progress::Ended { done, .. } => lines.extend(done.evidence.iter().cloned()),
        Progress::OutcomeUnknown { .. } => {}
        _ => lines.extend(operation.downtime.as_ref().map(ToString::to_string)),
    }
    OperationRow {
        id: operation.operation.to_string(),
        act: operation.act.clone(),
        badge,
        words,
        lines,
    }
}

/// How repositories of backups were looked after.
#[derive(Serialize)]
pub(super) struct UpkeepRow {
    at: Moment,
    failed: usize,
    words: String,
    failures: Vec<String>,
}

impl UpkeepRow {
    pub(super) fn new(upkeep: &UpkeepStatus, now: Timestamp) -> Self {
        Self {
            at: Moment::new(upkeep.at, now),
            failed: upkeep.failed,
            words: format!(
                "{} of {} repositories failed",
                upkeep.failed, upkeep.repositories
            ),
            failures: upkeep.failures.clone(),
        }
    }
}
