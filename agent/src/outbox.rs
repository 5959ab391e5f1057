//! Reports that wait for the hub: on disk, in order, bounded. Sending them is done elsewhere; what happens when there is no room any more is
//! in [`room`].

pub mod aside;
mod room;

use crate::files::{FilesError, Root, is_temporary};
use aside::{Aside, Why};
use std::collections::BTreeMap;
use tenantry_schema::name::RelativePath;
use tenantry_schema::wire::Report;

/// Reports that are kept. When there are more, neighbours are put together, which loses nothing that happened.
pub const CAPACITY: usize = 1000;
/// Bytes of all reports. When there are more, what was used goes first, the oldest before all others.
pub const CAPACITY_BYTES: usize = 64 << 20;
/// Reports that are sent at once.
pub const BATCH: usize = 50;
/// Bytes of reports that are sent at once, unless one alone is larger. Less than the hub takes, and than web servers in front of it
/// take by default (nginx: 1 MiB).
pub const BATCH_BYTES: usize = 1_000_000;
/// Far more than any report needs.
const LIMIT: u64 = 64 << 20;

/// The folder of waiting reports, one file each: `<sequence>.json`, or `<since>-<sequence>.json` for one that carries the news of others.
#[derive(Debug)]
pub struct Outbox {
    root: Root,
    aside: Aside,
    waiting: BTreeMap<u64, Waiting>,
    /// Bytes of all of them.
    bytes: usize,
    capacity: Capacity,
    /// Reports of the next batch, at most: fewer after a batch was refused.
    most: usize,
}

/// How much is kept.
#[derive(Debug, Clone, Copy)]
struct Capacity {
    reports: usize,
    bytes: usize,
    /// So many of the oldest may be on their way to the hub: their news is not moved to another report, or it could arrive twice.
    front: usize,
}

