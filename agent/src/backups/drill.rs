//! The restore drill: a backup is put into containers of its own, without any network, and what comes out is compared with what was counted
//! when it was taken. Whatever happens, everything that it made is removed.

use super::database::{Loaded, Loading, Source};
use super::error::BackupError;
use super::files;
use super::manifest::{Dump, Manifest, Part, compare_rows};
use super::sqlite;
use super::targets::{Database, Item, Targets};
use super::tool::BackupTool;
use crate::containers::Engine;
use crate::containers::scratch::{self, Sandbox};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tenantry_schema::Secret;
use tenantry_schema::wire::{DatabaseEngine, DrillResult};

/// How long a database may take to come up.
const PATIENCE: Duration = Duration::from_mins(3);

/// Where backups are tried out.
#[derive(Debug)]
pub struct Scratch<'a, T> {
    /// The container engine.
    pub engine: &'a Engine,
    /// The repository.
    pub tool: &'a T,
    /// Marks what is made: `<fleet id>/<customer>/<server>`.
    pub keeper: &'a str,
    /// Where backups are put.
    pub folder: PathBuf,
}

impl<T: BackupTool> Scratch<'_, T> {
    /// Tries a backup out. What differs is an error.
    pub async fn drill(
        &self,
        targets: &Targets,
        manifest: &Manifest,
    ) -> Result<DrillResult, BackupError> {
        let folder = self.folder.join(manifest.instance.as_str());
        files::clear(&folder)?;
        let tried = self.try_out(targets, manifest, &folder).await;
        let removed = remove_leftovers(self.engine, self.keeper).await;
        files::clear(&folder)?;
        let evidence = tried?;
        removed?;
        Ok(DrillResult {
            at: Timestamp::now(),
            snapshot: manifest.snapshot.clone(),
            seconds: 0,
            evidence,
            problem: None,
        })
    }

    async fn try_out(
        &self,
        targets: &Targets,
        manifest: &Manifest,
        folder: &Path,
    ) -> Result<Vec<String>, BackupError> {
        fetch(self.tool, manifest, &manifest.parts, folder).await?;
        let mut evidence = Vec::new();
        for part in &manifest.parts {
            evidence.push(match part {
                Part::Database {
                    engine, service, ..
                } => {
                    let database = targets.items.iter().find_map(|item| match item {
                        Item::Database(one) if one.service == *service && one.engine == *engine => {
                            Some(one)
                        }
                        _ => None,
                    });
                    match database {
                        Some(database) => self.database(database, part, folder).await?,
                        None => format!(
                            "{}: no such service any more, its dump is whole",
                            part.name()
                        ),
                    }
                }
                _ => look_at(part, folder).await?,
            });
        }
        Ok(evidence)
    }

    /// Loads a dump into a database server of its own.
    async fn database(
        &self,
        database: &Database,
        part: &Part,
        folder: &Path,
    ) -> Result<String, BackupError> {
        let Part::Database {
            engine,
            database: name,
            dump,
            tables,
            roles,
            properties,
            image,
            ..
        } = part
        else {
            return Ok(String::new());
        };
        if *engine == DatabaseEngine::Mongodb {
            return Ok(format!(
                "{}: SHA-256 agrees; it was not loaded",
                part.name()
            ));
        }
        let path = within(folder, &dump.path);
        let live = Source::open(self.engine, database).await?;
        let password = Secret::new(hex::encode(rand::random::<[u8; 16]>()));
        let variables = live.variables_for_trial(&password);
        let sandbox = Sandbox {
            name: format!("{}{}", scratch::PREFIX, database.container),
            image: image.clone(),
            keeper: self.keeper.to_owned(),
            variables,
        };
        scratch::start(self.engine, &sandbox).await?;
        let trial = Source::at(
            self.engine,
            &Database {
                user: Some(live.user_for_trial().to_owned()),
                password: None,
                ..database.clone()
            },
            &sandbox.name,
        )
        .await?;
        trial.wait(PATIENCE).await?;
        let how = Loading {
            roles,
            properties: properties.as_deref(),
        };
        // A server that is new has no accounts: what it lacks is no news.
        let Loaded { rows, .. } = trial.load(&path, &trial.name_for_trial(name), &how).await?;
        scratch::remove(self.engine, &sandbox.name).await?;
        match compare_rows(&part.name(), tables, &rows) {
            Some(differs) => Err(BackupError::Differs(differs)),
            None => Ok(format!(
                "{}: SHA-256 agrees; loaded; {} agree",
                part.name(),
                counted(tables)
            )),
        }
    }
}

