//! One order, server or operation told in sentences: how far it is, and why not further (law 12).

use crate::codes;
use crate::operations::{OperationStatus, Progress};
use crate::status::{FleetStatus, FrozenScope, OrderStatus, ServerStatus};
use crate::waiting::WaitingOn;
use serde::Serialize;
use std::fmt;
use tenantry_schema::Diagnostic;
use tenantry_schema::id::CustomerId;

/// What a state says of a customer, an order, a server or an operation.
#[derive(Debug, Serialize)]
pub struct About<'s> {
    /// Orders.
    pub orders: Vec<&'s OrderStatus>,
    /// Servers.
    pub servers: Vec<&'s ServerStatus>,
    /// Operations.
    pub operations: Vec<&'s OperationStatus>,
    /// What stays at an earlier commit: the customer, or the whole fleet.
    pub frozen: Vec<&'s FrozenScope>,
    /// What is wrong with the commit.
    #[serde(skip)]
    diagnostics: &'s [Diagnostic],
}

/// What `status` says of `name`: `customer/order`, `customer/server`, `customer/operation`, or a customer. None where there is no such thing.
pub fn about<'s>(status: &'s FleetStatus, name: &str) -> Option<About<'s>> {
    let (customer, rest) = name
        .split_once('/')
        .map_or((name, None), |(customer, rest)| (customer, Some(rest)));
    let is = |whose: &CustomerId, id: &str| {
        whose.as_str() == customer && rest.is_none_or(|rest| rest == id)
    };
    let orders = status.orders.iter().map(AsRef::as_ref);
    let servers = status.servers.iter().map(AsRef::as_ref);
    let operations = status.operations.iter().map(AsRef::as_ref);
    let concerned = |frozen: &&FrozenScope| {
        let whose = frozen.customer.as_ref();
        whose.is_none_or(|id| id.as_str() == customer)
    };
    let about = About {
        orders: orders
            .filter(|order: &&OrderStatus| is(&order.customer, order.order.as_str()))
            .collect(),
        servers: servers
            .filter(|server: &&ServerStatus| is(&server.customer, server.server.as_str()))
            .collect(),
        operations: operations
            .filter(|one: &&OperationStatus| is(&one.customer, one.operation.as_str()))
            .collect(),
        frozen: status.frozen.iter().filter(concerned).collect(),
        diagnostics: &status.diagnostics,
    };
    let known = !about.orders.is_empty()
        || !about.servers.is_empty()
        || !about.operations.is_empty()
        || about.frozen.iter().any(|frozen| frozen.customer.is_some());
    known.then_some(about)
}

impl fmt::Display for About<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for order in &self.orders {
            explain_order(f, order)?;
        }
        for server in &self.servers {
            explain_server(f, server)?;
        }
        for operation in &self.operations {
            explain_operation(f, operation)?;
        }
        for frozen in &self.frozen {
            self.explain_frozen(f, frozen)?;
        }
        Ok(())
    }
}

impl About<'_> {
    fn explain_frozen(&self, f: &mut fmt::Formatter<'_>, frozen: &FrozenScope) -> fmt::Result {
        let stays = frozen
            .stays_at
            .as_deref()
            .map_or("nothing (it was never good)".to_owned(), |id| {
                format!("commit {}", short(id))
            });
        let who = frozen
            .customer
            .as_ref()
            .map_or("the fleet".to_owned(), |id| format!("customer {id}"));
        writeln!(
            f,
            "{who} stays at {stays}, because of {} error(s):",
            frozen.errors
        )?;
        let errors = || self.diagnostics.iter().filter(|found| found.is_error());
        let mut told = false;
        for diagnostic in errors().filter(|found| concerns(&found.place.file, frozen)) {
            told = true;
            f.write_str(&diagnostic.render())?;
        }
        // Whose own documents are good stays because of what goes beyond the policy. That is said where the policy stands.
        let held = |found: &&Diagnostic| found.code.0 == codes::TOO_MUCH_GOES;
        for diagnostic in errors().filter(held).filter(|_| !told) {
            f.write_str(&diagnostic.render())?;
        }
        Ok(())
    }
}

