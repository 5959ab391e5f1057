//! `history:` of `hub.yaml`: how long the hub remembers what servers and containers used.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

/// Longest time, in days.
const LONGEST: u16 = 3660;

/// How long it is remembered what was used, in days. Of servers the last six hours are kept by the minute, the last week by the quarter of an
/// hour, older times by the hour; of containers the last two days by the quarter of an hour, older times by the hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct History {
    /// Of servers as a whole, 1 to 3660.
    #[serde(deserialize_with = "days")]
    #[schemars(range(min = 1, max = LONGEST))]
    pub servers: u16,
    /// Of single containers, 1 to 3660. They take by far the most room: 2 to 3 KB a day and container.
    #[serde(deserialize_with = "days")]
    #[schemars(range(min = 1, max = LONGEST))]
    pub containers: u16,
}

impl History {
    /// The longest that can be asked for.
    pub const LONGEST: Self = Self {
        servers: LONGEST,
        containers: LONGEST,
    };
}

impl Default for History {
    fn default() -> Self {
        Self {
            servers: 90,
            containers: 14,
        }
    }
}

fn days<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    let days = u16::deserialize(deserializer)?;
    if (1..=LONGEST).contains(&days) {
        Ok(days)
    } else {
        Err(serde::de::Error::custom(format!("1 to {LONGEST} days")))
    }
}
