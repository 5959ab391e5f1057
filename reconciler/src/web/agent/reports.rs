//! `POST /agent/v1/reports`: what agents saw. The signature is checked before the body is read, the body is bounded
//! and compared with its signed digest before it is parsed, and kept before it is acknowledged.

use super::answer::{self, JSON, Reply};
use super::body;
use super::ports::ReportError;
use super::refusal::Refusal;
use super::verify::Caller;
use crate::web::app::App;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use tenantry_schema::wire::ReportBatch;
use tenantry_wire::http::LARGEST_REPORTS as LARGEST;

/// 200 with a signed receipt.
pub(in crate::web) async fn reports(State(app): State<App>, request: Request) -> Response {
    const ROUTE: &str = "reports";
    let (parts, body) = request.into_parts();
    let caller = match body::head(&app, &parts, LARGEST) {
        Ok(caller) => caller,
        Err(refusal) => return answer::to_stranger(ROUTE, &refusal),
    };
    let outcome = receive(&app, &caller, &parts, body).await;
    answer::to_caller(&app, ROUTE, &caller, outcome)
}

/// From here on the request is an agent's. The room for its body is given back as soon as the reports are kept.
async fn receive(app: &App, caller: &Caller, parts: &Parts, body: Body) -> Result<Reply, Refusal> {
    let _pass = caller.admit_body(app)?;
    let (body, _room) = body::receive(parts, body, LARGEST).await?;
    keep(app, caller, &body).await
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
