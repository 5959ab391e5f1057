//! `POST /webhooks/git/{github,gitlab,gitea}`: the forge says that something was pushed. A hint to look, no more: nothing of it is parsed or kept.
//!
//! The way in is short: is there such a webhook, is it its turn, is it signed. Of the body only the signature is worked out, piece by piece, so that
//! the largest that a forge sends takes no memory.

use super::app::App;
use super::metrics;
use crate::forge::{Hook, HookRefusal};
use crate::verdicts::{HookDoor, VerdictBoard};
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_LENGTH, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, watch};

/// Largest body that a forge sends (GitHub).
const LARGEST: usize = 25 << 20;
/// Time that a body may take to arrive.
const SLOWEST: Duration = Duration::from_secs(10);
/// Requests that are checked at once.
static CHECKED: Semaphore = Semaphore::const_new(8);
/// Time that a request costs in the long run, and how many may come at once after a quiet time.
const PACE: Duration = Duration::from_secs(1);
const BURST: u32 = 60;

/// Called when a push was announced.
pub type Pushed = Arc<dyn Fn() + Send + Sync>;

/// What the web has to do with forges.
#[derive(Clone)]
pub struct ForgeDoors {
    /// Whole verdicts.
    pub verdicts: Arc<VerdictBoard>,
    /// Who webhooks must be signed by. None: there are none.
    pub hook: HookDoor,
    /// What a webhook does.
    pub pushed: Pushed,
}

impl ForgeDoors {
    /// No forge.
    pub fn none() -> Self {
        Self {
            verdicts: Arc::default(),
            hook: watch::Sender::default().subscribe(),
            pushed: Arc::new(|| {}),
        }
    }
}

/// How many requests may still come. Strangers can use it up; then the hub looks as often as it does without webhooks.
pub(super) struct Turn {
    paid_at: Mutex<Option<Instant>>,
}

impl Default for Turn {
    fn default() -> Self {
        Self {
            paid_at: Mutex::new(None),
        }
    }
}

impl Turn {
    /// Whether one more request may come at `now`; else after how long.
    fn take(&self, now: Instant) -> Result<(), Duration> {
        let mut paid_at = self.paid_at.lock().unwrap_or_else(PoisonError::into_inner);
        let next = paid_at.map_or(now, |paid| paid.max(now)) + PACE;
        let ahead = next.duration_since(now);
        if let Some(over) = ahead
            .checked_sub(PACE * BURST)
            .filter(|over| !over.is_zero())
        {
            return Err(over);
        }
        *paid_at = Some(next);
        Ok(())
    }
}

/// 204 when it was taken.
pub(super) async fn git(
    State(app): State<App>,
    Path(kind): Path<String>,
    request: Request,
) -> Response {
    let (outcome, answer) = match receive(&app, &kind, request).await {
        Ok(()) => {
            (app.state.forge.pushed)();
            ("taken", StatusCode::NO_CONTENT.into_response())
        }
        Err(refusal) => (refusal.word(), refusal.into_response()),
    };
    metrics::webhook(outcome);
    answer
}

enum Refusal {
    Unknown,
    Often(Duration),
    TooLarge,
    TooSlow,
    BrokeOff,
    Signature(HookRefusal),
}

impl Refusal {
    fn word(&self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Often(_) => "too_often",
            Self::TooLarge => "too_large",
            Self::TooSlow => "too_slow",
            Self::BrokeOff => "broke_off",
            Self::Signature(HookRefusal::Unsigned) => "unsigned",
            Self::Signature(HookRefusal::Forged) => "forged",
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::Unknown => (
                StatusCode::NOT_FOUND,
                "no such webhook: `forge.webhook` in fleet/hub.yaml\n",
            )
                .into_response(),
            Self::Often(pause) => (
                StatusCode::TOO_MANY_REQUESTS,
                [(RETRY_AFTER, pause.as_secs().max(1).to_string())],
                "too many webhooks\n",
            )
                .into_response(),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too large\n").into_response(),
            Self::TooSlow => (StatusCode::REQUEST_TIMEOUT, "too slow\n").into_response(),
            Self::BrokeOff => (StatusCode::BAD_REQUEST, "the body broke off\n").into_response(),
            Self::Signature(refusal) => {
                (StatusCode::UNAUTHORIZED, format!("{refusal}\n")).into_response()
            }
        }
    }
}

async fn receive(app: &App, kind: &str, request: Request) -> Result<(), Refusal> {
    let hook = app.state.forge.hook.borrow().clone();
    let hook = hook
        .filter(|hook| hook.kind().word() == kind)
        .ok_or(Refusal::Unknown)?;
    app.turn.take(Instant::now()).map_err(Refusal::Often)?;
    let (parts, body) = request.into_parts();
    let header = |name: &str| {
        parts
            .headers
            .get(name)
            .map(axum::http::HeaderValue::as_bytes)
    };
    let announced = header(CONTENT_LENGTH.as_str())
        .and_then(|length| std::str::from_utf8(length).ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > LARGEST as u64) {
        return Err(Refusal::TooLarge);
    }
    let _room = CHECKED.try_acquire().map_err(|_| Refusal::Often(PACE))?;
    let checked = tokio::time::timeout(SLOWEST, check(&hook, header, body)).await;
    checked.map_err(|_| Refusal::TooSlow)?
}

async fn check<'h>(
    hook: &Hook,
    header: impl Fn(&str) -> Option<&'h [u8]>,
    body: Body,
) -> Result<(), Refusal> {
    let mut checking = hook.begin(header).map_err(Refusal::Signature)?;
    let mut pieces = body.into_data_stream();
    let mut length = 0;
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|_| Refusal::BrokeOff)?;
        length += piece.len();
        if length > LARGEST {
            return Err(Refusal::TooLarge);
        }
        checking.update(&piece);
    }
    checking.finish().map_err(Refusal::Signature)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_one_a_second() {
        let (turn, now) = (Turn::default(), Instant::now());
        let taken = (0..100).filter(|_| turn.take(now).is_ok()).count();
        assert_eq!(taken, BURST as usize);
        assert_eq!(turn.take(now), Err(PACE));
        assert_eq!(turn.take(now + PACE), Ok(()));
        assert!(turn.take(now + PACE).is_err());
        let later = now + PACE * 1000;
        assert_eq!(
            (0..100).filter(|_| turn.take(later).is_ok()).count(),
            BURST as usize
        );
    }
}
