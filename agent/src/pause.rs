//! The maintenance switch: `tenantry-agent pause` keeps the agent from changing anything on its server for a while, so that a person can.
//! It ends by itself, survives restarts, and changes nothing about what is wanted.

use crate::files::{FilesError, Root};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use tenantry_schema::name::RelativePath;

/// The file, in the state folder.
const FILE: &str = "pause.json";
/// Far more than it needs.
const LIMIT: u64 = 4096;
/// The longest pause, in minutes: a week.
const LONGEST: u32 = 7 * 24 * 60;

/// A pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pause {
    /// When it was begun.
    pub since: Timestamp,
    /// When it ends by itself.
    pub until: Timestamp,
}

/// Why there is no pause.
#[derive(Debug, thiserror::Error)]
pub enum PauseError {
    /// It would be forgotten.
    #[error("a pause lasts a week at most; run the command again when it ends")]
    TooLong,
    /// The file.
    #[error("the pause cannot be kept")]
    Files(#[from] FilesError),
}

/// Where a pause is kept.
#[derive(Debug)]
pub struct PauseFile(Root);

impl PauseFile {
    /// In the state folder `state`.
    pub fn open(state: &Path) -> Result<Self, FilesError> {
        Root::private(state).map(Self)
    }

    /// The file itself.
    pub fn path(&self) -> PathBuf {
        self.0.path().join(FILE)
    }

    /// Pauses for so many minutes, instead of what was said before.
    pub fn begin(&self, minutes: u32, now: Timestamp) -> Result<Pause, PauseError> {
        if minutes > LONGEST {
            return Err(PauseError::TooLong);
        }
        let span = SignedDuration::from_mins(minutes.into());
        let until = now.checked_add(span).map_err(|_| PauseError::TooLong)?;
        let pause = Pause { since: now, until };
        let text = serde_json::to_vec(&pause).unwrap_or_default();
        self.0.write(&name(), &text)?;
        Ok(pause)
    }

    /// Ends a pause. Returns whether there was one.
    pub fn end(&self) -> Result<bool, FilesError> {
        self.0.remove(&name())
    }

    /// Until when it holds, if it does. A file that cannot be read is no pause: nobody could end it by waiting.
    pub fn until(&self, now: Timestamp) -> Option<Timestamp> {
        let bytes = self.0.read(&name(), LIMIT).ok().flatten()?;
        let pause: Pause = serde_json::from_slice(&bytes).ok()?;
        pause.holds(now).then_some(pause.until)
    }
}

impl Pause {
    /// Whether it holds. Where the clock was set back behind its beginning, nobody knows how long it lasted already: it is over.
    fn holds(self, now: Timestamp) -> bool {
        self.since <= now && now < self.until
    }
}

fn name() -> RelativePath {
    RelativePath::try_from(FILE).expect("a plain name")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + second).unwrap()
    }

    #[test]
    fn it_ends_by_itself_and_when_it_is_told_to() {
        let folder = tempfile::tempdir().unwrap();
        let file = PauseFile::open(folder.path()).unwrap();
        assert_eq!(file.until(at(0)), None);
        file.begin(2, at(0)).unwrap();
        let again = PauseFile::open(folder.path()).unwrap();
        assert_eq!(again.until(at(119)), Some(at(120)));
        assert_eq!(again.until(at(120)), None);
        assert_eq!(again.until(at(-1)), None, "the clock was set back");
        file.begin(60, at(30)).unwrap();
        assert!(file.end().unwrap() && !file.end().unwrap());
        assert_eq!(file.until(at(40)), None);
        assert!(matches!(
            file.begin(LONGEST + 1, at(0)),
            Err(PauseError::TooLong)
        ));
    }

    proptest! {
        #[test]
        fn any_file_is_answered(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let folder = tempfile::tempdir().unwrap();
            let file = PauseFile::open(folder.path()).unwrap();
            std::fs::write(file.path(), &bytes).unwrap();
            prop_assert_eq!(file.until(at(0)), None);
        }
    }
}
