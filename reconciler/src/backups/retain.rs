//! Which snapshots are kept and which are forgotten: pure. Only good backups count; what never became one goes after a while.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use tenantry_schema::document::Keep;
use tenantry_schema::id::InstanceName;
use tenantry_schema::wire::{DATA, GoodSnapshot, RECEIPT, Snapshot, good_snapshots};

/// A backup may be under way for so long.
const UNFINISHED: SignedDuration = SignedDuration::from_hours(48);

/// What becomes of the snapshots of a repository.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    /// Ids of those that stay.
    pub keep: BTreeSet<String>,
    /// Ids of those that go.
    pub forget: BTreeSet<String>,
}

/// Decides. Of each instance the newest good backup of each of the last `daily` days and `weekly` weeks that have one stays, the newest of all
/// in any case. Snapshots that are not marked as ours stay.
pub fn retain(snapshots: &[Snapshot], keep: Keep, now: Timestamp) -> Kept {
    let good = good_snapshots(snapshots);
    let mut by_instance: BTreeMap<&InstanceName, Vec<&GoodSnapshot>> = BTreeMap::new();
    for one in &good {
        by_instance.entry(&one.instance).or_default().push(one);
    }
    let mut kept = Kept::default();
    for all in by_instance.values() {
        for one in chosen(all, keep) {
            kept.keep.insert(one.data.clone());
            kept.keep.insert(one.receipt.clone());
        }
    }
    let known: BTreeSet<&str> = good
        .iter()
        .flat_map(|one| [one.data.as_str(), one.receipt.as_str()])
        .collect();
    for snapshot in snapshots {
        let id = snapshot.id.as_str();
        let ours = snapshot.is(DATA) || snapshot.is(RECEIPT);
        let old = snapshot
            .at
            .checked_add(UNFINISHED)
            .is_ok_and(|end| end <= now);
        if kept.keep.contains(id) {
            continue;
        }
        if ours && (known.contains(id) || old) {
            kept.forget.insert(id.to_owned());
        } else {
            kept.keep.insert(id.to_owned());
        }
    }
    kept
}

/// Those of one instance that stay; `all` is newest first.
fn chosen<'a>(all: &[&'a GoodSnapshot], keep: Keep) -> Vec<&'a GoodSnapshot> {
    let day = |one: &GoodSnapshot| one.at.to_zoned(TimeZone::UTC).date();
    let week = |one: &GoodSnapshot| {
        let week = day(one).iso_week_date();
        (week.year(), week.week())
    };
    let (mut days, mut weeks) = (BTreeSet::new(), BTreeSet::new());
    let mut chosen = Vec::new();
    for (index, one) in all.iter().enumerate() {
        let daily = days.len() < usize::from(keep.daily) && days.insert(day(one));
        let weekly = weeks.len() < usize::from(keep.weekly) && weeks.insert(week(one));
        if daily || weekly || index == 0 {
            chosen.push(*one);
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(day: i64) -> Timestamp {
        // A Thursday, 02:00.
        Timestamp::from_second(7200 + day * 86_400).unwrap()
    }

    fn backup(instance: &str, id: usize, at: Timestamp, good: bool) -> Vec<Snapshot> {
        let data = format!("d{id}");
        let mut all = vec![Snapshot {
            id: data.clone(),
            at,
            tags: vec!["data".into(), format!("instance={instance}")],
        }];
        if good {
            all.push(Snapshot {
                id: format!("r{id}"),
                at,
                tags: vec![
                    "receipt".into(),
                    format!("instance={instance}"),
                    format!("of={data}"),
                ],
            });
        }
        all
    }

    #[test]
    fn a_quarter_of_daily_backups() {
        let all: Vec<Snapshot> = (0..90)
            .flat_map(|day| backup("web-db", day, at(day as i64), true))
            .collect();
        let kept = retain(&all, Keep::default(), at(90));
        let mut days: Vec<usize> = kept
            .keep
            .iter()
            .filter_map(|id| id.strip_prefix('d')?.parse().ok())
            .collect();
        days.sort_unstable();
        // The last seven, and the newest of each of the last four weeks (they end on Sundays: 73, 80, 87).
        assert_eq!(days, [73, 80, 83, 84, 85, 86, 87, 88, 89]);
        assert_eq!(kept.keep.len(), 18, "with their receipts");
        assert_eq!(kept.keep.len() + kept.forget.len(), all.len());
    }

    #[test]
    fn strangers_stay_and_what_never_became_good_goes_later() {
        let mut all = backup("web-db", 1, at(0), false);
        all.extend(backup("web-db", 2, at(9), false));
        all.push(Snapshot {
            id: "by-hand".into(),
            at: at(0),
            tags: vec![],
        });
        let kept = retain(&all, Keep::default(), at(10));
        assert_eq!(kept.forget.iter().collect::<Vec<_>>(), ["d1"]);
    }

    proptest! {
        #[test]
        fn the_newest_good_backup_of_everything_stays(
            days in proptest::collection::vec((0i64..400, any::<bool>(), 0u8..3), 0..60),
            daily in 1u16..9, weekly in 1u16..9,
        ) {
            let all: Vec<Snapshot> = days
                .iter()
                .enumerate()
                .flat_map(|(id, (day, good, instance))| backup(&format!("web-{instance}"), id, at(*day), *good))
                .collect();
            let keep = Keep { daily, weekly };
            let kept = retain(&all, keep, at(401));
            prop_assert!(kept.keep.is_disjoint(&kept.forget));
            prop_assert_eq!(kept.keep.len() + kept.forget.len(), all.len());
            for one in good_snapshots(&all) {
                let newest = good_snapshots(&all).into_iter().find(|other| other.instance == one.instance).unwrap();
                prop_assert!(kept.keep.contains(&newest.data) && kept.keep.contains(&newest.receipt));
                prop_assert_eq!(kept.keep.contains(&one.data), kept.keep.contains(&one.receipt));
            }
            // Done again, nothing more goes.
            let left: Vec<Snapshot> = all.iter().filter(|one| kept.keep.contains(&one.id)).cloned().collect();
            prop_assert!(retain(&left, keep, at(401)).forget.is_empty());
        }
    }
}
