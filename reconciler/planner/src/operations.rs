//! Operations: which of them may be started, and who approved those that lose data.
//!
//! # What is signed
//! An owner's approval is an SSH signature (`ssh-keygen -Y sign -n tenantry-operation`) over [`to_sign`]: four lines that say what it is for, then
//! every key of the document but `approval` in alphabetical order, as `key: ` and its value in JSON without spaces. Comments, order and style of the
//! file are not part of it, nor is any commit: it holds through squashes, rebases and merges. Whatever else is changed voids it, and so does a
//! change of the server into another machine: `machine:` is signed, and compared with what the server is.

use crate::codes;
use crate::desired::{CustomerDesired, Desired};
use crate::documents::HeadDocuments;
use crate::input::{TextOf, locate};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::sync::Arc;
use tenantry_schema::document::{Operation, Role, Server};
use tenantry_schema::id::{CustomerId, FleetId, OperationId, ServerId, StaffId};
use tenantry_schema::{Diagnostic, Severity};
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

/// Whether an operation may be started, and why not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum Standing {
    /// It loses nothing, so nobody has to approve it.
    Ready,
    /// An owner approved exactly this.
    Approved {
        /// Who.
        by: StaffId,
    },
    /// Nobody approved it yet.
    Unapproved,
    /// Its last day is over.
    Expired {
        /// Which that was.
        on: Date,
    },
    /// Somebody signed it who may not approve.
    NotAnOwner {
        /// Who.
        who: StaffId,
        /// What they are.
        role: Role,
    },
    /// A key signed it that nobody of the staff has.
    Foreign {
        /// Its fingerprint.
        key: String,
    },
    /// Something was changed after it was approved, or the approval was for another operation.
    Altered,
    /// The server is another machine than the one that it was approved for.
    OtherMachine {
        /// Which it was. None: the approval names none.
        was: Option<String>,
        /// Which it is. None: there is no such server.
        now: Option<String>,
    },
    /// It could be started for longer than an approval may count.
    TooLong {
        /// Its last day.
        on: Date,
        /// The last day that it may have.
        most: Date,
    },
    /// What stands there is no approval.
    Damaged {
        /// Why.
        why: String,
    },
}

impl Standing {
    /// Whether it may be started.
    pub fn may_start(&self) -> bool {
        matches!(self, Self::Ready | Self::Approved { .. })
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready => write!(f, "nobody has to approve it"),
            Self::Approved { by } => write!(f, "approved by {by}"),
            Self::Unapproved => write!(f, "no owner has approved it"),
            Self::Expired { on } => write!(f, "it expired: {on} was its last day"),
            Self::NotAnOwner { who, role } => {
                write!(
                    f,
                    "approved by {who}, who is {}: it takes an owner",
                    word(*role)
                )
            }
            Self::Foreign { key } => {
                write!(
                    f,
                    "approved with a key that nobody of the staff has ({key})"
                )
            }
            Self::Altered => write!(
                f,
                "the approval is for something else: it was changed after it was signed, or signed for another operation"
            ),
            Self::OtherMachine { was, now } => {
                let was = was.as_deref().unwrap_or("none that it names");
                let now = now.as_deref().unwrap_or("not there");
                write!(
                    f,
                    "the server is another machine than it was approved for: it was {was}, and is {now}"
                )
            }
            Self::TooLong { on, most } => write!(
                f,
                "what loses data ends within {MOST_DAYS} days: {on} is too late, {most} is the last day"
            ),
            Self::Damaged { why } => write!(f, "the approval cannot be read: {why}"),
        }
    }
}

fn word(role: Role) -> &'static str {
    match role {
        Role::Owner => "an owner",
        Role::Admin => "an admin",
        Role::Manager => "a manager",
        Role::Support => "of support",
    }
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

/// What makes a server the machine that it is: who runs it, its address, and the fingerprint of its agent's key.
pub fn machine(server: &Server) -> String {
    let provider = serde_json::to_value(server.provider).unwrap_or_default();
    let key = server.agent.as_ref().map(|agent| &agent.sign);
    let key = key.and_then(|key| VerifyingKey::try_from(key).ok());
    format!(
        "{} {} {}",
        provider.as_str().unwrap_or_default(),
        server.address,
        key.as_ref()
            .map_or("without an agent", VerifyingKey::fingerprint)
    )
}

