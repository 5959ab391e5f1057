//! What of networks and logs makes the engine, which is root, act on the server itself.

use super::Reach;
use crate::ipam::Ipam;
use crate::parts::Network;
use crate::reader::is_opaque;
use crate::resources::Logging;
use crate::service::Attachment;
use crate::values::Pairs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

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

/// Ranges for private networks, and how many bits of each are fixed: RFC 1918, section 3, and RFC 4193, section 3.1.
const PRIVATE: [(IpAddr, u32); 4] = [
    (IpAddr::V4(Ipv4Addr::new(10, 0, 0, 0)), 8),
    (IpAddr::V4(Ipv4Addr::new(172, 16, 0, 0)), 12),
    (IpAddr::V4(Ipv4Addr::new(192, 168, 0, 0)), 16),
    (IpAddr::V6(Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0)), 7),
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
    found.extend(addresses(&network.ipam).map(|what| ("ipam", what)));
    found
}

/// Whatever the server sends to an address in a range of the network, it sends to the containers there.
fn addresses(ipam: &Ipam) -> Option<String> {
    let driver = ipam.driver.as_deref().unwrap_or("default");
    if driver != "default" {
        return Some("an address driver of the server".to_owned());
    }
    let mut ranges = ipam.pools.iter().filter_map(|pool| pool.subnet.as_deref());
    let range = ranges.find(|range| !is_private(range))?;
    // The sample of one that depends on a value is empty.
    Some(if range.is_empty() || is_opaque(range) {
        "a range of addresses that depends on a value".to_owned()
    } else {
        format!(
            "the addresses `{range}`, which are no private ones (RFC 1918, RFC 4193) and could be those of somebody else"
        )
    })
}

/// Whether a range, such as `10.1.0.0/24`, is part of one that is for private networks.
fn is_private(range: &str) -> bool {
    let Some((Ok(address), Ok(bits))) = range
        .split_once('/')
        .map(|(address, bits)| (address.parse::<IpAddr>(), bits.parse::<u32>()))
    else {
        return false;
    };
    PRIVATE
        .iter()
        .any(|(private, length)| match (private, address) {
            (IpAddr::V4(private), IpAddr::V4(address)) => {
                bits >= *length && (private.to_bits() ^ address.to_bits()) >> (32 - length) == 0
            }
            (IpAddr::V6(private), IpAddr::V6(address)) => {
                bits >= *length && (private.to_bits() ^ address.to_bits()) >> (128 - length) == 0
            }
            _ => false,
        })
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_range_is_private_as_a_whole_or_not() {
        for private in [
            "10.0.0.0/8",
            "10.255.1.0/24",
            "172.16.0.0/12",
            "172.31.255.0/24",
            "192.168.0.0/16",
            "192.168.7.7/32",
            "fc00::/7",
            "fd12:3456::/48",
        ] {
            assert!(is_private(private), "{private}");
        }
        for other in [
            "8.8.8.0/24",
            "10.0.0.0/7",
            "0.0.0.0/0",
            "172.32.0.0/16",
            "172.16.0.0/11",
            "192.168.0.0/15",
            "100.64.0.0/10",
            "169.254.169.0/24",
            "2001:db8::/32",
            "::/0",
            "fc00::/6",
            "fe80::/64",
            "::ffff:10.0.0.0/104",
            "10.0.0.0",
            "",
        ] {
            assert!(!is_private(other), "{other}");
        }
    }

    proptest! {
        /// What the standard library knows of addresses holds for every address of a range that is let through.
        #[test]
        fn no_public_address_is_let_through(address: u32, bits in 0u32..=32, within: u32) {
            let range = format!("{}/{bits}", Ipv4Addr::from_bits(address));
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            let one = Ipv4Addr::from_bits(address & mask | within & !mask);
            prop_assert!(!is_private(&range) || one.is_private(), "{} in {}", one, range);
        }
    }
}
