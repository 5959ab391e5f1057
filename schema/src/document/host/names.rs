//! Names and values with a grammar of their own, as the operating system knows them.

use crate::json::text_schema;
use crate::name::text_type;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;

/// The text is not what belongs there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {what}")]
pub struct HostNameError {
    text: String,
    what: &'static str,
}

/// Longest of these texts, in bytes.
const LONGEST: usize = 200;

fn checked(text: &str, what: &'static str, good: bool) -> Result<Box<str>, HostNameError> {
    if good && text.len() <= LONGEST {
        Ok(text.into())
    } else {
        let text = text.chars().take(LONGEST).collect();
        Err(HostNameError { text, what })
    }
}

text_type!(
    /// The name of a Debian package (Debian Policy, 5.6.1).
    PackageName,
    HostNameError
);
text_schema!(PackageName, r"^[a-z0-9][a-z0-9+.-]{1,199}$", ["htop"]);

impl TryFrom<String> for PackageName {
    type Error = HostNameError;
    fn try_from(text: String) -> Result<Self, HostNameError> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let good = text.len() >= 2
            && text.bytes().next().is_some_and(plain)
            && text.bytes().all(|b| plain(b) || b"+.-".contains(&b));
        checked(&text, "a Debian package, such as htop", good).map(Self)
    }
}

text_type!(
    /// A time zone of the IANA database, such as `Europe/Berlin`.
    TimeZone,
    HostNameError
);
text_schema!(
    TimeZone,
    r"^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z][A-Za-z0-9_+-]*){0,2}$",
    ["Etc/UTC", "Europe/Berlin"]
);

impl TryFrom<String> for TimeZone {
    type Error = HostNameError;
    fn try_from(text: String) -> Result<Self, HostNameError> {
        let part = |part: &str| {
            part.starts_with(|c: char| c.is_ascii_alphabetic())
                && part
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"_+-".contains(&b))
        };
        let good = text.split('/').count() <= 3 && text.split('/').all(part);
        checked(&text, "a time zone, such as Europe/Berlin", good).map(Self)
    }
}

text_type!(
    /// A setting of the kernel, such as `vm.swappiness`.
    SysctlName,
    HostNameError
);
text_schema!(
    SysctlName,
    r"^[a-z0-9_-]+(\.[A-Za-z0-9_-]+)+$",
    ["vm.swappiness"]
);

impl TryFrom<String> for SysctlName {
    type Error = HostNameError;
    fn try_from(text: String) -> Result<Self, HostNameError> {
        let part = |part: &str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
        };
        let first = text.split('.').next().unwrap_or_default();
        let good = text.contains('.')
            && text.split('.').all(part)
            && !first.bytes().any(|b| b.is_ascii_uppercase());
        checked(
            &text,
            "a setting of the kernel, such as vm.swappiness",
            good,
        )
        .map(Self)
    }
}

text_type!(
    /// The value of a setting of the kernel: one line, words separated by single spaces.
    SysctlValue,
    HostNameError
);
text_schema!(
    SysctlValue,
    ["string", "integer"],
    r"^[!-~]+( [!-~]+)*$",
    ["10"]
);

impl TryFrom<String> for SysctlValue {
    type Error = HostNameError;
    fn try_from(text: String) -> Result<Self, HostNameError> {
        // The kernel writes tabs where people write spaces.
        let words: Vec<_> = text.split_ascii_whitespace().collect();
        let plain = |word: &&str| word.bytes().all(|b| b.is_ascii_graphic());
        let good = !words.is_empty() && words.iter().all(plain) && !text.contains(['\n', '\r']);
        checked(&words.join(" "), "a value of the kernel, such as 10", good).map(Self)
    }
}

/// What ports carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

/// Ports of this machine that can be reached: `25`, `51820/udp`, `8000-8099/tcp`, `5432/tcp from 192.0.2.0/24`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Destination {
    /// What they carry.
    pub protocol: Protocol,
    /// The first.
    pub first: u16,
    /// The last; the first again where it is one.
    pub last: u16,
    /// From where alone: a network, and the length of its prefix.
    pub from: Option<(IpAddr, u8)>,
}

text_schema!(
    Destination,
    ["string", "integer"],
    r"^[1-9][0-9]{0,4}(-[1-9][0-9]{0,4})?(/(tcp|udp))?( from [0-9a-fA-F:.]+(/[0-9]{1,3})?)?$",
    ["25", "51820/udp", "5432/tcp from 192.0.2.0/24"]
);

impl TryFrom<String> for Destination {
    type Error = HostNameError;
    fn try_from(text: String) -> Result<Self, HostNameError> {
        read(&text).ok_or_else(|| HostNameError {
            text: text.chars().take(LONGEST).collect(),
            what: "a port that can be opened: write `25`, `51820/udp`, `8000-8099/tcp` or `5432/tcp from 192.0.2.0/24`",
        })
    }
}

fn read(text: &str) -> Option<Destination> {
    let (ports, from) = match text.split_once(" from ") {
        Some((ports, from)) => (ports, Some(network(from)?)),
        None => (text, None),
    };
    let (ports, protocol) = match ports.split_once('/') {
        None | Some((_, "tcp")) => (ports.strip_suffix("/tcp").unwrap_or(ports), Protocol::Tcp),
        Some((ports, "udp")) => (ports, Protocol::Udp),
        Some(_) => return None,
    };
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    let (first, last) = (port(first)?, port(last)?);
    (first <= last).then_some(Destination {
        protocol,
        first,
        last,
        from,
    })
}

fn port(text: &str) -> Option<u16> {
    let digits = !text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|port| digits && *port > 0)
}

/// Bits behind the prefix must be zero: a network that is written otherwise is a slip.
fn network(text: &str) -> Option<(IpAddr, u8)> {
    let (address, prefix) = text.split_once('/').unwrap_or((text, ""));
    let address: IpAddr = address.parse().ok()?;
    let (bits, length) = match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()) << 96, 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    };
    let prefix = match prefix {
        "" if !text.contains('/') => length,
        digits => digits
            .parse()
            .ok()
            .filter(|prefix| *prefix <= length && !digits.starts_with('+'))?,
    };
    let rest = bits.checked_shl(prefix.into()).unwrap_or_default();
    (rest == 0).then_some((address, prefix))
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.first)?;
        if self.last != self.first {
            write!(f, "-{}", self.last)?;
        }
        write!(f, "/{}", self.protocol)?;
        match self.from {
            Some((address, prefix)) => write!(f, " from {address}/{prefix}"),
            None => Ok(()),
        }
    }
}

impl From<Destination> for String {
    fn from(destination: Destination) -> Self {
        destination.to_string()
    }
}

impl Destination {
    /// Whether the port can be reached, from wherever.
    pub fn covers(&self, port: u16, protocol: Protocol) -> bool {
        self.protocol == protocol && (self.first..=self.last).contains(&port)
    }
}
