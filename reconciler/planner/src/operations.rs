//! Operations: which of them may be started, and who approved those that lose data.
//!
//! # What is signed
//! An owner's approval is an SSH signature (`ssh-keygen -Y sign -n tenantry-operation`) over [`to_sign`]: four lines that say what it is for, then
//! every key of the document but `approval` in alphabetical order, as `key: ` and its value in JSON without spaces. Comments, order and style of the
//! file are not part of it, nor is any commit: it holds through squashes, rebases and merges. Whatever else is changed voids it, and so does a
//! change of the server into another machine, or of the tool into another order's: `machine:` and `order:` are signed, and compared with what is there.

use crate::codes;
use crate::desired::{CustomerDesired, Desired};
use crate::documents::HeadDocuments;
use crate::input::{TextOf, locate};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::sync::Arc;
use tenantry_schema::document::{Operation, Role, Server, ServerTool};
use tenantry_schema::id::{CustomerId, FleetId, OperationId, OrderId, ServerId, StaffId};
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
    /// The tool is another order's than it was approved for.
    OtherOrder {
        /// Whose it was. None: the approval names nobody.
        was: Option<OrderId>,
        /// Whose it is.
        now: Vec<OrderId>,
    },
    /// Several orders have the tool there, and it does not say which is meant.
    Ambiguous {
        /// Which.
        orders: Vec<OrderId>,
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
            Self::OtherOrder { was, now } => {
                let was = was
                    .as_ref()
                    .map_or("of no order that it names".to_owned(), |was| {
                        format!("of order {was}")
                    });
                let now = listed(now);
                write!(
                    f,
                    "the tool is another order's than it was approved for: it was {was}, and is of order {now}"
                )
            }
            Self::Ambiguous { orders } => write!(
                f,
                "orders {} have this tool there: say whose is meant, with `order:`",
                listed(orders)
            ),
            Self::TooLong { on, most } => write!(
                f,
                "what loses data ends within {MOST_DAYS} days: {on} is too late, {most} is the last day"
            ),
            Self::Damaged { why } => write!(f, "the approval cannot be read: {why}"),
        }
    }
}

fn listed(orders: &[OrderId]) -> String {
    let names: Vec<&str> = orders.iter().map(OrderId::as_str).collect();
    names.join(" and ")
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

/// Which orders of one customer have which tool on which server.
pub type Tools = BTreeMap<ServerTool, Vec<OrderId>>;

/// What operations of a customer may name.
#[derive(Debug, Clone, Default)]
pub struct Property<'c> {
    machines: Cow<'c, Machines>,
    tools: Tools,
}

impl<'c> Property<'c> {
    /// What a customer has. An order has its tools where it was placed, and may have them anywhere until then.
    pub fn of(customer: &'c CustomerDesired) -> Self {
        let mut tools = Tools::new();
        for (id, order) in &customer.orders {
            let all = customer.servers.keys();
            let here = |server: &&ServerId| order.server.as_ref().is_none_or(|at| at == *server);
            for server in all.filter(here) {
                for tool in order.tools.keys() {
                    let (server, tool) = (server.clone(), tool.clone());
                    let orders = tools.entry(ServerTool { server, tool });
                    orders.or_default().push(id.clone());
                }
            }
        }
        let machines = Cow::Borrowed(&customer.servers);
        Self { machines, tools }
    }

    fn orders_with(&self, tool: &ServerTool) -> &[OrderId] {
        self.tools.get(tool).map_or(&[], Vec::as_slice)
    }

    /// An operation with everything that is signed beside what people wrote: the machine, and whose tool it is where that is no question.
    pub fn complete(&self, operation: &Operation) -> Operation {
        let written = operation.order.as_ref();
        let order = match operation.tool_of().map(|tool| self.orders_with(tool)) {
            Some(orders) if written.is_some_and(|written| orders.contains(written)) => written,
            Some([only]) => Some(only),
            _ => written,
        };
        Operation {
            order: order.cloned(),
            machine: machine_of(operation, &self.machines),
            ..operation.clone()
        }
    }

    /// Why nobody can say whose data is meant.
    fn unclear(&self, operation: &Operation) -> Option<Standing> {
        let orders = self.orders_with(operation.tool_of()?);
        (operation.order.is_none() && orders.len() > 1).then(|| Standing::Ambiguous {
            orders: orders.to_vec(),
        })
    }

    /// Why an approval does not count although it is an owner's: the machine is another one, or the tool another order's. What an order has left behind is
    /// still its own, until another has the tool there.
    fn differs(&self, operation: &Operation) -> Option<Standing> {
        operation.machine_of()?;
        let was = operation.machine.clone();
        let now = machine_of(operation, &self.machines);
        if now.is_none() || was != now {
            return Some(Standing::OtherMachine { was, now });
        }
        let now = self.orders_with(operation.tool_of()?);
        let same = |was: &OrderId| now.contains(was);
        let other = !now.is_empty() && !operation.order.as_ref().is_some_and(same);
        other.then(|| Standing::OtherOrder {
            was: operation.order.clone(),
            now: now.to_vec(),
        })
    }
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
        (customer, property): (&CustomerId, &Property<'_>),
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
            standing: judge(head, (customer, property), id, operation, today),
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
    let property = Property::of(customer);
    let all = customer.operations.iter();
    all.map(|(id, operation)| (id, operation.as_ref()))
        .filter(move |(id, operation)| {
            let whose = (&customer.id, &property);
            judge(head, whose, id, operation, today).may_start()
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

#[cfg(test)]
mod tests;
