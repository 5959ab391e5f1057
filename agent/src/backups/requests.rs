//! What people ask for at the server's command line: a file for each wish, in the agent's state folder.

use crate::files::{FilesError, Root};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use tenantry_schema::id::InstanceName;

/// What can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// A backup of an instance, as soon as one can be taken.
    Backup,
    /// A restore drill: its newest good backup is tried out.
    Drill,
}

impl Wish {
    /// Where it is asked for, below `<state>/backups`.
    fn folder(self, backups: &Path) -> PathBuf {
        backups.join(match self {
            Self::Backup => "requests",
            Self::Drill => "drills",
        })
    }

    /// Asks the agent that works on `state`, from outside.
    pub fn request(self, state: &Path, instance: &InstanceName) -> Result<(), FilesError> {
        let root = Root::private(&self.folder(&state.join("backups")))?;
        let name = tenantry_schema::name::RelativePath::try_from(instance.as_str());
        let name = name.expect("the name of an instance is a plain name");
        root.write(&name, b"")
    }

    /// For which instances it was asked for.
    pub(super) fn asked(self, backups: &Path) -> BTreeSet<InstanceName> {
        let files = std::fs::read_dir(self.folder(backups));
        let names = files
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok());
        names
            .filter_map(|name| InstanceName::try_from(name).ok())
            .collect()
    }

    /// It was done, or failed.
    pub(super) fn answered(self, backups: &Path, instance: &InstanceName) {
        // Where it cannot be removed it is done once more, no harm done.
        let _ = std::fs::remove_file(self.folder(backups).join(instance.as_str()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_is_known_until_it_is_answered() {
        let folder = tempfile::tempdir().unwrap();
        let (state, backups) = (folder.path(), folder.path().join("backups"));
        let name: InstanceName = "web-db".to_owned().try_into().unwrap();
        Wish::Drill.request(state, &name).unwrap();
        assert_eq!(Wish::Backup.asked(&backups), BTreeSet::new());
        assert_eq!(Wish::Drill.asked(&backups), [name.clone()].into());
        Wish::Drill.answered(&backups, &name);
        assert_eq!(Wish::Drill.asked(&backups), BTreeSet::new());
    }
}
