//! `certificates:` of `hub.yaml`: the authority that issues certificates for public sites, by ACME (RFC 8555).

use crate::json::text_schema;
use crate::name::text_type;
use crate::text::EmailAddress;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;

/// The authority that agents ask for certificates. Each server has an account of its own there, whose key never leaves it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Certificates {
    /// `true`: somebody of the company has read the authority's terms and agrees to them. Nothing is requested otherwise.
    #[serde(deserialize_with = "agreed")]
    #[schemars(extend("const" = true))]
    pub terms_agreed: bool,
    /// The authority's ACME directory. Absent: that of Let's Encrypt.
    #[serde(default)]
    pub directory: DirectoryUrl,
    /// Where the authority may write to: an address of the company, never of a customer. Absent: it is given none.
    #[serde(default)]
    pub contact: Option<EmailAddress>,
    /// The certificate of whoever signed the directory's own certificate, as PEM: for an authority in a private network. It is trusted for
    /// the directory alone. Absent: the certificates that the servers' systems trust.
    #[serde(default)]
    pub root: Option<Pem>,
    /// What the authority allows a week.
    #[serde(default)]
    pub weekly: WeeklyBudget,
}

/// How many certificates the authority issues within seven days. An agent stays below it, and shows until when it waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WeeklyBudget {
    /// For one registered domain and everything below it.
    #[schemars(range(min = 1))]
    pub domain: u16,
    /// For exactly the same names.
    #[schemars(range(min = 1))]
    pub names: u16,
}

impl Default for WeeklyBudget {
    /// Those of Let's Encrypt.
    fn default() -> Self {
        Self {
            domain: 50,
            names: 5,
        }
    }
}

fn agreed<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    if bool::deserialize(deserializer)? {
        Ok(true)
    } else {
        Err(serde::de::Error::custom(
            "certificates are requested only by those who agree to the authority's terms; read them, then write `true`, or remove `certificates`",
        ))
    }
}

/// The text is not what belongs there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificatesError {
    /// Not an address of a directory.
    #[error(
        "`{0}` is not the address of an ACME directory: {1}; expected `https://acme.example.com/directory`"
    )]
    Directory(String, &'static str),
    /// Not a certificate.
    #[error("this is not a certificate in PEM format: {0}")]
    Pem(&'static str),
}

text_type!(
    /// The address of an ACME directory. Always `https`: who could change the answers could have certificates issued for others.
    DirectoryUrl,
    CertificatesError
);

text_schema!(
    DirectoryUrl,
    r"^https://[^/@?#\s]+(/[^?#\s]*)?$",
    ["https://acme-v02.api.letsencrypt.org/directory"]
);

impl Default for DirectoryUrl {
    /// Let's Encrypt.
    fn default() -> Self {
        Self("https://acme-v02.api.letsencrypt.org/directory".into())
    }
}

impl TryFrom<String> for DirectoryUrl {
    type Error = CertificatesError;
    fn try_from(text: String) -> Result<Self, CertificatesError> {
        let fail = |why| Err(CertificatesError::Directory(text.clone(), why));
        if text.len() > 1024 {
            return fail("it is too long");
        }
        let Ok(url) = url::Url::parse(&text) else {
            return fail("it is not a URL");
        };
        if url.scheme() != "https" {
            return fail("it does not begin with `https://`");
        }
        if url.host_str().is_none_or(str::is_empty) {
            return fail("it names no host");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return fail("it holds a user name or password");
        }
        if url.query().is_some() || url.fragment().is_some() {
            return fail("it holds a query or a fragment");
        }
        Ok(Self(url.as_str().into()))
    }
}

text_type!(
    /// One or more certificates in PEM format, at most 64 KiB.
    Pem,
    CertificatesError
);

text_schema!(
    Pem,
    r"^\s*-----BEGIN CERTIFICATE-----\s[A-Za-z0-9+/=\s-]*-----END CERTIFICATE-----\s*",
    ["-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"]
);

impl TryFrom<String> for Pem {
    type Error = CertificatesError;
    fn try_from(text: String) -> Result<Self, CertificatesError> {
        let fail = |why| Err(CertificatesError::Pem(why));
        if text.len() > 64 << 10 {
            return fail("it is longer than 64 KiB");
        }
        if !text
            .bytes()
            .all(|b| matches!(b, b'\n' | b'\r') || (0x20..0x7f).contains(&b))
        {
            return fail("it holds characters that no such file has");
        }
        let (begin, end) = ("-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----");
        let (starts, ends) = (text.matches(begin).count(), text.matches(end).count());
        if !text.trim_start().starts_with(begin)
            || !text.trim_end().ends_with(end)
            || starts != ends
        {
            return fail(
                "it begins with `-----BEGIN CERTIFICATE-----` and ends with `-----END CERTIFICATE-----`",
            );
        }
        if text.contains("PRIVATE KEY") {
            return fail("it holds a private key, which belongs into no document");
        }
        Ok(Self(text.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Certificates, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn agreeing_is_enough() {
        let plain = read(r#"{"terms_agreed": true}"#).unwrap();
        assert_eq!(
            plain.directory.as_str(),
            "https://acme-v02.api.letsencrypt.org/directory"
        );
        assert_eq!((plain.weekly.domain, plain.weekly.names), (50, 5));
        assert!(read("{}").unwrap_err().contains("terms_agreed"));
        assert!(
            read(r#"{"terms_agreed": false}"#)
                .unwrap_err()
                .contains("agree to the authority's terms")
        );
    }

    #[test]
    fn directories_are_reached_safely() {
        let with = |url: &str| {
            read(&format!(
                r#"{{"terms_agreed": true, "directory": "{url}"}}"#
            ))
        };
        assert!(with("https://127.0.0.1:14000/dir").is_ok());
        for bad in [
            "http://acme.example/directory",
            "acme.example",
            "https://u:p@acme.example/d",
            "https://acme.example/d?x=1",
            "",
        ] {
            assert!(with(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn roots_are_certificates_and_never_keys() {
        let pem = |text: &str| Pem::try_from(text);
        let body = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
        assert!(pem(body).is_ok() && pem(&format!("{body}{body}")).is_ok());
        for bad in [
            "",
            "MIIB",
            "-----BEGIN CERTIFICATE-----\n",
            "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n",
            &format!("{body}-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n"),
        ] {
            assert!(pem(bad).is_err(), "{bad:?}");
        }
    }
}
