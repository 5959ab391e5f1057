//! `rollouts/<id>.yaml`: a stack's new version, brought to customers in waves.

use crate::amount::{Duration, Percent};
use crate::id::{CustomerId, ToolName};
use crate::json::one_act;
use crate::text::Revision;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A roll-out of one stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rollout {
    /// The stack whose pins move.
    pub stack: ToolName,
    /// The version that they move to: the tree that the stack has at this commit, or on the branch.
    pub to: Revision,
    /// Who gets it when; at least one wave.
    #[serde(deserialize_with = "waves")]
    #[schemars(length(min = 1))]
    pub waves: Vec<Wave>,
    /// What ends it early. Absent: the first tool that does not become healthy.
    #[serde(default)]
    pub stop_when: StopWhen,
}

/// One wave: named customers, or a share of all who run the stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Written")]
#[schemars(!try_from, deny_unknown_fields, extend("oneOf" = one_act(&["customers", "share"])))]
pub struct Wave {
    /// These customers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customers: Option<Vec<CustomerId>>,
    /// So many of all customers that run the stack, earlier waves included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<Percent>,
    /// How long the wave must stay healthy before the next begins. Absent: the next begins at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub soak: Option<Duration>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
struct Written {
    customers: Option<Vec<CustomerId>>,
    share: Option<Percent>,
    soak: Option<Duration>,
}

impl TryFrom<Written> for Wave {
    type Error = &'static str;
    fn try_from(written: Written) -> Result<Self, Self::Error> {
        let Written {
            customers,
            share,
            soak,
        } = written;
        match (&customers, share) {
            (Some(_), None) | (None, Some(_)) => Ok(Self {
                customers,
                share,
                soak,
            }),
            _ => Err("a wave names either `customers` or a `share`"),
        }
    }
}

/// What ends a roll-out early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StopWhen {
    /// So many tools that do not become healthy.
    pub failures: u32,
}

impl Default for StopWhen {
    fn default() -> Self {
        Self { failures: 1 }
    }
}

fn waves<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Wave>, D::Error> {
    let waves = Vec::deserialize(deserializer)?;
    if waves.is_empty() {
        return Err(serde::de::Error::custom("a roll-out has at least one wave"));
    }
    Ok(waves)
}
