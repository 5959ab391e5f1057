//! The moment at which data changes places, all or nothing: what has moved is put back where something fails.

use super::journal::{Before, Exchange, Move, Stage};
use super::places::Place;
use crate::backups::database::{Loaded, Loading, Source, beside};
use crate::backups::desk::Desk;
use crate::backups::error::BackupError;
use crate::backups::files;
use crate::backups::manifest::compare_rows;
use crate::backups::targets::Database;
use crate::containers::Engine;
use crate::containers::scratch;
use crate::execute::sentence;
use crate::faults;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use tenantry_schema::id::InstanceName;
use tenantry_schema::wire::DatabaseEngine;

/// How long a database may take to come up.
const PATIENCE: Duration = Duration::from_mins(2);

/// Lets everything change places. Where this returns an error of [`BackupError::Undone`] everything is as it was; after one of
/// [`BackupError::Mixed`] nobody may start the instance.
pub(super) async fn carry_out(
    engine: &Engine,
    desk: &Desk,
    instance: &InstanceName,
) -> Result<(), BackupError> {
    let Err(error) = forth(engine, desk, instance).await else {
        return Ok(());
    };
    let source = Box::new(error);
    match back(engine, desk, instance).await {
        Ok(()) => Err(BackupError::Undone { source }),
        Err(mixed) => {
            let message = format!("{}; {}", sentence(&*source), sentence(&mixed));
            desk.trouble_with(instance, message);
            Err(BackupError::Mixed {
                instance: instance.clone(),
                before: before(desk, instance),
                left: Box::new(mixed),
                source,
            })
        }
    }
}

fn before(desk: &Desk, instance: &InstanceName) -> String {
    let exchange = desk.exchange(instance);
    let before = exchange.and_then(|exchange| exchange.before);
    before.unwrap_or_else(|| "that was taken before it".to_owned())
}

fn open(desk: &Desk, instance: &InstanceName) -> Result<Exchange, BackupError> {
    desk.exchange(instance)
        .ok_or_else(|| BackupError::Missing(format!("no restore of {instance} is at work")))
}

async fn forth(engine: &Engine, desk: &Desk, instance: &InstanceName) -> Result<(), BackupError> {
    let mut exchange = open(desk, instance)?;
    exchange.stage = Stage::Moving;
    desk.note_exchange(exchange.clone())?;
    for one in &exchange.moves {
        match one {
            Move::Place(place) => on_disk(place, Place::exchange).await?,
            Move::Renamed {
                server,
                name,
                existed,
            } => {
                let source = Source::open(engine, server).await?;
                source.exchange(name, *existed).await?;
                faults::changed();
            }
            Move::Loaded { .. } => {}
        }
    }
    let loads = |one: &Move| matches!(one, Move::Loaded { .. });
    if exchange.moves.iter().any(loads) {
        exchange.stage = Stage::Loading;
        desk.note_exchange(exchange.clone())?;
    }
    for one in &exchange.moves {
        if let Move::Loaded {
            server,
            name,
            dump,
            tables,
            ..
        } = one
        {
            load(engine, server, name, dump, tables).await?;
        }
    }
    exchange.stage = Stage::Exchanged;
    Ok(desk.note_exchange(exchange)?)
}

async fn on_disk(
    place: &Place,
    work: impl FnOnce(&Place) -> Result<(), BackupError> + Send + 'static,
) -> Result<(), BackupError> {
    let place = place.clone();
    files::blocking(move || work(&place)).await
}

async fn load(
    engine: &Engine,
    server: &Database,
    name: &str,
    dump: &Path,
    tables: &BTreeMap<String, u64>,
) -> Result<(), BackupError> {
    let source = Source::open(engine, server).await?;
    source.wait(PATIENCE).await?;
    let Loaded { rows, .. } = source.load(dump, name, &Loading::default()).await?;
    faults::changed();
    match compare_rows(&title(server, name), tables, &rows) {
        Some(differs) => Err(BackupError::Differs(differs)),
        None => Ok(()),
    }
}

fn title(server: &Database, name: &str) -> String {
    format!(
        "{} database {name} of {}",
        server.engine.as_str(),
        server.service
    )
}

/// Puts everything back that has changed places, as far as it has. The instance stands still meanwhile.
pub(super) async fn back(
    engine: &Engine,
    desk: &Desk,
    instance: &InstanceName,
) -> Result<(), BackupError> {
    let mut exchange = open(desk, instance)?;
    let mut failures = Vec::new();
    for one in exchange.moves.iter().rev() {
        // One that fails does not keep the others from going back.
        if let Err(error) = undo(engine, &exchange, one).await {
            failures.push(format!("{}: {}", name_of(one), sentence(&error)));
        }
    }
    if !failures.is_empty() {
        return Err(BackupError::Missing(format!(
            "not everything could be put back: {}",
            failures.join("; ")
        )));
    }
    exchange.stage = Stage::Preparing;
    // It is as it was, whether that can be written down or not: nothing is removed until it is.
    let _ = desk.note_exchange(exchange);
    Ok(())
}