/// Puts parts of a backup below `folder`, and compares them with the receipt.
pub async fn fetch<T: BackupTool>(
    tool: &T,
    manifest: &Manifest,
    parts: &[Part],
    folder: &Path,
) -> Result<(), BackupError> {
    files::make_folder(folder)?;
    files::room(folder, manifest.bytes.saturating_add(files::RESERVE))?;
    let paths: Vec<String> = parts.iter().map(|part| part.path().to_owned()).collect();
    tool.restore(&manifest.snapshot, &paths, folder).await?;
    for part in parts {
        if let Part::Database { dump, .. } | Part::Sqlite { dump, .. } = part {
            same(&part.name(), dump, folder).await?;
        }
    }
    Ok(())
}

/// A path of a snapshot below the folder that it was put into.
pub fn within(folder: &Path, path: &str) -> PathBuf {
    folder.join(path.trim_start_matches('/'))
}

async fn same(name: &str, dump: &Dump, folder: &Path) -> Result<(), BackupError> {
    let found = files::describe(within(folder, &dump.path)).await?;
    if (found.bytes, &found.sha256) == (dump.bytes, &dump.sha256) {
        Ok(())
    } else {
        Err(BackupError::Differs(format!(
            "{name}: the restored dump is not the one that was saved"
        )))
    }
}

/// Compares what needs no server.
async fn look_at(part: &Part, folder: &Path) -> Result<String, BackupError> {
    match part {
        Part::Sqlite { dump, tables, .. } => {
            let path = within(folder, &dump.path);
            let rows = files::blocking(move || sqlite::look_through(&path)).await?;
            match compare_rows(&part.name(), tables, &rows) {
                Some(differs) => Err(BackupError::Differs(differs)),
                None => Ok(format!(
                    "{}: SHA-256 agrees; {} agree",
                    part.name(),
                    counted(tables)
                )),
            }
        }
        Part::Volume {
            path, files, bytes, ..
        }
        | Part::Files {
            path, files, bytes, ..
        } => {
            let root = within(folder, path);
            let (count, size) = files::blocking(move || measure(&root)).await?;
            if (count, size) == (*files, *bytes) {
                Ok(format!(
                    "{}: {count} files, {size} bytes agree",
                    part.name()
                ))
            } else {
                Err(BackupError::Differs(format!(
                    "{}: {count} files with {size} bytes came back, {files} with {bytes} were saved",
                    part.name()
                )))
            }
        }
        Part::Database { .. } => Ok(part.name()),
    }
}

/// Files and bytes below a folder; links are neither.
pub fn measure(root: &Path) -> Result<(u64, u64), BackupError> {
    let failed = |error| BackupError::io("cannot look through", root, error);
    let (mut count, mut size) = (0, 0);
    let mut open = vec![root.to_owned()];
    while let Some(path) = open.pop() {
        let found = std::fs::symlink_metadata(&path).map_err(failed)?;
        if found.is_dir() {
            for entry in std::fs::read_dir(&path).map_err(failed)? {
                open.push(entry.map_err(failed)?.path());
            }
        } else if found.is_file() {
            count += 1;
            size += found.len();
        }
    }
    Ok((count, size))
}

fn counted(tables: &BTreeMap<String, u64>) -> String {
    let rows: u64 = tables.values().sum();
    format!("{rows} rows of {} tables", tables.len())
}

/// Removes containers of drills that were broken off, with their volumes.
pub async fn remove_leftovers(engine: &Engine, keeper: &str) -> Result<(), BackupError> {
    Ok(scratch::remove_all(engine, keeper).await?)
}