/// The machines of one customer.
pub type Machines = BTreeMap<ServerId, Arc<Server>>;

/// The machine on which an operation loses data.
pub fn machine_of(operation: &Operation, machines: &Machines) -> Option<String> {
    let server = machines.get(operation.machine_of()?);
    server.map(|server| machine(server))
}

/// Judges an operation by the staff and the machines of today.
pub fn judge(
    head: &HeadDocuments,
    (customer, machines): (&CustomerId, &Machines),
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
                Some((who, Role::Owner)) => of_machine(operation, machines)
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

/// Why an approval does not count although it is an owner's: the machine is another one.
fn of_machine(operation: &Operation, machines: &Machines) -> Option<Standing> {
    operation.machine_of()?;
    let (was, now) = (operation.machine.clone(), machine_of(operation, machines));
    (now.is_none() || was != now).then_some(Standing::OtherMachine { was, now })
}

/// One operation as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationStatus {
    /// Whose.
    pub customer: CustomerId,
    /// Its id.
    pub operation: OperationId,
    /// What it does: `wipe acme-1/umami`.
    pub act: String,
    /// What is lost by it, one by one.
    pub destroys: Vec<String>,
    /// Why.
    pub reason: String,
    /// The last day on which it may be started.
    pub expires: Option<Date>,
    /// Whether it may be started.
    pub standing: Standing,
}

impl OperationStatus {
    /// Looks at one.
    pub fn new(
        head: &HeadDocuments,
        (customer, machines): (&CustomerId, &Machines),
        id: &OperationId,
        operation: &Operation,
        today: Date,
    ) -> Self {
        Self {
            customer: customer.clone(),
            operation: id.clone(),
            act: act(operation),
            destroys: destroys(operation),
            reason: operation.reason.clone(),
            expires: operation.expires,
            standing: judge(head, (customer, machines), id, operation, today),
        }
    }

    /// Where its file stands.
    pub fn path(&self) -> String {
        path(&self.customer, &self.operation)
    }
}

/// Where an operation's file stands.
pub fn path(customer: &CustomerId, id: &OperationId) -> String {
    format!("fleet/customers/{customer}/operations/{id}.yaml")
}

/// The operations of a customer that may be started.
pub fn startable<'d>(
    head: &'d HeadDocuments,
    customer: &'d CustomerDesired,
    today: Date,
) -> impl Iterator<Item = (&'d OperationId, &'d Operation)> {
    let all = customer.operations.iter();
    all.map(|(id, operation)| (id, operation.as_ref()))
        .filter(move |(id, operation)| {
            let machines = (&customer.id, &customer.servers);
            judge(head, machines, id, operation, today).may_start()
        })
}

/// What an operation does: the key and what it names.
pub fn act(operation: &Operation) -> String {
    let document = serde_json::to_value(operation).unwrap_or_default();
    let acts = [
        "restore",
        "wipe",
        "reinstall",
        "snapshot",
        "power_cycle",
        "rotate",
        "retry",
        "move",
        "erase",
    ];
    let written = acts.into_iter().find_map(|act| {
        let target = document.get(act)?.as_str()?;
        Some(format!("{act} {target}"))
    });
    written.unwrap_or_else(|| "nothing".to_owned())
}

/// What is lost by it, in the words of the document.
pub fn destroys(operation: &Operation) -> Vec<String> {
    let overwrites = operation.overwrites.iter().map(|data| {
        let data = serde_json::to_value(data).unwrap_or_default();
        format!("{} as they are now", data.as_str().unwrap_or_default())
    });
    operation
        .destroys
        .iter()
        .cloned()
        .chain(overwrites)
        .collect()
}

/// What has to be said about operations: who has to approve them, which approvals do not count, which are over.
pub fn diagnose(desired: &Desired, today: Date, text_of: &TextOf<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for customer in desired.customers.values() {
        for (id, operation) in &customer.operations {
            let machines = (&customer.id, &customer.servers);
            let standing = judge(&desired.head, machines, id, operation, today);
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
                Standing::NotAnOwner { .. }
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

#[cfg(test)]
mod tests;
