//! Reports that wait for the hub: on disk, in order, bounded. Sending them is done elsewhere.

pub mod aside;

use crate::files::{FilesError, Root, is_temporary};
use aside::{Aside, Why};
use std::collections::BTreeSet;
use tenantry_schema::name::RelativePath;
use tenantry_schema::wire::Report;

/// Reports that are kept. When there are more, the oldest without news go first.
pub const CAPACITY: usize = 1000;
/// Reports that are sent at once.
pub const BATCH: usize = 50;
/// Bytes of reports that are sent at once, unless one alone is larger. Less than the hub takes, and than web servers in front of it
/// take by default (nginx: 1 MiB).
pub const BATCH_BYTES: usize = 1_000_000;
/// Far more than any report needs.
const LIMIT: u64 = 64 << 20;

/// The folder of waiting reports, one file each, named by sequence number.
#[derive(Debug)]
pub struct Outbox {
    root: Root,
    aside: Aside,
    waiting: BTreeSet<u64>,
    capacity: usize,
    /// Reports of the next batch, at most: fewer after a batch was refused.
    most: usize,
}

/// Reports to be sent at once.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Batch {
    /// In order.
    pub reports: Vec<Report>,
    /// Bytes of all of them.
    pub bytes: usize,
}

impl Outbox {
    /// The reports that wait in `root`; those that the hub will not take go to `aside`.
    pub fn open(root: Root, aside: Aside) -> Result<Self, FilesError> {
        Self::with_capacity(root, aside, CAPACITY)
    }

    fn with_capacity(root: Root, aside: Aside, capacity: usize) -> Result<Self, FilesError> {
        let mut waiting = BTreeSet::new();
        for path in root.list()?.keys() {
            if is_temporary(path) {
                root.remove(path)?;
            } else if let Some(sequence) = sequence_of(path) {
                waiting.insert(sequence);
            }
        }
        Ok(Self {
            root,
            aside,
            waiting,
            capacity,
            most: BATCH,
        })
    }

