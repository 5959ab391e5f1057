//! Published and exposed ports: the type, and both syntaxes of Compose.

use crate::reader::{At, is_opaque};
use std::fmt;
use std::net::IpAddr;

/// Widest range such as `8000-8010`; each port becomes an entry of its own.
const MAX_RANGE: u16 = 256;

/// Transport protocol of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// TCP, the default.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        })
    }
}

fn protocol(text: &str) -> Option<Protocol> {
    match text {
        "tcp" => Some(Protocol::Tcp),
        "udp" => Some(Protocol::Udp),
        "sctp" => Some(Protocol::Sctp),
        _ => None,
    }
}

/// A port of a container, reachable from outside of its networks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Port {
    /// Port in the container.
    pub target: u16,
    /// Port of the server; `None` lets the engine choose one.
    pub published: Option<u16>,
    /// Address of the server; `None` means all of them.
    pub host_ip: Option<IpAddr>,
    /// Transport protocol.
    pub protocol: Protocol,
    /// Name given in the long syntax; for people.
    pub name: Option<String>,
    /// Application protocol given in the long syntax; for people.
    pub app_protocol: Option<String>,
}

/// A port that only other containers reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Exposed {
    /// Port in the container.
    pub target: u16,
    /// Transport protocol.
    pub protocol: Protocol,
}

/// Reads `ports`.
pub(crate) fn read(at: &At<'_>) -> Vec<Port> {
    let mut ports = Vec::new();
    for item in at.items().unwrap_or_default() {
        let read = read_one(&item);
        if item.may_change() {
            let published = read.iter().filter_map(|port| port.published);
            published.for_each(|port| item.cx.doubt_port(port));
        }
        ports.extend(read);
    }
    ports
}

fn read_one(at: &At<'_>) -> Vec<Port> {
    if at.node.as_mapping().is_some() {
        return long(at).into_iter().collect();
    }
    let Some(text) = at.node.as_str().filter(|_| !at.is_null()) else {
        at.wrong_type("a port such as \"8080:80\"");
        return Vec::new();
    };
    short(text, at).unwrap_or_else(|message| {
        at.invalid_with(
            message,
            "write \"[address:][server port:]container port[/protocol]\", for example \"127.0.0.1:8080:80\"",
        );
        Vec::new()
    })
}

/// Reads `expose`.
pub(crate) fn read_exposed(at: &At<'_>) -> Vec<Exposed> {
    let mut exposed = Vec::new();
    for item in at.items().unwrap_or_default() {
        let text = match item.node.as_str() {
            Some(text) if !item.is_null() => text,
            _ => {
                item.wrong_type("a port");
                continue;
            }
        };
        match with_protocol(text, &item) {
            Ok((range, protocol)) => {
                exposed.extend(range.into_iter().map(|target| Exposed { target, protocol }));
            }
            Err(message) => item.invalid(message),
        }
    }
    exposed
}

fn short(text: &str, at: &At<'_>) -> Result<Vec<Port>, &'static str> {
    let (host, container) = match text.rsplit_once(':') {
        Some((host, container)) => (Some(host), container),
        None => (None, text),
    };
    let (targets, protocol) = with_protocol(container, at)?;
    let (host_ip, published) = match host {
        None => (None, None),
        Some(host) => match host.rsplit_once(':') {
            Some((ip, port)) => (address(ip, at)?, Some(port)),
            None => (None, Some(host)),
        },
    };
    let published: Vec<Option<u16>> = match published {
        // `127.0.0.1::80`: the engine chooses.
        None | Some("") => vec![None; targets.len()],
        Some(text) => range(text, at)?.into_iter().map(Some).collect(),
    };
    if published.len() != targets.len() {
        return Err("the ranges of server ports and container ports differ in length");
    }
    Ok(targets
        .into_iter()
        .zip(published)
        .map(|(target, published)| Port {
            target,
            published,
            host_ip,
            protocol,
            name: None,
            app_protocol: None,
        })
        .collect())
}

fn address(text: &str, at: &At<'_>) -> Result<Option<IpAddr>, &'static str> {
    if is_opaque(text) && at.cx.values.are_samples() {
        return Ok(None);
    }
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
        .unwrap_or(text);
    bare.parse()
        .map(Some)
        .map_err(|_| "the part before the ports is not an IP address")
}

fn with_protocol(text: &str, at: &At<'_>) -> Result<(Vec<u16>, Protocol), &'static str> {
    let (ports, protocol) = match text.rsplit_once('/') {
        None => (text, Protocol::Tcp),
        Some((ports, name)) if is_opaque(name) => (ports, Protocol::Tcp),
        Some((ports, name)) => {
            let known = protocol(name).ok_or("the protocol is `tcp`, `udp` or `sctp`")?;
            (ports, known)
        }
    };
    Ok((range(ports, at)?, protocol))
}

fn range(text: &str, at: &At<'_>) -> Result<Vec<u16>, &'static str> {
    if is_opaque(text) {
        return Ok(vec![at.cx.sample_port()]);
    }
    let (first, last) = match text.split_once('-') {
        None => (number(text)?, number(text)?),
        Some((first, last)) => (number(first)?, number(last)?),
    };
    if first > last {
        return Err("the range of ports ends before it begins");
    }
    if last - first >= MAX_RANGE {
        return Err("a range of more than 256 ports");
    }
    Ok((first..=last).collect())
}

fn number(text: &str) -> Result<u16, &'static str> {
    const BAD: &str = "a port is a number from 1 to 65535";
    if text.starts_with('+') {
        return Err(BAD);
    }
    match text.parse() {
        Ok(0) | Err(_) => Err(BAD),
        Ok(port) => Ok(port),
    }
}

fn long(at: &At<'_>) -> Option<Port> {
    let known = [
        "target",
        "published",
        "host_ip",
        "protocol",
        "mode",
        "name",
        "app_protocol",
    ];
    let fields = at.fields(&known, &[])?;
    let port = |at: &At<'_>| {
        let sample = if at.is_opaque() {
            at.cx.sample_port()
        } else {
            0
        };
        at.parse("a port from 1 to 65535", sample, |text| number(text).ok())
    };
    let Some(target) = fields.get("target") else {
        at.invalid("the port needs a `target`, the port in the container");
        return None;
    };
    let target = port(target);
    let published = match fields.get("published") {
        Some(published) => Some(port(published)?),
        None => None,
    };
    let host_ip = match fields.get("host_ip") {
        Some(ip) if ip.is_opaque() => None,
        Some(ip) => ip.parse("an IP address", None, |text| Some(Some(text.parse().ok()?)))?,
        None => None,
    };
    let protocol = match fields.get("protocol") {
        Some(name) => name.parse("`tcp`, `udp` or `sctp`", Protocol::Tcp, protocol)?,
        None => Protocol::Tcp,
    };
    if let Some(mode) = fields.get("mode") {
        mode.parse("`host` or `ingress`", (), |text| {
            matches!(text, "host" | "ingress").then_some(())
        });
    }
    Some(Port {
        target: target?,
        published,
        host_ip,
        protocol,
        name: fields.owned("name"),
        app_protocol: fields.owned("app_protocol"),
    })
}
