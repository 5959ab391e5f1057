//! Looking up headers, and the values of those that carry digests and signatures.

use super::{CONTENT_DIGEST, HttpError, SIGNATURE};
use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::STANDARD};

/// The value of the one header `name`.
pub(super) fn one<'h>(
    headers: &[(&str, &'h str)],
    name: &'static str,
) -> Result<&'h str, HttpError> {
    let mut found = headers
        .iter()
        .filter(|(header, _)| header.eq_ignore_ascii_case(name));
    let (_, value) = found.next().ok_or(HttpError::Missing(name))?;
    if found.next().is_some() {
        Err(HttpError::Repeated(name))
    } else {
        Ok(value.trim_matches([' ', '\t']))
    }
}

/// RFC 9530: `sha-256=:<base64>:`.
pub(super) fn content_digest(body: &[u8]) -> String {
    format!(
        "sha-256=:{}:",
        STANDARD.encode(digest::digest(&digest::SHA256, body))
    )
}

/// Checks the digest of `body`, and returns the header's value.
pub(super) fn checked_digest<'h>(
    headers: &[(&str, &'h str)],
    body: &[u8],
) -> Result<&'h str, HttpError> {
    let value = one(headers, CONTENT_DIGEST)?;
    if value == content_digest(body) {
        Ok(value)
    } else {
        Err(HttpError::BadDigest)
    }
}

/// `tenantry=:<base64>:`
pub(super) fn signature(bytes: &[u8]) -> String {
    format!("{}=:{}:", super::base::LABEL, STANDARD.encode(bytes))
}

/// The bytes of [`signature`].
pub(super) fn signature_bytes(value: &str) -> Result<Vec<u8>, HttpError> {
    value
        .strip_prefix(super::base::LABEL)
        .and_then(|rest| rest.strip_prefix("=:"))
        .and_then(|rest| rest.strip_suffix(':'))
        .and_then(|text| STANDARD.decode(text).ok())
        .ok_or(HttpError::Malformed(SIGNATURE))
}
