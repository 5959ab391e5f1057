//! `hub.yaml` and `activation.yaml`: the settings of the whole fleet, and which hub may act.

use super::{
    AgentRelease, Alerts, Backups, Certificates, ErrorRules, Forge, History, Host, Mail, Policy,
    Providers,
};
use crate::amount::{Duration, Price};
use crate::id::{FleetId, ToolName};
use crate::key::{AgeRecipient, PublicKeys};
use crate::size::ByteSize;
use crate::text::StripePrice;
use crate::url::HubUrl;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The settings of the fleet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hub {
    /// The version of the documents' format. Absent: 1. `tenantry migrate` brings a fleet to the newest.
    #[serde(default)]
    pub format: Format,
    /// Immutable id, part of every mark left outside.
    pub fleet_id: FleetId,
    /// Where agents and people reach the hub, `https://…`.
    pub url: HubUrl,
    /// Public keys of the hub and of the offline recovery key.
    pub keys: HubKeys,
    /// How commits are trusted.
    #[serde(default)]
    pub trust: Trust,
    /// Added to every generation: for a history that had to be rewritten.
    #[serde(default, deserialize_with = "floor")]
    #[schemars(range(max = MAX_FLOOR))]
    pub generation_floor: u64,
    /// Plans that orders name.
    #[serde(default)]
    pub plans: BTreeMap<String, Plan>,
    /// Which plan is sold under a price of Stripe's.
    #[serde(default)]
    #[schemars(extend("examples" = [{ "price_1QxYz2": "pro" }]))]
    pub stripe_prices: BTreeMap<StripePrice, String>,
    /// How mails are sent. Absent: none are.
    #[serde(default)]
    pub mail: Option<Mail>,
    /// Accounts at companies that rent machines. Their tokens are in `fleet/secrets.yaml`.
    #[serde(default)]
    pub providers: Providers,
    /// Who is told of trouble. Absent: nobody; the page shows it.
    #[serde(default)]
    pub alerts: Option<Alerts>,
    /// What a commit may do, whoever made it.
    #[serde(default)]
    pub policy: Policy,
    /// How tools are backed up. Absent: nothing is.
    #[serde(default)]
    pub backups: Option<Backups>,
    /// The authority that issues certificates for public sites. Absent: none; servers sign certificates themselves.
    #[serde(default)]
    pub certificates: Option<Arc<Certificates>>,
    /// Where commits are reviewed: the hub says there what it thinks of them. Absent: it says so on its page alone.
    #[serde(default)]
    pub forge: Option<Forge>,
    /// What the machines of all servers should be, beneath their tools. Absent: only what tools need is looked after.
    #[serde(default, deserialize_with = "super::host::consistent")]
    pub host: Option<Arc<Host>>,
    /// The program that agents run; they fetch it from the hub and go back where it does not work. Absent: they keep the one they have.
    #[serde(default)]
    pub agent: Option<Arc<AgentRelease>>,
    /// What in the logs of all tools means trouble.
    #[serde(default)]
    #[schemars(extend("examples" = [{ "out-of-memory": { "match": "(?i)out of memory" } }]))]
    pub error_rules: Arc<ErrorRules>,
    /// How long it is remembered what servers and containers used.
    #[serde(default)]
    pub history: History,
}

/// The newest version of the documents' format that this release reads.
pub const FORMAT: u32 = 1;

/// A version of the documents' format, from 1 to [`FORMAT`].
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "u32", into = "u32")]
#[schemars(!try_from, inline)]
pub struct Format(#[schemars(range(min = 1, max = FORMAT))] u32);

impl Default for Format {
    /// That of a file which says none.
    fn default() -> Self {
        Self(1)
    }
}

impl From<Format> for u32 {
    fn from(format: Format) -> Self {
        format.0
    }
}

impl TryFrom<u32> for Format {
    type Error = String;
    fn try_from(number: u32) -> Result<Self, String> {
        if (1..=FORMAT).contains(&number) {
            Ok(Self(number))
        } else {
            Err(format!(
                "there is no format {number}: this release reads formats from 1 to {FORMAT}. Leave the line out, and `tenantry migrate` brings the fleet to the newest"
            ))
        }
    }
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HubKeys {
    /// The hub: signs slices and answers, decrypts the fleet's secrets.
    pub hub: PublicKeys,
    /// The offline key made at `init`.
    pub recovery: PublicKeys,
}

/// How commits are trusted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Trust {
    /// The forge's branch protection does the reviewing; the hub checks that history only moves forward.
    #[default]
    Forge,
    /// Every commit is signed by somebody of `staff.yaml` who may change what it changes, or by the hub.
    Signed,
}

/// What a customer can buy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Plan {
    /// Tools that the plan allows. Absent: all.
    pub tools: Option<Vec<ToolName>>,
    /// Most memory that the tools of an order may ask for together. Absent: no limit.
    pub memory: Option<ByteSize>,
    /// What it costs a month. Absent: plans of changes say nothing about money.
    pub price: Option<Price>,
    /// The provider's name of the size of a server that is made for it. Absent: the provider's smallest that has the memory.
    #[schemars(example = &"cx22")]
    pub size: Option<String>,
    /// What may be used in a month.
    pub limits: PlanLimits,
    /// How long it can be tried before it is paid for. Absent: it cannot.
    #[schemars(example = &"14d")]
    pub trial: Option<Duration>,
}

/// What an order may use in a month.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PlanLimits {
    /// Room for data. Absent: no limit.
    pub storage: Option<ByteSize>,
    /// Bytes that are sent to the world. Absent: no limit.
    pub traffic: Option<ByteSize>,
    /// Tokens of language models. Absent: no limit.
    pub tokens: Option<u64>,
}

/// `activation.yaml`, written by `tenantry activate`: the hub that may act on this fleet, and its release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Activation {
    /// The fleet that was activated. An id that is changed in `hub.yaml` afterwards is an error: every mark left outside carries it.
    pub fleet_id: FleetId,
    /// The age recipient of the hub that acts.
    pub hub: AgeRecipient,
    /// The release that acts. A hub of another release only observes.
    pub release: String,
}
