//! GitLab: `POST /projects/:id/statuses/:sha` (REST API v4, "Commits", "Set commit pipeline status").

use super::{CONTEXT, CommitStatus, Forge, Posted, State, ours};
use serde_json::{Value, json};

pub(super) struct GitLab;

impl Forge for GitLab {
    fn api(&self, url: &str) -> String {
        format!("{url}/api/v4")
    }

    fn token_header(&self) -> (&'static str, &'static str) {
        ("private-token", "")
    }

    /// `all=false`, the default: the newest of each name.
    fn read(&self, repository: &str, commit: &str) -> String {
        format!(
            "/projects/{}/repository/commits/{commit}/statuses?name={CONTEXT}&per_page=100",
            id(repository)
        )
    }

    fn find(&self, answer: &Value) -> Result<Option<Posted>, &'static str> {
        ours(Some(answer), ("name", "status"))
    }

    fn write(&self, repository: &str, commit: &str) -> String {
        format!("/projects/{}/statuses/{commit}", id(repository))
    }

    /// It has no word for "could not be judged".
    fn word(&self, state: State) -> &'static str {
        match state {
            State::Success => "success",
            State::Failure | State::Error => "failed",
        }
    }

    fn body(&self, status: &CommitStatus) -> Value {
        json!({
            "state": self.word(status.state),
            "name": CONTEXT,
            "description": status.description,
            "target_url": status.target_url,
        })
    }

    /// A status that has ended takes no other text: "Cannot transition status via :succeed from :success".
    fn is_so_already(&self, code: u16, message: &str) -> bool {
        code == 400 && message.contains("Cannot transition status")
    }
}

/// A project's path as it stands in an address.
fn id(repository: &str) -> String {
    repository.replace('/', "%2F")
}
