//! `customers/<id>/operations/<date>-<name>.yaml`: a reviewed one-time act. The file names what is destroyed; an owner's approval stands in it.

mod written;

use crate::id::{OrderId, ServerId, ToolName};
use crate::json::{one_act, text_schema};
use crate::name::{VariableName, text_type};
use jiff::Timestamp;
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use written::Written;
pub(super) use written::day;

/// A one-time act. Exactly one of `restore`, `wipe`, `reinstall`, `snapshot`, `power_cycle`, `rotate`, `retry`, `move`, `erase`
/// and `scenario` is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Written")]
#[schemars(
    !try_from,
    deny_unknown_fields,
    extend("oneOf" = one_act(&ACTS)),
    extend("dependentRequired" = {
        "restore": ["from", "overwrites", "expires"], "from": ["restore"], "overwrites": ["restore"],
        "of": ["restore"], "only": ["restore"],
        "wipe": ["destroys", "expires"], "reinstall": ["destroys", "expires"], "erase": ["destroys", "expires"],
        "rotate": ["secrets"], "secrets": ["rotate"], "move": ["to"], "to": ["move"],
    }),
    extend("dependentSchemas" = {
        "order": { "anyOf": [{ "required": ["restore"] }, { "required": ["wipe"] }] },
    })
)]
pub struct Operation {
    /// Puts a tool's data back to an earlier backup: `<server>/<tool>`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restore: Option<ServerTool>,
    /// Which backup `restore` takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<BackupChoice>,
    /// Whose backup `restore` takes, where it is another one's: `<server>/<tool>`, or `<server>/<order>-<tool>`. The server may have left the fleet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of: Option<ServerTool>,
    /// The one database, SQLite file or volume that `restore` puts back. Absent: all that `overwrites` names.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255), example = &"uploads")]
    pub only: Option<String>,
    /// What of the tool's data `restore` replaces.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    pub overwrites: Vec<Data>,
    /// Deletes a tool's data: `<server>/<tool>`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wipe: Option<ServerTool>,
    /// Sets a server up from nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reinstall: Option<ServerId>,
    /// What is lost by `wipe`, `reinstall` or `erase`, named one by one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    pub destroys: Vec<String>,
    /// Takes a snapshot of a server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<ServerId>,
    /// Switches a server off and on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub power_cycle: Option<ServerId>,
    /// Replaces generated secrets of a tool: `<order>/<tool>`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotate: Option<OrderTool>,
    /// Which secrets `rotate` replaces.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    pub secrets: Vec<VariableName>,
    /// Tries again what was given up, for an order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<OrderId>,
    /// Moves an order, with its data.
    #[serde(rename = "move", skip_serializing_if = "Option::is_none")]
    pub move_order: Option<OrderId>,
    /// Where `move` brings the order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<ServerId>,
    /// Erases a person's data everywhere: `person`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub erase: Option<Erase>,
    /// Runs the browser steps of a tool's first set-up again: `<order>/<tool>`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scenario: Option<OrderTool>,
    /// Why, for those who read it later.
    #[schemars(example = &"customer deleted a folder, ticket 812")]
    pub reason: String,
    /// Last day on which it may be started, in UTC. Absent: any day, which acts that destroy something do not allow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<Date>,
    /// Whose tool `restore` or `wipe` means: the order. `tenantry approve` writes it where one order alone has the tool on that server, and it is part of
    /// what is signed. Where it is another order's by then, the approval does not count. Absent: the one order that has the tool there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<OrderId>,
    /// Which machine the server of `restore`, `wipe` or `reinstall` was when an owner approved it: `tenantry approve` writes it, and it is part of what
    /// is signed. Where the server is another machine now, the approval does not count. Absent: not approved.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"static 192.0.2.1 SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU")]
    pub machine: Option<String>,
    /// An owner's signature in SSH format over what the operation does. Absent: not approved.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = "^-----BEGIN SSH SIGNATURE-----"))]
    pub approval: Option<String>,
}

/// What operations do.
const ACTS: [&str; 10] = [
    "restore",
    "wipe",
    "reinstall",
    "snapshot",
    "power_cycle",
    "rotate",
    "retry",
    "move",
    "erase",
    "scenario",
];

impl Operation {
    /// What it does: the one key that is written, and what it names.
    pub fn act(&self) -> (&'static str, String) {
        let named = [
            self.restore.as_ref().map(ToString::to_string),
            self.wipe.as_ref().map(ToString::to_string),
            self.reinstall.as_ref().map(ToString::to_string),
            self.snapshot.as_ref().map(ToString::to_string),
            self.power_cycle.as_ref().map(ToString::to_string),
            self.rotate.as_ref().map(ToString::to_string),
            self.retry.as_ref().map(ToString::to_string),
            self.move_order.as_ref().map(ToString::to_string),
            self.erase.map(|Erase::Person| "person".to_owned()),
            self.scenario.as_ref().map(ToString::to_string),
        ];
        let mut acts = ACTS.into_iter().zip(named);
        acts.find_map(|(act, named)| Some((act, named?)))
            .unwrap_or_default()
    }