    /// Where reports are that the hub will not take.
    pub fn aside(&self) -> &Aside {
        &self.aside
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Number of the newest that waits.
    pub fn newest(&self) -> Option<u64> {
        self.waiting.last().copied()
    }

    /// Adds a report. Its number must be higher than all before.
    pub fn push(&mut self, report: &Report) -> Result<(), FilesError> {
        while self.waiting.len() >= self.capacity {
            let victim = self.least_missed();
            self.drop_one(victim)?;
        }
        let bytes = serde_json::to_vec(report).expect("a report is text and numbers");
        self.root.write(&file_name(report.sequence), &bytes)?;
        self.waiting.insert(report.sequence);
        Ok(())
    }

    /// The oldest without events and refusals among the older half, else the oldest.
    fn least_missed(&self) -> u64 {
        let news = |sequence: &&u64| {
            self.read(**sequence).is_ok_and(|report| {
                report
                    .is_some_and(|report| !report.events.is_empty() || !report.refusals.is_empty())
            })
        };
        let older = || self.waiting.iter().take(self.waiting.len() / 2 + 1);
        older()
            .find(|sequence| !news(sequence))
            .or_else(|| older().next())
            .copied()
            .unwrap_or_default()
    }

    /// The oldest reports, at most [`BATCH`] and [`BATCH_BYTES`]. Files that cannot be understood are dropped.
    pub fn batch(&mut self) -> Result<Batch, FilesError> {
        let mut batch = Batch::default();
        for sequence in self.waiting.iter().copied().collect::<Vec<_>>() {
            if batch.reports.len() >= self.most {
                break;
            }
            match self.load(sequence)? {
                Some((report, bytes)) if report.sequence == sequence => {
                    // One for the comma.
                    let bytes = batch.bytes + bytes + 1;
                    if bytes > BATCH_BYTES && !batch.reports.is_empty() {
                        break;
                    }
                    batch.reports.push(report);
                    batch.bytes = bytes;
                }
                _ => self.drop_one(sequence)?,
            }
        }
        Ok(batch)
    }

    /// The hub took a batch: the next may be larger.
    pub fn widen(&mut self) {
        self.most = (self.most * 2).min(BATCH);
    }

    /// It did not take one of so many reports: the next is half of that.
    pub fn narrow(&mut self, reports: usize) {
        self.most = (reports / 2).max(1);
    }

    /// Puts a report where it does not hold up the others: the hub will not take it.
    pub fn set_aside(&mut self, report: &Report, why: &Why) -> Result<(), FilesError> {
        self.aside.keep(report, why)?;
        self.drop_one(report.sequence)
    }

    /// Forgets everything up to and including `sequence`: the hub has it.
    pub fn acknowledge(&mut self, sequence: u64) -> Result<(), FilesError> {
        for delivered in self.waiting.range(..=sequence).copied().collect::<Vec<_>>() {
            self.drop_one(delivered)?;
        }
        Ok(())
    }

    fn read(&self, sequence: u64) -> Result<Option<Report>, FilesError> {
        Ok(self.load(sequence)?.map(|(report, _)| report))
    }

    /// A report and its bytes.
    fn load(&self, sequence: u64) -> Result<Option<(Report, usize)>, FilesError> {
        let bytes = match self.root.read(&file_name(sequence), LIMIT) {
            Err(FilesError::NotAFile(_) | FilesError::TooLarge { .. }) => None,
            result => result?,
        };
        Ok(bytes.and_then(|bytes| Some((serde_json::from_slice(&bytes).ok()?, bytes.len()))))
    }

    fn drop_one(&mut self, sequence: u64) -> Result<(), FilesError> {
        self.root.remove(&file_name(sequence))?;
        self.waiting.remove(&sequence);
        Ok(())
    }
}

fn file_name(sequence: u64) -> RelativePath {
    RelativePath::try_from(format!("{sequence}.json")).expect("a plain name")
}

fn sequence_of(path: &RelativePath) -> Option<u64> {
    path.as_str().strip_suffix(".json")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::test_report;
    use proptest::prelude::*;

    fn open(folder: &tempfile::TempDir, capacity: usize) -> Outbox {
        let root = |name: &str| Root::private(&folder.path().join(name)).unwrap();
        Outbox::with_capacity(root("outbox"), Aside::open(root("aside")), capacity).unwrap()
    }

    fn numbers(outbox: &mut Outbox) -> Vec<u64> {
        outbox
            .batch()
            .unwrap()
            .reports
            .iter()
            .map(|report| report.sequence)
            .collect()
    }

    #[test]
    fn kept_across_restarts_in_order_until_acknowledged() {
        let folder = tempfile::tempdir().unwrap();
        let mut outbox = open(&folder, 99);
        for sequence in [8, 9, 10, 11] {
            outbox.push(&test_report(sequence, false)).unwrap();
        }
        let mut outbox = open(&folder, 99);
        assert_eq!(numbers(&mut outbox), [8, 9, 10, 11]);
        outbox.acknowledge(9).unwrap();
        assert_eq!(numbers(&mut open(&folder, 99)), [10, 11]);
        outbox.acknowledge(99).unwrap();
        assert!(outbox.is_empty());
        assert_eq!(
            std::fs::read_dir(folder.path().join("outbox"))
                .unwrap()
                .count(),
            0
        );
    }

    #[test]
    fn full_it_forgets_what_is_missed_least() {
        let folder = tempfile::tempdir().unwrap();
        let mut outbox = open(&folder, 4);
        for (sequence, news) in [
            (1, true),
            (2, false),
            (3, true),
            (4, true),
            (5, true),
            (6, true),
        ] {
            outbox.push(&test_report(sequence, news)).unwrap();
        }
        assert_eq!(numbers(&mut outbox), [3, 4, 5, 6]);
        assert_eq!(outbox.newest(), Some(6));
    }

    #[test]
    fn damaged_files_do_not_hold_up_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join("outbox").join(name);
        let mut outbox = open(&folder, 9);
        for sequence in 1..=3 {
            outbox.push(&test_report(sequence, false)).unwrap();
        }
        std::fs::write(place("1.json"), "{").unwrap();
        std::fs::write(
            place("2.json"),
            serde_json::to_vec(&test_report(7, false)).unwrap(),
        )
        .unwrap();
        std::fs::write(place(".9.json.1.tmp"), "{").unwrap();
        std::fs::write(place("notes"), "?").unwrap();
        let mut outbox = open(&folder, 9);
        assert_eq!(numbers(&mut outbox), [3]);
        assert_eq!(outbox.len(), 1);
    }

