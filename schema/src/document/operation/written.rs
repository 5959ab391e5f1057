//! An operation as people write it, and what makes it none: several acts or none, keys of another act, what an act lacks.

use super::{ACTS, BackupChoice, Data, Erase, Operation, OrderTool, ServerTool};
use crate::id::{OrderId, ServerId};
use crate::name::VariableName;
use jiff::civil::Date;
use serde::Deserialize;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Written {
    restore: Option<ServerTool>,
    from: Option<BackupChoice>,
    of: Option<ServerTool>,
    only: Option<String>,
    overwrites: Vec<Data>,
    wipe: Option<ServerTool>,
    reinstall: Option<ServerId>,
    destroys: Vec<String>,
    snapshot: Option<ServerId>,
    power_cycle: Option<ServerId>,
    rotate: Option<OrderTool>,
    secrets: Vec<VariableName>,
    retry: Option<OrderId>,
    #[serde(rename = "move")]
    move_order: Option<OrderId>,
    to: Option<ServerId>,
    erase: Option<Erase>,
    scenario: Option<OrderTool>,
    reason: Option<String>,
    #[serde(deserialize_with = "day")]
    expires: Option<Date>,
    order: Option<OrderId>,
    machine: Option<String>,
    approval: Option<String>,
}

/// A day, as `2026-11-22`.
pub(in crate::document) fn day<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Date>, D::Error> {
    let read = |text: String| {
        text.parse().map_err(|_| {
            serde::de::Error::custom(format!("`{text}` is not a day: write it as 2026-11-22"))
        })
    };
    Option::<String>::deserialize(deserializer)?
        .map(read)
        .transpose()
}

impl Written {
    fn acts(&self) -> Vec<&'static str> {
        let written = [
            self.restore.is_some(),
            self.wipe.is_some(),
            self.reinstall.is_some(),
            self.snapshot.is_some(),
            self.power_cycle.is_some(),
            self.rotate.is_some(),
            self.retry.is_some(),
            self.move_order.is_some(),
            self.erase.is_some(),
            self.scenario.is_some(),
        ];
        ACTS.iter()
            .zip(written)
            .filter(|(_, there)| *there)
            .map(|(act, _)| *act)
            .collect()
    }

    /// What a key says about an act that is not written.
    fn stray(&self) -> Option<(&'static str, &'static str)> {
        let losing = self.wipe.is_some() || self.reinstall.is_some() || self.erase.is_some();
        [
            (
                "from",
                "restore",
                self.from.is_some() && self.restore.is_none(),
            ),
            ("of", "restore", self.of.is_some() && self.restore.is_none()),
            (
                "only",
                "restore",
                self.only.is_some() && self.restore.is_none(),
            ),
            (
                "overwrites",
                "restore",
                !self.overwrites.is_empty() && self.restore.is_none(),
            ),
            ("destroys", "wipe", !self.destroys.is_empty() && !losing),
            (
                "secrets",
                "rotate",
                !self.secrets.is_empty() && self.rotate.is_none(),
            ),
            ("to", "move", self.to.is_some() && self.move_order.is_none()),
            (
                "order",
                "wipe",
                self.order.is_some() && self.wipe.is_none() && self.restore.is_none(),
            ),
        ]
        .into_iter()
        .find_map(|(key, act, stray)| stray.then_some((key, act)))
    }

    fn lacks(&self) -> Option<&'static str> {
        let losing = self.wipe.is_some() || self.reinstall.is_some() || self.erase.is_some();
        let wants = [
            (
                self.restore.is_some() && self.overwrites.is_empty(),
                "`restore` names what it replaces: add `overwrites: [database, files]`",
            ),
            (
                self.restore.is_some() && self.from.is_none(),
                "`restore` names a backup: add `from: latest`",
            ),
            (
                losing && self.destroys.is_empty(),
                "name what is lost: add `destroys: [...]`",
            ),
            (
                (losing || self.restore.is_some()) && self.expires.is_none(),
                "an act that loses data ends: add `expires:` with a day",
            ),
            (
                self.rotate.is_some() && self.secrets.is_empty(),
                "`rotate` names secrets: add `secrets: [...]`",
            ),
            (
                self.move_order.is_some() && self.to.is_none(),
                "`move` names a server: add `to:`",
            ),
        ];
        wants
            .into_iter()
            .find_map(|(lacks, why)| lacks.then_some(why))
    }
}

/// Whether a terminal would do something else than show it.
fn repaints(c: char) -> bool {
    (c.is_control() && c != '\n') || crate::diagnostic::render::turns_direction(c)
}

impl TryFrom<Written> for Operation {
    type Error = String;
    fn try_from(written: Written) -> Result<Self, String> {
        match written.acts().as_slice() {
            [_] => {}
            [] => {
                return Err(format!(
                    "an operation does one thing: write one of {}",
                    ACTS.join(", ")
                ));
            }
            many => {
                return Err(format!(
                    "an operation does one thing, this one says {}",
                    many.join(" and ")
                ));
            }
        }
        if let Some((key, act)) = written.stray() {
            return Err(format!("`{key}` belongs to `{act}`, which is not written"));
        }
        if let Some(why) = written.lacks() {
            return Err(why.to_owned());
        }
        let Some(reason) = written.reason else {
            return Err("an operation says why: add `reason:`".to_owned());
        };
        let texts = std::iter::once(&reason).chain(&written.destroys);
        let mut read_by_owners = texts.chain(&written.machine).chain(&written.only);
        if read_by_owners.any(|text| text.chars().any(repaints)) {
            return Err(
                "`reason`, `destroys`, `only` and `machine` hold no control characters, and none that turn the direction of writing: owners read them before they sign"
                    .to_owned(),
            );
        }
        if written
            .approval
            .as_ref()
            .is_some_and(|text| !text.starts_with("-----BEGIN SSH SIGNATURE-----"))
        {
            return Err("an approval is a signature as `ssh-keygen -Y sign` writes it".to_owned());
        }
        Ok(Self {
            restore: written.restore,
            from: written.from,
            of: written.of,
            only: written.only,
            overwrites: written.overwrites,
            wipe: written.wipe,
            reinstall: written.reinstall,
            destroys: written.destroys,
            snapshot: written.snapshot,
            power_cycle: written.power_cycle,
            rotate: written.rotate,
            secrets: written.secrets,
            retry: written.retry,
            move_order: written.move_order,
            to: written.to,
            erase: written.erase,
            scenario: written.scenario,
            reason,
            expires: written.expires,
            order: written.order,
            machine: written.machine,
            approval: written.approval,
        })
    }
}
