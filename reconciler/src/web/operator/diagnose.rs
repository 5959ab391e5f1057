//! `POST /operator/v1/diagnose`: a person of the staff asks a server something.
//!
//! # Rules
//! - The body is bounded before it is read, and its signature is checked before anything in it is believed.
//! - It names this fleet, is at most five minutes old, and is taken once.
//! - It is written down, durably, before the server is asked; and again what came of it.
//! - Whoever is turned away learns nothing about servers.

use super::desk::TooMany;
use crate::store::AuditEntry;
use crate::web::app::App;
use axum::Json;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tenantry_schema::id::{ServerKey, StaffId};
use tenantry_schema::wire::{
    AnswerOutcome, Ask, Inquiry, LARGEST_ANSWER, LogMatch, MOST_LINES, Question, SignedAsk,
};

/// Largest body.
const LARGEST: usize = 64 << 10;
/// Time that a body may take to arrive.
const SLOWEST: Duration = Duration::from_secs(10);
/// A clock may differ by so much.
const TOLERANCE: SignedDuration = SignedDuration::from_mins(5);
/// Time that a server has to answer.
const PATIENCE: Duration = Duration::from_secs(40);
/// Asks that are remembered: the oldest are too old by then.
const REMEMBERED: usize = 10_000;

/// Largest body of an agent's answer, in bytes: the text, as JSON escapes it.
pub(in crate::web) const MOST_ANSWER: usize = 4 * LARGEST_ANSWER;

/// Asks that were taken.
#[derive(Debug, Default)]
pub(in crate::web) struct Seen(Mutex<HashMap<String, Timestamp>>);

impl Seen {
    /// Whether this is the first time.
    fn first(&self, nonce: &str, now: Timestamp) -> bool {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.retain(|_, at| now.duration_since(*at) <= TOLERANCE * 3);
        seen.len() < REMEMBERED && seen.insert(nonce.to_owned(), now).is_none()
    }
}

/// Why a question is not put.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("not a signed question: {0}")]
    Malformed(String),
    #[error(
        "{0}; who may ask is in fleet/staff.yaml: an admin adds the public key to `signing_keys:` of a person there"
    )]
    Signature(#[from] tenantry_wire::sshsig::SshSigError),
    #[error("this hub serves another fleet")]
    OtherFleet,
    #[error(
        "your clock and the hub's differ by more than five minutes, or this is an old question (the hub's says {0:.0})"
    )]
    Old(Timestamp),
    #[error("this question was asked before")]
    Again,
    #[error("at most {MOST_LINES} lines")]
    Lines,
    #[error("the fleet has no server {0}")]
    NoServer(ServerKey),
    #[error("too many questions are open; try again in a minute")]
    TooMany,
    #[error("it cannot be written down who asks, so nothing is asked")]
    NoDiary,
    #[error("{0}")]
    NoAnswer(String),
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::Malformed(_) | Self::Lines => StatusCode::BAD_REQUEST,
            Self::Signature(_) | Self::OtherFleet | Self::Old(_) | Self::Again => {
                StatusCode::UNAUTHORIZED
            }
            Self::NoServer(_) => StatusCode::NOT_FOUND,
            Self::TooMany => StatusCode::TOO_MANY_REQUESTS,
            Self::NoDiary => StatusCode::SERVICE_UNAVAILABLE,
            Self::NoAnswer(_) => StatusCode::GATEWAY_TIMEOUT,
        }
    }
}

/// 200 with an [`AnswerOutcome`].
pub(in crate::web) async fn diagnose(State(app): State<App>, request: Request) -> Response {
    match serve(&app, request).await {
        Ok(outcome) => Json(outcome).into_response(),
        Err(refusal) => {
            tracing::info!(%refusal, "a question of an operator is refused");
            let body = json!({ "error": refusal.to_string() });
            (refusal.status(), Json(body)).into_response()
        }
    }
}

