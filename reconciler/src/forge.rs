//! Forges: what the hub thinks of a commit becomes its commit status there, and a push there wakes the hub.
//!
//! Vendors differ in addresses and words alone, so a [`Forge`] says how to ask, and [`Client`] asks: it knows the token, follows no redirect, and
//! bounds time and size of what comes back.

mod client;
mod gitea;
mod github;
mod gitlab;
mod hook;

pub(crate) use client::is_loopback;
pub use client::{Client, ForgeError};
pub use hook::{Hook, HookRefusal};

use serde_json::Value;
use tenantry_schema::document::{self, ForgeKind};

/// The name under which all of the hub's statuses stand: a commit has one status of the hub, whoever posted it and how often.
pub const CONTEXT: &str = "tenantry";
/// Longest description that every forge takes, in characters (GitHub's).
pub const LONGEST: usize = 140;

/// Whether a commit is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Good.
    Success,
    /// Something in it is wrong.
    Failure,
    /// It could not be judged.
    Error,
}

/// The status of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitStatus {
    /// Whether it is good.
    pub state: State,
    /// In a line of at most [`LONGEST`] characters.
    pub description: String,
    /// Where there is more to read.
    pub target_url: String,
}

/// A status as it stands at a forge, in the forge's own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posted {
    /// The forge's word for the state.
    pub state: String,
    /// The line.
    pub description: String,
    /// Where there is more to read.
    pub target_url: String,
}

/// How one vendor is asked. Addresses are relative to the forge's own.
pub trait Forge: Send + Sync {
    /// Where the API is, from the address that people open in a browser.
    fn api(&self, url: &str) -> String;
    /// The header that carries the token, and what stands before it.
    fn token_header(&self) -> (&'static str, &'static str);
    /// Further headers.
    fn headers(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }
    /// Path and query that list the statuses of a commit.
    fn read(&self, repository: &str, commit: &str) -> String;
    /// What is ours in the answer to [`Forge::read`]. Err: it is not such an answer.
    fn find(&self, answer: &Value) -> Result<Option<Posted>, &'static str>;
    /// Path to which a status is posted.
    fn write(&self, repository: &str, commit: &str) -> String;
    /// The forge's word for a state.
    fn word(&self, state: State) -> &'static str;
    /// The body of such a post.
    fn body(&self, status: &CommitStatus) -> Value;
    /// Whether a refused post means that the status is so already.
    fn is_so_already(&self, _code: u16, _message: &str) -> bool {
        false
    }
}

/// The vendor that `forge:` of `hub.yaml` names.
pub fn vendor(kind: ForgeKind) -> &'static dyn Forge {
    match kind {
        ForgeKind::Github => &github::GitHub,
        ForgeKind::Gitlab => &gitlab::GitLab,
        ForgeKind::Gitea => &gitea::Gitea,
    }
}

/// Settings of a forge as they stand in `hub.yaml`.
pub type Settings = document::Forge;

/// The first of `statuses` whose name is ours. `keys`: where a status keeps its name and its state.
fn ours(
    statuses: Option<&Value>,
    (name, state): (&str, &str),
) -> Result<Option<Posted>, &'static str> {
    let Some(statuses) = statuses.and_then(Value::as_array) else {
        return Err("it lists no statuses");
    };
    let text = |status: &Value, key: &str| {
        let text = status.get(key).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    let ours = statuses.iter().find(|status| text(status, name) == CONTEXT);
    Ok(ours.map(|status| Posted {
        state: text(status, state),
        description: text(status, "description"),
        target_url: text(status, "target_url"),
    }))
}
