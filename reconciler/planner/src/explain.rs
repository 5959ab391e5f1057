//! One order or server told in sentences: how far it is, and why not further (law 12).

use crate::codes;
use crate::status::{FleetStatus, FrozenScope, OrderStatus, ServerStatus};
use std::fmt::Write as _;
use tenantry_schema::Diagnostic;

/// Tells about `name`: `customer/order`, `customer/server`, or a customer. None where there is no such thing.
pub fn explain(status: &FleetStatus, name: &str) -> Option<String> {
    let (customer, rest) = name
        .split_once('/')
        .map_or((name, None), |(customer, rest)| (customer, Some(rest)));
    let mut out = String::new();
    for order in &status.orders {
        if order.customer.as_str() == customer
            && rest.is_none_or(|rest| order.order.as_str() == rest)
        {
            explain_order(&mut out, order);
        }
    }
    for server in &status.servers {
        if server.customer.as_str() == customer
            && rest.is_none_or(|rest| server.server.as_str() == rest)
        {
            explain_server(&mut out, server);
        }
    }
    for frozen in status.frozen.iter().filter(|frozen| {
        frozen
            .customer
            .as_ref()
            .is_none_or(|id| id.as_str() == customer)
    }) {
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
        let _ = writeln!(
            out,
            "{who} stays at {stays}, because of {} error(s):",
            frozen.errors
        );
        let errors = || status.diagnostics.iter().filter(|found| found.is_error());
        let mut told = false;
        for diagnostic in errors().filter(|found| concerns(&found.place.file, frozen)) {
            told = true;
            let _ = write!(out, "{}", diagnostic.render());
        }
        // Whose own documents are good stays because of what goes beyond the policy. That is said where the policy stands.
        let held = |found: &&Diagnostic| found.code.0 == codes::TOO_MUCH_GOES;
        for diagnostic in errors().filter(held).filter(|_| !told) {
            let _ = write!(out, "{}", diagnostic.render());
        }
    }
    (!out.is_empty()).then_some(out)
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

fn explain_order(out: &mut String, order: &OrderStatus) {
    let _ = writeln!(
        out,
        "order {}/{}: {}, {}",
        order.customer,
        order.order,
        word(&order.phase),
        word(&order.health)
    );
    let server = order
        .server
        .as_ref()
        .map_or("no server yet".to_owned(), |server| {
            format!("server {server}")
        });
    let _ = writeln!(
        out,
        "  plan {}, domain {}, {server}",
        order.plan, order.domain
    );
    for tool in &order.tools {
        let pin = tool.pin.as_deref().unwrap_or("not decided");
        let _ = writeln!(
            out,
            "  {}: {}, version {pin}, {}",
            tool.tool,
            word(&tool.health),
            tool.urls.join(" ")
        );
    }
    for reason in &order.waiting {
        let _ = writeln!(out, "  waits: {reason}");
    }
}

fn explain_server(out: &mut String, server: &ServerStatus) {
    let sync = if server.in_sync {
        "agrees with its slice"
    } else {
        "does not agree with its slice yet"
    };
    let _ = writeln!(
        out,
        "server {}/{}: {}, {sync}",
        server.customer,
        server.server,
        word(&server.health)
    );
    let generation =
        |number: Option<u64>| number.map_or("none".to_owned(), |number| number.to_string());
    let _ = writeln!(
        out,
        "  slice published: {}, accepted: {}",
        generation(server.published),
        generation(server.accepted)
    );
    for instance in &server.instances {
        let message = instance
            .message
            .as_deref()
            .map_or(String::new(), |message| format!(": {message}"));
        let _ = writeln!(
            out,
            "  {} is {}{message}",
            instance.name,
            word(&instance.phase)
        );
    }
    for reason in &server.waiting {
        let _ = writeln!(out, "  waits: {reason}");
    }
}

/// An enum's name as it stands in JSON, for people.
pub fn word<T: serde::Serialize>(value: &T) -> String {
    let text = serde_json::to_value(value)
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default();
    text.replace('_', " ")
}
