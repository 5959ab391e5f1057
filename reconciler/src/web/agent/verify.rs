//! Who sent a request: the signature is checked before anything of the request is believed or parsed. The server comes from the key, never from path or body.

use super::directory::AgentIdentity;
use super::gate::{self, BodyPass, Pass};
use super::refusal::Refusal;
use crate::web::app::App;
use axum::http::StatusCode;
use axum::http::request::Parts;
use jiff::Timestamp;
use std::sync::Arc;
use tenantry_schema::id::ServerKey;
use tenantry_wire::SigningKey;
use tenantry_wire::http::{self, Nonce, Request};

/// Seconds that an agent's clock may differ from the hub's.
const TOLERANCE: i64 = 300;

/// An agent whose signature is good.
pub(super) struct Caller {
    pub(super) agent: Arc<AgentIdentity>,
    pub(super) nonce: Nonce,
    /// Signs the answer.
    pub(super) signer: Arc<SigningKey>,
    created: i64,
}

impl Caller {
    /// The server that it speaks for.
    pub(super) fn server(&self) -> &ServerKey {
        self.agent.server()
    }

    /// Whether its request is recent and not one too many, and whether it may bring another body.
    pub(super) fn admit_body(&self, app: &App) -> Result<(Pass, BodyPass), Refusal> {
        let pass = self.admit(app)?;
        let body = gate::enter_body(&self.agent, &app.state.limits).map_err(Refusal::busy)?;
        Ok((pass, body))
    }

    /// Whether its request is recent and not one too many.
    pub(super) fn admit(&self, app: &App) -> Result<Pass, Refusal> {
        let now = (app.state.clock)();
        if self.created.abs_diff(now.as_second()) > TOLERANCE.unsigned_abs() {
            return Err(clock_skew(self.created, now));
        }
        gate::enter(&self.agent, &app.state.limits).map_err(Refusal::busy)
    }

    /// Whether the fleet still names its key for its server. An agent may have waited for long.
    pub(super) fn still_known(&self, app: &App) -> Result<(), Refusal> {
        let known = app
            .state
            .agents
            .borrow()
            .find(self.agent.key().fingerprint())
            .is_some_and(|agent| agent.server() == self.server());
        if known {
            Ok(())
        } else {
            Err(Refusal::unknown_key())
        }
    }
}

/// What a request brings besides its head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Brings {
    /// Nothing.
    Nothing,
    /// A body that has not been read. Its announced digest is signed; [`check_body`] compares it afterwards.
    Body,
}

/// Checks the signature of a request. A body is not read before: nobody but an agent makes the hub hold any of it.
pub(super) fn verify(app: &App, parts: &Parts, brings: Brings) -> Result<Caller, Refusal> {
    let signer = app
        .state
        .signer
        .borrow()
        .clone()
        .ok_or_else(Refusal::no_signer)?;
    let directory = Arc::clone(&app.state.agents.borrow());
    let request = Request {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query: parts.uri.query(),
        body: None,
    };
    let mut found = None;
    let find = |fingerprint: &str| {
        found = directory.find(fingerprint);
        found.map(|agent| agent.key())
    };
    let verified = match brings {
        Brings::Nothing => http::verify_request(&request, &headers(parts), find),
        Brings::Body => http::verify_request_head(&request, &headers(parts), find),
    }?;
    let agent = found.cloned().ok_or_else(Refusal::unknown_key)?;
    Ok(Caller {
        agent,
        nonce: verified.nonce,
        signer,
        created: verified.created,
    })
}

/// Whether the body is the one that was signed.
pub(super) fn check_body(parts: &Parts, body: &[u8]) -> Result<(), Refusal> {
    Ok(http::check_body(&headers(parts), body)?)
}

/// The headers that are text. Others cannot be ours, so leaving them out makes them missing.
fn headers(parts: &Parts) -> Vec<(&str, &str)> {
    parts
        .headers
        .iter()
        .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
        .collect()
}

fn clock_skew(created: i64, now: Timestamp) -> Refusal {
    let off = created.saturating_sub(now.as_second());
    let hint = format!(
        "the server's clock is off by {off} seconds (the hub's says {now:.0}); set it right, then everything goes on"
    );
    Refusal::new(StatusCode::UNAUTHORIZED, "clock_skew", hint)
}
