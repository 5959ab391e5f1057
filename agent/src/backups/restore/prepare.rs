//! Everything that can fail for lack of room, permission or a good dump, done while the tool still runs: what comes is put beside its place.

use super::exchange;
use super::journal::{Before, Move};
use super::places::{Place, insert};
use crate::backups::database::{Loading, Source};
use crate::backups::drill::within;
use crate::backups::error::BackupError;
use crate::backups::files::{self, file_name};
use crate::backups::manifest::Part;
use crate::backups::sqlite::beneath;
use crate::backups::take::Hands;
use crate::backups::targets::{Database, Item, Targets, Volume};
use crate::containers::volumes;
use std::path::{Path, PathBuf};
use tenantry_schema::wire::DatabaseEngine;

/// Names beside a place are no longer than this.
const LONGEST: usize = 120;

/// What becomes of one part.
#[derive(Debug)]
pub(super) struct Way<'a> {
    part: &'a Part,
    /// Where it is now: below the folder that the backup was fetched into.
    from: PathBuf,
    to: To,
}

#[derive(Debug)]
enum To {
    /// It changes places.
    Move(Box<Move>),
    /// It belongs into a volume that is put back as a whole.
    Into { folder: PathBuf, file: String },
}

impl Way<'_> {
    /// What changes places of it, by itself.
    pub(super) fn own_move(&self) -> Option<&Move> {
        match &self.to {
            To::Move(one) => Some(one),
            To::Into { .. } => None,
        }
    }

    /// What can be said once it is done.
    pub(super) fn evidence(&self) -> String {
        let name = self.part.name();
        match (self.part, self.part.rows().unwrap_or_default()) {
            (Part::Database { .. }, rows) => format!("{name}: put back, {rows} rows agree"),
            _ => format!("{name}: put back"),
        }
    }

    /// Files first, for renames of them rarely fail; what has to be loaded last, for it takes long to put back.
    fn rank(&self) -> u8 {
        match self.own_move() {
            Some(Move::Place(_)) => 0,
            None => 1,
            Some(Move::Renamed { .. }) => 2,
            Some(Move::Loaded { .. }) => 3,
        }
    }
}

/// What becomes of `parts`, which are to be fetched into `folder`. Nothing is done yet.
pub(super) async fn ways<'a, T>(
    hands: &Hands<'_, T>,
    targets: &Targets,
    parts: &'a [Part],
    folder: &Path,
    live: &Path,
) -> Result<Vec<Way<'a>>, BackupError> {
    let mut all = Vec::new();
    for part in parts {
        all.push(Way {
            part,
            from: within(folder, part.path()),
            to: to(hands, targets, parts, part, folder, live).await?,
        });
    }
    all.sort_by_key(Way::rank);
    Ok(all)
}

async fn to<T>(
    hands: &Hands<'_, T>,
    targets: &Targets,
    parts: &[Part],
    part: &Part,
    folder: &Path,
    live: &Path,
) -> Result<To, BackupError> {
    let name = part.name();
    Ok(match part {
        Part::Database {
            engine,
            service,
            database,
            dump,
            tables,
            ..
        } => {
            let server = server(targets, *engine, service, database)?.clone();
            let source = Source::open(hands.engine, &server).await?;
            let name = database.clone();
            let existed = source.exists(&name).await?;
            To::Move(Box::new(match engine {
                DatabaseEngine::Postgres => Move::Renamed {
                    server,
                    name,
                    existed,
                },
                DatabaseEngine::Mysql | DatabaseEngine::Mongodb => Move::Loaded {
                    dump: within(folder, &dump.path),
                    tables: tables.clone(),
                    before: None,
                    server,
                    name,
                    existed,
                },
            }))
        }
        Part::Sqlite { volume, file, .. } => {
            let at = folder_of(hands, targets, volume).await?;
            let whole =
                |part: &Part| matches!(part, Part::Volume { volume: other, .. } if other == volume);
            let above = at.parent().unwrap_or(&at).to_owned();
            if parts.iter().any(whole) {
                let place = Place::beside(name, at, above, "_data");
                return Ok(To::Into {
                    folder: place.restored,
                    file: file.clone(),
                });
            }
            let place = Place::beside(name, beneath(&at, file)?, above, &stem(file));
            To::Move(Box::new(Move::Place(place.of_sqlite())))
        }
        Part::Volume { volume, .. } => {
            let at = folder_of(hands, targets, volume).await?;
            let above = at.parent().unwrap_or(&at).to_owned();
            let place = Place::beside(name, at, above, "_data");
            To::Move(Box::new(Move::Place(place)))
        }
        Part::Files { file, .. } => {
            let own = live.join(targets.instance.as_str());
            let at = beneath(&own, file)?;
            let above = at.parent().unwrap_or(&own).to_owned();
            let last = at.file_name().unwrap_or_default().to_string_lossy();
            let place = Place::beside(name, at.clone(), above, &stem(&last));
            To::Move(Box::new(Move::Place(place)))
        }
    })
}

/// A short name that no other path has.
fn stem(path: &str) -> String {
    let name = file_name(path);
    if name.len() <= LONGEST {
        return name;
    }
    use sha2::Digest as _;
    hex::encode(sha2::Sha256::digest(path.as_bytes()))
}

fn server<'a>(
    targets: &'a Targets,
    engine: DatabaseEngine,
    service: &str,
    name: &str,
) -> Result<&'a Database, BackupError> {
    let found = targets.items.iter().find_map(|item| match item {
        Item::Database(one) if one.service == service && one.engine == engine => Some(one),
        _ => None,
    });
    found.ok_or_else(|| {
        BackupError::Missing(format!("there is no service {service} to put {name} into: ask for a version of the stack that has it, or leave this out (`only` of the operation)"))
    })
}

