//! Files that are ours as a whole.

use super::Stop;
use crate::host::found::Found;
use crate::host::path;
use crate::host::step::{Action, FileWanted};
use tenantry_schema::document::HostArea;

/// A file as it should be. Texts of ours are small.
pub(super) fn wanted(at: &str, text: &str, mode: u32) -> FileWanted {
    FileWanted {
        path: path(at),
        data: text.as_bytes().into(),
        mode,
    }
}

/// Whether the file is as it should be.
pub(super) fn is_right(found: &Found, file: &FileWanted) -> Result<bool, Stop> {
    match found.files.get(&file.path) {
        Some(Err(why)) => Err(Stop::Unseen(why.clone())),
        Some(Ok(Some(there))) => {
            Ok(there.data == file.data && there.mode == file.mode && there.uid == found.euid)
        }
        Some(Ok(None)) | None => Ok(false),
    }
}

/// Whether what differs now had been right before: this was applied, and somebody changed it since.
pub(super) fn is_repair(found: &Found, area: HostArea, of: &str) -> bool {
    found.memory.has(area, of, None)
}

/// Writes the file, unless it is right.
pub(super) fn write(
    found: &Found,
    file: FileWanted,
    repair: bool,
) -> Result<Option<(Action, bool)>, Stop> {
    Ok((!is_right(found, &file)?).then_some((Action::Write(file), repair)))
}
