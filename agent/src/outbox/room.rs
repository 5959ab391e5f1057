//! Makes room in an outbox that is full. What happened (events, refusals, lines found in logs) is moved, never dropped, as long as anything
//! else can go:
//!
//! 1. Too many reports: the two neighbours that are smallest together become one. The state in the older one is superseded anyway; its news
//!    and what was used move into the newer one, which says since when it speaks ([`Report::since`]).
//! 2. Too many bytes: what was used is dropped, from the oldest report on.
//! 3. Still too many, with nothing but news and state left: reports without news, then the oldest. That takes some hundred thousand events.
//!
//! Reports at the front are not put together: they may be on their way, and the hub may have them although it could not say so.

use super::Outbox;
use crate::files::FilesError;
use tenantry_schema::wire::Report;

/// Reports are put together up to this many bytes: less than a batch.
const TOGETHER: usize = 256 << 10;

impl Outbox {
    /// Drops or moves what the rules above say until there is room.
    pub(super) fn make_room(&mut self) -> Result<(), FilesError> {
        while self.waiting.len() > self.capacity.reports {
            match self.smallest_pair() {
                Some((older, newer)) => self.put_together(older, newer)?,
                None => self.drop_least_missed()?,
            }
        }
        while self.bytes > self.capacity.bytes {
            let oldest = self.waiting.iter().find(|(_, one)| one.usage);
            match oldest.map(|(sequence, _)| *sequence) {
                Some(sequence) => self.drop_usage(sequence)?,
                None => self.drop_least_missed()?,
            }
        }
        Ok(())
    }

    /// Two neighbours behind the front that fit together, the smallest, and the oldest of these.
    fn smallest_pair(&self) -> Option<(u64, u64)> {
        let behind = || self.waiting.iter().skip(self.capacity.front);
        behind()
            .zip(behind().skip(1))
            .map(|((older, a), (newer, b))| (a.bytes + b.bytes, *older, *newer))
            .filter(|(bytes, ..)| *bytes <= TOGETHER)
            .min_by_key(|(bytes, ..)| *bytes)
            .map(|(_, older, newer)| (older, newer))
    }

    fn put_together(&mut self, older: u64, newer: u64) -> Result<(), FilesError> {
        let Some((before, _)) = self.load(older)? else {
            return self.drop_one(older);
        };
        let Some((after, _)) = self.load(newer)? else {
            return self.drop_one(newer);
        };
        // First the file that carries both, then the removal of the other: an outbox that finds both knows which one counts.
        self.write(&together(before, after))?;
        self.drop_one(older)
    }

    fn drop_usage(&mut self, sequence: u64) -> Result<(), FilesError> {
        match self.load(sequence)? {
            Some((mut report, _)) => {
                report.usage.clear();
                self.write(&report)
            }
            None => self.drop_one(sequence),
        }
    }

    /// The oldest without news behind the front, else the oldest there; else the oldest of all.
    fn drop_least_missed(&mut self) -> Result<(), FilesError> {
        let mut victim = None;
        for sequence in self.waiting.keys().skip(self.capacity.front) {
            let news = self
                .load(*sequence)?
                .is_some_and(|(report, _)| report.has_news());
            victim = victim.or(Some(*sequence));
            if !news {
                victim = Some(*sequence);
                break;
            }
        }
        let first = self
            .waiting
            .first_key_value()
            .map(|(sequence, _)| *sequence);
        let Some(victim) = victim.or(first) else {
            return Ok(());
        };
        tracing::warn!(
            report = victim,
            "too many reports wait for the hub: one is dropped"
        );
        self.drop_one(victim)
    }
}

/// The newer report with the news of both.
fn together(before: Report, mut after: Report) -> Report {
    after.since = Some(before.since.unwrap_or(before.sequence));
    after.events.splice(0..0, before.events);
    after.refusals.splice(0..0, before.refusals);
    after.matches.splice(0..0, before.matches);
    after.usage.splice(0..0, before.usage);
    after
}

#[cfg(test)]
mod tests {
    use super::super::aside::Aside;
    use super::super::{Capacity, Outbox};
    use crate::files::Root;
    use crate::report::test_report;
    use jiff::Timestamp;
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use tenantry_schema::wire::{HostUsage, Report, UsageWindow};

