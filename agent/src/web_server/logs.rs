//! Logs of sites: one customer's visitors, so they are for the server's administrators alone, and do not stay for ever. When they are put
//! aside is decided in [`crate::converge`].
//!
//! ```text
//! <folder>/<host>.access.log            what is written to
//! <folder>/<host>.access.log.<seconds>  put aside at that time
//! ```

use super::WebError;
use crate::files::FilesError;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// Everything in the folder of logs, by name.
pub type Logs = BTreeMap<String, LogFile>;

/// One log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogFile {
    /// Bytes.
    pub size: u64,
    /// When it was begun, as far as that can be known.
    pub begun: Option<Timestamp>,
}

/// What is to be done with logs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rotation {
    /// Put aside.
    pub aside: Vec<String>,
    /// Removed.
    pub remove: Vec<String>,
    /// Whether the web server must open its logs anew.
    pub reopen: bool,
}

impl Rotation {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Workers open logs again by themselves, so they must get through the folder; nobody but root lists it.
pub(super) fn make_folder(folder: &Path) -> Result<(), WebError> {
    let failed = |error: std::io::Error| WebError::Files(FilesError::io(folder, &error));
    if !folder.is_dir() {
        std::fs::create_dir_all(folder).map_err(failed)?;
        let mode = std::fs::Permissions::from_mode(0o711);
        std::fs::set_permissions(folder, mode).map_err(failed)?;
    }
    Ok(())
}

/// What is in the folder. One that is not there is empty.
pub(super) fn list(folder: &Path) -> Logs {
    let mut logs = Logs::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let (Ok(name), Ok(facts)) = (entry.file_name().into_string(), entry.metadata()) else {
            continue;
        };
        if !facts.is_file() || split(&name).is_none() {
            continue;
        }
        let created = facts.created().ok();
        let begun = created.and_then(|at| Timestamp::try_from(at).ok());
        logs.insert(
            name,
            LogFile {
                size: facts.len(),
                begun,
            },
        );
    }
    logs
}

/// The log that a file belongs to, and when it was put aside, if it was.
pub fn split(name: &str) -> Option<(&str, Option<Timestamp>)> {
    if name.ends_with(".log") {
        return Some((name, None));
    }
    let (base, stamp) = name.rsplit_once('.')?;
    let at = stamp
        .parse()
        .ok()
        .and_then(|at| Timestamp::from_second(at).ok())?;
    base.ends_with(".log").then_some((base, Some(at)))
}

/// Renames and removes. What is gone already is no error.
pub(super) fn rotate(folder: &Path, rotation: &Rotation, now: Timestamp) -> Result<(), WebError> {
    let failed = |error: std::io::Error| WebError::Files(FilesError::io(folder, &error));
    let gone = |result: std::io::Result<()>| match result {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed(error)),
        _ => Ok(()),
    };
    // Names come from the folder's own listing; a part of a path is none of them.
    let plain = |name: &&String| split(name).is_some() && !name.contains('/');
    for name in rotation.aside.iter().filter(plain) {
        let aside = format!("{name}.{}", now.as_second());
        gone(std::fs::rename(folder.join(name), folder.join(aside)))?;
    }
    for name in rotation.remove.iter().filter(plain) {
        gone(std::fs::remove_file(folder.join(name)))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_what_was_put_aside_when() {
        let at = Timestamp::from_second(1_700_000_000).unwrap();
        assert_eq!(
            split("a.example.access.log"),
            Some(("a.example.access.log", None))
        );
        assert_eq!(
            split("a.example.access.log.1700000000"),
            Some(("a.example.access.log", Some(at)))
        );
        for other in [
            "",
            "a",
            "a.log.gz",
            "a.log.",
            "a.txt.17",
            "a.log.99999999999999999999",
        ] {
            assert_eq!(split(other), None, "{other}");
        }
    }

    #[test]
    fn put_aside_and_removed_and_nothing_else_touched() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.log", "a.log.5", "b.log", "notes.txt"] {
            std::fs::write(folder.path().join(name), name).unwrap();
        }
        let rotation = Rotation {
            aside: vec!["a.log".into(), "gone.log".into(), "../a.log".into()],
            remove: vec!["a.log.5".into(), "notes.txt".into()],
            reopen: true,
        };
        rotate(folder.path(), &rotation, Timestamp::from_second(9).unwrap()).unwrap();
        let names: Vec<String> = list(folder.path()).into_keys().collect();
        assert_eq!(names, ["a.log.9", "b.log"]);
        assert!(folder.path().join("notes.txt").exists());
    }
}
