//! Typed ids of customers, orders, servers, tools and people. Names with a grammar of their own (domains, paths) live in [`crate::name`].
//!
//! An id is a *slug*: lower-case ASCII letters, digits and single inner hyphens, 1 to 40 characters, starting with a letter or digit.
//! It becomes part of file names, container names and labels, so nothing else is let in.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Longest slug that is accepted, in characters. Container and DNS labels are made of two slugs and must stay below 63 where both occur.
pub const MAX_SLUG: usize = 40;

/// Why a text is not a slug.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SlugError {
    /// Nothing was written.
    #[error("an id cannot be empty")]
    Empty,
    /// More than [`MAX_SLUG`] characters.
    #[error("an id has at most {MAX_SLUG} characters, this one has {0}")]
    TooLong(usize),
    /// A character outside the grammar.
    #[error("`{0}` is not an id: use lower-case letters, digits and single hyphens between them")]
    BadCharacter(String),
}

/// [`check_slug`] as a regular expression.
const SLUG_PATTERN: &str = r"^(?=.{1,40}$)[a-z0-9]+(-[a-z0-9]+)*$";

/// Checks that `text` is a slug.
pub fn check_slug(text: &str) -> Result<(), SlugError> {
    if text.is_empty() {
        return Err(SlugError::Empty);
    }
    if text.len() > MAX_SLUG {
        return Err(SlugError::TooLong(text.chars().count()));
    }
    let letters = text
        .bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !letters || text.starts_with('-') || text.ends_with('-') || text.contains("--") {
        return Err(SlugError::BadCharacter(text.to_owned()));
    }
    Ok(())
}

macro_rules! slug_ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Box<str>);

        $crate::json::text_schema!($name, SLUG_PATTERN, []);

        impl $name {
            /// The id as written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = SlugError;
            fn try_from(text: String) -> Result<Self, SlugError> {
                check_slug(&text)?;
                Ok(Self(text.into()))
            }
        }

        impl TryFrom<&str> for $name {
            type Error = SlugError;
            fn try_from(text: &str) -> Result<Self, SlugError> {
                check_slug(text)?;
                Ok(Self(text.into()))
            }
        }

        impl std::str::FromStr for $name {
            type Err = SlugError;
            fn from_str(text: &str) -> Result<Self, SlugError> {
                Self::try_from(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.into()
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )+};
}

slug_ids! {
    /// A customer: the folder name under `fleet/customers/`.
    CustomerId,
    /// An order, unique within its customer: the file name under `orders/`.
    OrderId,
    /// A server, unique within its customer: the file name under `servers/`.
    ServerId,
    /// A tool of the catalogue: the folder name under `stacks/`.
    ToolName,
    /// A person of the staff: the key in `staff.yaml`.
    StaffId,
    /// The site of a stack that has several, or `site` where it has one.
    SiteName,
    /// A removal that is meant: the key in `acknowledged.yaml`.
    AcknowledgementId,
    /// A pool of spare servers: the file name under `fleet/pools/`.
    PoolId,
    /// A roll-out: the file name under `fleet/rollouts/`.
    RolloutId,
    /// Something that runs at set times on servers: the key in `timers:`.
    TimerName,
    /// An operation, unique within its customer: the file name under `operations/`.
    OperationId,
    /// A rule for the logs of containers: the key under `error_rules`.
    RuleName,
    /// The immutable id of a fleet, part of every mark left outside (law 13).
    FleetId,
}

/// A server in the whole fleet: server ids are unique only within their customer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ServerKey {
    /// The customer that the server belongs to.
    pub customer: CustomerId,
    /// Its id within the customer.
    pub server: ServerId,
}

impl fmt::Display for ServerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.customer, self.server)
    }
}

/// An order in the whole fleet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OrderKey {
    /// The customer who ordered.
    pub customer: CustomerId,
    /// The order's id within the customer.
    pub order: OrderId,
}

impl fmt::Display for OrderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.customer, self.order)
    }
}

/// One tool of one order as it runs on a server: `<order>-<tool>`, the name of the Compose project.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct InstanceName(Box<str>);

crate::json::text_schema!(InstanceName, SLUG_PATTERN, ["website-umami"]);

impl InstanceName {
    /// Joins order and tool.
    pub fn new(order: &OrderId, tool: &ToolName) -> Self {
        Self(format!("{order}-{tool}").into())
    }

    /// The name as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for InstanceName {
    type Error = SlugError;
    fn try_from(text: String) -> Result<Self, SlugError> {
        if text.len() > 2 * MAX_SLUG + 1 {
            return Err(SlugError::TooLong(text.len()));
        }
        let letters = text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if text.is_empty() || !letters || text.starts_with('-') || text.ends_with('-') {
            return Err(SlugError::BadCharacter(text));
        }
        Ok(Self(text.into()))
    }
}

impl From<InstanceName> for String {
    fn from(name: InstanceName) -> Self {
        name.0.into()
    }
}

impl fmt::Display for InstanceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn slugs() {
        for good in ["a", "acme", "acme-1", "0x", "a-b-c"] {
            assert!(check_slug(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "-a",
            "a-",
            "a--b",
            "A",
            "a_b",
            "a.b",
            "../x",
            "a/b",
            "é",
            &"a".repeat(41),
        ] {
            assert!(check_slug(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_accepted_is_safe_in_paths_and_labels(text in ".{0,50}") {
            if let Ok(id) = CustomerId::try_from(text.as_str()) {
                prop_assert!(!id.as_str().contains(['/', '.', '\\', '\0', ' ', '"']));
                prop_assert!(id.as_str().len() <= MAX_SLUG);
            }
        }
    }
}