/// Whether a file belongs to what is frozen.
fn concerns(file: &str, frozen: &FrozenScope) -> bool {
    let mut parts = file.split('/');
    match (&frozen.customer, parts.next(), parts.next(), parts.next()) {
        (Some(id), Some("fleet"), Some("customers" | "decisions"), Some(name)) => {
            id.as_str() == name
        }
        (None, Some("fleet"), Some(_), None) => true,
        _ => false,
    }
}

/// The first digits of an object id.
pub fn short(id: &str) -> &str {
    id.get(..7).unwrap_or(id)
}

fn explain_order(f: &mut fmt::Formatter<'_>, order: &OrderStatus) -> fmt::Result {
    writeln!(
        f,
        "order {}/{}: {}, {}",
        order.customer,
        order.order,
        word(&order.phase),
        word(&order.health)
    )?;
    let server = order
        .server
        .as_ref()
        .map_or("no server yet".to_owned(), |server| {
            format!("server {server}")
        });
    writeln!(
        f,
        "  plan {}, domain {}, {server}",
        order.plan, order.domain
    )?;
    for tool in &order.tools {
        let pin = tool.pin.as_deref().unwrap_or("not decided");
        writeln!(
            f,
            "  {}: {}, version {pin}, {}",
            tool.tool,
            word(&tool.health),
            tool.urls.join(" ")
        )?;
    }
    waits(f, &order.waiting)
}

fn waits(f: &mut fmt::Formatter<'_>, reasons: &[WaitingOn]) -> fmt::Result {
    reasons
        .iter()
        .try_for_each(|reason| writeln!(f, "  waits: {reason}"))
}

fn explain_server(f: &mut fmt::Formatter<'_>, server: &ServerStatus) -> fmt::Result {
    let sync = if server.in_sync {
        "agrees with its slice"
    } else {
        "does not agree with its slice yet"
    };
    writeln!(
        f,
        "server {}/{}: {}, {sync}",
        server.customer,
        server.server,
        word(&server.health)
    )?;
    let generation =
        |number: Option<u64>| number.map_or("none".to_owned(), |number| number.to_string());
    writeln!(
        f,
        "  slice published: {}, accepted: {}",
        generation(server.published),
        generation(server.accepted)
    )?;
    let more = |message: &Option<String>| {
        let message = message.as_deref();
        message.map_or(String::new(), |message| format!(": {message}"))
    };
    for instance in &server.instances {
        let (name, phase) = (&instance.name, word(&instance.phase));
        writeln!(f, "  {name} is {phase}{}", more(&instance.message))?;
    }
    for (area, report) in &server.areas {
        let state = word(&report.state);
        writeln!(f, "  area {area} is {state}{}", more(&report.message))?;
    }
    waits(f, &server.waiting)
}

fn explain_operation(f: &mut fmt::Formatter<'_>, operation: &OperationStatus) -> fmt::Result {
    let OperationStatus {
        customer,
        operation: id,
        act,
        standing,
        reason,
        ..
    } = operation;
    writeln!(f, "operation {customer}/{id}: {act}, {standing}")?;
    writeln!(f, "  reason: {reason}")?;
    if !operation.destroys.is_empty() {
        writeln!(f, "  loses: {}", operation.destroys.join(", "))?;
    }
    if let Some(last) = operation.expires {
        writeln!(f, "  may be started until {last}")?;
    }
    match &operation.progress {
        Progress::NotStarted => {}
        progress => writeln!(f, "  {progress}")?,
    }
    waits(f, &operation.waiting)
}

