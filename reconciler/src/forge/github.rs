//! GitHub: `POST /repos/{owner}/{repo}/statuses/{sha}` (REST API, "Commit statuses", version 2022-11-28).

use super::gitea::Gitea;
use super::{CommitStatus, Forge, Posted, State, ours};
use serde_json::Value;

pub(super) struct GitHub;

impl Forge for GitHub {
    /// Of github.com a host of its own, of an Enterprise Server a path.
    fn api(&self, url: &str) -> String {
        match url.strip_prefix("https://github.com") {
            Some("") => "https://api.github.com".to_owned(),
            _ => format!("{url}/api/v3"),
        }
    }

    fn token_header(&self) -> (&'static str, &'static str) {
        ("authorization", "Bearer ")
    }

    fn headers(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("accept", "application/vnd.github+json"),
            ("x-github-api-version", "2022-11-28"),
        ]
    }

    /// The combined status: the newest of each name.
    fn read(&self, repository: &str, commit: &str) -> String {
        format!("/repos/{repository}/commits/{commit}/status?per_page=100")
    }

    fn find(&self, answer: &Value) -> Result<Option<Posted>, &'static str> {
        ours(answer.get("statuses"), ("context", "state"))
    }

    fn write(&self, repository: &str, commit: &str) -> String {
        format!("/repos/{repository}/statuses/{commit}")
    }

    fn word(&self, state: State) -> &'static str {
        Gitea.word(state)
    }

    fn body(&self, status: &CommitStatus) -> Value {
        Gitea.body(status)
    }
}
