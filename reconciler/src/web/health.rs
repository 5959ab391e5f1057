//! `/healthz`, `/readyz`, `/metrics`: for load balancers, service managers and Prometheus.

use super::app::App;
use super::metrics;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tenantry_schema::Diagnostic;

/// The process is up and answers.
pub(super) async fn alive() -> &'static str {
    "ok\n"
}

/// A commit was read and its state is known. 503 until then.
pub(super) async fn ready(State(app): State<App>) -> Response {
    let snapshot = app.snapshots.newest();
    let status = &snapshot.status;
    let ready = status.commit.is_some();
    let body = json!({
        "ready": ready,
        "mode": status.mode,
        "commit": status.commit.as_ref().map(|commit| &commit.id),
        "source_problem": status.source_problem,
        "errors": status.diagnostics.iter().filter(|found| found.is_error()).count(),
        "fleet_errors": of_the_fleet(&status.diagnostics),
    });
    let code = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (code, Json(body)).into_response()
}

/// Most errors that are listed.
const MOST: usize = 10;

/// Errors that are not a customer's, each as one line.
fn of_the_fleet(all: &[Diagnostic]) -> Vec<String> {
    let customers = ["fleet/customers/", "fleet/decisions/"];
    all.iter()
        .filter(|found| found.is_error())
        .filter(|found| {
            let file = &found.place.file;
            !customers.iter().any(|folder| file.starts_with(folder))
        })
        .take(MOST)
        .map(|found| {
            let place = &found.place;
            format!(
                "{} {}:{}: {}",
                found.code, place.file, place.line, found.message
            )
        })
        .collect()
}

/// Prometheus' text format, version 0.0.4.
pub(super) async fn metrics(State(app): State<App>) -> Response {
    let snapshot = app.snapshots.newest();
    app.state.metrics.run_upkeep();
    let text = app.state.metrics.render() + &metrics::fleet(&snapshot.status);
    (
        [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
        text,
    )
        .into_response()
}
