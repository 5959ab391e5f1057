//! `customers/<id>/customer.yaml`: the plain part of a customer. Personal data has a file of its own.

use crate::text::{Colour, Language, Sender};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A customer. Everything has a default, so an empty file is a customer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Customer {
    /// How they stand with us.
    pub status: Standing,
    /// The language they are spoken to in, as a BCP 47 tag. Stacks get it as `CUSTOMER_LANGUAGE`. Absent: `en`.
    pub language: Option<Language>,
    /// How what the customer's visitors see looks.
    pub brand: Brand,
    /// What the customer is told about.
    pub notify: Vec<Notice>,
    /// Private registries that images of this customer's tools are from, by name such as `ghcr.io` or `registry.example:5000`.
    #[schemars(extend("examples" = [{ "ghcr.io": { "user": "acme", "password": { "secret": "GHCR_TOKEN" } } }]))]
    pub registries: BTreeMap<String, RegistryLogin>,
    /// For staff.
    pub notes: Option<String>,
}

/// How a private registry is logged in to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RegistryLogin {
    /// The name.
    pub user: String,
    /// The password or token, from the customer's `secrets.yaml`.
    pub password: CustomerSecret,
}

/// Names a value of the customer's `secrets.yaml`: `{secret: name}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CustomerSecret {
    /// The key.
    pub secret: String,
}

/// How a customer stands with us.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// Not accepted yet: nothing new is decided for their orders.
    Pending,
    /// Served.
    #[default]
    Active,
    /// Every tool is stopped and its sites are taken down. Data, servers and domains stay theirs.
    Suspended,
}

/// White-label settings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Brand {
    /// Name shown instead of ours. Stacks get it as `BRAND_NAME`, empty where there is none.
    #[schemars(example = &"Acme")]
    pub name: Option<String>,
    /// Accent colour, `#rrggbb` in quotes. Stacks get it as `BRAND_COLOUR`, empty where there is none.
    pub colour: Option<Colour>,
    /// Sender of mails: `Name <address>`.
    pub sender: Option<Sender>,
}

/// Something that a customer can be told about.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Notice {
    /// A tool is down, and when it is back.
    Incidents,
    /// A certificate cannot be renewed.
    Certificates,
    /// A backup failed, or succeeded again.
    Backups,
    /// How far an order is.
    Progress,
}
