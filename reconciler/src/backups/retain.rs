//! Which snapshots are kept and which are forgotten: pure. Only good backups count; what never became one goes after a while.

use super::Wanted;
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
/// in any case, and what is `wanted`. Snapshots that are not marked as ours stay. So do those of a clock that is ahead, without counting as one of the
/// days or weeks: else they would push out what is real.
pub fn retain(snapshots: &[Snapshot], keep: Keep, wanted: &Wanted, now: Timestamp) -> Kept {
    let good = good_snapshots(snapshots);
    let wanted = wanted.ids(snapshots, &good, now);
    let mut by_instance: BTreeMap<&InstanceName, Vec<&GoodSnapshot>> = BTreeMap::new();
    for one in good.iter().filter(|one| one.at <= now) {
        by_instance.entry(&one.instance).or_default().push(one);
    }
    let by_rule = by_instance.values().flat_map(|all| chosen(all, keep));
    let besides = |one: &&GoodSnapshot| one.at > now || wanted.contains(&one.data);
    let mut kept = Kept::default();
    for one in by_rule.chain(good.iter().filter(besides)) {
        kept.keep.insert(one.data.clone());
        kept.keep.insert(one.receipt.clone());
    }
    // What was overwritten may have no receipt.
    kept.keep.extend(wanted);
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
        let kept = retain(&all, Keep::default(), &Wanted::default(), at(90));
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
        let kept = retain(&all, Keep::default(), &Wanted::default(), at(10));
        assert_eq!(kept.forget.iter().collect::<Vec<_>>(), ["d1"]);
    }

    #[test]
    fn what_a_clock_that_was_ahead_made_pushes_nothing_out() {
        let real = (0..7).flat_map(|day| backup("web-db", day, at(day as i64), true));
        let ahead = (10..30).flat_map(|day| backup("web-db", day, at(1000 + day as i64), true));
        let all: Vec<Snapshot> = real.chain(ahead).collect();
        let kept = retain(&all, Keep::default(), &Wanted::default(), at(7));
        assert!(kept.forget.is_empty(), "{:?}", kept.forget);
    }

    #[test]
    fn what_a_restore_overwrote_stays_beside_a_newer_backup_of_that_day() {
        let mut all = Vec::new();
        for (id, hour) in [(1, 2), (2, 12), (3, 20)] {
            let at = at(3) + SignedDuration::from_hours(hour);
            all.extend(backup("web-db", id, at, true));
        }
        // Its receipt never came.
        all.extend(backup("web-db", 4, at(3), false));
        let goes = |wanted: &Wanted, now: i64| -> Vec<String> {
            let kept = retain(&all, Keep::default(), wanted, at(now));
            kept.forget.into_iter().collect()
        };
        assert_eq!(goes(&Wanted::default(), 9), ["d1", "d2", "d4", "r1", "r2"]);
        let wanted = Wanted::overwritten_until(&["d2", "d4"], at(33));
        assert_eq!(goes(&wanted, 9), ["d1", "r1"]);
        assert_eq!(goes(&wanted, 33), ["d1", "d2", "d4", "r1", "r2"]);
    }

    proptest! {
        #[test]
        fn the_newest_good_backup_of_everything_stays(
            days in proptest::collection::vec((0i64..400, any::<bool>(), 0u8..3), 0..60),
            daily in 1u16..9, weekly in 1u16..9, now in 0i64..401,
        ) {
            let all: Vec<Snapshot> = days
                .iter()
                .enumerate()
                .flat_map(|(id, (day, good, instance))| backup(&format!("web-{instance}"), id, at(*day), *good))
                .collect();
            let keep = Keep { daily, weekly };
            let kept = retain(&all, keep, &Wanted::default(), at(now));
            prop_assert!(kept.keep.is_disjoint(&kept.forget));
            prop_assert_eq!(kept.keep.len() + kept.forget.len(), all.len());
            for one in good_snapshots(&all) {
                let newest = good_snapshots(&all).into_iter().find(|other| other.instance == one.instance && other.at <= at(now));
                if let Some(newest) = newest {
                    prop_assert!(kept.keep.contains(&newest.data) && kept.keep.contains(&newest.receipt));
                }
                prop_assert!(one.at <= at(now) || kept.keep.contains(&one.data));
                prop_assert_eq!(kept.keep.contains(&one.data), kept.keep.contains(&one.receipt));
            }
            // Done again, nothing more goes.
            let left: Vec<Snapshot> = all.iter().filter(|one| kept.keep.contains(&one.id)).cloned().collect();
            prop_assert!(retain(&left, keep, &Wanted::default(), at(now)).forget.is_empty());
        }
    }
}
