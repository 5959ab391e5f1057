//! Rows of sites and their certificates on the page of a server.

use super::words::Badge;
use jiff::Timestamp;
use serde::Serialize;
use tenantry_schema::name::DomainName;
use tenantry_schema::wire::{CertificateWait, SiteReport};

/// Certificates that end sooner are pointed out: those of ninety days are renewed long before.
const SOON: jiff::SignedDuration = jiff::SignedDuration::from_hours(14 * 24);

#[derive(Serialize)]
pub(super) struct SiteRow {
    host: String,
    live: Badge,
    message: Option<String>,
    certificate: Badge,
    issuer: Option<String>,
    expires: Option<String>,
    renews: Option<String>,
    waiting: Option<String>,
    error: Option<String>,
}

impl SiteRow {
    pub(super) fn new(host: &DomainName, site: &SiteReport, now: Timestamp) -> Self {
        let report = site.certificate.as_deref();
        // Far ahead: pages show how long ago something was only for what was.
        let moment = |at: Timestamp| format!("{at:.0}");
        Self {
            host: host.to_string(),
            live: if site.live {
                Badge::new("good", "served")
            } else {
                Badge::new("warn", "not served")
            },
            message: site.message.clone(),
            certificate: certificate(site, now),
            issuer: report.and_then(|report| report.issuer.clone()),
            expires: site.certificate_expires.map(moment),
            renews: report.and_then(|report| report.renews).map(moment),
            waiting: report.and_then(|report| report.waiting.as_ref()).map(wait),
            error: report.and_then(|report| report.error.clone()),
        }
    }
}

fn certificate(site: &SiteReport, now: Timestamp) -> Badge {
    let Some(expires) = site.certificate_expires else {
        return Badge::new("bad", "no certificate");
    };
    if expires <= now {
        Badge::new("bad", "certificate expired")
    } else if site.self_signed {
        Badge::new("mute", "self-signed")
    } else if expires.duration_since(now) < SOON {
        Badge::new("warn", "certificate expires soon")
    } else {
        Badge::new("good", "certificate valid")
    }
}

/// What a certificate waits for, in a sentence.
fn wait(wait: &CertificateWait) -> String {
    match wait {
        CertificateWait::Requested => "a new certificate is being requested".to_owned(),
        CertificateWait::Served => "requested when the web server answers for the name".to_owned(),
        CertificateWait::Retry { at } => format!("requested again at {at:.0}"),
        CertificateWait::Budget { of, until } => {
            format!("the authority issues no more for {of} before {until:.0}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_in_a_word() {
        let now: Timestamp = "2026-11-28T10:00:00Z".parse().unwrap();
        let word = |days: Option<i64>, self_signed| {
            let site = SiteReport {
                certificate_expires: days
                    .map(|days| now + jiff::SignedDuration::from_hours(24 * days)),
                self_signed,
                ..SiteReport::default()
            };
            certificate(&site, now).word
        };
        assert_eq!(word(None, false), "no certificate");
        assert_eq!(word(Some(-1), true), "certificate expired");
        assert_eq!(word(Some(60), true), "self-signed");
        assert_eq!(word(Some(13), false), "certificate expires soon");
        assert_eq!(word(Some(60), false), "certificate valid");
    }
}
