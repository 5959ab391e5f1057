//! The folder that a Compose file lies in, as the takeover of a Compose file looks at it: links are not followed, sizes are bounded.

use crate::import::{Beside, Found};
use crate::load::MAX_FILE;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Most files that a mounted folder may bring along.
const MOST_FILES: usize = 500;

/// A folder on this machine.
pub(super) struct Folder(pub(super) PathBuf);

impl Beside for Folder {
    fn look(&self, path: &str) -> Found {
        look(&self.0.join(path))
    }
}

fn look(path: &Path) -> Found {
    let Ok(there) = path.symlink_metadata() else {
        return Found::Nothing;
    };
    if there.is_file() {
        return match read(path) {
            Ok(content) => Found::File(content),
            Err(why) => Found::Refused(why),
        };
    }
    if !there.is_dir() {
        return Found::Refused("it is a link or no ordinary file".to_owned());
    }
    let mut files = BTreeMap::new();
    match collect(path, "", &mut files) {
        Ok(()) => Found::Folder(files),
        Err(why) => Found::Refused(why),
    }
}

fn collect(
    folder: &Path,
    prefix: &str,
    files: &mut BTreeMap<String, Vec<u8>>,
) -> Result<(), String> {
    let entries = std::fs::read_dir(folder).map_err(|error| error.to_string())?;
    for entry in entries.flatten() {
        let Ok(name) = entry.file_name().into_string() else {
            return Err("a file name is not UTF-8".to_owned());
        };
        let shown = format!("{prefix}{name}");
        let kind = entry.file_type().map_err(|error| error.to_string())?;
        if kind.is_dir() {
            collect(&entry.path(), &format!("{shown}/"), files)?;
        } else if kind.is_file() {
            files.insert(shown, read(&entry.path())?);
        } else {
            return Err(format!("`{shown}` is a link or no ordinary file"));
        }
        if files.len() > MOST_FILES {
            return Err(format!(
                "it has more than {MOST_FILES} files; a folder with data belongs into a volume"
            ));
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let size = path.metadata().map_err(|error| error.to_string())?.len();
    if size > MAX_FILE as u64 {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        return Err(format!(
            "`{name}` has {size} bytes, more than a file of the fleet may have ({MAX_FILE})"
        ));
    }
    std::fs::read(path).map_err(|error| error.to_string())
}
