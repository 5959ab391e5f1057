//! Signing an answer on the hub, checking it on the agent.

use super::base::{self, Component, Params};
use super::{
    CONTENT, CONTENT_DIGEST, GENERATION, Header, HttpError, NONCE, Nonce, SERVER, SIGNATURE,
    SIGNATURE_INPUT, headers,
};
use crate::key::{SigningKey, VerifyingKey};
use tenantry_schema::id::ServerKey;

/// What [`CONTENT`] says while there is no slice.
const NO_CONTENT: &str = "none";

/// The parts of an answer that are signed.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// HTTP status.
    pub status: u16,
    /// Body; empty if it has none.
    pub body: &'a [u8],
    /// The server that the request's key belongs to.
    pub server: &'a ServerKey,
    /// Generation and content digest of its newest slice.
    pub slice: Option<(u64, &'a str)>,
    /// The request's nonce.
    pub nonce: &'a Nonce,
}

/// The headers that make `answer` a signed one; `created` in seconds since 1970.
pub fn sign_answer(
    answer: &Answer<'_>,
    created: i64,
    key: &SigningKey,
) -> Result<Vec<Header>, HttpError> {
    let status = answer.status.to_string();
    let (generation, content) = answer.slice.unwrap_or((0, NO_CONTENT));
    let covered = Covered {
        digest: &headers::content_digest(answer.body),
        server: &answer.server.to_string(),
        generation: &generation.to_string(),
        content,
        nonce: answer.nonce.as_str(),
    };
    let components = covered.components(&status);
    let params = base::params(
        &components,
        Params {
            created,
            key_id: key.verifying_key().fingerprint(),
        },
    );
    let signature = key.sign(base::signature_base(&components, &params)?.as_bytes());
    Ok(vec![
        (CONTENT_DIGEST, covered.digest.to_owned()),
        (SERVER, covered.server.to_owned()),
        (GENERATION, covered.generation.to_owned()),
        (CONTENT, content.to_owned()),
        (NONCE, covered.nonce.to_owned()),
        (SIGNATURE_INPUT, format!("{}={params}", base::LABEL)),
        (SIGNATURE, headers::signature(&signature)),
    ])
}

/// What an answer must be to be believed.
#[derive(Debug, Clone, Copy)]
pub struct ExpectAnswer<'a> {
    /// Ourselves.
    pub server: &'a ServerKey,
    /// The nonce of our request.
    pub nonce: &'a Nonce,
    /// Keys that may sign.
    pub trusted: &'a [VerifyingKey],
}

/// What a believed answer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedAnswer {
    /// Generation and content digest of our newest slice, if there is one.
    pub slice: Option<(u64, String)>,
    /// When it was signed by the hub's clock, in seconds since 1970.
    pub created: i64,
}

/// Checks an answer with `status`, `headers` and `body`.
pub fn verify_answer(
    status: u16,
    headers: &[(&str, &str)],
    body: &[u8],
    expect: &ExpectAnswer<'_>,
) -> Result<VerifiedAnswer, HttpError> {
    let (list, params) = base::parse(headers::one(headers, SIGNATURE_INPUT)?)?;
    let signature = headers::signature_bytes(headers::one(headers, SIGNATURE)?)?;
    let covered = Covered {
        digest: headers::checked_digest(headers, body)?,
        server: headers::one(headers, SERVER)?,
        generation: headers::one(headers, GENERATION)?,
        content: headers::one(headers, CONTENT)?,
        nonce: headers::one(headers, NONCE)?,
    };
    let status = status.to_string();
    let components = covered.components(&status);
    if !base::covers(list, &components) {
        return Err(HttpError::Malformed(SIGNATURE_INPUT));
    }
    let text = base::signature_base(&components, &base::params(&components, params))?;
    let key = expect
        .trusted
        .iter()
        .find(|key| key.fingerprint() == params.key_id)
        .ok_or(HttpError::UnknownKey)?;
    if !key.verifies(text.as_bytes(), &signature) {
        return Err(HttpError::BadSignature);
    }
    if covered.nonce != expect.nonce.as_str() {
        return Err(HttpError::WrongNonce);
    }
    if covered.server != expect.server.to_string() {
        return Err(HttpError::WrongServer);
    }
    let generation = covered
        .generation
        .parse()
        .map_err(|_| HttpError::Malformed(GENERATION))?;
    let slice = (covered.content != NO_CONTENT).then(|| (generation, covered.content.to_owned()));
    Ok(VerifiedAnswer {
        slice,
        created: params.created,
    })
}

/// Values of the covered headers.
struct Covered<'a> {
    digest: &'a str,
    server: &'a str,
    generation: &'a str,
    content: &'a str,
    nonce: &'a str,
}

impl<'a> Covered<'a> {
    fn components(&self, status: &'a str) -> [Component<'a>; 6] {
        [
            ("@status", status),
            (CONTENT_DIGEST, self.digest),
            (SERVER, self.server),
            (GENERATION, self.generation),
            (CONTENT, self.content),
            (NONCE, self.nonce),
        ]
    }
}
