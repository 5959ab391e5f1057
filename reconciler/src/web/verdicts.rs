//! `/verdicts/{commit}`: what the hub thinks of a commit, in full, as plain text. A commit status links here.

use super::app::App;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

/// The verdict, or 404 where there is none, or none any more.
pub(super) async fn verdict(State(app): State<App>, Path(commit): Path<String>) -> Response {
    let headers = [
        (CONTENT_TYPE, "text/plain; charset=utf-8"),
        (CACHE_CONTROL, "no-cache"),
    ];
    match app.state.forge.verdicts.get(&commit) {
        Some(text) => (headers, text.to_string()).into_response(),
        None => (
            StatusCode::NOT_FOUND,
            headers,
            "There is no verdict on this commit here: it was not judged, or it was long ago.\n",
        )
            .into_response(),
    }
}
