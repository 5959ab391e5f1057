//! The way to an authority: HTTPS with bounded answers, and an ear for when it wants to be asked again.

use crate::certificates::authority::Trouble;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use jiff::{SignedDuration, Timestamp};
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tenantry_schema::document::Certificates;

/// One request takes no longer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longest answer: a chain of certificates is some kilobytes.
const LIMIT: usize = 1 << 20;

/// What was heard last.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Heard {
    /// The status of the last answer.
    pub(super) status: Option<u16>,
    /// When the authority wants to be asked again, if the last answer was an error.
    pub(super) not_before: Option<Timestamp>,
}

/// A connection to one authority. Copies share what was heard.
#[derive(Debug, Clone)]
pub(super) struct Connection {
    client: Client,
    heard: Arc<Mutex<Heard>>,
}

impl Connection {
    /// To the authority's directory. With a `root` of its own no other is trusted.
    pub(super) fn new(authority: &Certificates) -> Result<Self, Trouble> {
        let mut builder = Client::builder()
            .timeout(PATIENCE)
            .redirect(Policy::none())
            // The environment is not read here.
            .no_proxy()
            .https_only(true);
        if let Some(root) = &authority.root {
            let roots = Certificate::from_pem_bundle(root.as_str().as_bytes());
            let roots = roots.map_err(|error| {
                Trouble::local(format!("the authority's `root` cannot be used: {error}"))
            })?;
            builder = builder.tls_certs_only(roots);
        }
        let client = builder
            .build()
            .map_err(|error| Trouble::local(format!("cannot prepare connections: {error}")))?;
        Ok(Self {
            client,
            heard: Arc::default(),
        })
    }

    /// What was heard last.
    pub(super) fn heard(&self) -> Heard {
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, heard: Heard) {
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = heard;
    }

    async fn send(self, request: Request<BodyWrapper<Bytes>>) -> Result<BytesResponse, Error> {
        self.note(Heard::default());
        let (parts, body) = request.into_parts();
        let Ok(body) = body.collect().await;
        let body = body.to_bytes();
        let request = Request::from_parts(parts, body);
        let request = reqwest::Request::try_from(request).map_err(other)?;
        let mut answer = self.client.execute(request).await.map_err(other)?;
        let status = answer.status();
        let failed = status.is_client_error() || status.is_server_error();
        self.note(Heard {
            status: Some(status.as_u16()),
            not_before: retry_after(answer.headers(), Timestamp::now()).filter(|_| failed),
        });
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(other)? {
            if body.len() + chunk.len() > LIMIT {
                return Err(Error::Other("its answer has no end".into()));
            }
            body.extend_from_slice(&chunk);
        }
        let mut response = Response::new(());
        *response.status_mut() = status;
        *response.headers_mut() = std::mem::take(answer.headers_mut());
        let (parts, ()) = response.into_parts();
        Ok(BytesResponse {
            parts,
            body: Box::new(Bytes::from(body)),
        })
    }
}

fn other(error: reqwest::Error) -> Error {
    Error::Other(Box::new(error.without_url()))
}

impl HttpClient for Connection {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        Box::pin(self.clone().send(request))
    }
}

/// `Retry-After`: seconds, or a date (RFC 9110, section 10.2.3).
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Timestamp> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    match text.parse::<u32>() {
        Ok(seconds) => now
            .checked_add(SignedDuration::from_secs(seconds.into()))
            .ok(),
        Err(_) => jiff::fmt::rfc2822::parse(text)
            .ok()
            .map(|at| at.timestamp()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_to_come_back_are_read_in_both_forms() {
        let now: Timestamp = "2026-11-28T10:00:00Z".parse().unwrap();
        let read = |text: &str| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]);
            retry_after(&headers, now)
        };
        assert_eq!(read("120"), Some(now + SignedDuration::from_secs(120)));
        let at: Timestamp = "2026-11-28T12:30:00Z".parse().unwrap();
        assert_eq!(read("Sat, 28 Nov 2026 12:30:00 GMT"), Some(at));
        for odd in ["", "soon", "-1", "99999999999999999999"] {
            assert_eq!(read(odd), None, "{odd}");
        }
    }
}
