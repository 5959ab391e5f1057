//! How far the log of each container was read: kept on disk, so that a line is looked at once.

use crate::files::{FilesError, Root};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use tenantry_schema::name::RelativePath;

const FILE: &str = "positions.json";
/// Far more than it ever holds.
const LIMIT: u64 = 4 << 20;

/// Where reading goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position {
    /// When the last line was written that was read.
    pub(super) at: Timestamp,
    /// How many lines were written at that very moment.
    pub(super) lines: u32,
}

impl Position {
    /// Before everything that was written from `at` on.
    pub(super) fn before(at: Timestamp) -> Self {
        Self { at, lines: 0 }
    }

    /// Notes that a line was read.
    pub(super) fn advance(&mut self, at: Timestamp) {
        if at > self.at {
            *self = Self { at, lines: 1 };
        } else if at == self.at {
            self.lines = self.lines.saturating_add(1);
        }
    }
}

/// Tells lines that were read before from new ones, when a log is read again from the second of a position on.
#[derive(Debug)]
pub(super) struct Resume {
    from: Position,
    same: u32,
}

impl Resume {
    pub(super) fn at(from: Position) -> Self {
        Self { from, same: 0 }
    }

    /// Whether a line is new.
    pub(super) fn is_new(&mut self, at: Timestamp) -> bool {
        if at != self.from.at {
            return at > self.from.at;
        }
        self.same += 1;
        self.same > self.from.lines
    }
}

/// Positions by container.
#[derive(Debug)]
pub(super) struct Positions {
    root: Root,
    now: BTreeMap<String, Position>,
    kept: BTreeMap<String, Position>,
}

impl Positions {
    /// Those that were kept in `root`. A file that makes no sense counts as none.
    pub(super) fn open(root: Root) -> Result<Self, FilesError> {
        let bytes = match root.read(&name(), LIMIT) {
            Err(FilesError::TooLarge { .. } | FilesError::NotAFile(_)) => None,
            read => read?,
        };
        let now: BTreeMap<String, Position> = bytes
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default();
        Ok(Self {
            root,
            kept: now.clone(),
            now,
        })
    }

    pub(super) fn get(&self, container: &str) -> Option<Position> {
        self.now.get(container).copied()
    }

    pub(super) fn set(&mut self, container: &str, position: Position) {
        self.now.insert(container.to_owned(), position);
    }

    /// Forgets all containers but these.
    pub(super) fn retain(&mut self, containers: &BTreeSet<&str>) {
        self.now.retain(|id, _| containers.contains(id.as_str()));
    }

    /// Writes them down where they changed.
    pub(super) fn keep(&mut self) -> Result<(), FilesError> {
        if self.now == self.kept {
            return Ok(());
        }
        let bytes = serde_json::to_vec(&self.now).expect("positions are text and numbers");
        self.root.write(&name(), &bytes)?;
        self.kept.clone_from(&self.now);
        Ok(())
    }
}

fn name() -> RelativePath {
    RelativePath::try_from(FILE).expect("a plain name")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(nanosecond: i128) -> Timestamp {
        Timestamp::from_nanosecond(nanosecond).unwrap()
    }

    #[test]
    fn kept_across_restarts_and_written_only_when_changed() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Positions::open(Root::private(folder.path()).unwrap()).unwrap();
        let mut positions = open();
        positions.keep().unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        positions.set("a", Position::before(at(5)));
        positions.set("b", Position::before(at(6)));
        positions.keep().unwrap();
        let mut positions = open();
        assert_eq!(positions.get("a"), Some(Position::before(at(5))));
        positions.retain(&BTreeSet::from(["b"]));
        positions.keep().unwrap();
        assert_eq!(open().get("a"), None);
        std::fs::write(folder.path().join(FILE), "{").unwrap();
        assert_eq!(open().get("b"), None);
    }

    proptest! {
        #[test]
        fn wherever_reading_stops_every_line_is_new_once(steps in proptest::collection::vec(0i128..3, 1..40), stop in 0usize..40) {
            let mut now = 0;
            let lines: Vec<_> = steps.iter().map(|step| { now += step; at(now) }).collect();
            let stop = stop.min(lines.len());
            let mut position = Position::before(at(0));
            for line in &lines[..stop] {
                position.advance(*line);
            }
            let mut resume = Resume::at(position);
            let new = lines.iter().filter(|line| resume.is_new(**line)).count();
            prop_assert_eq!(new, lines.len() - stop);
        }
    }
}
