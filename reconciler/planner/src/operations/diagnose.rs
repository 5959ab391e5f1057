//! What has to be said about operations.

use super::{Property, Standing, act, judge, path};
use crate::codes;
use crate::desired::Desired;
use crate::input::{TextOf, locate};
use jiff::civil::Date;
use tenantry_schema::{Diagnostic, Severity};

/// What has to be said about operations: who has to approve them, which approvals do not count, which are over.
pub fn diagnose(desired: &Desired, today: Date, text_of: &TextOf<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for customer in desired.customers.values() {
        if customer.operations.is_empty() {
            continue;
        }
        let property = Property::of(customer);
        for (id, operation) in &customer.operations {
            let whose = (&customer.id, &property);
            let standing = judge(&desired.head, whose, id, operation, today);
            let (code, severity, key, note) = match &standing {
                Standing::Ready | Standing::Approved { .. } => continue,
                Standing::Unapproved => (
                    codes::UNAPPROVED,
                    Severity::Warning,
                    "expires",
                    "nothing is done until then".to_owned(),
                ),
                Standing::Expired { .. } => (
                    codes::EXPIRED,
                    Severity::Warning,
                    "expires",
                    "remove the file, or name another day and have it approved again".to_owned(),
                ),
                Standing::TooLong { .. } => (
                    codes::BAD_APPROVAL,
                    Severity::Error,
                    "expires",
                    "nothing is done; it freezes nobody".to_owned(),
                ),
                Standing::Ambiguous { .. } => (
                    codes::BAD_APPROVAL,
                    Severity::Error,
                    if operation.wipe.is_some() {
                        "wipe"
                    } else {
                        "restore"
                    },
                    "nothing is done; it freezes nobody".to_owned(),
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
                    "nothing is done; it freezes nobody".to_owned(),
                ),
            };
            let path = path(&customer.id, id);
            let place = locate(text_of, &path, &[key], true);
            let message = format!("{}: {standing}", act(operation));
            let mut diagnostic = Diagnostic {
                severity,
                ..Diagnostic::error(code, place, message)
            }
            .note(note);
            if code != codes::EXPIRED {
                diagnostic = diagnostic.note(format!(
                    "an owner approves it with `tenantry approve {path}`"
                ));
            }
            found.push(diagnostic);
        }
    }
    found
}
