//! `POST /agent/v1/answers`: an agent answers a question. Checked like reports: head, size, digest, and only then what it says.

use super::answer::{self, Reply};
use super::body;
use super::refusal::Refusal;
use super::verify::Caller;
use crate::web::app::App;
use crate::web::operator::MOST_ANSWER;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use tenantry_schema::wire::{Answer, AnswerOutcome, LARGEST_ANSWER};

/// 204, whether anybody still waits for it or not.
pub(in crate::web) async fn answers(State(app): State<App>, request: Request) -> Response {
    const ROUTE: &str = "answers";
    let (parts, body) = request.into_parts();
    let caller = match body::head(&app, &parts, MOST_ANSWER) {
        Ok(caller) => caller,
        Err(refusal) => return answer::to_stranger(ROUTE, &refusal),
    };
    let outcome = receive(&app, &caller, &parts, body).await;
    answer::to_caller(&app, ROUTE, &caller, outcome)
}

async fn receive(app: &App, caller: &Caller, parts: &Parts, body: Body) -> Result<Reply, Refusal> {
    let _pass = caller.admit_body(app)?;
    let (body, _room) = body::receive(parts, body, MOST_ANSWER).await?;
    let answer: Answer = serde_json::from_slice(&body)
        .map_err(|_| Refusal::malformed("the body is not an answer"))?;
    if let AnswerOutcome::Answered { text, .. } = &answer.outcome
        && text.len() > LARGEST_ANSWER
    {
        return Err(Refusal::too_large(LARGEST_ANSWER));
    }
    let server = caller.server();
    let heard = app.questions.answered(server, answer);
    Ok(Reply {
        status: StatusCode::NO_CONTENT,
        outcome: if heard { "answered" } else { "too_late" },
        content_type: None,
        body: Bytes::new(),
        slice: app.state.slices.current(server),
    })
}
