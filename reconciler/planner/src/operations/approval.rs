//! Who approved an operation that loses data, and whether that still counts.
//!
//! # What is signed
//! An owner's approval is an SSH signature (`ssh-keygen -Y sign -n tenantry-operation`) over [`to_sign`]: four lines that say what it is for, then
//! every key of the document but `approval` in alphabetical order, as `key: ` and its value in JSON without spaces. Comments, order and style of the
//! file are not part of it, nor is any commit: it holds through squashes, rebases and merges. Whatever else is changed voids it, and so does a
//! change of the server into another machine, or of the tool into another order's: `machine:` and `order:` are signed, and compared with what is there.

use super::{Property, Standing};
use crate::documents::HeadDocuments;
use jiff::civil::Date;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use tenantry_schema::document::{Operation, Role};
use tenantry_schema::id::{CustomerId, FleetId, OperationId};
use tenantry_wire::VerifyingKey;
use tenantry_wire::sshsig::{self, SshSigError};

/// What an approval is for, as `ssh-keygen -n` takes it.
pub const NAMESPACE: &str = "tenantry-operation";

/// The text that an owner signs.
pub fn to_sign(
    fleet: &FleetId,
    customer: &CustomerId,
    id: &OperationId,
    operation: &Operation,
) -> String {
    // Plain data types of ours: serialising them cannot fail.
    let document = serde_json::to_value(operation).unwrap_or_default();
    let keys: BTreeMap<&String, &serde_json::Value> = document
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(key, _)| *key != "approval")
        .collect();
    let mut text = format!(
        "tenantry operation, format 1\nfleet: {fleet}\ncustomer: {customer}\noperation: {id}\n"
    );
    for (key, value) in keys {
        let _ = writeln!(text, "{key}: {value}");
    }
    text
}

/// For so many days at most an operation that loses data may be started.
pub const MOST_DAYS: i32 = 90;

/// The last day that an operation that loses data may name: counted from today, and from the day in its name.
fn latest(id: &OperationId, today: Date) -> Date {
    let days = jiff::Span::new().days(MOST_DAYS);
    let named = id.as_str().get(..10).and_then(|day| day.parse().ok());
    let from = named.map_or(today, |named: Date| named.min(today));
    from.checked_add(days).unwrap_or(Date::MAX)
}

/// The day from which on an operation with this last day ends soon enough, if its name does not say otherwise.
pub fn soon_enough(expires: Date) -> Date {
    let days = jiff::Span::new().days(MOST_DAYS);
    expires.checked_sub(days).unwrap_or(Date::MIN)
}

/// Judges an operation by the staff and the machines of today.
pub fn judge(
    head: &HeadDocuments,
    (customer, property): (&CustomerId, &Property<'_>),
    id: &OperationId,
    operation: &Operation,
    today: Date,
) -> Standing {
    if let Some(on) = operation.expires.filter(|last| today > *last) {
        return Standing::Expired { on };
    }
    if !operation.is_destructive() {
        return Standing::Ready;
    }
    let most = latest(id, today);
    if let Some(on) = operation.expires.filter(|last| *last > most) {
        return Standing::TooLong { on, most };
    }
    if let Some(unclear) = property.unclear(operation) {
        return unclear;
    }
    let Some(approval) = &operation.approval else {
        return Standing::Unapproved;
    };
    let (mut keys, mut people) = (Vec::new(), Vec::new());
    for (who, person) in &head.staff.0 {
        for key in &person.signing_keys {
            if let Ok(key) = VerifyingKey::try_from(key) {
                keys.push(key);
                people.push((who, person.role));
            }
        }
    }
    let text = to_sign(&head.hub.fleet_id, customer, id, operation);
    match sshsig::verify(&keys, NAMESPACE, text.as_bytes(), approval) {
        Ok(key) => {
            // A key that several people have speaks for the one who may least.
            let whose = keys.iter().zip(&people).filter(|(known, _)| *known == key);
            match whose
                .map(|(_, person)| person)
                .max_by_key(|(_, role)| *role)
            {
                Some((who, Role::Owner)) => property
                    .differs(operation)
                    .unwrap_or_else(|| Standing::Approved { by: (*who).clone() }),
                Some((who, role)) => Standing::NotAnOwner {
                    who: (*who).clone(),
                    role: *role,
                },
                None => Standing::Altered,
            }
        }
        Err(SshSigError::WrongSigner(key)) => Standing::Foreign { key },
        Err(SshSigError::BadSignature) => Standing::Altered,
        Err(why) => Standing::Damaged {
            why: why.to_string(),
        },
    }
}
