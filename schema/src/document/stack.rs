//! `stacks/<tool>/stack.yaml`: what Tenantry must know about a tool beside its Compose file.

use super::protection::{Relax, Reload};
use super::{Backup, ErrorRules, SecretSpec};
use crate::amount::Duration;
use crate::id::SiteName;
use crate::map::SharedMap;
use crate::name::{HeaderName, HeaderValue, Smoke, VariableName};
use crate::size::ByteSize;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;

/// An example for the schema.
const MORE_NAMES: &[&str] = &["www"];

/// A tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stack {
    /// Its name for people.
    pub title: String,
    /// Variables that an order may set.
    #[serde(default)]
    pub parameters: BTreeMap<VariableName, Parameter>,
    /// Secrets that the hub generates once.
    #[serde(default)]
    pub secrets: BTreeMap<VariableName, SecretSpec>,
    /// The one site; short for `sites: {site: …}`. Absent: `sites` has them all.
    #[serde(default)]
    pub site: Option<Site>,
    /// Several sites by name.
    #[serde(default)]
    pub sites: BTreeMap<SiteName, Site>,
    /// What decides whether it works. Absent: healthy containers do.
    #[serde(default)]
    pub smoke: Option<Smoke>,
    /// Memory it asks for; what servers are chosen by. Absent: none is counted.
    #[serde(default)]
    pub memory: Option<ByteSize>,
    /// What holds data worth keeping. Absent: nothing does.
    #[serde(default)]
    pub backup: Option<Backup>,
    /// How versions change. Absent: in any step, without a backup.
    #[serde(default)]
    pub upgrade: Option<Upgrade>,
    /// Services that notice changed files by themselves or at a signal, as long as they see them through a mounted folder. All others are
    /// made anew when a file that they mount changes.
    #[serde(default)]
    #[schemars(extend("examples" = [{ "web": { "signal": "HUP" } }]))]
    pub reload: BTreeMap<String, Reload>,
    /// Protections that services do without, each with the reason.
    #[serde(default)]
    #[schemars(extend("examples" = [{ "web": { "no_new_privileges": "sudo is part of the tool" } }]))]
    pub relax: BTreeMap<String, Relax>,
    /// What in its logs means trouble, besides what `hub.yaml` says for all tools.
    #[serde(default)]
    #[schemars(extend("examples" = [{ "database-gone": { "match": "could not connect to (server|database)", "services": ["web"] } }]))]
    pub error_rules: ErrorRules,
    /// What its licence lets a hosting company do. Absent: not known.
    #[serde(default)]
    pub licence: Option<Licence>,
}

/// A variable that an order may set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Parameter {
    /// Its value where the order says nothing. Absent: the order must say.
    pub default: Option<String>,
    /// For people. Absent: nothing is said.
    pub description: Option<String>,
}

/// One public site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Site {
    /// The service that answers.
    #[schemars(example = &"web")]
    pub service: String,
    /// Its port in the container, published by the Compose file at `127.0.0.1:${SITE_PORT}`.
    pub port: u16,
    /// The name below the order's domain, `@` for the domain itself. Absent: the tool's name.
    #[serde(default)]
    pub host: Option<String>,
    /// A file of `nginx/`, without `.conf`.
    #[serde(default = "default_template")]
    pub template: String,
    /// Largest request body, up to 1T.
    #[serde(default = "default_body", deserialize_with = "body")]
    pub max_body: ByteSize,
    /// How long the service may be silent within a request or an answer, up to 1d.
    #[serde(default = "default_timeout", deserialize_with = "timeout")]
    pub timeout: Duration,
    /// Whether a connection may become a WebSocket.
    #[serde(default = "websocket")]
    pub websocket: bool,
    /// Whether requests and answers are passed on as they come, instead of being gathered first: for server-sent events and large uploads.
    #[serde(default)]
    pub streaming: bool,
    /// Response headers that the web server adds, in place of its own defaults and of what the service says. An empty value takes a header
    /// away. Headers of an order come before these.
    #[serde(default)]
    pub headers: SharedMap<HeaderName, HeaderValue>,
    /// More names below the order's domain that lead to this one, such as `www`.
    #[serde(default)]
    #[schemars(example = MORE_NAMES)]
    pub redirect_from: Vec<String>,
}

fn default_template() -> String {
    "default".into()
}

fn default_body() -> ByteSize {
    ByteSize(64 << 20)
}

fn default_timeout() -> Duration {
    Duration { minutes: 5 }
}

fn websocket() -> bool {
    true
}

fn body<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ByteSize, D::Error> {
    let size = ByteSize::deserialize(deserializer)?;
    if (1..=1 << 40).contains(&size.0) {
        Ok(size)
    } else {
        Err(serde::de::Error::custom(
            "the largest body is between 1 byte and 1T",
        ))
    }
}

fn timeout<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let time = Duration::deserialize(deserializer)?;
    if time.minutes <= 24 * 60 {
        Ok(time)
    } else {
        Err(serde::de::Error::custom("the longest time is 1d"))
    }
}

/// How versions change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Upgrade {
    /// Largest step at a time. Absent: any.
    pub step: Option<Step>,
    /// Whether a backup comes first. Absent: it does not, but with `rollback: image+data`.
    pub backup: Option<UpgradeBackup>,
    /// How long a new version may take to become healthy. Absent: 5 minutes.
    pub timeout: Option<Duration>,
    /// What happens when the new version does not become healthy in time and another image has opened the data. A tool without data, and
    /// a change that is not about an image, always go back.
    pub rollback: UpgradeRollback,
}

/// The part of a version that may change at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// Any: 1.4 to 2.0.
    Major,
    /// 1.4 to 1.5.
    Minor,
    /// 1.4.1 to 1.4.2.
    Patch,
}

/// Whether a backup comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum UpgradeBackup {
    /// It does, and it is verified.
    Before,
}

/// What happens when a new version does not become healthy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum UpgradeRollback {
    /// The new version stays, and a person decides.
    #[default]
    Hold,
    /// Back to the last good image.
    Image,
    /// Back to the last good image and the data of before, from a verified backup that comes before the new version.
    #[serde(rename = "image+data")]
    ImageAndData,
}

/// A note about the licence and a traffic light for hosting companies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Licence {
    /// Name and what matters.
    pub note: String,
    /// Whether hosting companies may offer it.
    pub light: Light,
}

/// Whether hosting companies may offer a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Light {
    /// They may.
    Green,
    /// Under conditions: read the note.
    Yellow,
    /// They may not.
    Red,
}
