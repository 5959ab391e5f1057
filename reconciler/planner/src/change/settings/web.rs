//! The web server of a machine, and who issues its certificates.

use super::{differs, moved};
use tenantry_schema::document::{Certificates, WebPorts, WeeklyBudget};

pub(super) fn ports(old: &WebPorts, new: &WebPorts, said: &mut Vec<String>) {
    let WebPorts {
        address,
        http,
        https,
        sites,
    } = old;
    said.extend(differs(
        "the web server listens at",
        address,
        &new.address,
        |address| address.map_or_else(|| "all addresses".to_owned(), |address| address.to_string()),
    ));
    if (*http, *https) != (new.http, new.https) {
        said.push(format!(
            "web server at ports {http} and {https} → {} and {}",
            new.http, new.https
        ));
    }
    said.extend(moved("ports of sites from", sites, &new.sites));
}

pub(super) fn certificates(
    old: Option<&Certificates>,
    new: Option<&Certificates>,
    said: &mut Vec<String>,
) {
    let issuer = |authority: Option<&Certificates>| {
        authority.map_or_else(
            || "nobody (self-signed)".to_owned(),
            |authority| authority.directory.to_string(),
        )
    };
    said.extend(moved("certificates come from", &issuer(old), &issuer(new)));
    let (Some(old), Some(new)) = (old, new) else {
        return;
    };
    let Certificates {
        // Nobody is asked without it, so it is the same on both sides.
        terms_agreed: _,
        directory: _,
        contact,
        root,
        weekly,
    } = old;
    said.extend(differs(
        "the authority for certificates may write to",
        contact,
        &new.contact,
        |contact| {
            contact
                .as_ref()
                .map_or_else(|| "nobody".to_owned(), ToString::to_string)
        },
    ));
    if *root != new.root {
        let what = match (root, &new.root) {
            (None, _) => "a certificate of its own is trusted",
            (_, None) => "the certificates of the system are trusted",
            _ => "another certificate of its own is trusted",
        };
        said.push(format!("{what} for the authority for certificates"));
    }
    said.extend(differs(
        "certificates a week:",
        weekly,
        &new.weekly,
        |WeeklyBudget { domain, names }| {
            format!("{domain} of a domain and {names} of the same names")
        },
    ));
}
