//! `acknowledged.yaml`: what people agreed to: to lose more than `policy.max_removed` lets one commit remove or replace, or to have decided anew
//! what somebody took away.

use crate::id::{AcknowledgementId, CustomerId, OrderId};
use crate::json::{one_group, text_schema};
use crate::name::text_type;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// What is meant, each under a name of its own. An entry counts once: for the commit that brings it, or up to the commit that it names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Acknowledged(pub BTreeMap<AcknowledgementId, Acknowledgement>);

/// One thing that is meant: a large removal (`removes` with `servers`), or that lost decisions are made anew (`anew` with `since`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Written")]
#[schemars(!try_from, deny_unknown_fields, extend("oneOf" = one_group(&[&["removes", "servers"], &["anew", "since"]])))]
pub struct Acknowledgement {
    /// What is removed or replaced: the mark that `tenantry check` and `tenantry plan` show. Anything else that goes has another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub removes: Option<LossMark>,
    /// On how many servers at most. With `removes`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub servers: Option<u32>,
    /// Whose lost decisions are made anew: an order (`acme/website`), or a customer for the secrets of its backups (`acme`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub anew: Option<Anew>,
    /// The commit that took them away. What is taken away later is not meant. With `anew`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<CommitId>,
    /// Why, for those who read it later.
    #[schemars(example = &"Acme and Globex gave notice, tickets 812 and 815")]
    pub reason: String,
}

impl Acknowledgement {
    /// The removal that it lets go: its mark, and the most servers that it may concern.
    pub fn removal(&self) -> Option<(&LossMark, u32)> {
        Some((self.removes.as_ref()?, self.servers?))
    }

    /// Whose decisions are made anew, and which commit took them away.
    pub fn anew(&self) -> Option<(&Anew, &CommitId)> {
        Some((self.anew.as_ref()?, self.since.as_ref()?))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    removes: Option<LossMark>,
    servers: Option<u32>,
    anew: Option<Anew>,
    since: Option<CommitId>,
    reason: String,
}

impl TryFrom<Written> for Acknowledgement {
    type Error = &'static str;
    fn try_from(written: Written) -> Result<Self, Self::Error> {
        let Written {
            removes,
            servers,
            anew,
            since,
            reason,
        } = written;
        match (&removes, servers, &anew, &since) {
            (Some(_), Some(_), None, None) | (None, None, Some(_), Some(_)) => Ok(Self {
                removes,
                servers,
                anew,
                since,
                reason,
            }),
            (Some(_), None, None, None) => Err("`removes` needs `servers`: on how many at most"),
            (None, None, Some(_), None) => {
                Err("`anew` needs `since`: the commit that took the decisions away")
            }
            _ => Err(
                "an entry says either what it `removes` on how many `servers`, or whose decisions are made `anew` that were taken away `since` a commit",
            ),
        }
    }
}

/// The text is not such a mark.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the mark of a removal: take it from `tenantry check`")]
pub struct MarkError(String);

text_type!(
    /// What is removed or replaced, as 32 hexadecimal digits.
    LossMark,
    MarkError
);
text_schema!(
    LossMark,
    "^[0-9a-f]{32}$",
    ["9f86d081884c7d659a2feaa0c55ad015"]
);

impl TryFrom<String> for LossMark {
    type Error = MarkError;
    fn try_from(text: String) -> Result<Self, MarkError> {
        if is_hex(&text, 32) {
            Ok(Self(text.into()))
        } else {
            Err(MarkError(text))
        }
    }
}

/// Whose decisions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Anew {
    /// All that an order lost.
    Order(CustomerId, OrderId),
    /// The secrets of a customer's backups.
    Backups(CustomerId),
}

/// The text names neither an order nor a customer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no order and no customer: write `acme/website`, or `acme` for the secrets of its backups"
)]
pub struct AnewError(String);

