//! `staff.yaml`: the people who work here.

use crate::id::StaffId;
use crate::key::{AgeRecipient, LoginKey, PersonKey};
use crate::text::{EmailAddress, PasswordHash};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// All people who work here, by id.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Staff(pub BTreeMap<StaffId, Person>);

/// One person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// Where they are reached.
    pub email: EmailAddress,
    /// What they may do.
    pub role: Role,
    /// Keys that sign their commits and approvals: ed25519, also in a security key (`sk-ssh-ed25519@openssh.com`).
    #[serde(default)]
    pub signing_keys: Vec<PersonKey>,
    /// Key that secrets of people are encrypted to. Absent: they can open none.
    #[serde(default)]
    pub age: Option<AgeRecipient>,
    /// How they log in to the status page. Absent: they do not.
    #[serde(default)]
    pub login: Option<Login>,
    /// How they log in to servers whose `host:` has `users:`. Absent: they do not.
    #[serde(default)]
    pub server_login: Option<ServerLogin>,
}

/// How a person logs in to servers: by SSH, as the user named like their id.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ServerLogin {
    /// Keys that open the door, of any kind that `sshd` takes. Absent: those of `signing_keys`.
    pub keys: Option<Vec<LoginKey>>,
    /// Whether they may become root. Absent: owners and admins may.
    pub sudo: Option<bool>,
}

/// How a person logs in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// Their password, hashed with Argon2id.
    pub password: PasswordHash,
    /// The key of `fleet/secrets.yaml` that holds the seed of their one-time codes. Absent: the password alone is asked for.
    #[serde(default)]
    pub totp_secret: Option<String>,
}

/// What a person may do, from most to least.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Everything, destructive operations included.
    Owner,
    /// Everything but destructive operations and the staff file.
    Admin,
    /// Customers, orders and servers.
    Manager,
    /// Looks, and proposes.
    Support,
}