/// A report that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Waiting {
    /// The first report whose news it carries.
    since: u64,
    /// Bytes of its file.
    bytes: usize,
    /// Whether there is something in it that can be given up. Not known of reports of an earlier run.
    usage: bool,
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
        let capacity = Capacity {
            reports: CAPACITY,
            bytes: CAPACITY_BYTES,
            front: BATCH,
        };
        Self::with_capacity(root, aside, capacity)
    }

    fn with_capacity(root: Root, aside: Aside, capacity: Capacity) -> Result<Self, FilesError> {
        let mut waiting: BTreeMap<u64, Waiting> = BTreeMap::new();
        for (path, stamp) in &root.list()? {
            if is_temporary(path) {
                root.remove(path)?;
            } else if let Some((since, sequence)) = numbers_of(path) {
                let one = Waiting {
                    since,
                    bytes: usize::try_from(stamp.size()).unwrap_or(usize::MAX),
                    usage: true,
                };
                let widest = waiting.get(&sequence).filter(|other| other.since < since);
                if let Some(beside) = widest.copied().or_else(|| waiting.insert(sequence, one)) {
                    // Of two with one number the one that carries more replaced the other, which was not removed any more.
                    let narrow = if beside.since < since {
                        since
                    } else {
                        beside.since
                    };
                    root.remove(&file_name(narrow, sequence))?;
                }
            }
        }
        let mut outbox = Self {
            root,
            aside,
            bytes: waiting.values().map(|one| one.bytes).sum(),
            waiting,
            capacity,
            most: BATCH,
        };
        outbox.drop_carried()?;
        Ok(outbox)
    }

    /// Removes reports whose news another one carries: the agent ended before it could.
    fn drop_carried(&mut self) -> Result<(), FilesError> {
        let mut carried = Vec::new();
        let mut from = u64::MAX;
        for (sequence, one) in self.waiting.iter().rev() {
            if *sequence >= from {
                carried.push(*sequence);
            }
            from = from.min(one.since);
        }
        carried
            .into_iter()
            .try_for_each(|sequence| self.drop_one(sequence))
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
        self.waiting.last_key_value().map(|(sequence, _)| *sequence)
    }

    /// Adds a report. Its number must be higher than all before.
    pub fn push(&mut self, report: &Report) -> Result<(), FilesError> {
        self.write(report)?;
        self.make_room()
    }

    /// Writes a report to its file.
    fn write(&mut self, report: &Report) -> Result<(), FilesError> {
        let bytes = serde_json::to_vec(report).expect("a report is text and numbers");
        let since = report.since.unwrap_or(report.sequence);
        self.root
            .write(&file_name(since, report.sequence), &bytes)?;
        let one = Waiting {
            since,
            bytes: bytes.len(),
            usage: !report.usage.is_empty(),
        };
        let before = self.waiting.insert(report.sequence, one);
        self.bytes += bytes.len();
        if let Some(before) = before {
            self.bytes -= before.bytes;
            if before.since != since {
                self.root
                    .remove(&file_name(before.since, report.sequence))?;
            }
        }
        Ok(())
    }

    /// The oldest reports, at most [`BATCH`] and [`BATCH_BYTES`]. Files that cannot be understood are dropped.
    pub fn batch(&mut self) -> Result<Batch, FilesError> {
        let mut batch = Batch::default();
        for sequence in self.waiting.keys().copied().collect::<Vec<_>>() {
            if batch.reports.len() >= self.most {
                break;
            }
            match self.load(sequence)? {
                Some((report, bytes)) => {
                    // One for the comma.
                    let bytes = batch.bytes + bytes + 1;
                    if bytes > BATCH_BYTES && !batch.reports.is_empty() {
                        break;
                    }
                    batch.reports.push(report);
                    batch.bytes = bytes;
                }
                None => self.drop_one(sequence)?,
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
        let delivered: Vec<_> = self
            .waiting
            .range(..=sequence)
            .map(|(number, _)| *number)
            .collect();
        delivered
            .into_iter()
            .try_for_each(|number| self.drop_one(number))
    }

    /// A report and its bytes. None where its file makes no sense.
    fn load(&self, sequence: u64) -> Result<Option<(Report, usize)>, FilesError> {
        let Some(one) = self.waiting.get(&sequence) else {
            return Ok(None);
        };
        let bytes = match self.root.read(&file_name(one.since, sequence), LIMIT) {
            Err(FilesError::NotAFile(_) | FilesError::TooLarge { .. }) => None,
            result => result?,
        };
        let report = bytes.and_then(|bytes| {
            let report: Report = serde_json::from_slice(&bytes).ok()?;
            Some((report, bytes.len()))
        });
        Ok(report.filter(|(report, _)| report.sequence == sequence))
    }

    fn drop_one(&mut self, sequence: u64) -> Result<(), FilesError> {
        let Some(one) = self.waiting.get(&sequence).copied() else {
            return Ok(());
        };
        self.root.remove(&file_name(one.since, sequence))?;
        self.waiting.remove(&sequence);
        self.bytes -= one.bytes;
        Ok(())
    }
}

fn file_name(since: u64, sequence: u64) -> RelativePath {
    let name = if since == sequence {
        format!("{sequence}.json")
    } else {
        format!("{since}-{sequence}.json")
    };
    RelativePath::try_from(name).expect("a plain name")
}

fn numbers_of(path: &RelativePath) -> Option<(u64, u64)> {
    let name = path.as_str().strip_suffix(".json")?;
    let (since, sequence) = name.split_once('-').unwrap_or((name, name));
    let numbers = (since.parse().ok()?, sequence.parse().ok()?);
    // What is written differently is not ours.
    (numbers.0 <= numbers.1 && file_name(numbers.0, numbers.1) == *path).then_some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::test_report;
    use proptest::prelude::*;

    fn open(folder: &tempfile::TempDir, reports: usize) -> Outbox {
        let root = |name: &str| Root::private(&folder.path().join(name)).unwrap();
        let capacity = Capacity {
            reports,
            bytes: CAPACITY_BYTES,
            front: BATCH,
        };
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
