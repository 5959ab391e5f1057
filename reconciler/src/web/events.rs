//! `/api/v1/events`: tells readers that the state changed (Server-Sent Events). What changed they fetch, so an event stays small.

use super::app::App;
use super::serve::Closing;
use super::snapshot::Snapshot;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde_json::json;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Readers at once; each costs some memory.
const READERS: usize = 1024;
/// Shortest time between two events to one reader: a busy fleet changes many times a second, a person does not read so fast.
const PACE: Duration = Duration::from_millis(250);

/// Room for readers.
pub(super) struct Audience(Arc<Semaphore>);

impl Default for Audience {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(READERS)))
    }
}

/// An event `status` at once and at every change.
pub(super) async fn events(State(app): State<App>, request: Request) -> Response {
    let Ok(seat) = Arc::clone(&app.audience.0).try_acquire_owned() else {
        return (
            StatusCode::SERVICE_UNAVAILABLE,
            [(RETRY_AFTER, "30")],
            "too many readers\n",
        )
            .into_response();
    };
    let reader = Reader {
        status: app.state.status.clone(),
        app,
        closing: Closing::of(request.extensions()),
        first: true,
        _seat: seat,
    };
    let events = stream::unfold(reader, |mut reader| async move {
        let event = reader.next().await?;
        Some((Ok::<_, Infallible>(event), reader))
    });
    Sse::new(events)
        .keep_alive(KeepAlive::new().interval(Duration::from_secs(20)))
        .into_response()
}

struct Reader {
    app: App,
    status: tokio::sync::watch::Receiver<Arc<tenantry_planner::status::FleetStatus>>,
    closing: Closing,
    first: bool,
    _seat: OwnedSemaphorePermit,
}

impl Reader {
    /// None ends the stream: the hub stops.
    async fn next(&mut self) -> Option<Event> {
        if self.first {
            self.first = false;
            self.status.mark_unchanged();
        } else {
            let change = async {
                tokio::time::sleep(PACE).await;
                self.status.changed().await
            };
            tokio::select! {
                changed = change => changed.ok()?,
                () = self.closing.begun() => return None,
            }
        }
        Some(event(&self.app.snapshots.newest()))
    }
}

fn event(snapshot: &Snapshot) -> Event {
    let status = &snapshot.status;
    let data = json!({
        "version": snapshot.version,
        "at": status.at,
        "commit": status.commit.as_ref().map(|commit| &commit.id),
        "mode": status.mode,
        "totals": status.totals,
        "frozen": status.frozen.len(),
        "diagnostics": status.diagnostics.len(),
    });
    Event::default()
        .event("status")
        .id(&snapshot.version)
        .data(data.to_string())
}
