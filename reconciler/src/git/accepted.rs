//! Remembers in the data directory which commit of the fleet was accepted last, so that a restarted hub notices a rewound branch.

use super::error::GitError;
use super::pack::sync_folder;
use git2::Oid;
use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// One small file: the commit, and which branch of which repository it was on. Another repository's commit is not remembered as ours.
pub(super) struct Accepted {
    file: PathBuf,
    origin: String,
    now: Mutex<Option<Oid>>,
}

impl Accepted {
    /// Reads `file`. `origin` says which branch of which repository is followed now.
    pub(super) fn open(file: PathBuf, origin: String) -> Result<Self, GitError> {
        let text = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(GitError::io("read", &file)(error)),
        };
        let now = parse(&text)
            .filter(|(_, from)| *from == origin)
            .map(|(oid, _)| oid);
        Ok(Self {
            file,
            origin,
            now: Mutex::new(now),
        })
    }

    /// The commit accepted last.
    pub(super) fn get(&self) -> Option<Oid> {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers `oid`, durably.
    pub(super) fn set(&self, oid: Oid) -> Result<(), GitError> {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        if *now == Some(oid) {
            return Ok(());
        }
        let temporary = self.file.with_extension("new");
        let put = || {
            let mut file = File::create(&temporary)?;
            file.write_all(format!("{oid} {}\n", self.origin).as_bytes())?;
            file.sync_all()?;
            fs::rename(&temporary, &self.file)
        };
        put().map_err(GitError::io("write", &self.file))?;
        if let Some(folder) = self.file.parent() {
            sync_folder(folder)?;
        }
        *now = Some(oid);
        Ok(())
    }
}

fn parse(text: &str) -> Option<(Oid, &str)> {
    let (oid, origin) = text.trim_end_matches('\n').split_once(' ')?;
    Some((Oid::from_str(oid).ok()?, origin))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn remembers_only_for_the_same_origin() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("accepted");
        let oid = Oid::from_str("1234567890123456789012345678901234567890").unwrap();
        let open = |origin: &str| Accepted::open(file.clone(), origin.to_owned()).unwrap();
        assert_eq!(open("main /a b").get(), None);
        open("main /a b").set(oid).unwrap();
        assert_eq!(open("main /a b").get(), Some(oid));
        assert_eq!(open("main /c").get(), None);
        fs::write(&file, "garbage").unwrap();
        assert_eq!(open("main /a b").get(), None);
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in ".*") {
            let _ = parse(&text);
        }
    }
}
