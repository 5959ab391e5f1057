//! Gitea and Forgejo: `POST /api/v1/repos/{owner}/{repo}/statuses/{sha}` (their Swagger file, `repoCreateStatus` and `repoGetCombinedStatusByRef`).

use super::{CONTEXT, CommitStatus, Forge, Posted, State, ours};
use serde_json::{Value, json};

pub(super) struct Gitea;

impl Forge for Gitea {
    fn api(&self, url: &str) -> String {
        format!("{url}/api/v1")
    }

    fn token_header(&self) -> (&'static str, &'static str) {
        ("authorization", "token ")
    }

    /// The combined status: the newest of each name.
    fn read(&self, repository: &str, commit: &str) -> String {
        format!("/repos/{repository}/commits/{commit}/status?limit=50")
    }

    fn find(&self, answer: &Value) -> Result<Option<Posted>, &'static str> {
        // `null` where there is none.
        match answer.get("statuses") {
            Some(Value::Null) => Ok(None),
            statuses => ours(statuses, ("context", "status")),
        }
    }

    fn write(&self, repository: &str, commit: &str) -> String {
        format!("/repos/{repository}/statuses/{commit}")
    }

    fn word(&self, state: State) -> &'static str {
        match state {
            State::Success => "success",
            State::Failure => "failure",
            State::Error => "error",
        }
    }

    fn body(&self, status: &CommitStatus) -> Value {
        json!({
            "state": self.word(status.state),
            "context": CONTEXT,
            "description": status.description,
            "target_url": status.target_url,
        })
    }
}
