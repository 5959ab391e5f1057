//! `customers/<id>/customer.yaml`: the plain part of a customer. Personal data has a file of its own.

use serde::{Deserialize, Serialize};

/// A customer. Everything has a default, so an empty file is a customer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Customer {
    /// Language of mails and pages, as a BCP 47 tag. Absent: `en`.
    pub language: Option<String>,
    /// How the customer's pages and mails look.
    pub brand: Brand,
    /// What the customer is told about.
    pub notify: Vec<String>,
    /// For staff.
    pub notes: Option<String>,
}

/// White-label settings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Brand {
    /// Name shown instead of ours.
    pub name: Option<String>,
    /// Accent colour, `#rrggbb`.
    pub colour: Option<String>,
    /// Sender of mails: `Name <address>`.
    pub sender: Option<String>,
}
