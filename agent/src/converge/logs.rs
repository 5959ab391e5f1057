//! Logs of sites: put aside every day or when they are large, and removed after two weeks. Pure.

use super::{Input, Plan};
use crate::step::{Lane, Step};
use crate::web_server::logs::{Logs, Rotation, split};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use tenantry_schema::document::Manage;

/// A log that is larger is put aside.
const LARGE: u64 = 10 << 20;
/// So is one that is older.
const DAY: SignedDuration = SignedDuration::from_hours(24);
/// They hold addresses of visitors, which are nobody's business for longer.
const KEPT: SignedDuration = SignedDuration::from_hours(14 * 24);
/// However busy the site is.
const MOST: usize = 14;

pub(super) fn plan(input: &Input<'_>, whole: &mut Plan) {
    let Ok(web) = &input.state.web else { return };
    if web.logs.is_empty() || input.desired.host.manage == Manage::Observe {
        return;
    }
    let (rotation, next) = rotation(&web.logs, input.now);
    whole.wake(next);
    if rotation.is_empty() {
        return;
    }
    let lane = Lane::Logs;
    match input.history.failure(&lane, "") {
        Some(failure) if failure.waits(input.now) => whole.wake(Some(failure.retry)),
        _ => whole.add(lane, "", vec![Step::RotateLogs(rotation)]),
    }
}

/// What to do, and when to look again.
fn rotation(logs: &Logs, now: Timestamp) -> (Rotation, Option<Timestamp>) {
    let mut aside: BTreeMap<&str, Vec<(Timestamp, &String)>> = BTreeMap::new();
    for name in logs.keys() {
        if let Some((base, Some(at))) = split(name) {
            aside.entry(base).or_default().push((at, name));
        }
    }
    let mut rotation = Rotation::default();
    let mut next: Option<Timestamp> = None;
    for (name, log) in logs {
        if !matches!(split(name), Some((_, None))) || log.size == 0 {
            continue;
        }
        let last = aside.get(name.as_str()).into_iter().flatten();
        let begun = last.map(|(at, _)| *at).max().or(log.begun);
        let due = begun.and_then(|begun| begun.checked_add(DAY).ok());
        if log.size >= LARGE || due.is_some_and(|due| due <= now) {
            rotation.aside.push(name.clone());
        } else {
            next = [next, due].into_iter().flatten().min();
        }
    }
    for (base, mut old) in aside {
        old.sort_unstable();
        let spare = old.len().saturating_sub(MOST);
        for (index, (at, name)) in old.into_iter().enumerate() {
            let gone = at.checked_add(KEPT).unwrap_or(at);
            if index < spare || gone <= now {
                rotation.remove.push(name.clone());
            } else {
                next = [next, Some(gone)].into_iter().flatten().min();
            }
        }
        // An agent that was killed between putting it aside and saying so: the web server writes on to what was put aside.
        rotation.reopen |= !logs.contains_key(base);
    }
    rotation.reopen |= !rotation.aside.is_empty();
    (rotation, next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web_server::logs::LogFile;
    use proptest::prelude::*;

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + hours * 3600).unwrap()
    }

    fn logs(files: &[(&str, u64, i64)]) -> Logs {
        let file = |(name, size, begun): &(&str, u64, i64)| {
            let begun = Some(at(*begun));
            ((*name).to_owned(), LogFile { size: *size, begun })
        };
        files.iter().map(file).collect()
    }

    fn aside(name: &str, hours: i64) -> String {
        format!("{name}.{}", at(hours).as_second())
    }

    #[test]
    fn large_or_a_day_old() {
        let made = |files: &[(&str, u64, i64)], now| rotation(&logs(files), at(now));
        let (quiet, next) = made(&[("a.log", 5, 0), ("b.log", 0, -900)], 23);
        assert!(quiet.is_empty());
        assert_eq!(next, Some(at(24)));
        assert_eq!(made(&[("a.log", 5, 0)], 24).0.aside, ["a.log"]);
        assert_eq!(made(&[("a.log", LARGE, 0)], 1).0.aside, ["a.log"]);
        // What was put aside last says when this one was begun.
        let old = aside("a.log", 20);
        assert!(made(&[("a.log", 5, 0), (&old, 5, 0)], 30).0.is_empty());
    }

    #[test]
    fn two_weeks_and_fourteen_files() {
        let names: Vec<String> = (0..16).map(|hours| aside("a.log", hours)).collect();
        let mut all: Vec<_> = names.iter().map(|name| (name.as_str(), 1, 0)).collect();
        all.push(("a.log", 1, 16));
        let (made, _) = rotation(&logs(&all), at(17));
        assert_eq!(made.remove, [aside("a.log", 0), aside("a.log", 1)]);
        let (made, _) = rotation(&logs(&all), at(14 * 24 + 5));
        assert_eq!(made.remove.len(), 6);
    }

    #[test]
    fn a_log_that_nobody_opened_again_is() {
        let old = aside("a.log", 0);
        let (made, _) = rotation(&logs(&[(&old, 5, 0)]), at(1));
        assert!(made.reopen && made.aside.is_empty() && made.remove.is_empty());
    }

    proptest! {
        /// After what is decided is done nothing more is to do at that moment.
        #[test]
        fn it_settles(files in prop::collection::vec((0_u8..3, prop::option::of(-400_i64..0), 0_u64..3 * LARGE), 0..30)) {
            let mut all = Logs::new();
            for (site, put_aside, size) in files {
                let name = format!("{site}.example.access.log");
                let name = put_aside.map_or(name.clone(), |hours| aside(&name, hours));
                all.insert(name, LogFile { size, begun: Some(at(-30)) });
            }
            let now = at(0);
            let mut settled = false;
            for _ in 0..3 {
                let (made, next) = rotation(&all, now);
                if made.is_empty() {
                    prop_assert!(next.is_none_or(|next| next > now));
                    settled = true;
                    break;
                }
                for name in &made.aside {
                    let file = all.remove(name).unwrap();
                    all.insert(format!("{name}.{}", now.as_second()), file);
                }
                for name in &made.remove {
                    all.remove(name);
                }
                if made.reopen {
                    let bases: Vec<String> = all.keys().filter_map(|name| Some(split(name)?.0.to_owned())).collect();
                    for base in bases {
                        all.entry(base).or_insert(LogFile { size: 0, begun: Some(now) });
                    }
                }
            }
            prop_assert!(settled);
        }
    }
}
