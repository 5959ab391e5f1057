//! Why a request of an agent is not served: a status, a word for programs, a sentence for people. Says nothing that helps to guess a key.

use axum::http::StatusCode;
use serde_json::json;
use std::borrow::Cow;
use std::time::Duration;
use tenantry_wire::http::HttpError;

/// A request that is not served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    /// For programs, and the label under which it is counted.
    pub(super) error: &'static str,
    pub(super) hint: Cow<'static, str>,
    pub(super) retry_after: Option<Duration>,
}

impl Refusal {
    pub(super) fn new(
        status: StatusCode,
        error: &'static str,
        hint: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            status,
            error,
            hint: hint.into(),
            retry_after: None,
        }
    }

    pub(super) fn after(self, wait: Duration) -> Self {
        Self {
            retry_after: Some(wait),
            ..self
        }
    }

    /// The message was not understood.
    pub(super) fn malformed(hint: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed", hint)
    }

    /// This hub cannot answer agents at all.
    pub(super) fn no_signer() -> Self {
        let hint = "this hub only observes: it has no key to sign answers with; the active hub has";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "observing", hint).after(Duration::from_secs(30))
    }

    /// Too much at a time.
    pub(super) fn busy(wait: Duration) -> Self {
        let hint = "this agent asks more often than the hub allows; slow down";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", hint).after(wait)
    }

    /// Something behind this endpoint does not work now.
    pub(super) fn unavailable(hint: &'static str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", hint)
            .after(Duration::from_secs(5))
    }

    /// The body is larger than is read.
    pub(super) fn too_large(limit: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            format!("at most {limit} bytes at a time"),
        )
    }

    /// The key is not one of the fleet's.
    pub(super) fn unknown_key() -> Self {
        let hint = "the fleet names no server with this key; add the keys that `tenantry-agent enrol` prints to the server's document";
        Self::new(StatusCode::UNAUTHORIZED, "unknown_key", hint)
    }

    /// `{"error": …, "hint": …}`
    pub(super) fn body(&self) -> Vec<u8> {
        json!({ "error": self.error, "hint": self.hint })
            .to_string()
            .into_bytes()
    }
}

impl From<HttpError> for Refusal {
    fn from(error: HttpError) -> Self {
        match error {
            HttpError::UnknownKey => Self::unknown_key(),
            HttpError::BadSignature => Self::new(
                StatusCode::UNAUTHORIZED,
                "bad_signature",
                "the signature does not fit this request",
            ),
            HttpError::BadDigest => Self::new(
                StatusCode::BAD_REQUEST,
                "bad_digest",
                "the body is not the one that was signed",
            ),
            other => Self::malformed(other.to_string()),
        }
    }
}
