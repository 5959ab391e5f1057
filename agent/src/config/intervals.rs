//! How often the agent does by itself what nothing tells it to do. Servers have no reason to say anything else than the defaults; tests
//! do, so that they need not wait for minutes to go by.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Times between two of a kind, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Intervals {
    /// Looks at the server, whatever happens.
    pub patrol: u64,
    /// Reports without news.
    pub report: u64,
    /// Samples of what is used, four of which make a window.
    pub sample: u64,
}

impl Default for Intervals {
    fn default() -> Self {
        Self {
            patrol: 30,
            report: 60,
            sample: 15,
        }
    }
}

impl Intervals {
    /// Between two looks at the server.
    pub fn patrol(self) -> Duration {
        Duration::from_secs(self.patrol)
    }

    /// Between two reports without news.
    pub fn report(self) -> Duration {
        Duration::from_secs(self.report)
    }

    /// Between two samples of what is used.
    pub fn sample(self) -> Duration {
        Duration::from_secs(self.sample)
    }

    /// Whether the server says nothing about them.
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// The first that makes no sense: without a pause the agent would do nothing else.
    pub(super) fn wrong(self) -> Option<&'static str> {
        let all = [
            ("patrol", self.patrol),
            ("report", self.report),
            ("sample", self.sample),
        ];
        let wrong = all.iter().find(|(_, it)| !(1..=3600).contains(it));
        wrong.map(|(name, _)| *name)
    }
}
