//! `pools/<id>.yaml`: machines that stand ready before anyone ordered them.

use crate::id::ToolName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A pool of spare servers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    /// Who runs the machines.
    pub provider: super::Provider,
    /// How many stand ready, at most 1,000. 0 empties the pool as its servers are claimed.
    #[serde(deserialize_with = "spares")]
    #[schemars(range(max = 1000))]
    pub spares: u16,
    /// The provider's name of the machines' size. Absent: the provider has one size.
    #[serde(default)]
    #[schemars(example = &"cx22")]
    pub size: Option<String>,
    /// The provider's name of where they stand. Absent: the provider chooses.
    #[serde(default)]
    #[schemars(example = &"fsn1")]
    pub location: Option<String>,
    /// Plans that are served from it. Absent: all.
    #[serde(default)]
    pub plans: Option<Vec<String>>,
    /// Stacks whose images are fetched beforehand, so that a claimed server starts them at once.
    #[serde(default)]
    pub warm: Vec<ToolName>,
}

const MOST_SPARES: u16 = 1000;

fn spares<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    let spares = u16::deserialize(deserializer)?;
    if spares <= MOST_SPARES {
        Ok(spares)
    } else {
        Err(serde::de::Error::custom(format!(
            "a pool has at most {MOST_SPARES} spares"
        )))
    }
}