async fn serve(app: &App, request: Request) -> Result<AnswerOutcome, Refusal> {
    let read = tokio::time::timeout(SLOWEST, to_bytes(request.into_body(), LARGEST));
    let body = read
        .await
        .map_err(|_| Refusal::Malformed("it did not arrive in time".into()))?
        .map_err(|_| Refusal::Malformed(format!("it has more than {LARGEST} bytes")))?;
    let malformed = |error: serde_json::Error| Refusal::Malformed(error.to_string());
    let signed: SignedAsk = serde_json::from_slice(&body).map_err(malformed)?;
    let staff = app.state.servers.staff.borrow().clone();
    let who = staff.signer(signed.ask.as_bytes(), &signed.signature)?;
    let ask: Ask = serde_json::from_str(&signed.ask).map_err(malformed)?;
    let now = (app.state.clock)();
    if ask.fleet_id != staff.fleet_id() {
        return Err(Refusal::OtherFleet);
    }
    if now.duration_since(ask.at).abs() > TOLERANCE {
        return Err(Refusal::Old(now));
    }
    if !app.seen.first(&format!("{who} {}", ask.nonce), now) {
        return Err(Refusal::Again);
    }
    if let Inquiry::Logs { lines, .. } | Inquiry::SiteLog { lines, .. } = &ask.inquiry
        && *lines > MOST_LINES
    {
        return Err(Refusal::Lines);
    }
    let status = app.state.status.borrow().clone();
    let known = status
        .servers
        .iter()
        .any(|server| server.customer == ask.server.customer && server.server == ask.server.server);
    if !known {
        return Err(Refusal::NoServer(ask.server));
    }
    note(app, &ask, format!("{who} asks")).await?;
    let outcome = match &ask.inquiry {
        Inquiry::Matches {} => matches(app, &ask.server).await,
        _ => put(app, &ask, who).await,
    };
    let came = match &outcome {
        Ok(AnswerOutcome::Answered { text, .. }) => format!("{who} got {} bytes", text.len()),
        Ok(AnswerOutcome::Refused { .. }) => format!("{who} got a refusal"),
        Err(_) => format!("{who} got no answer"),
    };
    note(app, &ask, came).await?;
    outcome
}

/// Writes down who asked what, or what came of it.
async fn note(app: &App, ask: &Ask, reason: String) -> Result<(), Refusal> {
    let entry = AuditEntry {
        at: (app.state.clock)(),
        act: format!("diagnose: {}", ask.inquiry),
        subject: ask.server.to_string(),
        commit: None,
        reason,
    };
    tracing::info!(server = entry.subject, act = entry.act, "{}", entry.reason);
    app.state.servers.diary.note(entry).await.map_err(|error| {
        tracing::error!(
            error = &*error as &dyn std::error::Error,
            "a question cannot be written down"
        );
        Refusal::NoDiary
    })
}

/// Asks the server's agent.
async fn put(app: &App, ask: &Ask, who: &StaffId) -> Result<AnswerOutcome, Refusal> {
    let patience = SignedDuration::try_from(PATIENCE).unwrap_or(SignedDuration::ZERO);
    let until = (app.state.clock)()
        .checked_add(patience)
        .unwrap_or(Timestamp::MAX);
    let question = Question {
        id: hex::encode(rand::random::<[u8; 16]>()),
        by: who.to_string(),
        until,
        inquiry: serde_json::to_value(&ask.inquiry)
            .map_err(|error| Refusal::Malformed(error.to_string()))?,
    };
    let put = app.questions.put(ask.server.clone(), question);
    let mut put = put.map_err(|TooMany| Refusal::TooMany)?;
    match tokio::time::timeout(PATIENCE, put.answer()).await {
        Ok(Some(outcome)) => Ok(outcome),
        _ if put.is_fetched() => Err(Refusal::NoAnswer(format!(
            "{} has the question and did not answer within {} seconds",
            ask.server,
            PATIENCE.as_secs()
        ))),
        _ => Err(Refusal::NoAnswer(format!(
            "{} did not come for the question within {} seconds: is its agent running, and new enough to be asked?",
            ask.server,
            PATIENCE.as_secs()
        ))),
    }
}

async fn matches(app: &App, server: &ServerKey) -> Result<AnswerOutcome, Refusal> {
    let found = app.state.servers.diary.matches(server.clone()).await;
    let found = found.map_err(|_| Refusal::NoDiary)?;
    let mut text: String = found.iter().map(told).collect();
    if text.is_empty() {
        text.push_str("no rule found anything\n");
    }
    let mut from = text.len().saturating_sub(LARGEST_ANSWER);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    Ok(AnswerOutcome::Answered {
        cut: from > 0,
        text: text.split_off(from),
    })
}

fn told(found: &LogMatch) -> String {
    let lines = |lines: &[String]| {
        lines
            .iter()
            .fold(String::new(), |text, line| text + "    " + line + "\n")
    };
    let more = match found.untold {
        0 => String::new(),
        untold => format!(" ({untold} more before it)"),
    };
    format!(
        "{} {} {}/{}{more}\n{}  > {}\n{}\n",
        found.at,
        found.rule,
        found.instance,
        found.service,
        lines(&found.before),
        found.line,
        lines(&found.after)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_taken_once() {
        let seen = Seen::default();
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        assert!(seen.first("a", at(0)));
        assert!(!seen.first("a", at(1)));
        assert!(seen.first("b", at(2)));
        // Long after its time it is refused for being old.
        assert!(!seen.first("a", at(600)));
        assert!(seen.first("a", at(3000)));
    }
}