impl TryFrom<String> for Anew {
    type Error = AnewError;
    fn try_from(text: String) -> Result<Self, AnewError> {
        let named = match text.split_once('/') {
            Some((customer, order)) => CustomerId::try_from(customer)
                .ok()
                .zip(OrderId::try_from(order).ok())
                .map(|(customer, order)| Self::Order(customer, order)),
            None => CustomerId::try_from(text.as_str()).ok().map(Self::Backups),
        };
        named.ok_or(AnewError(text))
    }
}

impl From<Anew> for String {
    fn from(anew: Anew) -> Self {
        anew.to_string()
    }
}

impl fmt::Display for Anew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Order(customer, order) => write!(f, "{customer}/{order}"),
            Self::Backups(customer) => write!(f, "{customer}"),
        }
    }
}

text_schema!(Anew, "^[a-z0-9-]+(/[a-z0-9-]+)?$", ["acme/website", "acme"]);

/// The text is no commit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a commit: write all its 40 hexadecimal digits, as `tenantry check` shows them"
)]
pub struct CommitIdError(String);

text_type!(
    /// A commit of the fleet, by its whole id.
    CommitId,
    CommitIdError
);
text_schema!(
    CommitId,
    "^[0-9a-f]{40}$",
    ["1f0c5e0b6d3f5a8c7e9b2d4f6a8c0e1b3d5f7a90"]
);

impl TryFrom<String> for CommitId {
    type Error = CommitIdError;
    fn try_from(text: String) -> Result<Self, CommitIdError> {
        if is_hex(&text, 40) {
            Ok(Self(text.into()))
        } else {
            Err(CommitIdError(text))
        }
    }
}

fn is_hex(text: &str, length: usize) -> bool {
    let digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    text.len() == length && text.bytes().all(digit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_mark_is_32_digits(text in "[0-9a-f]{30,34}|.{0,40}") {
            let good = text.len() == 32 && text.chars().all(|c| "0123456789abcdef".contains(c));
            prop_assert_eq!(LossMark::try_from(text).is_ok(), good);
        }

        #[test]
        fn whose_decisions_is_written_as_it_is_read(text in "[a-z0-9/-]{0,12}|.{0,20}") {
            if let Ok(anew) = Anew::try_from(text.clone()) {
                prop_assert_eq!(anew.to_string(), text);
            }
        }
    }

    fn read(text: &str) -> Result<Acknowledgement, serde_json::Error> {
        serde_json::from_str(text)
    }

    #[test]
    fn an_entry_says_one_thing() {
        let mark = "9f86d081884c7d659a2feaa0c55ad015";
        let commit = "1f0c5e0b6d3f5a8c7e9b2d4f6a8c0e1b3d5f7a90";
        let removal = read(&format!(
            r#"{{"removes":"{mark}","servers":2,"reason":"x"}}"#
        ))
        .unwrap();
        assert_eq!(removal.removal().unwrap().1, 2);
        assert_eq!(removal.anew(), None);
        let anew = read(&format!(
            r#"{{"anew":"acme/web","since":"{commit}","reason":"x"}}"#
        ))
        .unwrap();
        assert_eq!(anew.anew().unwrap().0.to_string(), "acme/web");
        assert_eq!(anew.removal(), None);
        for wrong in [
            r#"{"reason":"x"}"#.to_owned(),
            r#"{"anew":"acme/web","reason":"x"}"#.to_owned(),
            format!(r#"{{"removes":"{mark}","reason":"x"}}"#),
            format!(
                r#"{{"removes":"{mark}","servers":2,"anew":"acme","since":"{commit}","reason":"x"}}"#
            ),
            r#"{"anew":"acme/web","since":"1f0c5e0","reason":"x"}"#.to_owned(),
            format!(r#"{{"anew":"acme/web/html","since":"{commit}","reason":"x"}}"#),
        ] {
            assert!(read(&wrong).is_err(), "{wrong}");
        }
    }
}
