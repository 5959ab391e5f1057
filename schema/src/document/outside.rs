//! Parts of `hub.yaml` about the world outside: who sends mail, who rents machines, who is told of trouble. Secrets are named, never written.

use super::SecretName;
use crate::amount::Duration;
use crate::text::{EmailAddress, MailServer, Sender};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How mails are sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mail {
    /// The server that takes them: `host:port`.
    pub server: MailServer,
    /// How the connection is protected.
    #[serde(default)]
    pub tls: MailTls,
    /// The name to log in with. Absent: without a log-in.
    #[serde(default)]
    #[schemars(example = &"hub@example.com")]
    pub user: Option<String>,
    /// The password to log in with. Absent: without a log-in.
    #[serde(default)]
    pub password: Option<SecretName>,
    /// Who mails are from, where a customer's brand says nothing else.
    pub sender: Sender,
}

/// How a connection to a mail server is protected. There is no way without.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MailTls {
    /// By STARTTLS, which the server must offer; usual at port 587.
    #[default]
    Starttls,
    /// From the first byte on; usual at port 465.
    Implicit,
}

/// Accounts at companies that rent machines.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Providers {
    /// Hetzner Cloud. Absent: none.
    pub hetzner: Option<ProviderAccount>,
    /// Netcup. Absent: none.
    pub netcup: Option<ProviderAccount>,
}

/// An account at a provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProviderAccount {
    /// The token that opens its API.
    pub token: SecretName,
}

/// Who is told of trouble, and how often.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Alerts {
    /// Addresses that get a mail.
    pub mail: Vec<EmailAddress>,
    /// The address that gets a request, which is a secret. Absent: none.
    pub webhook: Option<SecretName>,
    /// How long trouble lasts before it is told. Absent: 5 minutes.
    pub after: Option<Duration>,
    /// How long nothing is said again of the same trouble. Absent: 4 hours.
    pub pause: Option<Duration>,
    /// Whether only what is down is told, and not what is about to be.
    pub critical_only: bool,
}
