//! What stands between this server and its hub: told in the log when it changes, and kept on disk so that `status`, which is
//! another process, can tell it too.

use super::LinkError;
use crate::execute::sentence;
use crate::files::{FilesError, Root};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use tenantry_schema::name::RelativePath;

/// The file, in the folder that is given.
const FILE: &str = "hub-troubles.json";
/// Far more than it ever holds.
const LIMIT: u64 = 64 << 10;

/// What the hub was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum About {
    /// A newer slice.
    Slices,
    /// To take reports.
    Reports,
}

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Slices => "slices",
            Self::Reports => "reports",
        })
    }
}

/// Why the hub did not serve a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// Since when.
    pub since: Timestamp,
    /// Tells one trouble from another, in a word or two.
    pub kind: String,
    /// In a sentence, the hub's hint included.
    pub message: String,
}

/// All troubles, by what was asked for.
pub type Now = BTreeMap<About, Trouble>;

/// Remembers troubles.
#[derive(Debug)]
pub struct Troubles {
    root: Root,
    now: Now,
}

impl Troubles {
    /// Those that were kept in `root`. A file that makes no sense counts as none.
    pub fn open(root: Root) -> Result<Self, FilesError> {
        let bytes = root.read(&name(), LIMIT)?.unwrap_or_default();
        let now = serde_json::from_slice(&bytes).unwrap_or_default();
        Ok(Self { root, now })
    }

    /// What stands in the way.
    pub fn now(&self) -> &Now {
        &self.now
    }

    /// The hub served a request.
    pub fn served(&mut self, about: About) {
        if self.now.remove(&about).is_some() {
            tracing::info!(%about, "the hub answers again");
            self.keep();
        }
    }

    /// It did not. Said once, until it is another trouble.
    pub fn refused(&mut self, about: About, error: &LinkError, now: Timestamp) {
        let (kind, message) = (error.kind(), sentence(error));
        let before = self.now.get(&about);
        if before.is_some_and(|before| before.kind == kind) {
            tracing::debug!(%about, message, "still no news from the hub");
            return;
        }
        tracing::warn!(%about, "{message}");
        let since = before.map_or(now, |before| before.since);
        let trouble = Trouble {
            since,
            kind,
            message,
        };
        self.now.insert(about, trouble);
        self.keep();
    }

    fn keep(&self) {
        let kept = if self.now.is_empty() {
            self.root.remove(&name()).map(drop)
        } else {
            let bytes = serde_json::to_vec(&self.now).expect("troubles are text");
            self.root.write(&name(), &bytes)
        };
        if let Err(error) = kept {
            tracing::debug!(%error, "what the hub says cannot be kept");
        }
    }
}

fn name() -> RelativePath {
    RelativePath::try_from(FILE).expect("a plain name")
}

#[cfg(test)]
mod tests {
    use super::super::HubRefusal;
    use super::*;
    use reqwest::StatusCode;

    fn refusal(kind: &str) -> LinkError {
        let body = serde_json::json!({ "error": kind, "hint": format!("mend {kind}") });
        LinkError::Refused(HubRefusal::read(
            StatusCode::UNAUTHORIZED,
            body.to_string().as_bytes(),
            false,
        ))
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn kept_until_the_hub_serves_again() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Troubles::open(Root::private(folder.path()).unwrap()).unwrap();
        let mut troubles = open();
        assert!(troubles.now().is_empty());
        troubles.refused(About::Slices, &refusal("one"), at(1));
        troubles.refused(About::Slices, &refusal("one"), at(2));
        troubles.refused(About::Reports, &refusal("two"), at(3));
        let seen = open().now().clone();
        assert_eq!(seen[&About::Slices].since, at(1));
        assert!(seen[&About::Slices].message.ends_with("mend one"));
        // Another trouble, the same absence.
        troubles.refused(About::Slices, &refusal("three"), at(4));
        let seen = open().now().clone();
        assert_eq!(seen[&About::Slices].since, at(1));
        assert!(seen[&About::Slices].message.ends_with("mend three"));
        troubles.served(About::Slices);
        assert_eq!(open().now().len(), 1);
        troubles.served(About::Reports);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_damaged_file_counts_as_none() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), "{").unwrap();
        let troubles = Troubles::open(Root::private(folder.path()).unwrap()).unwrap();
        assert!(troubles.now().is_empty());
    }
}
