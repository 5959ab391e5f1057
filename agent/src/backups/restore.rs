//! Putting data back, as an operation says.
//!
//! # Expected flow
//!
//! ```text
//! tool runs     back up what is there · fetch · compare · put beside its place        (prepare)
//! tool stands   back up what was written meanwhile · rename                           (exchange)
//! tool runs     remove what went
//! ```
//!
//! # Guarantees
//!
//! - All or nothing: what cannot be exchanged in full is put back. What an agent has begun that was killed, the next one puts in order (`mend`).
//! - Where putting back fails, too, nobody starts the tool before it is done.
//! - What is overwritten is in a backup, to the last write: the one that is taken while the tool stands still.

mod copy;
mod exchange;
pub mod journal;
mod mend;
mod places;
mod prepare;

pub use mend::mend;

use super::drill::fetch;
use super::error::BackupError;
use super::files;
use super::manifest::{Manifest, Part};
use super::take::{self, Hands, elapsed};
use super::targets::{Item, Targets};
use super::tool::{self, BackupTool, RECEIPT_FILE};
use crate::containers::{Engine, scratch, volumes};
use crate::execute::sentence;
use jiff::Timestamp;
use journal::{Exchange, Move};
use prepare::Way;
use std::path::Path;
use tenantry_schema::document::Data;
use tenantry_schema::id::{InstanceName, OperationId};
use tenantry_schema::wire::RestoreResult;

/// What an operation asks for.
#[derive(Debug)]
pub struct Order<T> {
    /// The instance that gets the data.
    pub instance: InstanceName,
    /// The instance whose backup it is.
    pub of: InstanceName,
    /// The repository that it is in.
    pub from: T,
    /// The newest backup before this moment. Absent: the newest.
    pub before: Option<Timestamp>,
    /// What is replaced.
    pub overwrites: Vec<Data>,
    /// Only the database or volume of this name. Absent: all of them.
    pub only: Option<String>,
    /// The moment from which on it is not begun any more.
    pub until: Option<Timestamp>,
    /// Nobody works on the instance until what came of it is written down: it has a version that was given up.
    pub alone: bool,
}

/// A restore that did not come about.
pub fn failed(problem: String) -> RestoreResult {
    RestoreResult {
        at: Timestamp::now(),
        snapshot: String::new(),
        before: None,
        evidence: Vec::new(),
        downtime: 0,
        problem: Some(problem),
    }
}

/// What came of a restore.
#[derive(Debug)]
pub struct Ended {
    /// As the hub is told.
    pub result: RestoreResult,
    /// Whether nothing is left to be put in order: the exchange can be forgotten once the result is written down.
    pub tidy: bool,
}

impl Ended {
    /// One that ended before it began.
    pub fn early(problem: String) -> Self {
        Self {
            result: failed(problem),
            tidy: false,
        }
    }
}

/// Puts data back.
pub async fn restore<T: BackupTool>(
    hands: &Hands<'_, T>,
    id: &OperationId,
    order: &Order<T>,
    targets: &Targets,
    scratch: &Path,
    live: &Path,
) -> Ended {
    let instance = &order.instance;
    if let Some(until) = order.until.filter(|until| Timestamp::now() >= *until) {
        return Ended::early(format!(
            "it came too late: it was to begin before {until:.0}, and nothing was touched"
        ));
    }
    if let Some(why) = hands.desk.unsettled(instance) {
        return Ended::early(format!("{why}; nothing was touched"));
    }
    let begun = Exchange::new(id.clone(), instance.clone());
    if let Err(error) = hands.desk.begin_exchange(begun) {
        return Ended::early(format!("it cannot be written down: {}", sentence(&error)));
    }
    let folder = scratch.join(format!("restore-{instance}"));
    let mut result = failed(String::new());
    let outcome = match files::clear(&folder) {
        Ok(()) => put_back(hands, order, targets, &folder, live, &mut result).await,
        Err(error) => Err(error),
    };
    result.problem = outcome.err().map(|error| sentence(&error));
    result.at = Timestamp::now();
    // What stays beside is told in the log and tried again: it changes nothing about what came of the restore.
    let tidied = match exchange::tidy(hands.engine, hands.desk, instance).await {
        Ok(()) => files::clear(&folder),
        Err(error) => files::clear(&folder).and(Err(error)),
    };
    if let Err(error) = &tidied
        && !hands.desk.is_mixed(instance)
    {
        hands.desk.trouble_with(instance, sentence(error));
    }
    Ended {
        result,
        tidy: tidied.is_ok(),
    }
}