    /// Whether it loses data that nothing brings back.
    pub fn is_destructive(&self) -> bool {
        self.restore.is_some()
            || self.wipe.is_some()
            || self.reinstall.is_some()
            || self.erase.is_some()
    }

    /// The tool whose data it loses, where it is one tool's.
    pub fn tool_of(&self) -> Option<&ServerTool> {
        self.restore.as_ref().or(self.wipe.as_ref())
    }

    /// The server on which it loses data.
    pub fn machine_of(&self) -> Option<&ServerId> {
        self.tool_of()
            .map(|tool| &tool.server)
            .or(self.reinstall.as_ref())
    }
}

/// Part of a tool's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Data {
    /// Its databases.
    Database,
    /// Files in its volumes.
    Files,
}

/// Whose data is erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Erase {
    /// The person of `person.yaml`.
    Person,
}

/// The text does not name what it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {what}")]
pub struct TargetError {
    text: String,
    what: &'static str,
}

const PAIR: &str = r"^[a-z0-9]+(-[a-z0-9]+)*/[a-z0-9]+(-[a-z0-9]+)*$";

macro_rules! pair {
    ($(#[$doc:meta])* $name:ident, $first:ident: $First:ty, $what:literal, $example:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name {
            /// The part before the slash.
            pub $first: $First,
            /// The tool.
            pub tool: ToolName,
        }

        text_schema!($name, PAIR, [$example]);

        impl TryFrom<String> for $name {
            type Error = TargetError;
            fn try_from(text: String) -> Result<Self, TargetError> {
                let read = || {
                    let (first, tool) = text.split_once('/')?;
                    Some(Self { $first: first.try_into().ok()?, tool: tool.try_into().ok()? })
                };
                read().ok_or_else(|| TargetError { text: text.clone(), what: $what })
            }
        }

        impl From<$name> for String {
            fn from(pair: $name) -> Self {
                pair.to_string()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}/{}", self.$first, self.tool)
            }
        }
    };
}

pair!(
    /// A tool on a server.
    ServerTool, server: ServerId, "a tool on a server: write `<server>/<tool>`, such as acme-1/nextcloud", "acme-1/nextcloud"
);
pair!(
    /// A tool of an order.
    OrderTool, order: OrderId, "a tool of an order: write `<order>/<tool>`, such as website/umami", "website/umami"
);

text_type!(
    /// Which backup: `latest`, or `latest before <time>` with a time as in RFC 3339, in UTC where it names no zone.
    BackupChoice,
    TargetError
);
text_schema!(
    BackupChoice,
    r"^latest( before [0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(Z|[+-][0-9]{2}:[0-9]{2})?)?$",
    ["latest", "latest before 2026-11-20T03:00"]
);

impl TryFrom<String> for BackupChoice {
    type Error = TargetError;
    fn try_from(text: String) -> Result<Self, TargetError> {
        let time = |time: &str| {
            let zoned =
                time.ends_with('Z') || time.get(16..).is_some_and(|rest| rest.contains(['+', '-']));
            let full = if zoned {
                time.to_owned()
            } else {
                format!("{time}Z")
            };
            time.as_bytes().get(10) == Some(&b'T') && full.parse::<Timestamp>().is_ok()
        };
        let good = text == "latest" || text.strip_prefix("latest before ").is_some_and(time);
        if good {
            Ok(Self(text.into()))
        } else {
            let what = "a choice of backups: write `latest`, or `latest before 2026-11-20T03:00`";
            Err(TargetError { text, what })
        }
    }
}

impl BackupChoice {
    /// The moment before which the backup was taken; none for the newest.
    pub fn before(&self) -> Option<Timestamp> {
        let time = self.as_str().strip_prefix("latest before ")?;
        // A choice is only made where one of the two can be read.
        time.parse().or_else(|_| format!("{time}Z").parse()).ok()
    }
}
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_of_backups_says_before_which_moment() {
        let before = |text: &str| BackupChoice::try_from(text.to_owned()).unwrap().before();
        let utc: Timestamp = "2026-11-20T03:00:00Z".parse().unwrap();
        assert_eq!(before("latest"), None);
        assert_eq!(before("latest before 2026-11-20T03:00"), Some(utc));
        assert_eq!(before("latest before 2026-11-20T03:00Z"), Some(utc));
        assert_eq!(before("latest before 2026-11-20T05:00+02:00"), Some(utc));
    }

    #[test]
    fn what_owners_read_before_they_sign_cannot_be_painted_over() {
        let read = |reason: &str, destroys: &str| {
            let text = serde_json::json!({
                "wipe": "acme-1/html",
                "destroys": [destroys],
                "reason": reason,
                "expires": "2026-11-22",
            });
            serde_json::from_value::<Operation>(text).map(|operation| operation.reason)
        };
        assert_eq!(
            read("two\nlines, ünïcödé", "its pages").unwrap(),
            "two\nlines, ünïcödé"
        );
        for hidden in ["\u{1b}[2J", "\r", "\u{9b}2J", "\u{202e}", "\u{0}"] {
            for (reason, destroys) in [(hidden, "its pages"), ("ticket", hidden)] {
                let error = read(reason, destroys).unwrap_err().to_string();
                assert!(error.contains("before they sign"), "{error}");
            }
        }
    }
}
