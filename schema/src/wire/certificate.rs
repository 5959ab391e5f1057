//! What an agent tells the hub about the certificate of a site.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How it stands with a certificate of an authority.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateReport {
    /// Who issued the one in use, in its own words. Absent: it is self-signed, or there is none.
    #[serde(default)]
    pub issuer: Option<String>,
    /// From when the one in use is valid.
    #[serde(default)]
    pub valid_from: Option<Timestamp>,
    /// When it is to be renewed.
    #[serde(default)]
    pub renews: Option<Timestamp>,
    /// What stands in the way of a new one that is due.
    #[serde(default)]
    pub waiting: Option<CertificateWait>,
    /// Attempts in a row that came to nothing.
    #[serde(default)]
    pub attempts: u32,
    /// What went wrong last, in a sentence.
    #[serde(default)]
    pub error: Option<String>,
}

/// What a certificate waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum CertificateWait {
    /// It is being requested.
    Requested,
    /// The web server must answer for the name first.
    Served,
    /// The next attempt after failures.
    Retry {
        /// When.
        at: Timestamp,
    },
    /// The authority issues no more this week.
    Budget {
        /// For what: a registered domain, or the exact names.
        of: String,
        /// Until when.
        until: Timestamp,
    },
}
