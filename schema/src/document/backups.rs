//! `backups:` of `hub.yaml`: where backups of all servers go, when they are made and how long they are kept.

use crate::amount::{Duration, Percent};
use crate::json::text_schema;
use crate::name::text_type;
use crate::window::Window;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How the whole fleet is backed up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Backups {
    /// Where agents write to. Each server has a repository of its own below it: `<fleet id>.<customer>/<server>`.
    pub repository: BackupPlace,
    /// The same place as the hub reaches it to forget and prune, with the credential `backups_user` and `backups_password` of
    /// `fleet/secrets.yaml`, which agents never see. Absent: `repository`.
    #[serde(default)]
    pub maintenance: Option<BackupPlace>,
    /// When backups are made. Every server begins at a moment of its own within it.
    #[serde(default = "night")]
    pub window: Window,
    /// How many are kept.
    #[serde(default)]
    pub keep: Keep,
    /// How a repository is checked.
    #[serde(default)]
    pub check: RepositoryCheck,
    /// How often a backup of each tool is restored into containers of its own and compared. Absent: every 30 days.
    #[serde(default = "month")]
    pub drill: Duration,
    /// From which age on the newest good backup of a tool is too old. Absent: 36 hours.
    #[serde(default = "day_and_a_half")]
    pub warn_after: Duration,
}

fn night() -> Window {
    Window::try_from("daily 01:00-05:00".to_owned()).expect("a window")
}

fn month() -> Duration {
    Duration {
        minutes: 30 * 24 * 60,
    }
}

fn day_and_a_half() -> Duration {
    Duration { minutes: 36 * 60 }
}

fn week() -> Duration {
    Duration {
        minutes: 7 * 24 * 60,
    }
}

/// How many backups are kept of each tool: one a day and one a week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Keep {
    /// The newest of each of so many days.
    #[schemars(range(min = 1, max = 3660))]
    #[serde(deserialize_with = "count")]
    pub daily: u16,
    /// The newest of each of so many weeks.
    #[schemars(range(min = 1, max = 3660))]
    #[serde(deserialize_with = "count")]
    pub weekly: u16,
}

fn count<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    let count = u16::deserialize(deserializer)?;
    if (1..=3660).contains(&count) {
        Ok(count)
    } else {
        Err(serde::de::Error::custom("keep at least 1, at most 3660"))
    }
}

impl Default for Keep {
    fn default() -> Self {
        Self {
            daily: 7,
            weekly: 4,
        }
    }
}

/// How a repository is checked: its structure, and a share of its data read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RepositoryCheck {
    /// How often.
    pub every: Duration,
    /// How much of the data is read each time.
    pub share: Percent,
}

impl Default for RepositoryCheck {
    fn default() -> Self {
        Self {
            every: week(),
            share: Percent::try_from("5%".to_owned()).expect("a share"),
        }
    }
}

/// The text is not a place for backups.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a place for backups: {1}; write it as restic does, such as `/srv/backups`, `rest:https://backup.example/`, `rclone:remote:path`, `sftp:host:/path` or `s3:https://host/bucket`"
)]
pub struct PlaceError(String, &'static str);

text_type!(
    /// A place for backups as restic writes it: an absolute path on the server, `rest:`, `sftp:`, `s3:` or `rclone:`. It holds no credentials.
    BackupPlace,
    PlaceError
);

text_schema!(
    BackupPlace,
    r"^(sftp:\S+|(/|rest:https?://|s3:|rclone:)[^\s@]+)$",
    [
        "/srv/backups",
        "rest:https://backup.example/",
        "rclone:remote:backups"
    ]
);

/// What a place for backups is, as far as it decides who may delete there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlaceKind {
    /// A server of restic's protocol, which can hold whoever logs in to appending.
    Rest,
    /// A folder of the server itself.
    Folder,
    /// Storage that rclone reaches.
    Rclone,
    /// A server that is reached by SSH.
    Sftp,
    /// A bucket.
    S3,
}

