//! `/api/v1/status`: the state of the whole fleet for programs, and of single servers. Read-only.

use super::app::App;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

/// The newest [`tenantry_planner::status::FleetStatus`], or 304 to one who has it.
pub(super) async fn status(State(app): State<App>, headers: HeaderMap) -> Response {
    let snapshot = app.snapshots.newest();
    // Ten thousand servers are several megabytes: not on a thread that agents wait for.
    let json = match tokio::task::spawn_blocking(move || snapshot.json()).await {
        Ok(Ok(json)) => json,
        Ok(Err(error)) => {
            tracing::error!(%error, "the state cannot be written as JSON");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
        Err(error) => {
            tracing::error!(%error, "writing the state as JSON broke off");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
    };
    let known = [
        (ETAG, json.etag.clone()),
        (CACHE_CONTROL, "no-cache".to_owned()),
    ];
    if has(&headers, &json.etag) {
        return (StatusCode::NOT_MODIFIED, known).into_response();
    }
    (
        known,
        [(CONTENT_TYPE, "application/json")],
        json.body.clone(),
    )
        .into_response()
}

/// The state of one server, `/api/v1/servers/{customer}/{server}`.
pub(super) async fn server(
    State(app): State<App>,
    Path((customer, server)): Path<(String, String)>,
) -> Response {
    let status = app.state.status.borrow().clone();
    match super::usage::find(&status, &customer, &server) {
        Some(found) => Json(found).into_response(),
        None => (StatusCode::NOT_FOUND, "there is no such server\n").into_response(),
    }
}

/// Whether `If-None-Match` names `etag` (RFC 9110, 13.1.2: compared weakly).
fn has(headers: &HeaderMap, etag: &str) -> bool {
    headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == etag)
}
