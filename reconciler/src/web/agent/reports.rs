//! `POST /agent/v1/reports`: what agents saw. The signature is checked before the body is read, the body is bounded
//! and compared with its signed digest before it is parsed, and kept before it is acknowledged.

use super::answer::{self, JSON, Reply};
use super::ports::ReportError;
use super::refusal::Refusal;
use super::verify::{self, Brings, Caller};
use crate::web::app::App;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_LENGTH;
use axum::http::request::Parts;
use axum::response::Response;
use futures_util::StreamExt as _;
use std::time::Duration;
use tenantry_schema::wire::ReportBatch;
use tenantry_wire::http::LARGEST_REPORTS as LARGEST;
use tokio::sync::Semaphore;

/// Time that a body may take to arrive.
const SLOWEST: Duration = Duration::from_secs(30);
/// Bodies that are held in memory at once, over all agents.
static BODIES: Semaphore = Semaphore::const_new(64);

/// 200 with a signed receipt.
pub(in crate::web) async fn reports(State(app): State<App>, request: Request) -> Response {
    const ROUTE: &str = "reports";
    let (parts, body) = request.into_parts();
    let caller = match receive_head(&app, &parts, LARGEST) {
        Ok(caller) => caller,
        Err(refusal) => return answer::to_stranger(ROUTE, &refusal),
    };
    let outcome = receive(&app, &caller, &parts, body).await;
    answer::to_caller(&app, ROUTE, &caller, outcome)
}

/// Who sends it. Nothing of a body that is announced to be larger than `largest` is read.
pub(super) fn receive_head(app: &App, parts: &Parts, largest: usize) -> Result<Caller, Refusal> {
    let announced = parts
        .headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    let caller = verify::verify(app, parts, Brings::Body)?;
    if announced.is_some_and(|length| length > largest as u64) {
        return Err(Refusal::too_large(largest));
    }
    Ok(caller)
}

/// From here on the request is an agent's. The room for its body is given back as soon as the reports are kept.
async fn receive(app: &App, caller: &Caller, parts: &Parts, body: Body) -> Result<Reply, Refusal> {
    let _pass = caller.admit_body(app)?;
    let slow = |_| {
        Refusal::new(
            StatusCode::REQUEST_TIMEOUT,
            "too_slow",
            "the body did not arrive in time",
        )
    };
    let _room = tokio::time::timeout(Duration::from_secs(5), BODIES.acquire())
        .await
        .map_err(|_| Refusal::unavailable("the hub takes in many reports just now"))?
        .map_err(|_| Refusal::unavailable("the hub stops"))?;
    let body = tokio::time::timeout(SLOWEST, bounded(body, LARGEST))
        .await
        .map_err(slow)??;
    verify::check_body(parts, &body)?;
    keep(app, caller, &body).await
}

/// A body that has at most `largest` bytes.
pub(super) async fn bounded(body: Body, largest: usize) -> Result<Bytes, Refusal> {
    let mut chunks = body.into_data_stream();
    let mut all = Vec::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| Refusal::malformed("the body broke off"))?;
        if all.len() + chunk.len() > largest {
            return Err(Refusal::too_large(largest));
        }
        all.extend_from_slice(&chunk);
    }
    Ok(all.into())
}

async fn keep(app: &App, caller: &Caller, body: &[u8]) -> Result<Reply, Refusal> {
    // The place in the text is told, the text itself is not.
    let batch: ReportBatch = serde_json::from_slice(body).map_err(|error| {
        Refusal::malformed(format!(
            "the body is not a batch of reports (line {}, column {})",
            error.line(),
            error.column()
        ))
    })?;
    if batch.reports.is_empty() {
        return Err(Refusal::malformed("a batch holds at least one report"));
    }
    let server = caller.server();
    let receipt = app.state.reports.accept(server.clone(), batch).await.map_err(|error| match error {
        ReportError::Refused(hint) => Refusal::new(StatusCode::BAD_REQUEST, "refused", hint),
        ReportError::Unavailable(cause) => {
            tracing::error!(%server, error = &*cause as &dyn std::error::Error, "reports cannot be kept");
            Refusal::unavailable("the hub cannot keep reports now; keep them and send them again")
        }
    })?;
    let body = serde_json::to_vec(&receipt)
        .map_err(|_| Refusal::unavailable("the receipt cannot be written"))?;
    Ok(Reply {
        status: StatusCode::OK,
        outcome: "accepted",
        content_type: Some(JSON),
        body: body.into(),
        slice: app.state.slices.current(server),
    })
}
