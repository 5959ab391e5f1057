//! `GET /agent/v1/next`: the newest slice as soon as there is one that the agent does not have. A long poll, so that a commit is there within milliseconds.

use super::answer::{self, Reply};
use super::ports::CurrentSlice;
use super::refusal::Refusal;
use super::verify::{self, Caller};
use crate::web::app::App;
use crate::web::metrics;
use crate::web::serve::Closing;
use axum::body::Bytes;
use axum::extract::{Query, Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use serde::Deserialize;
use std::time::Duration;
use tenantry_schema::wire::Questions;
use tokio::time::Instant;

/// Longest wait in seconds. Shorter than the minute after which many proxies give up.
const LONGEST_WAIT: u64 = 55;

/// What the agent has and how long it is ready to wait.
#[derive(Debug, Deserialize)]
struct Asked {
    /// Generation that it has accepted; 0: none. Only for people who read logs: content decides.
    #[serde(default)]
    generation: u64,
    /// Digest of the content that it has accepted; empty: none.
    #[serde(default)]
    content: String,
    /// Seconds.
    #[serde(default)]
    wait: u64,
    /// Whether it understands questions.
    #[serde(default)]
    questions: bool,
}

/// 200 with a bundle or with questions, 204 if the agent's content is the newest.
pub(in crate::web) async fn next(State(app): State<App>, request: Request) -> Response {
    const ROUTE: &str = "next";
    let (parts, _) = request.into_parts();
    let caller = match verify::verify(&app, &parts, verify::Brings::Nothing) {
        Ok(caller) => caller,
        Err(refusal) => return answer::to_stranger(ROUTE, &refusal),
    };
    let outcome = find(&app, &caller, &parts).await;
    answer::to_caller(&app, ROUTE, &caller, outcome)
}

async fn find(app: &App, caller: &Caller, parts: &Parts) -> Result<Reply, Refusal> {
    let _pass = caller.admit(app)?;
    let Query(asked) = Query::<Asked>::try_from_uri(&parts.uri)
        .map_err(|_| Refusal::malformed("the query is `generation`, `content`, `wait`"))?;
    let slices = &app.state.slices;
    // Subscribed before looking, so that no change falls in between.
    let mut changed = slices.changed(caller.server());
    let mut put = app.questions.asked(caller.server());
    if let Some(questions) = questions(app, caller, &asked) {
        return Ok(questions);
    }
    if let Some(slice) = newer(slices.current(caller.server()), &asked) {
        return deliver(app, caller, &asked, slice).await;
    }
    if asked.wait > 0 {
        let _waiting = metrics::poll_waits();
        let deadline = Instant::now() + Duration::from_secs(asked.wait.min(LONGEST_WAIT));
        let closing = Closing::of(&parts.extensions);
        let mut closed = std::pin::pin!(closing.begun());
        loop {
            tokio::select! {
                woken = changed.changed() => if woken.is_err() { break },
                woken = put.changed(), if asked.questions => if woken.is_err() { break },
                () = tokio::time::sleep_until(deadline) => break,
                () = &mut closed => break,
            }
            if let Some(slice) = newer(slices.current(caller.server()), &asked) {
                return deliver(app, caller, &asked, slice).await;
            }
            caller.still_known(app)?;
            if let Some(questions) = questions(app, caller, &asked) {
                return Ok(questions);
            }
        }
        caller.still_known(app)?;
    }
    Ok(unchanged(slices.current(caller.server())))
}

/// Questions that wait for this server, as an answer: JSON, which a bundle never looks like.
fn questions(app: &App, caller: &Caller, asked: &Asked) -> Option<Reply> {
    if !asked.questions {
        return None;
    }
    let questions = app.questions.fetch(caller.server(), (app.state.clock)());
    if questions.is_empty() {
        return None;
    }
    tracing::debug!(server = %caller.server(), count = questions.len(), "questions are put");
    let body = serde_json::to_vec(&Questions { questions }).ok()?;
    Some(Reply {
        status: StatusCode::OK,
        outcome: "asked",
        content_type: Some(answer::JSON),
        body: body.into(),
        slice: app.state.slices.current(caller.server()),
    })
}

/// Equal content is unchanged, whatever the generation.
fn newer(current: Option<CurrentSlice>, asked: &Asked) -> Option<CurrentSlice> {
    current.filter(|slice| *slice.content != *asked.content)
}

async fn deliver(
    app: &App,
    caller: &Caller,
    asked: &Asked,
    slice: CurrentSlice,
) -> Result<Reply, Refusal> {
    caller.still_known(app)?;
    let server = caller.server();
    let bundle = app.state.slices.bundle(server).await.map_err(|error| {
        tracing::error!(%server, generation = slice.generation, error = &*error as &dyn std::error::Error, "a slice cannot be read");
        Refusal::unavailable("the hub cannot read this server's slice now")
    })?;
    let Some((slice, body)) = bundle else {
        return Ok(unchanged(None));
    };
    tracing::debug!(%server, from = asked.generation, to = slice.generation, bytes = body.len(), "a slice is delivered");
    Ok(Reply {
        status: StatusCode::OK,
        outcome: "delivered",
        content_type: Some("application/gzip"),
        body,
        slice: Some(slice),
    })
}

fn unchanged(slice: Option<CurrentSlice>) -> Reply {
    Reply {
        status: StatusCode::NO_CONTENT,
        outcome: "unchanged",
        content_type: None,
        body: Bytes::new(),
        slice,
    }
}
