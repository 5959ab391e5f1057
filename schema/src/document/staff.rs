//! `staff.yaml`: the people who work here.

use crate::id::StaffId;
use crate::key::{AgeRecipient, SshPublicKey};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// All people, by id.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Staff(pub BTreeMap<StaffId, Person>);

/// One person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// Where they are reached.
    pub email: String,
    /// What they may do.
    pub role: Role,
    /// Keys that sign their commits and approvals.
    #[serde(default)]
    pub signing_keys: Vec<SshPublicKey>,
    /// Key that secrets of people are encrypted to.
    #[serde(default)]
    pub age: Option<AgeRecipient>,
}

/// What a person may do, from most to least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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
