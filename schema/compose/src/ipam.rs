//! Address ranges of networks and fixed addresses in them: types and reading.

use crate::pairs::pairs;
use crate::reader::{At, Fields, is_opaque};
use crate::values::Pairs;
use std::net::IpAddr;

/// Who gives out the addresses of a network, and from where.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ipam {
    /// The engine's driver; `None` for its default.
    pub driver: Option<String>,
    /// Ranges.
    pub pools: Vec<Pool>,
    /// The driver's options.
    pub options: Pairs,
}

/// A range of addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pool {
    /// Such as `10.1.0.0/24`.
    pub subnet: Option<String>,
    /// The part of it that is given out.
    pub ip_range: Option<String>,
    /// Address of the way out.
    pub gateway: Option<String>,
    /// Addresses that are kept out, by name.
    pub aux_addresses: Pairs,
}

pub(crate) fn read(at: &At<'_>) -> Ipam {
    let Some(fields) = at.fields(&["driver", "config", "options"], &[]) else {
        return Ipam::default();
    };
    let items = fields.get("config").and_then(At::items).unwrap_or_default();
    Ipam {
        driver: fields.owned("driver"),
        pools: items.iter().filter_map(pool).collect(),
        options: fields
            .get("options")
            .map(|at| pairs(at, false))
            .unwrap_or_default(),
    }
}

fn pool(at: &At<'_>) -> Option<Pool> {
    let fields = at.fields(&["subnet", "ip_range", "gateway", "aux_addresses"], &[])?;
    let range = |key: &str| {
        let at = fields.get(key)?;
        at.parse("a range such as `10.1.0.0/24`", String::new(), |text| {
            is_range(text).then(|| text.to_owned())
        })
    };
    let pool = Pool {
        subnet: range("subnet"),
        ip_range: range("ip_range"),
        gateway: address(&fields, "gateway").map(|ip| ip.to_string()),
        aux_addresses: fields
            .get("aux_addresses")
            .map(|at| pairs(at, false))
            .unwrap_or_default(),
    };
    if pool.subnet.is_none() && (pool.ip_range.is_some() || pool.gateway.is_some()) {
        at.invalid("`ip_range` and `gateway` need a `subnet`");
    }
    if let Some(at) = fields.get("aux_addresses") {
        let wrong = |(_, text): (&str, &str)| !is_opaque(text) && text.parse::<IpAddr>().is_err();
        if pool.aux_addresses.iter().any(wrong) {
            at.invalid("an auxiliary address is not an IP address");
        }
    }
    Some(pool)
}

/// An IP address under a key.
pub(crate) fn address(fields: &Fields<'_>, key: &str) -> Option<IpAddr> {
    let at = fields.get(key)?;
    let sample = Some(IpAddr::from([192, 0, 2, 1]));
    at.parse("an IP address", sample, |text| text.parse().ok().map(Some))?
}

fn is_range(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else {
        return false;
    };
    let most = match address.parse() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    let plain = bits.bytes().all(|b| b.is_ascii_digit());
    plain && bits.parse::<u8>().is_ok_and(|bits| bits <= most)
}
