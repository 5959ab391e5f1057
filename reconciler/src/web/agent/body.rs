//! Bodies that agents send: who sends one is known before anything of it is read, it is bounded in size, in time and, with all others, in memory,
//! and compared with its signed digest before it is parsed.

use super::refusal::Refusal;
use super::verify::{self, Brings, Caller};
use crate::web::app::App;
use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use axum::http::header::CONTENT_LENGTH;
use axum::http::request::Parts;
use futures_util::StreamExt as _;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Time that a body may take to arrive.
const SLOWEST: Duration = Duration::from_secs(30);
/// Time that is waited for room.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bodies that are held in memory at once, over all agents.
static BODIES: Semaphore = Semaphore::const_new(64);

/// Who sends it. Nothing of a body that is announced to be larger than `largest` is read.
pub(super) fn head(app: &App, parts: &Parts, largest: usize) -> Result<Caller, Refusal> {
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

/// The body of a request whose [`head`] was checked, with the room that it takes as long as it is kept.
pub(super) async fn receive(
    parts: &Parts,
    body: Body,
    largest: usize,
) -> Result<(Bytes, SemaphorePermit<'static>), Refusal> {
    let room = tokio::time::timeout(PATIENCE, BODIES.acquire())
        .await
        .map_err(|_| Refusal::unavailable("the hub takes in much from agents just now"))?
        .map_err(|_| Refusal::unavailable("the hub stops"))?;
    let slow = |_| {
        Refusal::new(
            StatusCode::REQUEST_TIMEOUT,
            "too_slow",
            "the body did not arrive in time",
        )
    };
    let body = tokio::time::timeout(SLOWEST, bounded(body, largest))
        .await
        .map_err(slow)??;
    verify::check_body(parts, &body)?;
    Ok((body, room))
}

/// A body that has at most `largest` bytes.
async fn bounded(body: Body, largest: usize) -> Result<Bytes, Refusal> {
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
