//! The outbox: in order, across restarts, within its bounds.

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
