//! Putting data back, as an operation says: what is there is backed up first, what is put back is compared first, and only then the tool stands
//! still, for as short as can be.

use super::database::Source;
use super::drill::{fetch, within};
use super::error::BackupError;
use super::files;
use super::manifest::{Manifest, Part, compare_rows};
use super::sqlite::beneath;
use super::take::{self, Hands, elapsed};
use super::targets::{Database, Item, Targets, Volume};
use super::tool::{self, BackupTool, RECEIPT_FILE};
use crate::containers::exec;
use crate::containers::scratch;
use crate::execute::sentence;
use jiff::Timestamp;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tenantry_schema::document::Data;
use tenantry_schema::id::InstanceName;
use tenantry_schema::wire::{DatabaseEngine, RestoreResult};

/// How long a database may take to come up.
const PATIENCE: Duration = Duration::from_mins(2);

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

/// Puts data back.
pub async fn restore<T: BackupTool>(
    hands: &Hands<'_, T>,
    order: &Order<T>,
    targets: &Targets,
    scratch: &Path,
    live: &Path,
) -> RestoreResult {
    let mut result = failed(String::new());
    if let Some(until) = order.until.filter(|until| Timestamp::now() >= *until) {
        return failed(format!(
            "it came too late: it was to begin before {until:.0}, and nothing was touched"
        ));
    }
    let folder = scratch.join(format!("restore-{}", order.instance));
    let outcome = match files::clear(&folder) {
        Ok(()) => put_back(hands, order, targets, &folder, live, &mut result).await,
        Err(error) => Err(error),
    };
    let cleared = files::clear(&folder);
    result.problem = outcome.and(cleared).err().map(|error| sentence(&error));
    result.at = Timestamp::now();
    result
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
    let parts: Vec<Part> = manifest
        .parts
        .iter()
        .filter(|part| wanted(order, targets, part))
        .cloned()
        .collect();
    if parts.is_empty() {
        return Err(BackupError::Missing(
            "the backup has nothing of what is to be put back".to_owned(),
        ));
    }
    if order.alone {
        // It does not work: whatever goes on in it only stands in the way of reading what it left.
        stop(hands, targets).await?;
    }
    let before = take::take(hands, targets).await?;
    result.before = Some(before.snapshot);
    fetch(&order.from, &manifest, &parts, folder).await?;
    // Loaded beside what is there and compared, while the tool still runs.
    let mut loaded = Vec::new();
    for part in &parts {
        if let Part::Database { .. } = part {
            loaded.push(load(hands, targets, part, folder).await?);
        }
    }
    let held = hands.desk.hold(&order.instance).await;
    if !hands.desk.is_wanted(&order.instance, &targets.version) {
        // It may have containers that were not there when this began, and would go on writing.
        return Err(BackupError::Missing(format!(
            "another version of {} is asked for by now; nothing was touched",
            order.instance
        )));
    }
    let begin = Timestamp::now();
    let outcome = exchange(hands, targets, &parts, &loaded, folder, live, result).await;
    // Converging starts what was stopped.
    drop(held);
    hands.desk.ring();
    result.downtime = elapsed(begin);
    outcome
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
        BackupError::Missing(format!("there is no such good backup of {}", order.of))
    })?;
    let text = order
        .from
        .read(&meant.receipt, &format!("/{RECEIPT_FILE}"))
        .await?;
    Manifest::parse(&text).map_err(BackupError::Missing)
}

/// Whether a part is to be put back. Files of a database server are not: what it holds comes from its dump.
fn wanted<T>(order: &Order<T>, targets: &Targets, part: &Part) -> bool {
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
}

/// A database that is loaded beside the one that it replaces.
struct Loaded<'a> {
    database: &'a Database,
    name: String,
    beside: String,
    dump: PathBuf,
    part: &'a Part,
}

async fn load<'a, T>(
    hands: &Hands<'_, T>,
    targets: &'a Targets,
    part: &'a Part,
    folder: &Path,
) -> Result<Loaded<'a>, BackupError> {
    let Part::Database {
        engine,
        service,
        database: name,
        dump,
        tables,
        roles,
        ..
    } = part
    else {
        return Err(BackupError::Missing(format!(
            "{} is no database",
            part.name()
        )));
    };
    let database = targets.items.iter().find_map(|item| match item {
        Item::Database(one) if one.service == *service && one.engine == *engine => Some(one),
        _ => None,
    });
    let database = database.ok_or_else(|| {
        BackupError::Missing(format!("there is no service {service} to put {name} into"))
    })?;
    let loaded = Loaded {
        database,
        name: name.clone(),
        beside: format!("tenantry_{name}"),
        dump: within(folder, &dump.path),
        part,
    };
    if *engine == DatabaseEngine::Mongodb {
        return Ok(loaded);
    }
    let source = Source::open(hands.engine, database).await?;
    let rows = source.load(&loaded.dump, &loaded.beside, roles).await?;
    if *engine == DatabaseEngine::Mysql {
        // It cannot rename a database: this one was to see whether the dump is good.
        source.mysql_drop(&loaded.beside).await?;
    }
    match compare_rows(&part.name(), tables, &rows) {
        Some(differs) => Err(BackupError::Differs(differs)),
        None => Ok(loaded),
    }
}

