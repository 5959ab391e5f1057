//! What of networks and logs makes the engine, which is root, act on the server itself.

use super::Reach;
use crate::ipam::Ipam;
use crate::parts::Network;
use crate::reader::is_opaque;
use crate::resources::Logging;
use crate::service::Attachment;
use crate::values::Pairs;

/// Log drivers that write files of the engine, or nothing. Others connect to sockets and servers that their options name.
const LOG_DRIVERS: [&str; 3] = ["json-file", "local", "none"];

/// Options of bridges that concern the network alone. Others name interfaces of the server, or open what its firewall closes.
const BRIDGE_OPTIONS: [&str; 4] = [
    "com.docker.network.bridge.enable_icc",
    "com.docker.network.bridge.enable_ip_masquerade",
    "com.docker.network.container_iface_prefix",
    "com.docker.network.driver.mtu",
];

/// Options of a container's own connection that stay inside of it.
const ENDPOINT_OPTIONS: [&str; 2] = [
    "com.docker.network.endpoint.ifname",
    "com.docker.network.endpoint.sysctls",
];

pub(super) fn network(network: &Network) -> Vec<Reach> {
    let mut found: Vec<Reach> = Vec::new();
    if network.external {
        found.push(("external", "a network of somebody else".to_owned()));
    } else if network.name.is_some() {
        let what = "a network by a name that another stack may have";
        found.push(("name", what.to_owned()));
    }
    let driver = network.driver.as_deref().unwrap_or("bridge");
    if !["bridge", "default"].contains(&driver) {
        found.push(("driver", "networks around the server's firewall".to_owned()));
    }
    if let Some(option) = other_than(&network.driver_opts, &BRIDGE_OPTIONS) {
        found.push(("driver_opts", of_option(option, "a network")));
    }
    if foreign_addresses(&network.ipam) {
        found.push(("ipam", "an address driver of the server".to_owned()));
    }
    found
}

fn foreign_addresses(ipam: &Ipam) -> bool {
    let driver = ipam.driver.as_deref().unwrap_or("default");
    driver != "default"
}

/// What a service's connection to a network asks for.
pub(super) fn attachment(attachment: &Attachment) -> Option<String> {
    other_than(&attachment.driver_opts, &ENDPOINT_OPTIONS)
        .map(|option| of_option(option, "a connection"))
}

/// Where the output of a service goes.
pub(super) fn logging(logging: &Logging) -> Option<String> {
    let driver = logging.driver.as_deref()?;
    if LOG_DRIVERS.contains(&driver) {
        None
    } else if is_opaque(driver) {
        Some("a log driver that depends on a value".to_owned())
    } else {
        Some(format!(
            "the log driver `{driver}`, which the server itself would connect with"
        ))
    }
}

fn other_than<'p>(options: &'p Pairs, allowed: &[&str]) -> Option<&'p str> {
    let mut names = options.iter().map(|(name, _)| name);
    names.find(|name| !allowed.contains(name))
}

fn of_option(option: &str, what: &str) -> String {
    if is_opaque(option) {
        format!("an option of {what} that depends on a value")
    } else {
        format!("the option `{option}` of {what}, which acts on the server")
    }
}
