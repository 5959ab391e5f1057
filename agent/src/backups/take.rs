//! Taking a backup of one instance: dump, look, save, look again, and only then the receipt that makes it count.

use super::database::Source;
use super::desk::Desk;
use super::error::BackupError;
use super::files::{self, file_name, make_folder};
use super::manifest::{Dump, FORMAT, Manifest, Part};
use super::sqlite;
use super::targets::{Database, Item, Targets, Volume};
use super::tool::{BackupTool, Entry, RECEIPT_FILE, Saved, ToolError, data_tags, receipt_tags};
use crate::containers::{Engine, exec, still};
use jiff::Timestamp;
use std::path::{Path, PathBuf};

/// How often files are saved where some of them went meanwhile; the last time with the containers frozen that can write to them.
const ATTEMPTS: u32 = 3;

/// What a backup is taken with.
#[derive(Debug)]
pub struct Hands<'a, T> {
    /// The container engine.
    pub engine: &'a Engine,
    /// The repository.
    pub tool: &'a T,
    /// Where dumps are put until they are saved.
    pub spool: &'a Path,
    /// Who else is at work on an instance.
    pub desk: &'a Desk,
}

/// Takes a backup of an instance. What returns is good: its receipt is in the repository.
pub async fn take<T: BackupTool>(
    hands: &Hands<'_, T>,
    targets: &Targets,
) -> Result<Manifest, BackupError> {
    let folder = folder(hands, targets);
    files::clear(&folder)?;
    let outcome = take_into(hands, targets, &folder).await;
    files::clear(&folder)?;
    outcome
}

/// The same; its dumps stay on this server, in `kept`, where they have the same paths as below [`folder`].
pub async fn take_and_keep<T: BackupTool>(
    hands: &Hands<'_, T>,
    targets: &Targets,
    kept: &Path,
) -> Result<Manifest, BackupError> {
    let folder = folder(hands, targets);
    files::clear(&folder)?;
    files::clear(kept)?;
    let outcome = take_into(hands, targets, &folder).await;
    if outcome.is_ok() && folder.is_dir() {
        make_folder(kept.parent().unwrap_or(kept))?;
        std::fs::rename(&folder, kept)
            .map_err(|error| BackupError::io("cannot keep dumps in", kept, error))?;
        crate::faults::changed();
    }
    files::clear(&folder)?;
    outcome
}

/// Where dumps of an instance are put until they are saved.
pub fn folder<T>(hands: &Hands<'_, T>, targets: &Targets) -> PathBuf {
    hands.spool.join(targets.instance.as_str())
}

async fn take_into<T: BackupTool>(
    hands: &Hands<'_, T>,
    targets: &Targets,
    folder: &Path,
) -> Result<Manifest, BackupError> {
    let taken = Timestamp::now();
    hands.tool.prepare().await?;
    make_folder(folder)?;
    let (mut parts, paths) = gather(hands, targets, folder).await?;
    let saved = save(hands, targets, &paths).await?;
    let entries = hands.tool.entries(&saved.snapshot).await?;
    for part in &mut parts {
        find(part, &entries)?;
    }
    let manifest = Manifest {
        format: FORMAT,
        instance: targets.instance.clone(),
        taken,
        seconds: elapsed(taken),
        snapshot: saved.snapshot.clone(),
        bytes: saved.bytes,
        files: saved.files,
        added: saved.added,
        parts,
    };
    let text = serde_json::to_vec_pretty(&manifest)
        .map_err(|error| BackupError::Missing(format!("no receipt can be written: {error}")))?;
    let tags = receipt_tags(&targets.instance, &saved.snapshot);
    hands.tool.save_text(RECEIPT_FILE, &text, &tags).await?;
    Ok(manifest)
}

