//! Backups of a server, and data that is put back.

use super::super::Marks;
use super::{differing, moved};
use crate::slice_input::BackupsInput;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use tenantry_schema::wire::{BackupItem, BackupsSpec, RestoreSpec};

/// # Errors
/// Those of `marks`.
pub(super) fn all<E>(
    old: Option<&BackupsInput>,
    new: Option<&BackupsInput>,
    marks: &Marks<'_, E>,
    said: &mut Vec<String>,
) -> Result<(), E> {
    match (old, new) {
        (None, Some(new)) => said.push(format!(
            "is backed up, {}, to {}",
            new.spec.window, new.spec.place
        )),
        (Some(_), None) => {
            said.push("is backed up no more; the backups that are there stay".to_owned());
        }
        (Some(old), Some(new)) => {
            settings(&old.spec, &new.spec, said);
            if old.secrets != new.secrets {
                let (before, after) = (marks(old.secrets)?, marks(new.secrets)?);
                for (name, _, _) in differing(&before, &after) {
                    said.push(format!("another secret of backups: {name}"));
                }
            }
        }
        (None, None) => {}
    }
    restores(old, new, said);
    Ok(())
}

fn settings(old: &BackupsSpec, new: &BackupsSpec, said: &mut Vec<String>) {
    let BackupsSpec {
        place,
        user,
        window,
        offset,
        check_every,
        check_share,
        drill_every,
        warn_after,
        instances,
    } = old;
    said.extend(moved("is backed up to", place, &new.place));
    said.extend(moved("logs in where backups are kept as", user, &new.user));
    said.extend(moved("is backed up in", window, &new.window));
    // A new window gives a new moment in it; that is said with the window.
    if *window == new.window && *offset != new.offset {
        said.push(format!(
            "backups begin {} minutes after their window opens, no more {}",
            new.offset / 60,
            offset / 60
        ));
    }
    said.extend(moved(
        "backups are checked every",
        check_every,
        &new.check_every,
    ));
    said.extend(moved(
        "share of backups that is read back",
        check_share,
        &new.check_share,
    ));
    said.extend(moved(
        "a restore is tried every",
        drill_every,
        &new.drill_every,
    ));
    said.extend(moved(
        "a backup is too old after",
        warn_after,
        &new.warn_after,
    ));
    for (instance, old, new) in differing(instances, &new.instances) {
        said.push(match (old, new) {
            (None, Some(items)) => format!("{instance} is backed up: {}", words(items)),
            (Some(old), Some(new)) => {
                format!(
                    "of {instance} is backed up: {} → {}",
                    words(old),
                    words(new)
                )
            }
            (_, None) => {
                format!("{instance} is backed up no more; the backups that are there stay")
            }
        });
    }
}

fn words(items: &[BackupItem]) -> String {
    let each = items.iter().map(|item| match item {
        BackupItem::Database {
            engine,
            service,
            databases,
            user,
            password,
        } => {
            let mut words = format!("{} of {service}", engine.as_str());
            if !databases.is_empty() {
                let _ = write!(words, " ({})", databases.join(", "));
            }
            if let Some(user) = user {
                let _ = write!(words, " as {user}");
            }
            // The name of a variable.
            if let Some(password) = password {
                let _ = write!(words, " with {password}");
            }
            words
        }
        BackupItem::Sqlite { volume, path } => format!("SQLite {path} of volume {volume}"),
        BackupItem::Volume { volume, during } => match during {
            tenantry_schema::document::During::Running => format!("volume {volume}"),
            tenantry_schema::document::During::Paused => format!("volume {volume} (paused)"),
        },
        BackupItem::Files { path } => format!("files {path}"),
    });
    each.collect::<Vec<_>>().join(", ")
}

fn restores(old: Option<&BackupsInput>, new: Option<&BackupsInput>, said: &mut Vec<String>) {
    let none = BTreeMap::new();
    let old = old.map_or(&none, |backups| &backups.restores);
    let new = new.map_or(&none, |backups| &backups.restores);
    for (id, old, new) in differing(old, new) {
        let of = |spec: &RestoreSpec| format!("a backup of {} on {}", spec.of, spec.server);
        said.push(match (old, new) {
            (None, Some(spec)) => format!(
                "restore {id}: {} is put back into {}",
                of(spec),
                spec.instance
            ),
            (Some(_), Some(spec)) => format!(
                "restore {id} is another: {} is put back into {}",
                of(spec),
                spec.instance
            ),
            (_, None) => format!("restore {id} is asked for no more"),
        });
    }
}
