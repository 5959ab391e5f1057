//! HTTP Message Signatures (RFC 9421, ed25519) with a fixed set of covered components. No HTTP library: headers are plain pairs of text.
//!
//! | | covered components |
//! | --- | --- |
//! | request | `@method` `@path` `@query` `content-digest` (if it has a body) `tenantry-nonce` |
//! | answer | `@status` `content-digest` `tenantry-server` `tenantry-generation` `tenantry-content` `tenantry-nonce` |
//!
//! Parameters, in this order: `created` (seconds since 1970), `keyid` (the key's fingerprint), `alg`. Only this exact form is accepted.
//! Whether `created` is recent is for the caller to say. It need not be: an answer to a replayed request says nothing to anybody else, since it
//! echoes the old nonce, and reports count up. Clocks may be wrong.

mod answer;
mod base;
mod headers;
mod nonce;
mod request;

pub use answer::{Answer, ExpectAnswer, VerifiedAnswer, sign_answer, verify_answer};
pub use nonce::Nonce;
pub use request::{
    Request, VerifiedRequest, check_body, key_id, sign_request, verify_request, verify_request_head,
};

/// RFC 9530 digest of the body.
pub const CONTENT_DIGEST: &str = "content-digest";
/// Covered components and parameters.
pub const SIGNATURE_INPUT: &str = "signature-input";
/// The signature itself.
pub const SIGNATURE: &str = "signature";
/// Chosen by the agent for each request, echoed by the hub.
pub const NONCE: &str = "tenantry-nonce";
/// The server that the hub took the request's key for: `customer/server`.
pub const SERVER: &str = "tenantry-server";
/// Generation of the server's newest slice; 0 while there is none.
pub const GENERATION: &str = "tenantry-generation";
/// Digest of the content of that slice; `none` while there is none.
pub const CONTENT: &str = "tenantry-content";

/// Largest body of `POST /agent/v1/reports` in bytes. The hub answers more with status 413; what stands between may take less.
pub const LARGEST_REPORTS: usize = 4 << 20;

/// A header to add to a message.
pub type Header = (&'static str, String);

/// Why a signed message is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// A header that must be there is not.
    #[error("header `{0}` is missing")]
    Missing(&'static str),
    /// A header stands there more than once.
    #[error("header `{0}` is there more than once")]
    Repeated(&'static str),
    /// A header or component has another form than ours.
    #[error("`{0}` does not have the expected form")]
    Malformed(&'static str),
    /// The key is not known here.
    #[error("signed by a key that is not known here")]
    UnknownKey,
    /// The body is not the one that was signed.
    #[error("the body does not match its digest")]
    BadDigest,
    /// Something covered was changed, or the key is another.
    #[error("the signature does not fit the message")]
    BadSignature,
    /// The answer is to another request.
    #[error("the answer is to another request")]
    WrongNonce,
    /// The answer is for another server.
    #[error("the answer is for another server")]
    WrongServer,
}
