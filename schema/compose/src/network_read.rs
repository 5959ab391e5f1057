//! Reading how a service is connected: networks, network mode, further hosts, name servers.

use crate::ipam::address;
use crate::keys;
use crate::names::{NetworkName, ServiceName};
use crate::pairs::pairs;
use crate::reader::{At, Fields, is_opaque};
use crate::service::{Attachment, NetworkMode};
use std::collections::BTreeMap;
use std::net::IpAddr;

pub(crate) fn extra_hosts(at: &At<'_>) -> Vec<(String, String)> {
    let mut hosts = Vec::new();
    let help = "write \"name:address\" or \"name=address\"";
    let mut add = |at: &At<'_>, name: &str, address: &str| {
        let bare = address.trim_start_matches('[').trim_end_matches(']');
        let fine = is_opaque(address) || bare == "host-gateway" || bare.parse::<IpAddr>().is_ok();
        if fine && !name.is_empty() {
            hosts.push((name.to_owned(), bare.to_owned()));
        } else {
            at.invalid_with("not a host name with an IP address", help);
        }
    };
    if at.node.as_mapping().is_some() {
        for (name, _, at) in at.entries().unwrap_or_default() {
            for address in at.texts(true).unwrap_or_default() {
                add(&at, name, &address);
            }
        }
        return hosts;
    }
    for item in at.items().unwrap_or_default() {
        let Some(text) = item.text() else { continue };
        match text.split_once('=').or_else(|| text.split_once(':')) {
            Some((name, address)) => add(&item, name, address),
            None if is_opaque(text) => {}
            None => item.invalid_with("not a host name with an IP address", help),
        }
    }
    hosts
}

pub(crate) fn dns(at: &At<'_>) -> Vec<IpAddr> {
    let single = at.node.as_sequence().is_none();
    let items = if single {
        vec![at.clone()]
    } else {
        at.items().unwrap_or_default()
    };
    items
        .iter()
        .filter(|item| !item.is_opaque())
        .filter_map(|item| item.parse("an IP address", None, |text| text.parse().ok().map(Some)))
        .flatten()
        .collect()
}

pub(crate) fn networks(fields: &Fields<'_>) -> (NetworkMode, BTreeMap<NetworkName, Attachment>) {
    let mut joined = BTreeMap::new();
    if let Some(mode) = fields.get("network_mode") {
        if fields.get("networks").is_some() {
            mode.invalid("`network_mode` and `networks` exclude each other");
        }
        return (network_mode(mode).unwrap_or(NetworkMode::None), joined);
    }
    let mut join =
        |at: &At<'_>, name: &str, attachment: Attachment| match NetworkName::try_from(name) {
            Ok(name) => {
                joined.insert(name, attachment);
            }
            Err(_) if is_opaque(name) => {}
            Err(error) => at.invalid(error.to_string()),
        };
    match fields.get("networks") {
        Some(at) if at.node.as_mapping().is_some() => {
            for (name, _, at) in at.entries().unwrap_or_default() {
                let mut attachment = Attachment::default();
                if !at.is_null()
                    && let Some(fields) = at.fields(ATTACHMENT, keys::ATTACHMENT_REFUSED)
                {
                    attachment = self::attachment(&fields);
                }
                join(&at, name, attachment);
            }
        }
        Some(at) => {
            for item in at.items().unwrap_or_default() {
                if let Some(name) = item.text() {
                    join(&item, name, Attachment::default());
                }
            }
        }
        None => {}
    }
    if joined.is_empty()
        && let Ok(default) = NetworkName::try_from("default")
    {
        joined.insert(default, Attachment::default());
    }
    (NetworkMode::Networks, joined)
}

/// Keys below `networks` of a service.
const ATTACHMENT: &[&str] = &[
    "aliases",
    "driver_opts",
    "ipv4_address",
    "ipv6_address",
    "link_local_ips",
    "priority",
];

fn attachment(fields: &Fields<'_>) -> Attachment {
    let of_kind = |key: &str, wanted: &str, right: fn(&IpAddr) -> bool| {
        let ip = address(fields, key)?;
        let at = fields.get(key)?;
        if right(&ip) || at.is_opaque() {
            return Some(ip);
        }
        at.wrong_type(wanted);
        None
    };
    Attachment {
        aliases: fields
            .get("aliases")
            .and_then(|at| at.texts(false))
            .unwrap_or_default(),
        ipv4: of_kind("ipv4_address", "an IPv4 address", IpAddr::is_ipv4),
        ipv6: of_kind("ipv6_address", "an IPv6 address", IpAddr::is_ipv6),
        link_local: fields.get("link_local_ips").map(dns).unwrap_or_default(),
        priority: fields.get("priority").and_then(At::integer).unwrap_or(0),
        driver_opts: fields
            .get("driver_opts")
            .map(|at| pairs(at, false))
            .unwrap_or_default(),
    }
}

fn network_mode(at: &At<'_>) -> Option<NetworkMode> {
    let text = at.text()?;
    match text {
        "host" => Some(NetworkMode::Host),
        "none" => Some(NetworkMode::None),
        "bridge" => Some(NetworkMode::Bridge),
        _ => {
            let service = text.strip_prefix("service:");
            let name = service.and_then(|name| ServiceName::try_from(name).ok());
            if name.is_none() {
                at.unsupported("this `network_mode` is not supported: possible are `host`, `none`, `bridge` and `service:name`");
            }
            name.map(NetworkMode::Service)
        }
    }
}
