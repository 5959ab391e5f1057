//! What an authority is asked for, and what can go wrong. Which authority it is, and how it is spoken to, is [`super::acme`]'s.

use super::Certificate;
use super::desk::Desk;
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use tenantry_schema::document::Certificates;
use tenantry_schema::name::DomainName;

/// A certificate that is wanted, with everything resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The site that it is for.
    pub host: DomainName,
    /// All names that it is to be for, the site's among them.
    pub names: BTreeSet<DomainName>,
    /// The authority.
    pub authority: Arc<Certificates>,
    /// What the authority calls the certificate that this one takes the place of, where it knows it.
    pub replaces: Option<String>,
    /// Whether the names had a certificate before: that counts less.
    pub renewal: bool,
    /// Digest of authority and names: failures of something else say nothing.
    pub of: String,
}

/// What is worth knowing about a certificate whose renewal is considered (RFC 9773).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The site that it is for.
    pub host: DomainName,
    /// What the authority calls it.
    pub id: String,
    /// From when and until when it is valid.
    pub valid: (Timestamp, Timestamp),
    /// The authority.
    pub authority: Arc<Certificates>,
}

/// When an authority would have a certificate renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Advice {
    /// Not before this.
    pub start: Timestamp,
    /// Not after this.
    pub end: Timestamp,
    /// When it should be asked again.
    pub again: Timestamp,
}

/// What kind of trouble it is decides how long to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TroubleKind {
    /// The authority does not answer, or has trouble of its own.
    Unreachable,
    /// It has had enough of us.
    RateLimited,
    /// It does not do what it is asked for, usually because it could not reach the site.
    Refused,
    /// Something on this server.
    Local,
}

/// Why there is no certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// What kind of trouble.
    pub kind: TroubleKind,
    /// In a sentence.
    pub message: String,
    /// Before this the authority does not want to be asked again.
    pub not_before: Option<Timestamp>,
}

impl Trouble {
    /// Trouble on this server.
    pub fn local(message: impl fmt::Display) -> Self {
        Self {
            kind: TroubleKind::Local,
            message: message.to_string(),
            not_before: None,
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Trouble {}

/// Somebody who issues certificates.
pub trait CertificateAuthority {
    /// Gets a certificate. What it takes is noted at the `desk` as it goes, so that another call, after a crash, goes on from there.
    fn issue(
        &self,
        order: &Order,
        desk: &Desk<'_>,
    ) -> impl Future<Output = Result<Certificate, Trouble>>;

    /// When a certificate is to be renewed; `None` where the authority does not say, or does not know it.
    fn advice(&self, question: &Question) -> impl Future<Output = Result<Option<Advice>, Trouble>>;
}