async fn put_back<T: BackupTool>(
    hands: &Hands<'_, T>,
    order: &Order<T>,
    targets: &Targets,
    folder: &Path,
    live: &Path,
    result: &mut RestoreResult,
) -> Result<(), BackupError> {
    let manifest = choose(order).await?;
    result.snapshot.clone_from(&manifest.snapshot);
    let parts = wanted(order, targets, &manifest.parts);
    if parts.is_empty() {
        return Err(BackupError::Missing(
            "the backup has nothing of what is to be put back: look at `overwrites` and `only` of the operation".to_owned(),
        ));
    }
    let servers = servers(targets);
    let still = targets.containers.values();
    let still: Vec<&String> = still
        .filter(|one| !servers.contains(&one.as_str()))
        .collect();
    let mut first = None;
    if order.alone {
        // It does not work: whatever goes on in it only stands in the way of reading what it left.
        stop(hands.engine, still.iter().copied()).await?;
    } else {
        // So that the one that is taken while the tool stands still has little left to save.
        first = Some(take::take(hands, targets).await?);
        result.before = first.as_ref().map(|first| first.snapshot.clone());
    }
    let ways = prepare::ways(hands, targets, &parts, folder, live).await?;
    if let Some(first) = &first {
        prepare::saved(&ways, &first.parts)?;
    }
    fetch(&order.from, &manifest, &parts, folder).await?;
    let mut exchange = hands.desk.exchange(&order.instance).ok_or_else(forgotten)?;
    exchange.snapshot.clone_from(&manifest.snapshot);
    exchange.servers = servers.iter().map(|one| (*one).to_owned()).collect();
    exchange.still = still.iter().map(|one| (*one).clone()).collect();
    exchange.moves = ways.iter().filter_map(Way::own_move).cloned().collect();
    exchange.evidence = ways.iter().map(Way::evidence).collect();
    exchange.before.clone_from(&result.before);
    hands.desk.note_exchange(exchange.clone())?;
    let notes = prepare::prepare(hands, &ways).await?;
    exchange.evidence.extend(notes.iter().cloned());

    let held = hands.desk.hold(&order.instance).await;
    if !hands.desk.is_wanted(&order.instance, &targets.version) {
        // It may have containers that were not there when this began, and would go on writing.
        return Err(BackupError::Missing(format!(
            "another version of {} is asked for by now; nothing was touched: once that runs, ask for the restore with a new operation",
            order.instance
        )));
    }
    let begin = Timestamp::now();
    let outcome = stand_still(hands, targets, &still, &ways, exchange, result).await;
    if outcome.is_ok() {
        result.evidence = ways.iter().map(Way::evidence).chain(notes).collect();
    }
    // Converging starts what was stopped, unless the data is mixed.
    drop(held);
    hands.desk.ring();
    result.downtime = elapsed(begin);
    outcome
}

fn forgotten() -> BackupError {
    BackupError::Missing("the restore is not written down any more".to_owned())
}