/// What is to be saved, and the paths that it is at: databases are dumped into `folder`.
async fn gather<T>(
    hands: &Hands<'_, T>,
    targets: &Targets,
    folder: &Path,
) -> Result<(Vec<Part>, Vec<PathBuf>), BackupError> {
    let (mut parts, mut paths) = (Vec::new(), Vec::new());
    for item in &targets.items {
        match item {
            Item::Database(database) => parts.extend(dump(hands, database, folder).await?),
            Item::Sqlite { volume, path } => {
                parts.push(copy_sqlite(hands, volume, path.as_str(), folder).await?);
            }
            Item::Volume { volume, .. } => {
                let path = exec::volume_folder(hands.engine, &volume.name).await?;
                parts.push(Part::Volume {
                    volume: volume.key.clone(),
                    path: path.to_string_lossy().into_owned(),
                    files: 0,
                    bytes: 0,
                });
                paths.push(path);
            }
            Item::Files { path, at } => {
                parts.push(Part::Files {
                    file: path.to_string(),
                    path: at.to_string_lossy().into_owned(),
                    files: 0,
                    bytes: 0,
                });
                paths.push(at.clone());
            }
        }
    }
    if parts
        .iter()
        .any(|part| part.path().starts_with(&*folder.to_string_lossy()))
    {
        paths.push(folder.to_owned());
    }
    paths.sort();
    Ok((parts, paths))
}

/// Seconds since then.
pub fn elapsed(since: Timestamp) -> u64 {
    let seconds = Timestamp::now()
        .as_second()
        .saturating_sub(since.as_second());
    u64::try_from(seconds).unwrap_or_default()
}

/// Saves all paths as one snapshot. Where files went or changed while they were listed, it is done again at once, which is cheap; the third time
/// nobody writes meanwhile.
async fn save<T: BackupTool>(
    hands: &Hands<'_, T>,
    targets: &Targets,
    paths: &[PathBuf],
) -> Result<Saved, BackupError> {
    for _ in 1..ATTEMPTS {
        match save_once(hands, targets, paths, &targets.frozen()).await {
            Err(BackupError::Tool(ToolError::Incomplete(why))) => tracing::info!(
                instance = %targets.instance, why, "files went while they were saved, so it is done again"
            ),
            outcome => return outcome,
        }
    }
    save_once(hands, targets, paths, &targets.writers()).await
}

/// The same once; these containers are frozen meanwhile, and thawed whatever happens.
async fn save_once<T: BackupTool>(
    hands: &Hands<'_, T>,
    targets: &Targets,
    paths: &[PathBuf],
    containers: &[&str],
) -> Result<Saved, BackupError> {
    let tags = data_tags(&targets.instance);
    if containers.is_empty() {
        return Ok(hands.tool.save(paths, &tags).await?);
    }
    let _held = hands.desk.hold(&targets.instance).await;
    let mut stand = Vec::new();
    let mut outcome = Ok(());
    for container in containers {
        match still::freeze(hands.engine, container).await {
            Ok(how) => stand.push((*container, how)),
            Err(error) => {
                outcome = Err(error);
                break;
            }
        }
    }
    let saved = match outcome {
        Ok(()) => hands
            .tool
            .save(paths, &tags)
            .await
            .map_err(BackupError::from),
        Err(error) => Err(error.into()),
    };
    let mut thawed = Ok(());
    for (container, how) in &stand {
        let result = match still::thaw(hands.engine, container, how).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(BackupError::Moved((*container).to_owned())),
            Err(error) => Err(error.into()),
        };
        thawed = thawed.and(result);
    }
    // Should that have failed, converging thaws them: the hold ends here.
    let saved = saved?;
    thawed?;
    Ok(saved)
}