/// Stops everything but the servers of databases, which are needed for what they hold.
async fn stop<T>(hands: &Hands<'_, T>, targets: &Targets) -> Result<(), BackupError> {
    let is_server = |container: &str| {
        targets.items.iter().any(|item| match item {
            Item::Database(database) => database.container == container,
            Item::Sqlite { .. } | Item::Volume { .. } | Item::Files { .. } => false,
        })
    };
    for container in targets.containers.values() {
        if !is_server(container) {
            scratch::stop(hands.engine, container).await?;
        }
    }
    Ok(())
}

/// The moment at which the data changes: the tool stands still.
async fn exchange<T>(
    hands: &Hands<'_, T>,
    targets: &Targets,
    parts: &[Part],
    loaded: &[Loaded<'_>],
    folder: &Path,
    live: &Path,
    result: &mut RestoreResult,
) -> Result<(), BackupError> {
    stop(hands, targets).await?;
    for one in loaded {
        let source = Source::open(hands.engine, one.database).await?;
        let Part::Database {
            tables,
            roles,
            engine,
            ..
        } = one.part
        else {
            continue;
        };
        match engine {
            DatabaseEngine::Postgres => source.postgres_exchange(&one.beside, &one.name).await?,
            DatabaseEngine::Mysql | DatabaseEngine::Mongodb => {
                source.wait(PATIENCE).await?;
                let rows = source.load(&one.dump, &one.name, roles).await?;
                if let Some(differs) = compare_rows(&one.part.name(), tables, &rows) {
                    return Err(BackupError::Differs(differs));
                }
            }
        }
        let rows = one.part.rows().unwrap_or_default();
        result
            .evidence
            .push(format!("{}: put back, {rows} rows agree", one.part.name()));
    }
    for part in parts {
        match part {
            Part::Sqlite {
                volume, file, dump, ..
            } => {
                let at = folder_of(hands, targets, volume).await?;
                let (from, to) = (within(folder, &dump.path), beneath(&at, file)?);
                files::blocking(move || replace_database(&from, &to)).await?;
            }
            Part::Volume { volume, path, .. } => {
                let at = folder_of(hands, targets, volume).await?;
                let from = within(folder, path);
                files::blocking(move || replace_content(&from, &at)).await?;
            }
            Part::Files { file, path, .. } => {
                let at = beneath(&live.join(targets.instance.as_str()), file)?;
                let from = within(folder, path);
                files::blocking(move || replace_content(&from, &at)).await?;
            }
            Part::Database { .. } => continue,
        }
        result.evidence.push(format!("{}: put back", part.name()));
    }
    Ok(())
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
        BackupError::Missing(format!("there is no volume {key} to put data into"))
    })?;
    Ok(exec::volume_folder(hands.engine, name).await?)
}

/// Puts a copy in the place of a database, keeping its owner; what SQLite keeps beside it belongs to the old one.
fn replace_database(from: &Path, to: &Path) -> Result<(), BackupError> {
    use std::os::unix::fs::{MetadataExt as _, chown};
    let failed = |error| BackupError::io("cannot put back", to, error);
    let owner = std::fs::symlink_metadata(to)
        .or_else(|_| std::fs::symlink_metadata(to.parent().unwrap_or(to)))
        .map_err(failed)?;
    let name = to
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let beside = to.with_file_name(format!(".{name}.restored"));
    std::fs::copy(from, &beside).map_err(failed)?;
    chown(&beside, Some(owner.uid()), Some(owner.gid())).map_err(failed)?;
    std::fs::File::open(&beside)
        .and_then(|file| file.sync_all())
        .map_err(failed)?;
    for end in ["-wal", "-shm", "-journal"] {
        match std::fs::remove_file(to.with_file_name(format!("{name}{end}"))) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(failed(error));
            }
            _ => {}
        }
    }
    std::fs::rename(&beside, to).map_err(failed)
}

