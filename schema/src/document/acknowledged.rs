//! `acknowledged.yaml`: what people agreed to lose although it is more than `policy.max_removed` lets one commit remove or replace.

use crate::id::AcknowledgementId;
use crate::json::text_schema;
use crate::name::text_type;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// Removals that are large and meant, each under a name of its own. An entry counts once: for the commit that brings it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Acknowledged(pub BTreeMap<AcknowledgementId, Acknowledgement>);

/// One removal that is meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Acknowledgement {
    /// What is removed or replaced: the mark that `tenantry check` and `tenantry plan` show. Anything else that goes has another one.
    pub removes: LossMark,
    /// On how many servers at most.
    pub servers: u32,
    /// Why, for those who read it later.
    #[schemars(example = &"Acme and Globex gave notice, tickets 812 and 815")]
    pub reason: String,
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
        let digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if text.len() == 32 && text.bytes().all(digit) {
            Ok(Self(text.into()))
        } else {
            Err(MarkError(text))
        }
    }
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
    }
}
