//! Servers whose documents name one address. A server is one machine, so one of them is wrong.

use crate::codes;
use crate::desired::{CustomerDesired, Desired};
use crate::input::{TextOf, locate};
use std::collections::BTreeMap;
use std::net::IpAddr;
use tenantry_schema::Diagnostic;
use tenantry_schema::id::{ServerId, ServerKey};

/// So many others are pointed at; the rest is counted.
const SHOWN: usize = 3;

/// The address at which others reach a server, if it has one: all servers of a laboratory can be at this machine.
pub fn public(address: IpAddr) -> Option<IpAddr> {
    let address = address.to_canonical();
    (!address.is_loopback() && !address.is_unspecified()).then_some(address)
}

/// The public addresses of a customer's servers.
pub fn of(customer: &CustomerDesired) -> impl Iterator<Item = (&ServerId, IpAddr)> {
    let servers = customer.servers.iter();
    servers.filter_map(|(id, server)| Some((id, public(server.address)?)))
}

/// What is said of addresses that several servers name: at each of them, with the others.
pub fn shared(desired: &Desired, text_of: &TextOf<'_>) -> Vec<Diagnostic> {
    let mut at: BTreeMap<IpAddr, Vec<ServerKey>> = BTreeMap::new();
    for customer in desired.customers.values() {
        for (server, address) in of(customer) {
            let (customer, server) = (customer.id.clone(), server.clone());
            at.entry(address)
                .or_default()
                .push(ServerKey { customer, server });
        }
    }
    at.retain(|_, servers| servers.len() > 1);
    let mut found = Vec::new();
    for (address, servers) in &at {
        for server in servers {
            let others = servers.iter().filter(|other| *other != server);
            found.push(warn(*address, server, &others.collect::<Vec<_>>(), text_of));
        }
    }
    found
}

fn warn(
    address: IpAddr,
    server: &ServerKey,
    others: &[&ServerKey],
    text_of: &TextOf<'_>,
) -> Diagnostic {
    let place = |server: &ServerKey| locate(text_of, &path(server), &["address"], false);
    let names: Vec<String> = others.iter().take(SHOWN).map(ToString::to_string).collect();
    let more = match others.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let message = format!(
        "server {server} is at {address}, like {}{more}",
        names.join(", ")
    );
    let mut warning = Diagnostic::warning(codes::SAME_ADDRESS, place(server), message)
        .label("another server's as well")
        .note("a server is one machine: correct the one that is wrong, or take away the document of the server that is gone");
    for other in others.iter().take(SHOWN) {
        warning = warning.related(place(other), format!("server {other}"));
    }
    warning
}

fn path(server: &ServerKey) -> String {
    let ServerKey { customer, server } = server;
    format!("fleet/customers/{customer}/servers/{server}.yaml")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_in_two_notations_is_one_and_this_machine_is_nobodys() {
        let at = |text: &str| public(text.parse().unwrap());
        assert_eq!(at("::ffff:192.0.2.7"), at("192.0.2.7"));
        assert!(at("192.0.2.7").is_some() && at("10.0.0.7").is_some());
        for nobodys in ["127.0.0.1", "127.9.9.9", "::1", "0.0.0.0", "::"] {
            assert_eq!(at(nobodys), None, "{nobodys}");
        }
    }
}
