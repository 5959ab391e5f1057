//! What has to be said about operations.

use super::{Property, Standing, act, judge, path};
use crate::codes;
use crate::desired::Desired;
use crate::input::{TextOf, locate};
use jiff::Timestamp;
use jiff::civil::Date;
use tenantry_schema::document::Operation;
use tenantry_schema::{Diagnostic, Severity};

/// Of an approval that does not count.
const NOTHING_IS_DONE: &str = "nothing is done; it freezes nobody";

/// What has to be said about operations: who has to approve them, which approvals do not count, which are over. Of those that ended nothing is said: their
/// files stay as a record, whatever becomes of the server, its key or the day.
pub fn diagnose(desired: &Desired, today: Date, text_of: &TextOf<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for customer in desired.customers.values() {
        if customer.operations.is_empty() {
            continue;
        }
        let property = Property::of(customer);
        for (id, operation) in &customer.operations {
            let record = customer.records.get(id);
            if record.is_some_and(|record| record.done.is_some()) {
                continue;
            }
            let whose = (&customer.id, &property);
            let standing = judge(&desired.head, whose, id, operation, today);
            let started = record.map(|record| record.started);
            let path = path(&customer.id, id);
            found.extend(say(operation, &standing, started, &path, text_of));
        }
    }
    found
}

/// What has to be said about one that has not ended.
fn say(
    operation: &Operation,
    standing: &Standing,
    started: Option<Timestamp>,
    path: &str,
    text_of: &TextOf<'_>,
) -> Option<Diagnostic> {
    let (code, severity, key, note) = match standing {
        Standing::Ready | Standing::Approved { .. } => return None,
        Standing::Unapproved => (
            codes::UNAPPROVED,
            Severity::Warning,
            "expires",
            "nothing is done until then",
        ),
        Standing::Expired { .. } => (
            codes::EXPIRED,
            Severity::Warning,
            "expires",
            "remove the file, or name another day and have it approved again",
        ),
        Standing::TooLong { .. } => (
            codes::BAD_APPROVAL,
            Severity::Error,
            "expires",
            NOTHING_IS_DONE,
        ),
        Standing::Ambiguous { .. } => (
            codes::BAD_APPROVAL,
            Severity::Error,
            if operation.wipe.is_some() {
                "wipe"
            } else {
                "restore"
            },
            NOTHING_IS_DONE,
        ),
        Standing::NotAnOwner { .. }
        | Standing::OtherOrder { .. }
        | Standing::OtherMachine { .. }
        | Standing::Foreign { .. }
        | Standing::Altered
        | Standing::Damaged { .. } => (
            codes::BAD_APPROVAL,
            Severity::Error,
            "approval",
            NOTHING_IS_DONE,
        ),
    };
    let place = locate(text_of, path, &[key], true);
    let message = format!("{}: {standing}", act(operation));
    let diagnostic = Diagnostic {
        severity,
        ..Diagnostic::error(code, place, message)
    };
    // Neither another day nor another approval starts it again.
    if let Some(started) = started {
        return Some(diagnostic.note(format!(
            "it was started at {started:.0}, its end is not recorded, and it is not started again: look at the tool, then remove the file or write a new operation"
        )));
    }
    let diagnostic = diagnostic.note(note);
    Some(if code == codes::EXPIRED {
        diagnostic
    } else {
        diagnostic.note(format!(
            "an owner approves it with `tenantry approve {path}`"
        ))
    })
}