    fn open(folder: &tempfile::TempDir, capacity: Capacity) -> Outbox {
        let root = |name: &str| Root::private(&folder.path().join(name)).unwrap();
        Outbox::with_capacity(root("outbox"), Aside::open(root("aside")), capacity).unwrap()
    }

    /// With an event that names it, and usage that does.
    fn report(number: u64, news: bool, windows: i64) -> Report {
        let mut report = test_report(number, news);
        if news {
            report.events[0].message = format!("event {number}");
        }
        for window in 0..windows {
            let second = i64::try_from(number).unwrap() * 100 + window;
            let at = Timestamp::from_second(second).unwrap();
            report.usage.push(UsageWindow {
                from: at,
                until: at,
                host: HostUsage::default(),
                containers: BTreeMap::new(),
            });
        }
        report
    }

    fn all(outbox: &mut Outbox) -> Vec<Report> {
        let mut all = Vec::new();
        while let Some(last) = outbox
            .batch()
            .unwrap()
            .reports
            .last()
            .map(|last| last.sequence)
        {
            all.extend(outbox.batch().unwrap().reports);
            outbox.acknowledge(last).unwrap();
        }
        all
    }

    fn events(reports: &[Report]) -> Vec<String> {
        let events = reports.iter().flat_map(|report| &report.events);
        events.map(|event| event.message.clone()).collect()
    }

    fn used(reports: &[Report]) -> Vec<i64> {
        let usage = reports.iter().flat_map(|report| &report.usage);
        usage.map(|window| window.from.as_second()).collect()
    }

