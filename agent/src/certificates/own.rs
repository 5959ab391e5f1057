//! Certificates of our own: what keeps a site up until an authority issues one.

use super::Certificate;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use tenantry_schema::Secret;
use tenantry_schema::name::DomainName;

/// How long a certificate of our own is valid.
const VALID_DAYS: i64 = 90;

/// No certificate could be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot make a certificate for {host}")]
pub struct CertificateError {
    host: DomainName,
    source: rcgen::Error,
}

/// A new certificate of our own for `host` and the names `also`.
pub fn self_signed<'n>(
    host: &'n DomainName,
    also: impl IntoIterator<Item = &'n DomainName>,
    now: Timestamp,
) -> Result<Certificate, CertificateError> {
    let others = also.into_iter().filter(|name| *name != host);
    let names: Vec<String> = std::iter::once(host)
        .chain(others)
        .map(ToString::to_string)
        .collect();
    make(names, now).map_err(|source| CertificateError {
        host: host.clone(),
        source,
    })
}

fn make(names: Vec<String>, now: Timestamp) -> Result<Certificate, rcgen::Error> {
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = DistinguishedName::new();
    // The name itself may be longer than a common name can be.
    params
        .distinguished_name
        .push(DnType::CommonName, "self-signed by tenantry-agent");
    // A day back, for clients whose clock is behind.
    let (year, month, day) = date(now, -1);
    params.not_before = rcgen::date_time_ymd(year, month, day);
    let (year, month, day) = date(now, VALID_DAYS);
    params.not_after = rcgen::date_time_ymd(year, month, day);
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    Ok(Certificate {
        chain: certificate.pem(),
        key: Secret::new(key.serialize_pem()),
    })
}

/// The day so many days from now, in UTC.
fn date(now: Timestamp, days: i64) -> (i32, u8, u8) {
    let moved = now
        .checked_add(SignedDuration::from_hours(24 * days))
        .unwrap_or(now);
    let day = moved.to_zoned(TimeZone::UTC);
    (i32::from(day.year()), day.month() as u8, day.day() as u8)
}