async fn folder_of<T>(
    hands: &Hands<'_, T>,
    targets: &Targets,
    key: &str,
) -> Result<PathBuf, BackupError> {
    let volume = targets.items.iter().find_map(|item| match item {
        Item::Volume { volume, .. } | Item::Sqlite { volume, .. } if volume.key == key => {
            Some(volume)
        }
        _ => None,
    });
    let Volume { name, .. } = volume.ok_or_else(|| {
        BackupError::Missing(format!("there is no volume {key} to put data into: ask for a version of the stack that has it, or leave this out (`only` of the operation)"))
    })?;
    Ok(volumes::own_folder(hands.engine, name).await?)
}

/// Puts what was fetched beside its place, and compares it. What will be otherwise than in the backup, in sentences.
pub(super) async fn prepare<T>(
    hands: &Hands<'_, T>,
    ways: &[Way<'_>],
) -> Result<Vec<String>, BackupError> {
    let mut notes = Vec::new();
    for way in ways {
        let from = way.from.clone();
        let one = match &way.to {
            To::Move(one) => &**one,
            To::Into { folder, file } => {
                let (folder, file) = (folder.clone(), file.clone());
                files::blocking(move || insert(&from, &folder, &file)).await?;
                continue;
            }
        };
        match one {
            Move::Place(place) => {
                let place = place.clone();
                files::blocking(move || place.prepare(&from)).await?;
            }
            Move::Renamed { server, name, .. } | Move::Loaded { server, name, .. } => {
                if let Part::Database {
                    roles,
                    tables,
                    properties,
                    ..
                } = way.part
                {
                    let how = Loading {
                        roles,
                        properties: properties.as_deref(),
                    };
                    let engine = hands.engine;
                    notes
                        .extend(exchange::try_out(engine, server, name, &from, how, tables).await?);
                }
            }
        }
    }
    Ok(notes)
}

/// Makes sure that all that is overwritten is in a backup, of which these are the parts. What another instance has need not be kept of this one.
pub(super) fn saved(ways: &[Way<'_>], parts: &[Part]) -> Result<(), BackupError> {
    for way in ways {
        let overwrites = way.own_move().is_some_and(Move::overwrites);
        if overwrites && !parts.iter().any(|part| covers(part, way.part)) {
            return Err(BackupError::Missing(format!(
                "{} is there, and nothing of it is backed up (`backup:` of the stack), so it is not overwritten",
                way.part.name()
            )));
        }
    }
    Ok(())
}

/// Whether `part` holds what `other` would overwrite.
fn covers(part: &Part, other: &Part) -> bool {
    match (part, other) {
        (
            Part::Volume { volume, .. },
            Part::Volume { volume: other, .. } | Part::Sqlite { volume: other, .. },
        ) => volume == other,
        (Part::Files { file, .. }, Part::Files { file: other, .. }) => file == other,
        (one, other) => one.name() == other.name(),
    }
}

/// Notes the dumps of what is there now, of databases that have to be loaded to be put back. `moved`: where a dump of that backup is now.
pub(super) fn note_before(moves: &mut [Move], parts: &[Part], moved: impl Fn(&str) -> PathBuf) {
    for one in moves {
        let Move::Loaded {
            server,
            name,
            before,
            ..
        } = one
        else {
            continue;
        };
        *before = parts.iter().find_map(|part| match part {
            Part::Database {
                service,
                database,
                dump,
                tables,
                ..
            } if *service == server.service && database == name => Some(Before {
                dump: moved(&dump.path),
                tables: tables.clone(),
            }),
            _ => None,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backups::manifest::Dump;
    use std::collections::BTreeMap;

    fn volume(key: &str) -> Part {
        Part::Volume {
            volume: key.into(),
            path: String::new(),
            files: 0,
            bytes: 0,
        }
    }

    fn sqlite(key: &str, file: &str) -> Part {
        Part::Sqlite {
            volume: key.into(),
            file: file.into(),
            dump: Dump {
                path: String::new(),
                bytes: 0,
                sha256: String::new(),
            },
            tables: BTreeMap::new(),
        }
    }

    #[test]
    fn what_is_in_no_backup_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let there = folder.path().join("there");
        std::fs::write(&there, "").unwrap();
        let part = sqlite("data", "app.db");
        let way = |at: &Path| {
            let place = Place::beside(part.name(), at.into(), folder.path().into(), "app.db");
            Way {
                part: &part,
                from: PathBuf::new(),
                to: To::Move(Box::new(Move::Place(place))),
            }
        };
        let (full, empty) = ([way(&there)], [way(&folder.path().join("missing"))]);
        for parts in [vec![part.clone()], vec![volume("data")]] {
            saved(&full, &parts).unwrap();
        }
        for parts in [
            vec![],
            vec![volume("other")],
            vec![sqlite("data", "other.db")],
        ] {
            saved(&full, &parts).unwrap_err();
            saved(&empty, &parts).unwrap();
        }
    }

    #[test]
    fn names_beside_a_place_are_short_and_no_two_are_the_same() {
        let deep = "a/".repeat(200) + "app.db";
        assert!(stem(&deep).len() <= LONGEST);
        assert_ne!(stem(&deep), stem(&(deep.clone() + "2")));
        assert_ne!(stem("a/b"), stem("a_b"));
    }
}
