//! `agent:` of `hub.yaml`: the program that agents run.

use crate::json::text_schema;
use crate::name::text_type;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// The program that agents run.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AgentRelease {
    /// Its release.
    pub release: Release,
    /// The SHA-256 of the program, by architecture. The hub serves it from the folder of programs that it was started with. Servers of
    /// other architectures keep what they have.
    #[serde(default)]
    pub sha256: BTreeMap<Architecture, Sha256>,
    /// Whether agents go back to this release from a newer one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_older: bool,
}

/// What a program runs on.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Architecture {
    /// 64-bit x86.
    #[serde(rename = "x86_64")]
    X86,
    /// 64-bit ARM.
    #[serde(rename = "aarch64")]
    Arm,
}

impl Architecture {
    /// From the name that Rust and the kernel have for it.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "x86_64" => Some(Self::X86),
            "aarch64" => Some(Self::Arm),
            _ => None,
        }
    }
}

/// The text is not what belongs there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReleaseError {
    /// Not a release.
    #[error("`{0}` is not a release: write three numbers, such as 1.4.0")]
    Release(String),
    /// Not a digest.
    #[error(
        "`{0}` is not a SHA-256: it has 64 digits from 0 to 9 and a to f, as `sha256sum` prints it"
    )]
    Digest(String),
}

/// A release: three numbers. Later ones are greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Release(u32, u32, u32);

text_schema!(Release, r"^[0-9]{1,9}\.[0-9]{1,9}\.[0-9]{1,9}$", ["1.4.0"]);

impl TryFrom<String> for Release {
    type Error = ReleaseError;
    fn try_from(text: String) -> Result<Self, ReleaseError> {
        let number = |part: &str| {
            let digits = part.len() <= 9 && part.bytes().all(|b| b.is_ascii_digit());
            part.parse::<u32>().ok().filter(|_| digits)
        };
        let mut parts = text.split('.').map(number);
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(Some(major)), Some(Some(minor)), Some(Some(patch)), None) => {
                Ok(Self(major, minor, patch))
            }
            _ => Err(ReleaseError::Release(text)),
        }
    }
}

impl From<Release> for String {
    fn from(release: Release) -> Self {
        release.to_string()
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

text_type!(
    /// A SHA-256 in hexadecimal.
    Sha256,
    ReleaseError
);

text_schema!(
    Sha256,
    "^[0-9a-f]{64}$",
    ["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"]
);

impl TryFrom<String> for Sha256 {
    type Error = ReleaseError;
    fn try_from(text: String) -> Result<Self, ReleaseError> {
        let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if text.len() == 64 && text.bytes().all(hex) {
            Ok(Self(text.into()))
        } else {
            Err(ReleaseError::Digest(text))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_numbers() {
        let release = |text: &str| Release::try_from(text.to_owned());
        assert!(release("1.10.0").unwrap() > release("1.9.12").unwrap());
        assert_eq!(release("01.2.3").unwrap().to_string(), "1.2.3");
        for bad in [
            "",
            "1",
            "1.2",
            "1.2.3.4",
            "v1.2.3",
            "1.2.x",
            "1..2",
            "1.2.-3",
            "1.2.9999999999",
        ] {
            assert!(release(bad).is_err(), "{bad}");
        }
        assert!(Release::try_from(env!("CARGO_PKG_VERSION").to_owned()).is_ok());
    }

    #[test]
    fn digests_are_as_sha256sum_prints_them() {
        let good = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
        assert_eq!(Sha256::try_from(good).unwrap().as_str(), good);
        assert!(Sha256::try_from(good.to_uppercase()).is_err());
        assert!(Sha256::try_from(&good[1..]).is_err());
    }
}