/// The moment at which the data changes: the tool stands still.
async fn stand_still<T: BackupTool>(
    hands: &Hands<'_, T>,
    targets: &Targets,
    still: &[&String],
    ways: &[Way<'_>],
    mut exchange: Exchange,
    result: &mut RestoreResult,
) -> Result<(), BackupError> {
    stop(hands.engine, still.iter().copied()).await?;
    let instance = exchange.instance.clone();
    let places = exchange.moves.iter().filter_map(|one| match one {
        Move::Place(place) => Some(place.at.as_path()),
        _ => None,
    });
    let users = volumes::users(hands.engine, &places.collect::<Vec<_>>()).await?;
    if !users.is_empty() {
        return Err(BackupError::Missing(format!(
            "{} has what is to be put back open; nothing was touched: end it, and ask for the restore with a new operation",
            users.join(", ")
        )));
    }
    // What was written since the first one: nothing that is overwritten is in no backup.
    let kept = hands.desk.kept(&instance);
    let last = take::take_and_keep(hands, targets, &kept).await?;
    result.before = Some(last.snapshot.clone());
    exchange.before = Some(last.snapshot);
    prepare::saved(ways, &last.parts)?;
    let spool = take::folder(hands, targets);
    prepare::note_before(&mut exchange.moves, &last.parts, |path| {
        kept.join(
            Path::new(path)
                .strip_prefix(&spool)
                .unwrap_or(Path::new("")),
        )
    });
    hands.desk.note_exchange(exchange)?;
    exchange::carry_out(hands.engine, hands.desk, &instance).await
}

/// The receipt of the backup that is meant.
async fn choose<T: BackupTool>(order: &Order<T>) -> Result<Manifest, BackupError> {
    let good = tool::good(&order.from.snapshots().await?);
    // What was dated by a clock that was ahead is not the newest.
    let now = Timestamp::now();
    let meant = good.iter().find(|good| {
        good.instance == order.of
            && good.at <= now
            && order.before.is_none_or(|before| good.at < before)
    });
    let meant = meant.ok_or_else(|| {
        BackupError::Missing(format!(
            "there is no such good backup of {}: `tenantry backups list` shows those that there are",
            order.of
        ))
    })?;
    let text = order
        .from
        .read(&meant.receipt, &format!("/{RECEIPT_FILE}"))
        .await?;
    Manifest::parse(&text).map_err(BackupError::Missing)
}

/// The parts that are to be put back. Files of a database server are not: what it holds comes from its dump. A volume comes with the copies of the
/// databases of SQLite in it, for as files these were read while they were written to.
fn wanted<T>(order: &Order<T>, targets: &Targets, parts: &[Part]) -> Vec<Part> {
    let named = |part: &Part| {
        let (data, name) = match part {
            Part::Database { database, .. } => (Data::Database, database),
            Part::Sqlite { file, .. } => (Data::Database, file),
            Part::Volume { volume, .. } => (Data::Files, volume),
            Part::Files { file, .. } => (Data::Files, file),
        };
        let of_a_server = match part {
            Part::Volume { volume, .. } => targets.holds_database(volume),
            _ => false,
        };
        order.overwrites.contains(&data)
            && order.only.as_ref().is_none_or(|only| only == name)
            && !of_a_server
    };
    let whole = |key: &str| {
        let is_it = |part: &Part| matches!(part, Part::Volume { volume, .. } if volume == key);
        parts.iter().any(|part| is_it(part) && named(part))
    };
    let inside = |part: &Part| matches!(part, Part::Sqlite { volume, .. } if whole(volume));
    let all = parts.iter();
    all.filter(|part| named(part) || inside(part))
        .cloned()
        .collect()
}

/// Containers of the servers of databases, which are needed for what they hold.
fn servers(targets: &Targets) -> Vec<&str> {
    let databases = targets.items.iter().filter_map(|item| match item {
        Item::Database(database) => Some(database.container.as_str()),
        Item::Sqlite { .. } | Item::Volume { .. } | Item::Files { .. } => None,
    });
    databases.collect()
}

/// Stops containers.
async fn stop(
    engine: &Engine,
    containers: impl Iterator<Item = &String>,
) -> Result<(), BackupError> {
    for container in containers {
        scratch::stop(engine, container).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