/// Gives the folder `at` the content of `from`. The folder itself stays the same one, for containers may have it mounted. What it held is
/// removed last: until then every file is there, old or new.
fn replace_content(from: &Path, at: &Path) -> Result<(), BackupError> {
    let failed = |error| BackupError::io("cannot put back", at, error);
    if from.is_file() {
        files::make_folder(at.parent().unwrap_or(at))?;
        return copy_tree(from, at).map_err(failed);
    }
    files::make_folder(at)?;
    let (fresh, old) = (at.join(".tenantry-restored"), at.join(".tenantry-before"));
    // Of a restore that was broken off; what it replaced is in the backup that was taken before.
    files::clear(&fresh)?;
    files::clear(&old)?;
    copy_tree(from, &fresh).map_err(failed)?;
    std::fs::create_dir(&old).map_err(failed)?;
    let ours = |name: &std::ffi::OsStr| name == ".tenantry-restored" || name == ".tenantry-before";
    for entry in std::fs::read_dir(at).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if !ours(&entry.file_name()) {
            std::fs::rename(entry.path(), old.join(entry.file_name())).map_err(failed)?;
        }
    }
    for entry in std::fs::read_dir(&fresh).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        std::fs::rename(entry.path(), at.join(entry.file_name())).map_err(failed)?;
    }
    copy_attributes(from, at).map_err(failed)?;
    files::clear(&fresh)?;
    files::clear(&old)
}

/// Copies files, folders and links with their owners and modes.
fn copy_tree(from: &Path, to: &Path) -> std::io::Result<()> {
    let found = std::fs::symlink_metadata(from)?;
    if found.is_symlink() {
        std::os::unix::fs::symlink(std::fs::read_link(from)?, to)?;
    } else if found.is_dir() {
        std::fs::create_dir(to)?;
        for entry in std::fs::read_dir(from)? {
            let entry = entry?;
            copy_tree(&entry.path(), &to.join(entry.file_name()))?;
        }
    } else if found.is_file() {
        std::fs::copy(from, to)?;
    } else {
        // Sockets and pipes are made by whoever uses them.
        return Ok(());
    }
    copy_attributes(from, to)
}

fn copy_attributes(from: &Path, to: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::{MetadataExt as _, lchown};
    let found = std::fs::symlink_metadata(from)?;
    lchown(to, Some(found.uid()), Some(found.gid()))?;
    if found.is_symlink() {
        return Ok(());
    }
    std::fs::set_permissions(to, found.permissions())?;
    if found.is_file() {
        let times = std::fs::FileTimes::new().set_modified(found.modified()?);
        std::fs::File::options()
            .write(true)
            .open(to)?
            .set_times(times)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_gets_the_content_of_another_and_stays_the_same_folder() {
        use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
        let folder = tempfile::tempdir().unwrap();
        let (from, at) = (folder.path().join("from"), folder.path().join("at"));
        std::fs::create_dir_all(from.join("a/b")).unwrap();
        std::fs::write(from.join("a/b/new"), "new").unwrap();
        std::fs::set_permissions(from.join("a/b/new"), std::fs::Permissions::from_mode(0o640))
            .unwrap();
        std::os::unix::fs::symlink("/etc/passwd", from.join("link")).unwrap();
        std::fs::create_dir(&at).unwrap();
        std::fs::write(at.join("old"), "old").unwrap();
        let inode = std::fs::metadata(&at).unwrap().ino();
        replace_content(&from, &at).unwrap();
        let names: Vec<_> = std::fs::read_dir(&at)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names.len(), 2, "{names:?}");
        assert_eq!(std::fs::read(at.join("a/b/new")).unwrap(), b"new");
        assert_eq!(
            std::fs::metadata(at.join("a/b/new")).unwrap().mode() & 0o777,
            0o640
        );
        assert_eq!(
            std::fs::read_link(at.join("link")).unwrap(),
            Path::new("/etc/passwd")
        );
        assert_eq!(std::fs::metadata(&at).unwrap().ino(), inode);
    }

    #[test]
    fn a_database_of_sqlite_takes_its_place_without_the_log_of_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().join("app.db");
        for name in ["app.db", "app.db-wal", "app.db-shm", "copy"] {
            std::fs::write(folder.path().join(name), name).unwrap();
        }
        replace_database(&folder.path().join("copy"), &at).unwrap();
        assert_eq!(std::fs::read(&at).unwrap(), b"copy");
        assert!(
            !folder.path().join("app.db-wal").exists()
                && !folder.path().join("app.db-shm").exists()
        );
    }
}
