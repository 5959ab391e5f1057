//! What a server's report says about the certificates of a tool's sites.

use crate::desired::ToolDesired;
use crate::waiting::WaitingOn;
use tenantry_schema::name::DomainName;
use tenantry_schema::wire::{CertificateWait, Report, SiteReport};

/// Why sites of a tool have no certificate that visitors' browsers trust. Only for fleets that ask an authority for them.
pub(super) fn certificates(tool: &ToolDesired, report: &Report) -> Vec<WaitingOn> {
    let sites = tool.hosts.values();
    let seen = sites.filter_map(|host| Some((host, report.sites.get(host)?)));
    seen.filter_map(|(host, site)| waiting(host, site))
        .collect()
}

fn waiting(host: &DomainName, site: &SiteReport) -> Option<WaitingOn> {
    let certificate = site.certificate.as_deref();
    let wait = certificate.and_then(|certificate| certificate.waiting.as_ref());
    // One that is merely being renewed does its service meanwhile.
    let needed = site.self_signed || site.certificate_expires.is_none();
    if !needed && certificate.is_none_or(|certificate| certificate.error.is_none()) {
        return None;
    }
    let error = certificate.and_then(|certificate| certificate.error.as_deref());
    let message = match wait {
        Some(CertificateWait::Budget { of, until }) => {
            return Some(WaitingOn::CertificateBudget {
                host: host.clone(),
                of: of.clone(),
                until: *until,
            });
        }
        Some(CertificateWait::Retry { at }) => {
            let error = error.unwrap_or("the authority gives no reason");
            format!("{error}; tried again at {at:.0}")
        }
        Some(CertificateWait::Served) => "the web server does not answer for it yet".to_owned(),
        Some(CertificateWait::Requested) => match error {
            Some(error) => format!("it is requested again; last time: {error}"),
            None => "it is being requested".to_owned(),
        },
        None if needed => "its agent has not asked for one yet".to_owned(),
        None => return None,
    };
    Some(WaitingOn::Certificate {
        host: host.clone(),
        message,
    })
}

/// Whether browsers trust the certificates of all sites of a tool.
pub(super) fn trusted(tool: &ToolDesired, report: &Report) -> bool {
    tool.hosts.values().all(|host| {
        let site = report.sites.get(host);
        site.is_some_and(|site| !site.self_signed && site.certificate_expires.is_some())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tenantry_schema::wire::CertificateReport;

    fn said(site: &SiteReport) -> Option<String> {
        let host = DomainName::try_from("acme.example").unwrap();
        waiting(&host, site).map(|waiting| waiting.to_string())
    }

    fn site(self_signed: bool, certificate: CertificateReport) -> SiteReport {
        SiteReport {
            live: true,
            certificate_expires: Some("2027-01-01T00:00:00Z".parse().unwrap()),
            self_signed,
            certificate: Some(Box::new(certificate)),
            ..SiteReport::default()
        }
    }

    #[test]
    fn only_what_visitors_notice_or_people_must_mend_is_told() {
        let at = "2026-12-01T10:00:00Z".parse().unwrap();
        let retry = || CertificateReport {
            waiting: Some(CertificateWait::Retry { at }),
            error: Some("no such host".into()),
            ..CertificateReport::default()
        };
        let cases = [
            (site(false, CertificateReport::default()), None),
            (
                site(
                    false,
                    CertificateReport {
                        waiting: Some(CertificateWait::Requested),
                        ..CertificateReport::default()
                    },
                ),
                None,
            ),
            (
                site(false, retry()),
                Some("no such host; tried again at 2026-12-01T10:00:00Z"),
            ),
            (
                site(true, retry()),
                Some("no such host; tried again at 2026-12-01T10:00:00Z"),
            ),
            (
                site(true, CertificateReport::default()),
                Some("its agent has not asked for one yet"),
            ),
            (
                site(
                    true,
                    CertificateReport {
                        waiting: Some(CertificateWait::Budget {
                            of: "acme.example".into(),
                            until: at,
                        }),
                        ..CertificateReport::default()
                    },
                ),
                Some("the authority issues no more for acme.example before 2026-12-01T10:00:00Z"),
            ),
        ];
        for (site, expected) in cases {
            let expected =
                expected.map(|text| format!("acme.example waits for its certificate: {text}"));
            assert_eq!(said(&site), expected, "{site:?}");
        }
    }
}
