//! `hub.yaml` and `activation.yaml`: the settings of the whole fleet, and which hub may act.

use crate::id::{FleetId, ToolName};
use crate::key::{AgeRecipient, PublicKeys};
use crate::size::ByteSize;
use crate::url::HubUrl;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The settings of the fleet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hub {
    /// Immutable id, part of every mark left outside.
    pub fleet_id: FleetId,
    /// Where agents and people reach the hub, `https://…`.
    pub url: HubUrl,
    /// Public keys of the hub and of the offline recovery key.
    pub keys: HubKeys,
    /// How commits are trusted.
    #[serde(default)]
    pub trust: Trust,
    /// Added to every generation: for a history that had to be rewritten. At most [`MAX_FLOOR`].
    #[serde(default, deserialize_with = "floor")]
    pub generation_floor: u64,
    /// Plans that orders name.
    #[serde(default)]
    pub plans: BTreeMap<String, Plan>,
}

/// Largest `generation_floor`. Agents never go back, so a slip of the finger here could not be undone.
pub const MAX_FLOOR: u64 = 1_000_000_000;

fn floor<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let floor = u64::deserialize(deserializer)?;
    if floor <= MAX_FLOOR {
        Ok(floor)
    } else {
        Err(serde::de::Error::custom(format!(
            "the floor is at most {MAX_FLOOR}: agents never go back to a lower generation"
        )))
    }
}

/// The public halves of the keys that stand for the fleet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HubKeys {
    /// The hub: signs slices and answers, decrypts the fleet's secrets.
    pub hub: PublicKeys,
    /// The offline key made at `init`.
    pub recovery: PublicKeys,
}

/// How commits are trusted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Trust {
    /// The forge's branch protection does the reviewing; the hub checks that history only moves forward.
    #[default]
    Forge,
}

/// What a customer can buy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Plan {
    /// Tools that the plan allows. Absent: all.
    pub tools: Option<Vec<ToolName>>,
    /// Most memory that the tools of an order may ask for together. Absent: no limit.
    pub memory: Option<ByteSize>,
}

/// `activation.yaml`, written by `tenantry activate`: the hub that may act on this fleet, and its release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Activation {
    /// The fleet that was activated. An id that is changed in `hub.yaml` afterwards is an error: every mark left outside carries it.
    pub fleet_id: FleetId,
    /// The age recipient of the hub that acts.
    pub hub: AgeRecipient,
    /// The release that acts. A hub of another release only observes.
    pub release: String,
}
