//! Files that are ours as a whole.

use super::{Go, Stop};
use crate::host::found::Found;
use crate::host::programs::{Call, Program};
use crate::host::step::{Action, FileWanted};
use crate::host::{UNITS, path};
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

impl Go {
    /// A unit of systemd, which knows of it and begins it with this target when the machine starts.
    pub(super) fn unit(
        &mut self,
        found: &Found,
        area: HostArea,
        (target, name): (&str, &str),
        text: &str,
    ) -> Result<(), Stop> {
        let known = found.memory.has(area, &self.of, None);
        let file = wanted(&format!("{UNITS}/{name}"), text, 0o644);
        let step = write(found, file, known)?;
        let enabled = found.is_enabled(target, name).map_err(Stop::Unseen)?;
        if step.is_some() || !known || !enabled {
            self.all(step);
            for words in [&["daemon-reload"][..], &["enable", name]] {
                let call = Call::new(Program::Systemctl, words.iter().copied());
                self.all([(Action::Run(call), known)]);
            }
        }
        Ok(())
    }
}