async fn dump<T>(
    hands: &Hands<'_, T>,
    database: &Database,
    folder: &Path,
) -> Result<Vec<Part>, BackupError> {
    let source = Source::open(hands.engine, database).await?;
    let names = if database.databases.is_empty() {
        source.databases().await?
    } else {
        database.databases.clone()
    };
    let roles = source.roles().await?;
    let mut parts = Vec::new();
    for name in names {
        let place = format!(
            "{}/{}/{}.dump",
            database.engine.as_str(),
            file_name(&database.service),
            file_name(&name)
        );
        let dumped = source.dump(&name, folder.join(place)).await?;
        parts.push(Part::Database {
            engine: database.engine,
            service: database.service.clone(),
            image: database.image.clone(),
            database: name,
            dump: dumped.spooled.dump,
            tables: dumped.tables,
            roles: roles.clone(),
            properties: dumped.properties.map(Box::new),
            locked: dumped.locked,
        });
    }
    if parts.is_empty() {
        return Err(BackupError::Missing(format!(
            "{} has no database that could be dumped: make one, or take it out of `backup:` of the stack",
            database.service
        )));
    }
    Ok(parts)
}

async fn copy_sqlite<T>(
    hands: &Hands<'_, T>,
    volume: &Volume,
    file: &str,
    folder: &Path,
) -> Result<Part, BackupError> {
    let from = exec::volume_folder(hands.engine, &volume.name).await?;
    let target = folder
        .join("sqlite")
        .join(file_name(&volume.key))
        .join(file_name(file));
    files::room(folder, files::RESERVE)?;
    let (path, copy) = (file.to_owned(), target.clone());
    let tables = files::blocking(move || sqlite::copy(&from, &path, &copy)).await?;
    let dump = files::describe(target).await?;
    Ok(Part::Sqlite {
        volume: volume.key.clone(),
        file: file.to_owned(),
        dump,
        tables,
    })
}

/// Makes sure that a part is in the snapshot as it should be, and counts the files of volumes there.
fn find(part: &mut Part, entries: &[Entry]) -> Result<(), BackupError> {
    let name = part.name();
    let below = |path: &str| {
        let folder = format!("{path}/");
        let (mut count, mut size) = (0, 0);
        let mut there = false;
        for entry in entries {
            if entry.path == path || entry.path.starts_with(&folder) {
                there = true;
                if let Some(bytes) = entry.size {
                    count += 1;
                    size += bytes;
                }
            }
        }
        there.then_some((count, size))
    };
    let missing = || BackupError::Missing(format!("{name} is not in the snapshot"));
    match part {
        Part::Database { dump, .. } | Part::Sqlite { dump, .. } => {
            let Dump { path, bytes, .. } = dump;
            let found = entries.iter().find(|entry| entry.path == *path);
            let size = found.and_then(|entry| entry.size).ok_or_else(missing)?;
            if size != *bytes {
                return Err(BackupError::Differs(format!(
                    "{name} has {size} bytes in the snapshot, {bytes} were dumped"
                )));
            }
        }
        Part::Volume {
            path, files, bytes, ..
        }
        | Part::Files {
            path, files, bytes, ..
        } => {
            (*files, *bytes) = below(path).ok_or_else(missing)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_is_not_in_the_snapshot_is_found_out() {
        let entry = |path: &str, size| Entry {
            path: path.into(),
            size,
        };
        let entries = [
            entry("/v", None),
            entry("/v/data", None),
            entry("/v/data/a", Some(3)),
            entry("/v/data/b", Some(4)),
            entry("/v/database", Some(100)),
            entry("/s/db.dump", Some(9)),
        ];
        let volume = |path: &str| Part::Volume {
            volume: "data".into(),
            path: path.into(),
            files: 0,
            bytes: 0,
        };
        let mut found = volume("/v/data");
        find(&mut found, &entries).unwrap();
        assert!(
            matches!(
                found,
                Part::Volume {
                    files: 2,
                    bytes: 7,
                    ..
                }
            ),
            "{found:?}"
        );
        assert!(find(&mut volume("/v/dat"), &entries).is_err());
        let dump = |bytes| Part::Sqlite {
            volume: "data".into(),
            file: "db".into(),
            dump: Dump {
                path: "/s/db.dump".into(),
                bytes,
                sha256: String::new(),
            },
            tables: std::collections::BTreeMap::default(),
        };
        assert!(find(&mut dump(9), &entries).is_ok());
        let error = find(&mut dump(10), &entries).unwrap_err();
        assert!(matches!(error, BackupError::Differs(_)), "{error}");
    }
}
