//! Certificates: made by ourselves until an authority issues one, used while they are valid. Where they are kept is the web server's.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use tenantry_schema::Secret;
use tenantry_schema::name::DomainName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// How long a certificate of our own is valid.
const VALID_DAYS: i64 = 90;

/// A certificate and its key, both PEM.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// The certificate, then those above it.
    pub chain: String,
    /// The private key.
    pub key: Secret,
}

/// What matters about a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFacts {
    /// Valid from.
    pub from: Timestamp,
    /// Valid until.
    pub until: Timestamp,
    /// Signed by itself.
    pub self_signed: bool,
}

impl CertificateFacts {
    /// Whether it must be replaced: it is not valid now, or less than a third of its life is left.
    pub fn due(&self, now: Timestamp) -> bool {
        let life = self.until.duration_since(self.from);
        now < self.from || self.until.duration_since(now) < life / 3
    }
}

/// No certificate could be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot make a certificate for {host}")]
pub struct CertificateError {
    host: DomainName,
    source: rcgen::Error,
}

/// A new certificate of our own for `host`.
pub fn self_signed(host: &DomainName, now: Timestamp) -> Result<Certificate, CertificateError> {
    let make = || {
        let mut params = CertificateParams::new(vec![host.to_string()])?;
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
    };
    make().map_err(|source| CertificateError {
        host: host.clone(),
        source,
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

/// What is known of a certificate that is in use; `None` if it cannot be read, is for another name, or does not belong to the key.
pub fn inspect(chain: &[u8], key: &[u8], host: &DomainName) -> Option<CertificateFacts> {
    let (_, pem) = x509_parser::pem::parse_x509_pem(chain).ok()?;
    let (_, certificate) = X509Certificate::from_der(&pem.contents).ok()?;
    let names = certificate.subject_alternative_name().ok()??;
    let covers = names.value.general_names.iter().any(|name| {
        matches!(name, x509_parser::extensions::GeneralName::DNSName(name) if *name == host.as_str())
    });
    let key = KeyPair::from_pem(std::str::from_utf8(key).ok()?).ok()?;
    let fits = *certificate.public_key().subject_public_key.data == *key.public_key_raw();
    let validity = certificate.validity();
    (covers && fits).then_some(CertificateFacts {
        from: Timestamp::from_second(validity.not_before.timestamp()).ok()?,
        until: Timestamp::from_second(validity.not_after.timestamp()).ok()?,
        self_signed: certificate.issuer() == certificate.subject(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(name: &str) -> DomainName {
        name.try_into().unwrap()
    }

    #[test]
    fn made_inspected_and_due_after_two_thirds_of_its_life() {
        let now: Timestamp = "2026-11-21T10:00:00Z".parse().unwrap();
        let name = host(&format!("{0}.{0}.acme.example", "a".repeat(60)));
        let made = self_signed(&name, now).unwrap();
        let facts = inspect(made.chain.as_bytes(), made.key.expose().as_bytes(), &name).unwrap();
        assert!(facts.self_signed && !facts.due(now));
        assert_eq!(facts.until, "2027-02-19T00:00:00Z".parse().unwrap());
        assert!(!facts.due("2027-01-19T00:00:00Z".parse().unwrap()));
        assert!(facts.due("2027-01-20T12:00:00Z".parse().unwrap()));
        assert!(facts.due("2026-01-01T00:00:00Z".parse().unwrap()));
    }

    #[test]
    fn another_name_another_key_and_garbage_are_nothing() {
        let now = "2026-11-21T10:00:00Z".parse().unwrap();
        let (one, two) = (
            self_signed(&host("a.example"), now).unwrap(),
            self_signed(&host("a.example"), now).unwrap(),
        );
        assert_eq!(
            inspect(
                one.chain.as_bytes(),
                one.key.expose().as_bytes(),
                &host("b.example")
            ),
            None
        );
        assert_eq!(
            inspect(
                one.chain.as_bytes(),
                two.key.expose().as_bytes(),
                &host("a.example")
            ),
            None
        );
        assert_eq!(inspect(b"", b"", &host("a.example")), None);
    }
}
