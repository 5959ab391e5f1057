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
mod tests;