impl fmt::Display for PlaceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rest => "a rest server",
            Self::Folder => "a folder",
            Self::Rclone => "`rclone:`",
            Self::Sftp => "`sftp:`",
            Self::S3 => "`s3:`",
        })
    }
}

impl BackupPlace {
    /// What it is.
    pub fn kind(&self) -> PlaceKind {
        match self.as_str().split_once(':') {
            Some(("rest", _)) => PlaceKind::Rest,
            Some(("rclone", _)) => PlaceKind::Rclone,
            Some(("sftp", _)) => PlaceKind::Sftp,
            Some(("s3", _)) => PlaceKind::S3,
            _ => PlaceKind::Folder,
        }
    }
}

impl TryFrom<String> for BackupPlace {
    type Error = PlaceError;
    fn try_from(text: String) -> Result<Self, PlaceError> {
        let fail = |why| Err(PlaceError(text.clone(), why));
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return fail("it has spaces in it");
        }
        if text.split('/').any(|part| part == "..") {
            return fail("it has `..` in it");
        }
        // Judged as it is kept: `/` alone, or a scheme with nothing but slashes behind it, names no place.
        let place = text.trim_end_matches('/');
        if place.is_empty() && !text.is_empty() {
            return fail("the root folder itself holds no backups");
        }
        let rest = place.strip_prefix("rest:");
        if let Some(address) = rest {
            let Ok(url) = url::Url::parse(address) else {
                return fail("it is not a URL");
            };
            if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty)
            {
                return fail("a rest server is reached by `http://` or `https://`");
            }
            if !url.username().is_empty() || url.password().is_some() {
                return fail("a user name or password belongs into a file of secrets");
            }
            if url.query().is_some() || url.fragment().is_some() {
                return fail("it has a query");
            }
        } else {
            let known = place.starts_with('/')
                || ["sftp:", "s3:", "rclone:"].iter().any(|scheme| {
                    place
                        .strip_prefix(scheme)
                        .is_some_and(|rest| !rest.is_empty())
                });
            if !known {
                return fail("its kind is not known");
            }
            if place.contains('@') && !place.starts_with("sftp:") {
                return fail("a user name or password belongs into a file of secrets");
            }
        }
        Ok(Self(place.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn everything_but_the_place_has_a_default() {
        let backups: Backups = serde_json::from_str(r#"{"repository":"/srv/backups/"}"#).unwrap();
        assert_eq!(backups.repository.as_str(), "/srv/backups");
        assert_eq!(
            (backups.keep.daily, backups.keep.weekly, backups.maintenance),
            (7, 4, None)
        );
        assert_eq!(backups.window.to_string(), "daily 01:00-05:00");
        assert_eq!(backups.check.every.to_string(), "7d");
        assert!(
            serde_json::from_str::<Backups>(r#"{"repository":"/b","keep":{"daily":0}}"#).is_err()
        );
    }

    #[test]
    fn places() {
        for good in [
            "/srv/backups",
            "rest:https://backup.example/",
            "rest:http://127.0.0.1:8000/a",
            "rclone:remote:path",
            "sftp:backup@host:/path",
            "s3:https://s3.example/bucket",
        ] {
            assert!(BackupPlace::try_from(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "srv/backups",
            "rest:ftp://x/",
            "rest:https://u:p@x/",
            "rclone:",
            "/a/../b",
            "/a b",
            "azure:x",
            "/",
            "//",
            "sftp:/",
            "rest:http://",
        ] {
            assert!(BackupPlace::try_from(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in "(/|//|rest:http://|sftp:|s3:|rclone:)?.{0,40}") {
            if let Ok(place) = BackupPlace::try_from(text) {
                prop_assert_eq!(BackupPlace::try_from(place.as_str()).unwrap(), place);
            }
        }
    }
}
