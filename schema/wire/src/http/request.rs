//! Signing a request on the agent, checking it on the hub.

use super::base::{self, Component, Params};
use super::{CONTENT_DIGEST, Header, HttpError, NONCE, Nonce, SIGNATURE, SIGNATURE_INPUT, headers};
use crate::key::{SigningKey, VerifyingKey};

/// The parts of a request that are signed.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// `GET`, `POST`, as on the request line.
    pub method: &'a str,
    /// The path as on the request line, percent-encoded, without query.
    pub path: &'a str,
    /// What follows `?` on the request line.
    pub query: Option<&'a str>,
    /// The body, if it has one.
    pub body: Option<&'a [u8]>,
}

/// Who sent a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedRequest {
    /// To be echoed in the answer.
    pub nonce: Nonce,
    /// When it was signed by the sender's clock, in seconds since 1970.
    pub created: i64,
    /// Fingerprint of the key that signed.
    pub key_id: String,
}

/// The headers that make `request` a signed one; `created` in seconds since 1970.
pub fn sign_request(
    request: &Request<'_>,
    nonce: &Nonce,
    created: i64,
    key: &SigningKey,
) -> Result<Vec<Header>, HttpError> {
    let digest = request.body.map(headers::content_digest);
    let query = query_component(request);
    let components = components(request, &query, digest.as_deref(), nonce);
    let params = base::params(
        &components,
        Params {
            created,
            key_id: key.verifying_key().fingerprint(),
        },
    );
    let signature = key.sign(base::signature_base(&components, &params)?.as_bytes());
    let mut out = vec![
        (NONCE, nonce.to_string()),
        (SIGNATURE_INPUT, format!("{}={params}", base::LABEL)),
        (SIGNATURE, headers::signature(&signature)),
    ];
    out.extend(digest.map(|digest| (CONTENT_DIGEST, digest)));
    Ok(out)
}

/// The fingerprint that a request claims to be signed by. Says nothing about whether it is.
pub fn key_id<'h>(headers: &[(&str, &'h str)]) -> Result<&'h str, HttpError> {
    Ok(base::parse(headers::one(headers, SIGNATURE_INPUT)?)?
        .1
        .key_id)
}

/// Checks a request. `key` finds a known key by its fingerprint; the body must be there exactly if the sender signed one.
pub fn verify_request<'k>(
    request: &Request<'_>,
    headers: &[(&str, &str)],
    key: impl FnOnce(&str) -> Option<&'k VerifyingKey>,
) -> Result<VerifiedRequest, HttpError> {
    let digest = request
        .body
        .map(|body| headers::checked_digest(headers, body))
        .transpose()?;
    verify_with(request, headers, digest, key)
}

/// Checks a request whose body has not been read yet: the signature over its headers, the announced digest of the body included. The body
/// itself is checked by [`check_body`] when it is there.
pub fn verify_request_head<'k>(
    request: &Request<'_>,
    headers: &[(&str, &str)],
    key: impl FnOnce(&str) -> Option<&'k VerifyingKey>,
) -> Result<VerifiedRequest, HttpError> {
    let digest = headers::one(headers, CONTENT_DIGEST)?;
    verify_with(request, headers, Some(digest), key)
}

/// Whether `body` is the one whose digest the headers announce.
pub fn check_body(headers: &[(&str, &str)], body: &[u8]) -> Result<(), HttpError> {
    headers::checked_digest(headers, body).map(drop)
}

fn verify_with<'k>(
    request: &Request<'_>,
    headers: &[(&str, &str)],
    digest: Option<&str>,
    key: impl FnOnce(&str) -> Option<&'k VerifyingKey>,
) -> Result<VerifiedRequest, HttpError> {
    let (list, params) = base::parse(headers::one(headers, SIGNATURE_INPUT)?)?;
    let signature = headers::signature_bytes(headers::one(headers, SIGNATURE)?)?;
    let nonce = Nonce::try_from(headers::one(headers, NONCE)?)?;
    let key = key(params.key_id).ok_or(HttpError::UnknownKey)?;
    let query = query_component(request);
    let components = components(request, &query, digest, &nonce);
    if !base::covers(list, &components) {
        return Err(HttpError::Malformed(SIGNATURE_INPUT));
    }
    let text = base::signature_base(&components, &base::params(&components, params))?;
    if params.key_id != key.fingerprint() || !key.verifies(text.as_bytes(), &signature) {
        return Err(HttpError::BadSignature);
    }
    Ok(VerifiedRequest {
        nonce,
        created: params.created,
        key_id: params.key_id.to_owned(),
    })
}

/// RFC 9421, 2.2.7: the query with its `?`, which stands alone if there is none.
fn query_component(request: &Request<'_>) -> String {
    format!("?{}", request.query.unwrap_or_default())
}

fn components<'a>(
    request: &Request<'a>,
    query: &'a str,
    digest: Option<&'a str>,
    nonce: &'a Nonce,
) -> Vec<Component<'a>> {
    let path = if request.path.is_empty() {
        "/"
    } else {
        request.path
    };
    let mut components = vec![
        ("@method", request.method),
        ("@path", path),
        ("@query", query),
    ];
    components.extend(digest.map(|digest| (CONTENT_DIGEST, digest)));
    components.push((NONCE, nonce.as_str()));
    components
}
