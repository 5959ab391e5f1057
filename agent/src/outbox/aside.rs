//! Reports that the hub will not take: kept for people to look at, in a folder of their own with a bounded size, so that they do
//! not hold up the ones behind them.

use crate::files::{FilesError, Root, is_temporary};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use tenantry_schema::name::RelativePath;
use tenantry_schema::wire::Report;

/// Reports that are kept; the oldest go first.
pub const MOST: usize = 100;
/// Bytes of all of them together.
pub const MOST_BYTES: u64 = 16 << 20;

/// Why a report is set aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Why {
    /// When.
    pub at: Timestamp,
    /// What the hub says, in a sentence.
    pub message: String,
}

/// A file of the folder.
#[derive(Serialize)]
struct Kept<'a> {
    why: &'a Why,
    sequence: u64,
    /// Absent where it alone is larger than the folder may be.
    report: Option<&'a Report>,
}

/// What is needed of a file to tell of it.
#[derive(Deserialize)]
struct Head {
    why: Why,
}

/// What is in the folder.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// How many reports.
    pub count: usize,
    /// Why the newest is there.
    pub last: Option<Why>,
}

/// The folder, one file a report, named by the time of the report and its number.
#[derive(Debug)]
pub struct Aside(Root);

impl Aside {
    /// The reports in `root`.
    pub fn open(root: Root) -> Self {
        Self(root)
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        self.0.path()
    }

    /// Keeps a report; the oldest make room. Doing it twice is doing it once.
    pub fn keep(&self, report: &Report, why: &Why) -> Result<(), FilesError> {
        let sequence = report.sequence;
        let bytes = |report| {
            let kept = Kept {
                why,
                sequence,
                report,
            };
            serde_json::to_vec(&kept).expect("a report is text and numbers")
        };
        let mut data = bytes(Some(report));
        if data.len() as u64 > MOST_BYTES {
            data = bytes(None);
        }
        let path = file_name(report);
        let mut there = self.files()?;
        there.remove(&path);
        let mut total = there.values().sum::<u64>() + data.len() as u64;
        while there.len() >= MOST || total > MOST_BYTES {
            let Some((oldest, size)) = there.pop_first() else {
                break;
            };
            self.0.remove(&oldest)?;
            total -= size;
        }
        self.0.write(&path, &data)
    }

    /// How many there are, and what was wrong with the newest.
    pub fn summary(&self) -> Result<Summary, FilesError> {
        let files = self.files()?;
        let newest = files.keys().next_back();
        let head = newest.and_then(|path| self.0.read(path, MOST_BYTES * 2).ok().flatten());
        let head: Option<Head> = head.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Ok(Summary {
            count: files.len(),
            last: head.map(|head| head.why),
        })
    }

    /// Finished files and their sizes, oldest first.
    fn files(&self) -> Result<BTreeMap<RelativePath, u64>, FilesError> {
        let all = self.0.list()?.into_iter();
        Ok(all
            .filter(|(path, _)| !is_temporary(path))
            .map(|(path, stamp)| (path, stamp.size()))
            .collect())
    }
}

/// Sorts by time.
fn file_name(report: &Report) -> RelativePath {
    let time = report.taken_at.as_millisecond().max(0);
    RelativePath::try_from(format!("{time:015}-{}.json", report.sequence)).expect("a plain name")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::test_report;

    fn aside() -> (tempfile::TempDir, Aside) {
        let folder = tempfile::tempdir().unwrap();
        let aside = Aside::open(Root::private(folder.path()).unwrap());
        (folder, aside)
    }

    fn why(message: &str) -> Why {
        Why {
            at: Timestamp::UNIX_EPOCH,
            message: message.to_owned(),
        }
    }

    fn report(number: i64) -> Report {
        let mut report = test_report(number.unsigned_abs(), true);
        report.taken_at = Timestamp::from_millisecond(number).unwrap();
        report
    }

    #[test]
    fn the_newest_stay() {
        let (_folder, aside) = aside();
        assert_eq!(aside.summary().unwrap(), Summary::default());
        for number in 0..150 {
            aside
                .keep(&report(number), &why(&format!("no {number}")))
                .unwrap();
        }
        let summary = aside.summary().unwrap();
        assert_eq!(summary.count, MOST);
        assert_eq!(summary.last, Some(why("no 149")));
        aside.keep(&report(149), &why("still no")).unwrap();
        let summary = aside.summary().unwrap();
        assert_eq!((summary.count, summary.last), (MOST, Some(why("still no"))));
    }

    #[test]
    fn the_folder_has_a_largest_size() {
        let (folder, aside) = aside();
        for number in 0..6 {
            let mut large = report(number);
            large.events[0].message = "x".repeat(5 << 20);
            aside.keep(&large, &why("too large")).unwrap();
        }
        assert_eq!(aside.summary().unwrap().count, 3);
        let mut huge = report(9);
        huge.events[0].message = "x".repeat(17 << 20);
        aside.keep(&huge, &why("far too large")).unwrap();
        let summary = aside.summary().unwrap();
        assert_eq!(summary.last, Some(why("far too large")));
        let size: u64 = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().metadata().unwrap().len())
            .sum();
        assert!(size <= MOST_BYTES, "{size}");
    }

    #[test]
    fn the_report_is_whole() {
        let (folder, aside) = aside();
        aside.keep(&report(7), &why("no")).unwrap();
        let file = std::fs::read_dir(folder.path()).unwrap().next().unwrap();
        let text = std::fs::read(file.unwrap().path()).unwrap();
        let kept: serde_json::Value = serde_json::from_slice(&text).unwrap();
        let back: Report = serde_json::from_value(kept["report"].clone()).unwrap();
        assert_eq!(back, report(7));
    }
}
