//! Exchanges that are broken off after each of their steps, and whose putting back is broken off, too.

use super::*;
use proptest::prelude::*;
use std::cell::Cell;
use std::collections::BTreeMap;

thread_local! {
    /// Renames until one fails; negative where none does.
    static LEFT: Cell<i32> = const { Cell::new(-1) };
}

/// Called before each rename.
pub(super) fn step() -> std::io::Result<()> {
    let left = LEFT.get();
    if left == 0 {
        return Err(std::io::Error::other("broken off"));
    }
    LEFT.set((left - 1).max(-1));
    Ok(())
}

fn broken_off_after<T>(steps: u32, work: impl FnOnce() -> T) -> T {
    LEFT.set(i32::try_from(steps).unwrap());
    let result = work();
    LEFT.set(-1);
    result
}

fn content(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(
                std::fs::read_dir(&path)
                    .unwrap()
                    .map(|one| one.unwrap().path()),
            );
        } else {
            let name = path.strip_prefix(folder).unwrap().to_owned();
            found.insert(name, std::fs::read(&path).unwrap());
        }
    }
    found
}

struct Sample {
    folder: tempfile::TempDir,
}

impl Sample {
    /// A volume with a database of SQLite in it, and what is to come.
    fn new(database: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("volume/_data/deep/old", "old");
        if database {
            write("volume/_data/app.db", "old database");
            write("volume/_data/app.db-wal", "old log");
        }
        write("scratch/_data/deep/new", "new");
        write("scratch/app.db", "new database");
        Self { folder }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn volume(&self) -> Place {
        let (at, folder) = (self.at("volume/_data"), self.at("volume"));
        Place::beside("volume v".into(), at, folder, "_data")
    }

    fn database(&self) -> Place {
        let (at, folder) = (self.at("volume/_data/app.db"), self.at("volume"));
        Place::beside("SQLite database v/app.db".into(), at, folder, "app.db").of_sqlite()
    }

    fn prepared(&self, which: bool) -> Place {
        let (place, from) = if which {
            (self.volume(), self.at("scratch/_data"))
        } else {
            (self.database(), self.at("scratch/app.db"))
        };
        place.prepare(&from).unwrap();
        place
    }
}

#[test]
fn a_volume_changes_places_as_a_whole() {
    let sample = Sample::new(true);
    let place = sample.prepared(true);
    assert_eq!(
        std::fs::read(sample.at("volume/_data/deep/old")).unwrap(),
        b"old"
    );
    place.exchange().unwrap();
    let new = content(&sample.at("volume/_data"));
    assert_eq!(new, BTreeMap::from([("deep/new".into(), b"new".to_vec())]));
    assert_eq!(content(&place.before).len(), 3, "until all is done");
    place.forget_before().unwrap();
    assert_eq!(content(&sample.at("volume")).len(), 1);
}

#[test]
fn a_database_of_sqlite_takes_its_place_without_the_log_of_the_old_one() {
    use std::os::unix::fs::PermissionsExt as _;
    let sample = Sample::new(true);
    let at = sample.at("volume/_data/app.db");
    std::fs::set_permissions(&at, std::fs::Permissions::from_mode(0o600)).unwrap();
    let place = sample.prepared(false);
    place.exchange().unwrap();
    assert_eq!(std::fs::read(&at).unwrap(), b"new database");
    assert_eq!(std::fs::metadata(&at).unwrap().mode() & 0o777, 0o600);
    assert!(!there(&sample.at("volume/_data/app.db-wal")));
    place.undo().unwrap();
    assert_eq!(std::fs::read(&at).unwrap(), b"old database");
    assert!(
        there(&sample.at("volume/_data/app.db-wal")),
        "it is whole again"
    );
    place.exchange().unwrap();
    place.forget_before().unwrap();
    assert_eq!(
        content(&sample.at("volume")).len(),
        2,
        "nothing stays beside"
    );
}

#[test]
fn what_an_earlier_restore_left_is_not_removed() {
    let sample = Sample::new(true);
    let place = sample.volume();
    std::fs::create_dir(&place.before).unwrap();
    let error = place.prepare(&sample.at("scratch/_data")).unwrap_err();
    assert!(
        error.to_string().contains("of an earlier restore"),
        "{error}"
    );
}

#[test]
fn where_nobody_can_tell_which_is_which_nothing_is_touched() {
    let sample = Sample::new(true);
    let place = sample.prepared(true);
    place.exchange().unwrap();
    std::fs::create_dir(&place.restored).unwrap();
    let all = content(&sample.at("volume"));
    place.undo().unwrap_err();
    assert_eq!(content(&sample.at("volume")), all);
}

#[test]
fn a_copy_of_sqlite_replaces_what_was_read_while_it_was_written_to() {
    let sample = Sample::new(true);
    let folder = sample.at("volume/_data");
    insert(&sample.at("scratch/app.db"), &folder, "app.db").unwrap();
    let found = content(&folder);
    assert_eq!(found.get(Path::new("app.db")).unwrap(), b"new database");
    assert!(!found.contains_key(Path::new("app.db-wal")));
    std::os::unix::fs::symlink("/etc", folder.join("link")).unwrap();
    insert(&sample.at("scratch/app.db"), &folder, "link/app.db").unwrap_err();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn broken_off_anywhere_it_ends_in_one_state(which: bool, database: bool, steps in 0..6u32, again in prop::collection::vec(0..5u32, 0..4)) {
        let sample = Sample::new(database);
        let old = content(&sample.at("volume"));
        let place = sample.prepared(which);
        let done = broken_off_after(steps, || place.exchange());
        if done.is_ok() && again.is_empty() {
            place.forget_before().unwrap();
            prop_assert_ne!(content(&sample.at("volume")), old);
            return Ok(());
        }
        for steps in again {
            let _ = broken_off_after(steps, || place.undo());
        }
        place.undo().unwrap();
        // Once more changes nothing.
        place.undo().unwrap();
        place.forget_restored().unwrap();
        prop_assert_eq!(content(&sample.at("volume")), old);
    }
}
