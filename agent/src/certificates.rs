//! Certificates: made by ourselves until an authority issues one, used while they are valid. Where they are kept is the web server's.
//!
//! ```text
//! plan (pure) ── due ──▶ issue ── asks ──▶ authority (ACME)
//!    ▲                     │ answers challenges at the desk, notes every step in the memory, puts the certificate in place
//!    └── facts, memory ◀───┘
//! ```

pub mod acme;
pub mod authority;
mod budget;
pub mod desk;
pub mod issue;
pub mod memory;
mod own;
pub mod plan;

pub use own::{CertificateError, self_signed};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use rcgen::KeyPair;
use std::collections::BTreeSet;
use tenantry_schema::Secret;
use tenantry_schema::name::DomainName;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::{FromDer as _, X509Certificate};

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
    /// The names that it is for.
    pub names: BTreeSet<DomainName>,
    /// Who issued it, in its own words.
    pub issuer: String,
    /// What its authority calls it when asked for the time of renewal (RFC 9773, section 4.1).
    pub id: Option<String>,
}

impl CertificateFacts {
    /// Whether less than a third of its life is left, or it is not valid yet.
    pub fn due(&self, now: Timestamp) -> bool {
        let life = self.until.duration_since(self.from);
        now < self.from || self.until.duration_since(now) < life / 3
    }

    /// Whether it is for all of these.
    pub fn covers<'n>(&self, names: impl IntoIterator<Item = &'n DomainName>) -> bool {
        names.into_iter().all(|name| self.names.contains(name))
    }
}

/// What is known of a certificate that is in use; `None` if it cannot be read, is not for `host`, or does not belong to the key.
pub fn inspect(chain: &[u8], key: &[u8], host: &DomainName) -> Option<CertificateFacts> {
    let (_, pem) = x509_parser::pem::parse_x509_pem(chain).ok()?;
    let (_, certificate) = X509Certificate::from_der(&pem.contents).ok()?;
    let names = names_of(&certificate)?;
    let key = KeyPair::from_pem(std::str::from_utf8(key).ok()?).ok()?;
    let fits = *certificate.public_key().subject_public_key.data == *key.public_key_raw();
    let validity = certificate.validity();
    (names.contains(host) && fits).then_some(CertificateFacts {
        from: Timestamp::from_second(validity.not_before.timestamp()).ok()?,
        until: Timestamp::from_second(validity.not_after.timestamp()).ok()?,
        self_signed: certificate.issuer() == certificate.subject(),
        names,
        issuer: issuer_of(&certificate),
        id: id_of(&certificate),
    })
}

fn names_of(certificate: &X509Certificate<'_>) -> Option<BTreeSet<DomainName>> {
    let names = certificate.subject_alternative_name().ok()??;
    let names = names.value.general_names.iter().filter_map(|name| {
        let GeneralName::DNSName(name) = name else {
            return None;
        };
        DomainName::try_from(*name).ok()
    });
    Some(names.collect())
}

/// Longest name of an issuer that is told.
const LONGEST_ISSUER: usize = 120;

/// Organisation and common name.
fn issuer_of(certificate: &X509Certificate<'_>) -> String {
    let issuer = certificate.issuer();
    let organisation = issuer.iter_organization().next();
    let parts = organisation
        .into_iter()
        .chain(issuer.iter_common_name().next());
    let parts: Vec<&str> = parts.filter_map(|part| part.as_str().ok()).collect();
    let plain = parts.join(", ").replace(char::is_control, " ");
    plain.chars().take(LONGEST_ISSUER).collect()
}

fn id_of(certificate: &X509Certificate<'_>) -> Option<String> {
    let authority =
        certificate
            .iter_extensions()
            .find_map(|extension| match extension.parsed_extension() {
                ParsedExtension::AuthorityKeyIdentifier(found) => found.key_identifier.as_ref(),
                _ => None,
            })?;
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let serial = encode(certificate.tbs_certificate.raw_serial());
    Some(format!("{}.{serial}", encode(authority.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(name: &str) -> DomainName {
        name.try_into().unwrap()
    }

    fn facts(made: &Certificate, name: &DomainName) -> Option<CertificateFacts> {
        inspect(made.chain.as_bytes(), made.key.expose().as_bytes(), name)
    }

    #[test]
    fn made_inspected_and_due_after_two_thirds_of_its_life() {
        let now: Timestamp = "2026-11-21T10:00:00Z".parse().unwrap();
        let name = host(&format!("{0}.{0}.acme.example", "a".repeat(60)));
        let made = self_signed(&name, &[host("www.acme.example")], now).unwrap();
        let facts = facts(&made, &name).unwrap();
        assert!(facts.self_signed && !facts.due(now));
        assert!(facts.covers([&name, &host("www.acme.example")]));
        assert!(!facts.covers([&host("acme.example")]));
        assert_eq!(facts.issuer, "self-signed by tenantry-agent");
        assert_eq!(facts.until, "2027-02-19T00:00:00Z".parse().unwrap());
        assert!(!facts.due("2027-01-19T00:00:00Z".parse().unwrap()));
        assert!(facts.due("2027-01-20T12:00:00Z".parse().unwrap()));
        assert!(facts.due("2026-01-01T00:00:00Z".parse().unwrap()));
    }

    #[test]
    fn another_name_another_key_and_garbage_are_nothing() {
        let now = "2026-11-21T10:00:00Z".parse().unwrap();
        let make = || self_signed(&host("a.example"), [], now).unwrap();
        let (one, two) = (make(), make());
        assert_eq!(facts(&one, &host("b.example")), None);
        let mixed = Certificate {
            chain: one.chain,
            key: two.key,
        };
        assert_eq!(facts(&mixed, &host("a.example")), None);
        assert_eq!(inspect(b"", b"", &host("a.example")), None);
    }

    /// The example of RFC 9773, section 4.1: key identifier 69:88:5B:..., serial 00:87:65:43:21.
    #[test]
    fn the_name_for_renewal_keeps_the_leading_zero_of_the_serial() {
        let key = [
            0x69, 0x88, 0x5b, 0x6b, 0x87, 0x46, 0x40, 0x41, 0xe1, 0xb3, 0x7b, 0x84, 0x7b, 0xa0,
            0xae, 0x2c, 0xde, 0x01, 0xc8, 0xd4,
        ];
        let mut above = rcgen::CertificateParams::new(Vec::new()).unwrap();
        above.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        above.key_identifier_method = rcgen::KeyIdMethod::PreSpecified(key.to_vec());
        let issuer = rcgen::Issuer::new(above, KeyPair::generate().unwrap());
        let mut params = rcgen::CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        params.serial_number = Some(rcgen::SerialNumber::from_slice(&[0x87, 0x65, 0x43, 0x21]));
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().unwrap();
        let made = Certificate {
            chain: params.signed_by(&key, &issuer).unwrap().pem(),
            key: Secret::new(key.serialize_pem()),
        };
        let facts = facts(&made, &host("a.example")).unwrap();
        assert_eq!(
            facts.id.as_deref(),
            Some("aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE")
        );
    }
}
