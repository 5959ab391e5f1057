//! Promises about operations: started once, ended once, and agents are told of none that was not written down before.

use crate::desired::CustomerDesired;
use crate::plan::CustomerPlan;
use tenantry_schema::document::OperationRecord;
use tenantry_schema::id::OperationId;

/// What is wrong with a record that is to be written.
pub(super) fn record(
    customer: &CustomerDesired,
    id: &OperationId,
    record: &OperationRecord,
) -> Option<String> {
    let before = customer.records.get(id).map(AsRef::as_ref);
    let as_started = |before: &OperationRecord| OperationRecord {
        done: None,
        ..before.clone()
    };
    let why = match (before, &record.done) {
        (None, None) if !customer.operations.contains_key(id) => "has no document",
        (None, Some(_)) => "would end without having been started",
        (Some(_), None) => "would be started again",
        (Some(before), Some(_)) if before.done.is_some() => "would end twice",
        (Some(before), Some(_)) if as_started(before) != as_started(record) => {
            "would have been started otherwise"
        }
        (None, None) | (Some(_), Some(_)) => return None,
    };
    Some(format!("operation {id} {why}"))
}

/// A slice asks for a restore only where the record of its start is committed and that of its end is not.
pub(super) fn agents_are_told_what_was_started(
    part: &CustomerPlan,
    customer: &CustomerDesired,
    wrong: &mut Vec<String>,
) {
    for input in &part.desired_slices {
        let restores = input.backups.iter().flat_map(|backups| &backups.restores);
        for (id, spec) in restores {
            let record = customer.records.get(id);
            let good = record.is_some_and(|record| {
                record.done.is_none()
                    && record.server == input.server.server
                    && record.instance == spec.instance
            });
            if !good {
                wrong.push(format!(
                    "the slice of {} asks for operation {id}, which was not started there",
                    input.server
                ));
            }
        }
    }
}