fn name_of(one: &Move) -> String {
    match one {
        Move::Place(place) => place.name.clone(),
        Move::Renamed { server, name, .. } | Move::Loaded { server, name, .. } => {
            title(server, name)
        }
    }
}

async fn undo(engine: &Engine, exchange: &Exchange, one: &Move) -> Result<(), BackupError> {
    match one {
        Move::Place(place) => on_disk(place, Place::undo).await,
        Move::Renamed {
            server,
            name,
            existed,
        } => {
            let source = awake(engine, server).await?;
            source.undo_exchange(name, *existed).await?;
            faults::changed();
            Ok(())
        }
        Move::Loaded { .. } if exchange.stage != Stage::Loading => Ok(()),
        Move::Loaded {
            server,
            name,
            before,
            existed,
            ..
        } => {
            let source = awake(engine, server).await?;
            match before {
                Some(Before { dump, tables }) => load(engine, server, name, dump, tables).await,
                None if !existed && server.engine == DatabaseEngine::Mysql => {
                    source.mysql_drop(name).await
                }
                None if !existed => Ok(()),
                None => Err(BackupError::Missing("its dump is not known".to_owned())),
            }
        }
    }
}

/// A server that answers. After a power cut it may have to be started first.
async fn awake<'a>(engine: &'a Engine, server: &Database) -> Result<Source<'a>, BackupError> {
    scratch::resume(engine, &server.container).await?;
    let source = Source::open(engine, server).await?;
    source.wait(PATIENCE).await?;
    Ok(source)
}

/// Removes what stands beside and is of no use any more: what did not come, or what went. Then the exchange is over.
pub(super) async fn tidy(
    engine: &Engine,
    desk: &Desk,
    instance: &InstanceName,
) -> Result<(), BackupError> {
    let exchange = open(desk, instance)?;
    if exchange.is_mixed() {
        return Err(BackupError::Missing(format!(
            "the data of {instance} is not in order"
        )));
    }
    // Whoever comes after a power cut must not take what is removed now for what is missing.
    desk.note_exchange(exchange.clone())?;
    let went = exchange.stage == Stage::Exchanged;
    for one in &exchange.moves {
        match one {
            Move::Place(place) if went => on_disk(place, Place::forget_before).await?,
            Move::Place(place) => on_disk(place, Place::forget_restored).await?,
            Move::Renamed { server, name, .. } if went => {
                Source::open(engine, server).await?.drop_old(name).await?;
                faults::changed();
            }
            Move::Renamed { server, name, .. } | Move::Loaded { server, name, .. } => {
                Source::open(engine, server).await?.drop_fresh(name).await?;
                faults::changed();
            }
        }
    }
    files::clear(&desk.kept(instance))
}

/// Loads a dump beside the database that it is to replace, and compares the rows. What is otherwise than in the backup, in sentences.
pub(super) async fn try_out(
    engine: &Engine,
    server: &Database,
    name: &str,
    dump: &Path,
    how: Loading<'_>,
    tables: &BTreeMap<String, u64>,
) -> Result<Vec<String>, BackupError> {
    let source = Source::open(engine, server).await?;
    source.can_load().await?;
    if server.engine == DatabaseEngine::Mongodb {
        return Ok(Vec::new());
    }
    if server.engine == DatabaseEngine::Postgres && source.exists(&beside::old(name)).await? {
        return Err(BackupError::Missing(format!(
            "the database {} is of an earlier restore, and nobody knows whether it is still needed: look at it, and drop it",
            beside::old(name)
        )));
    }
    // A backup of an earlier release does not say what the database was: the one that it replaces does.
    let there = match how.properties {
        Some(_) => None,
        None => source.properties(name).await?,
    };
    let how = Loading {
        properties: how.properties.or(there.as_ref()),
        ..how
    };
    let Loaded { rows, notes } = source.load(dump, &beside::fresh(name), &how).await?;
    faults::changed();
    if server.engine == DatabaseEngine::Mysql {
        // It cannot rename a database: this one was to see whether the dump is good.
        source.drop_fresh(name).await?;
    }
    match compare_rows(&title(server, name), tables, &rows) {
        Some(differs) => Err(BackupError::Differs(differs)),
        None => Ok(notes),
    }
}
