//! `tenantry explain`: how far an order or server is, and why not further, in sentences; or what the code of a diagnostic means.

use super::Outcome;
use super::output::{json, say};
use super::status::{HubUrl, fetch};
use anyhow::bail;
use serde::Serialize;
use tenantry_planner::codes::{self, Page};
use tenantry_planner::status::{FleetStatus, FrozenScope, OrderStatus, ServerStatus};
use tenantry_schema::id::CustomerId;

/// Arguments of `explain`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A customer, `customer/order`, `customer/server`, or the code of a diagnostic: T0107.
    name: String,
    /// For programs: what the status says of it, or the page of a code.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    hub: HubUrl,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    if let Some(number) = code(&args.name) {
        return match codes::page(number) {
            Some(page) if args.json => shown(&page),
            Some(page) => {
                say(page.text());
                Ok(Outcome::Clean)
            }
            None => bail!(
                "there is no code `{}`; docs/reference/diagnostics.md lists them all",
                args.name
            ),
        };
    }
    let status = fetch(&args.hub)?;
    if args.json {
        return about(&status, &args.name);
    }
    match tenantry_planner::explain::explain(&status, &args.name) {
        Some(text) => {
            say(text);
            Ok(Outcome::Clean)
        }
        None => bail!(
            "nothing is called `{}`; `tenantry status` lists orders and servers",
            args.name
        ),
    }
}

/// The number of a code as people write it: `T0107`, `t107`. No customer is called so by chance: `customer/order` has a slash, and a customer of
/// that name can be looked at by its orders.
fn code(text: &str) -> Option<u16> {
    let digits = text.strip_prefix(['T', 't'])?;
    let good = (3..=4).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    digits.parse().ok().filter(|_| good)
}

#[derive(Serialize)]
struct Explained<'p> {
    code: tenantry_schema::diagnostic::Code,
    title: &'p str,
    meaning: &'p str,
    wrong: Vec<File<'p>>,
    right: Vec<File<'p>>,
}

#[derive(Serialize)]
struct File<'p> {
    path: &'p str,
    text: &'p str,
}

/// What a hub says of a customer, an order or a server.
#[derive(Serialize)]
struct About<'s> {
    orders: Vec<&'s OrderStatus>,
    servers: Vec<&'s ServerStatus>,
    frozen: Vec<&'s FrozenScope>,
}

fn about(status: &FleetStatus, name: &str) -> anyhow::Result<Outcome> {
    let (customer, rest) = match name.split_once('/') {
        Some((customer, rest)) => (customer, Some(rest)),
        None => (name, None),
    };
    let is = |whose: &CustomerId, id: &str| {
        whose.as_str() == customer && rest.is_none_or(|rest| rest == id)
    };
    let orders = status.orders.iter();
    let servers = status.servers.iter();
    let frozen = status.frozen.iter();
    let about = About {
        orders: orders
            .filter(|order| is(&order.customer, order.order.as_str()))
            .map(AsRef::as_ref)
            .collect(),
        servers: servers
            .filter(|server| is(&server.customer, server.server.as_str()))
            .map(AsRef::as_ref)
            .collect(),
        frozen: frozen
            .filter(|frozen| {
                frozen
                    .customer
                    .as_ref()
                    .is_none_or(|id| id.as_str() == customer)
            })
            .collect(),
    };
    let frozen = about.frozen.iter().any(|frozen| frozen.customer.is_some());
    if about.orders.is_empty() && about.servers.is_empty() && !frozen {
        bail!("nothing is called `{name}`; `tenantry status` lists orders and servers");
    }
    json(&about)?;
    Ok(Outcome::Clean)
}

fn shown(page: &Page) -> anyhow::Result<Outcome> {
    let files = |examples: &[codes::Example]| {
        let file = |example: &codes::Example| File {
            path: example.path,
            text: example.text,
        };
        examples.iter().map(file).collect()
    };
    json(&Explained {
        code: page.code,
        title: page.title,
        meaning: page.meaning,
        wrong: files(&page.wrong),
        right: files(&page.right),
    })?;
    Ok(Outcome::Clean)
}