    fn large(sequence: u64, bytes: usize) -> Report {
        let mut report = test_report(sequence, true);
        report.events[0].message = "x".repeat(bytes);
        report
    }

    #[test]
    fn a_batch_is_bounded_by_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let mut outbox = open(&folder, CAPACITY);
        for (sequence, bytes) in [(1, 400_000), (2, 400_000), (3, 400_000), (4, 3 << 20)] {
            outbox.push(&large(sequence, bytes)).unwrap();
        }
        assert_eq!(numbers(&mut outbox), [1, 2]);
        outbox.acknowledge(2).unwrap();
        assert_eq!(numbers(&mut outbox), [3]);
        outbox.acknowledge(3).unwrap();
        // One that is larger than a batch goes alone.
        assert_eq!(numbers(&mut outbox), [4]);
        let batch = outbox.batch().unwrap();
        let text = serde_json::to_vec(&batch.reports).unwrap();
        assert!(batch.bytes.abs_diff(text.len()) <= 2);
    }

    #[test]
    fn what_is_refused_is_halved_and_the_last_one_set_aside() {
        let folder = tempfile::tempdir().unwrap();
        let mut outbox = open(&folder, CAPACITY);
        for sequence in 1..=5 {
            outbox.push(&test_report(sequence, false)).unwrap();
        }
        outbox.narrow(5);
        assert_eq!(numbers(&mut outbox), [1, 2]);
        outbox.narrow(2);
        assert_eq!(numbers(&mut outbox), [1]);
        let why = Why {
            at: jiff::Timestamp::UNIX_EPOCH,
            message: "no".to_owned(),
        };
        let first = outbox.batch().unwrap().reports.remove(0);
        outbox.set_aside(&first, &why).unwrap();
        outbox.widen();
        assert_eq!(numbers(&mut outbox), [2, 3]);
        assert_eq!(outbox.aside().summary().unwrap().count, 1);
        // Also after a restart.
        assert_eq!(numbers(&mut open(&folder, CAPACITY)), [2, 3, 4, 5]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn every_report_is_delivered_once_in_order(
            steps in proptest::collection::vec((0u8..3, 0usize..60), 1..40)
        ) {
            let folder = tempfile::tempdir().unwrap();
            let (mut outbox, mut made, mut delivered) = (open(&folder, CAPACITY), 0u64, Vec::new());
            for (step, count) in steps {
                match step {
                    0 => for _ in 0..count.min(8) {
                        made += 1;
                        outbox.push(&test_report(made, false)).unwrap();
                    },
                    1 => {
                        let batch = numbers(&mut outbox);
                        prop_assert!(batch.len() <= BATCH);
                        // The hub keeps the highest number it has seen.
                        delivered.extend(batch.iter().take(count).copied());
                        if let Some(last) = batch.iter().take(count).next_back() {
                            outbox.acknowledge(*last).unwrap();
                        }
                    }
                    _ => outbox = open(&folder, CAPACITY),
                }
            }
            prop_assert_eq!(&delivered, &(1..=delivered.len() as u64).collect::<Vec<_>>());
            prop_assert_eq!(outbox.len() as u64, made - delivered.len() as u64);
        }
    }
}