    #[test]
    fn a_thousand_reports_become_few_and_nothing_that_happened_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let capacity = Capacity {
            reports: 8,
            bytes: 1 << 20,
            front: 2,
        };
        let mut outbox = open(&folder, capacity);
        for number in 1..=200 {
            outbox.push(&report(number, number % 3 == 0, 1)).unwrap();
            assert!(outbox.len() <= 8);
        }
        let mut outbox = open(&folder, capacity);
        let delivered = all(&mut outbox);
        let expected: Vec<_> = (1..=200)
            .filter(|n| n % 3 == 0)
            .map(|n| format!("event {n}"))
            .collect();
        assert_eq!(events(&delivered), expected);
        assert_eq!(
            used(&delivered),
            (1..=200).map(|n| n * 100).collect::<Vec<_>>()
        );
        // The first two might have been on their way.
        assert_eq!((delivered[0].since, delivered[1].since), (None, None));
        assert!(delivered[2].since.is_some());
    }

    #[test]
    fn where_bytes_are_short_the_oldest_usage_goes_first() {
        let folder = tempfile::tempdir().unwrap();
        let capacity = Capacity {
            reports: 1000,
            bytes: 60_000,
            front: 50,
        };
        let mut outbox = open(&folder, capacity);
        for number in 1..=150 {
            outbox.push(&report(number, true, 1)).unwrap();
        }
        let delivered = all(&mut outbox);
        assert_eq!(events(&delivered).len(), 150);
        let used = used(&delivered);
        assert!(!used.is_empty() && used.len() < 150, "{}", used.len());
        let kept = i64::try_from(used.len()).unwrap();
        let newest: Vec<_> = (151 - kept..=150).map(|n| n * 100).collect();
        assert_eq!(used, newest);
    }

    #[test]
    fn events_go_last_and_the_oldest_first() {
        let folder = tempfile::tempdir().unwrap();
        let front = 4;
        // Room for some twenty reports with an event each.
        let one = serde_json::to_vec(&report(100, true, 0)).unwrap().len();
        let bytes = one * 20;
        let capacity = Capacity {
            reports: 1000,
            bytes,
            front,
        };
        let mut outbox = open(&folder, capacity);
        let news = |number: u64| !number.is_multiple_of(3);
        for number in 1..=25 {
            outbox.push(&report(number, news(number), 1)).unwrap();
        }
        // Usage goes before any report does, and of reports those without news, however new.
        let delivered = all(&mut open(&folder, capacity));
        assert!(
            delivered.len() < 25 && used(&delivered).len() < 5,
            "{delivered:#?}"
        );
        let mut expected: Vec<_> = (1..=25)
            .filter(|n| news(*n))
            .map(|n| format!("event {n}"))
            .collect();
        assert_eq!(events(&delivered), expected);
        // With nothing but news the oldest goes that is not on its way already.
        let folder = tempfile::tempdir().unwrap();
        let mut outbox = open(&folder, capacity);
        for number in 1..=40 {
            outbox.push(&report(number, true, 0)).unwrap();
            assert!(outbox.bytes <= bytes);
        }
        let heard = events(&all(&mut outbox));
        let before = u64::try_from(front).unwrap();
        expected = (1..=before).map(|n| format!("event {n}")).collect();
        let kept = u64::try_from(heard.len() - front).unwrap();
        assert!((10..25).contains(&kept), "{kept}");
        expected.extend((41 - kept..=40).map(|n| format!("event {n}")));
        assert_eq!(heard, expected);
    }

    #[test]
    fn an_end_in_the_middle_of_putting_together_doubles_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let capacity = Capacity {
            reports: 100,
            bytes: 1 << 20,
            front: 0,
        };
        let mut outbox = open(&folder, capacity);
        for number in 1..=3 {
            outbox.push(&report(number, true, 0)).unwrap();
        }
        let place = |name: &str| folder.path().join("outbox").join(name);
        let (older, newer) = (
            std::fs::read(place("1.json")).unwrap(),
            std::fs::read(place("2.json")).unwrap(),
        );
        outbox.put_together(1, 2).unwrap();
        assert!(
            place("1-2.json").exists() && !place("1.json").exists() && !place("2.json").exists()
        );
        std::fs::write(place("1.json"), older).unwrap();
        std::fs::write(place("2.json"), newer).unwrap();
        let mut outbox = open(&folder, capacity);
        assert_eq!(events(&all(&mut outbox)), ["event 1", "event 2", "event 3"]);
        assert_eq!(
            std::fs::read_dir(folder.path().join("outbox"))
                .unwrap()
                .count(),
            0
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10))]
        #[test]
        fn events_arrive_once_and_in_order_whatever_happens(
            steps in proptest::collection::vec((0u8..5, 1usize..14, any::<bool>()), 1..25),
            bytes in 80_000usize..200_000,
        ) {
            let folder = tempfile::tempdir().unwrap();
            let capacity = Capacity { reports: 12, bytes, front: 4 };
            let mut outbox = open(&folder, capacity);
            let (mut made, mut happened) = (0u64, Vec::new());
            // The hub: takes what is above the highest number that it has seen.
            let (mut highest, mut heard, mut seen) = (0u64, Vec::new(), Vec::new());
            for (step, count, flag) in steps {
                match step {
                    0..=2 => for _ in 0..count {
                        made += 1;
                        let report = report(made, flag, i64::from(step) * 10);
                        happened.extend(events(std::slice::from_ref(&report)));
                        outbox.push(&report).unwrap();
                        prop_assert!(outbox.len() <= 12);
                        prop_assert!(outbox.bytes <= bytes);
                    },
                    3 => {
                        // A batch of at most the front, whose receipt is lost where `flag` is set.
                        outbox.most = 4;
                        let batch = outbox.batch().unwrap().reports;
                        let new: Vec<_> = batch.into_iter().filter(|report| report.sequence > highest).collect();
                        heard.extend(events(&new));
                        seen.extend(used(&new));
                        highest = new.last().map_or(highest, |last| last.sequence);
                        if !flag {
                            outbox.acknowledge(highest).unwrap();
                        }
                    }
                    _ => outbox = open(&folder, capacity),
                }
            }
            outbox.acknowledge(highest).unwrap();
            let rest = all(&mut outbox);
            heard.extend(events(&rest));
            seen.extend(used(&rest));
            prop_assert_eq!(heard, happened);
            let in_order = seen.windows(2).all(|pair| pair[0] < pair[1]);
            prop_assert!(in_order);
        }
    }
}
