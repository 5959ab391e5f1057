//! Turning what was found out into an answer: signed for a caller that is known, plain for one that is not. Every answer is counted here, once.

use super::ports::CurrentSlice;
use super::refusal::Refusal;
use super::verify::Caller;
use crate::web::app::App;
use crate::web::metrics;
use axum::body::{Body, Bytes};
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use tenantry_wire::http::{Answer, sign_answer};

/// An answer before it is signed.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    /// Under which it is counted.
    pub(super) outcome: &'static str,
    pub(super) content_type: Option<&'static str>,
    pub(super) body: Bytes,
    /// The slice that the answer is about; none while there is none.
    pub(super) slice: Option<CurrentSlice>,
}

/// The answer to a caller whose signature is good, signed whatever it says.
pub(super) fn to_caller(
    app: &App,
    route: &'static str,
    caller: &Caller,
    outcome: Result<Reply, Refusal>,
) -> Response {
    let (reply, refusal) = match outcome {
        Ok(reply) => (reply, None),
        Err(refusal) => {
            tracing::warn!(server = %caller.server(), route, kind = refusal.error, "an agent's request is refused");
            (refused(app, caller, &refusal), Some(refusal))
        }
    };
    metrics::agent_request(route, reply.outcome);
    let answer = Answer {
        status: reply.status.as_u16(),
        body: &reply.body,
        server: caller.server(),
        slice: reply
            .slice
            .as_ref()
            .map(|slice| (slice.generation, &*slice.content)),
        nonce: &caller.nonce,
    };
    let signed = match sign_answer(&answer, (app.state.clock)().as_second(), &caller.signer) {
        Ok(signed) => signed,
        Err(error) => {
            tracing::error!(server = %caller.server(), route, %error, "an answer cannot be signed");
            return plain(&Refusal::unavailable("the hub cannot sign this answer"));
        }
    };
    let mut response = bare(reply.status, reply.content_type, reply.body);
    for (name, value) in signed {
        // What was signed is visible ASCII; a value that were not would only fail to verify.
        if let Ok(value) = HeaderValue::try_from(value) {
            response
                .headers_mut()
                .insert(HeaderName::from_static(name), value);
        }
    }
    retry_after(&mut response, refusal.as_ref());
    response
}

/// The answer to somebody whose signature is not good.
pub(super) fn to_stranger(route: &'static str, refusal: &Refusal) -> Response {
    tracing::info!(
        route,
        kind = refusal.error,
        "a request to the agents' endpoints is refused"
    );
    metrics::agent_request(route, refusal.error);
    plain(refusal)
}

fn refused(app: &App, caller: &Caller, refusal: &Refusal) -> Reply {
    Reply {
        status: refusal.status,
        outcome: refusal.error,
        content_type: Some(JSON),
        body: refusal.body().into(),
        slice: app.state.slices.current(caller.server()),
    }
}

fn plain(refusal: &Refusal) -> Response {
    let mut response = bare(refusal.status, Some(JSON), refusal.body().into());
    retry_after(&mut response, Some(refusal));
    response
}

pub(super) const JSON: &str = "application/json";

fn bare(status: StatusCode, content_type: Option<&'static str>, body: Bytes) -> Response {
    let mut response = Response::new(if body.is_empty() {
        Body::empty()
    } else {
        Body::from(body)
    });
    *response.status_mut() = status;
    if let Some(content_type) = content_type {
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    response
}

fn retry_after(response: &mut Response, refusal: Option<&Refusal>) {
    if let Some(wait) = refusal.and_then(|refusal| refusal.retry_after) {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        response
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
    }
}