/// An enum's name as it stands in JSON, for people.
pub fn word<T: Serialize>(value: &T) -> String {
    let text = serde_json::to_value(value)
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default();
    text.replace('_', " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// A state as a hub tells it.
    fn status() -> FleetStatus {
        let order = |customer: &str| {
            json!({
                "customer": customer, "order": "web", "plan": "pro", "domain": "acme.example", "phase": "fulfilled", "health": "healthy",
                "server": "one", "waiting": [], "tools": [], "fulfilled_at": null,
            })
        };
        let operation = |customer: &str, id: &str| {
            json!({
                "customer": customer, "operation": id, "act": "wipe one/umami", "destroys": ["its database", "its files"],
                "reason": "ticket 812", "expires": "2026-11-22", "standing": { "is": "unapproved" },
            })
        };
        serde_json::from_value(json!({
            "fleet_id": "test", "release": "1", "mode": { "mode": "active" }, "commit": null, "source_problem": null,
            "at": "2026-11-20T10:00:00Z",
            "totals": {
                "customers": 2, "orders": 2, "fulfilled": 2, "servers": 1, "healthy_servers": 1, "instances": 0, "healthy_instances": 0,
            },
            "orders": [order("acme"), order("globex")],
            "servers": [{
                "customer": "acme", "server": "one", "address": "192.0.2.1", "manage": "full", "health": "healthy", "last_seen": null,
                "agent": "1", "published": 7, "accepted": 7, "in_sync": true, "instances": [], "waiting": [], "refusals": [], "events": [],
                "unmanaged": [], "paused_until": null,
                "areas": { "firewall": { "state": "good", "message": "published to the world and kept shut" }, "swap": { "state": "good" } },
            }],
            "operations": [operation("acme", "2026-11-20-wipe"), operation("globex", "2026-11-20-wipe")],
            "frozen": [{ "customer": null, "stays_at": "0123456789abcdef", "errors": 1 }],
            "diagnostics": [],
        }))
        .unwrap()
    }

    #[test]
    fn a_customer_is_told_with_everything_of_theirs() {
        let status = status();
        let about = about(&status, "acme").unwrap();
        insta::assert_snapshot!(about, @r"
        order acme/web: fulfilled, healthy
          plan pro, domain acme.example, server one
        server acme/one: healthy, agrees with its slice
          slice published: 7, accepted: 7
          area firewall is good: published to the world and kept shut
          area swap is good
        operation acme/2026-11-20-wipe: wipe one/umami, no owner has approved it
          reason: ticket 812
          loses: its database, its files
          may be started until 2026-11-22
        the fleet stays at commit 0123456, because of 1 error(s):
        ");
        let json = serde_json::to_value(&about).unwrap();
        assert_eq!(json["operations"][0]["operation"], "2026-11-20-wipe");
        assert_eq!(json["operations"].as_array().unwrap().len(), 1);
        assert!(json["frozen"].is_array() && json.get("diagnostics").is_none());
    }

    #[test]
    fn an_operation_says_how_far_it_is_and_what_it_waits_for() {
        let mut status = status();
        let operation = std::sync::Arc::make_mut(&mut status.operations[0]);
        operation.progress = Progress::OutcomeUnknown {
            since: "2026-11-20T10:00:00Z".parse().unwrap(),
            why: "the agent was broken off while it was at work".into(),
        };
        operation.waiting = vec![WaitingOn::FirstContact {
            server: "one".try_into().unwrap(),
        }];
        let told = about(&status, "acme/2026-11-20-wipe").unwrap().to_string();
        assert!(
            told.contains("\n  started at 2026-11-20T10:00:00Z, and what came of it is not known (the agent was broken off while it was at work)")
                && told.contains("\n  waits: the agent on one has never reported"),
            "{told}"
        );
    }

    #[test]
    fn one_thing_is_told_alone_and_what_is_not_there_is_not_told() {
        let status = status();
        let told = |name: &str| {
            let about = about(&status, name)?;
            Some([
                about.orders.len(),
                about.servers.len(),
                about.operations.len(),
            ])
        };
        assert_eq!(told("acme/web"), Some([1, 0, 0]));
        assert_eq!(told("acme/one"), Some([0, 1, 0]));
        assert_eq!(told("acme/2026-11-20-wipe"), Some([0, 0, 1]));
        assert_eq!(told("globex"), Some([1, 0, 1]));
        // That the whole fleet stays where it is makes no customer of a name.
        assert_eq!(told("nobody"), None);
        assert_eq!(told("acme/other"), None);
    }
}
