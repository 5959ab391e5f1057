//! Names inside of a project, and the names that Compose makes from them at the engine.

use std::borrow::Borrow;
use std::fmt;

/// A name that breaks its rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{rule}")]
pub struct BadName {
    rule: &'static str,
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident: $check:ident, $rule:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// As text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<&str> for $name {
            type Error = BadName;
            fn try_from(text: &str) -> Result<Self, BadName> {
                if $check(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(BadName { rule: $rule })
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    )*};
}

names! {
    /// A project: what Compose puts before every name it makes.
    ProjectName: is_project, "a project name has lower-case letters, digits, `-` and `_`, and begins with a letter or digit";
    /// A key of `services`.
    ServiceName: is_key, "a service name has letters, digits, `.`, `_` and `-`";
    /// A key of `networks`.
    NetworkName: is_key, "a network name has letters, digits, `.`, `_` and `-`";
    /// A key of `volumes`.
    VolumeName: is_key, "a volume name has letters, digits, `.`, `_` and `-`";
    /// A key of `secrets`.
    SecretName: is_key, "a secret name has letters, digits, `.`, `_` and `-`";
    /// A key of `configs`.
    ConfigName: is_key, "a config name has letters, digits, `.`, `_` and `-`";
}

fn is_key(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

fn is_project(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.as_bytes()[0] != b'-'
        && text.as_bytes()[0] != b'_'
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-'))
}

impl ProjectName {
    /// The container of a service: `<project>-<service>-1`.
    pub fn container(&self, service: &ServiceName) -> String {
        format!("{self}-{service}-1")
    }

    /// A network without a `name` of its own: `<project>_<network>`.
    pub fn network(&self, network: &NetworkName) -> String {
        format!("{self}_{network}")
    }

    /// A volume without a `name` of its own: `<project>_<volume>`.
    pub fn volume(&self, volume: &VolumeName) -> String {
        format!("{self}_{volume}")
    }
}
