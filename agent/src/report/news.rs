//! What happened since the last report, within bounds. What there is no room for is counted.

use std::collections::BTreeSet;
use tenantry_schema::id::{InstanceName, RuleName};
use tenantry_schema::wire::{Event, LogMatch, Refusal, Report, UsageWindow};

/// Events, refusals and found lines that one report carries at most. Only where reports cannot be kept for a while are there more.
const MOST_NEWS: usize = 200;
/// Windows of usage that wait for a report: an hour. Of more the oldest are dropped; nothing is decided by them.
const MOST_WINDOWS: usize = 60;

/// What happened since the last report.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct News {
    /// Slices and answers that were refused.
    pub refusals: Vec<Refusal>,
    more_refusals: u64,
    /// Everything else.
    pub events: Vec<Event>,
    more_events: u64,
    /// What rules found in logs.
    pub matches: Vec<LogMatch>,
    usage: Vec<UsageWindow>,
}

impl News {
    /// Whether nothing happened. What was used is no news: it waits for a report that is made anyway.
    pub fn is_empty(&self) -> bool {
        self.refusals.is_empty() && self.events.is_empty() && self.matches.is_empty()
    }

    /// Adds an event.
    pub fn event(&mut self, event: Event) {
        if self.events.len() < MOST_NEWS {
            self.events.push(event);
        } else {
            self.more_events += 1;
        }
    }

    /// Adds a line that was found.
    pub fn log_match(&mut self, found: LogMatch) {
        add_match(&mut self.matches, found, MOST_NEWS);
    }

    /// Adds a refusal, unless it repeats the last one.
    pub fn refusal(&mut self, refusal: Refusal) {
        let same = |last: &Refusal| last.kind == refusal.kind && last.detail == refusal.detail;
        if self.refusals.last().is_some_and(same) {
            return;
        }
        if self.refusals.len() < MOST_NEWS {
            self.refusals.push(refusal);
        } else {
            self.more_refusals += 1;
        }
    }

    /// Adds what was used.
    pub fn usage(&mut self, windows: impl IntoIterator<Item = UsageWindow>) {
        self.usage.extend(windows);
        let over = self.usage.len().saturating_sub(MOST_WINDOWS);
        self.usage.drain(..over);
    }

    /// Puts everything into a report.
    pub fn tell(&self, report: &mut Report) {
        report.refusals.clone_from(&self.refusals);
        report.events.clone_from(&self.events);
        report.matches.clone_from(&self.matches);
        report.usage.clone_from(&self.usage);
        let more = |text: &mut String, count: u64| {
            if count > 0 {
                *text = format!("{text} (and {count} more, for which there was no room)");
            }
        };
        if let Some(last) = report.events.last_mut() {
            more(&mut last.message, self.more_events);
        }
        if let Some(last) = report.refusals.last_mut() {
            more(&mut last.detail, self.more_refusals);
        }
    }
}

/// Adds a line that was found. Where there are `most` already, an older line of the same rule and service is only counted with the one
/// that follows it, or else one of others; where no two are alike, there is one more.
pub fn add_match(all: &mut Vec<LogMatch>, mut found: LogMatch, most: usize) {
    if all.len() >= most {
        if let Some(at) = all.iter().rposition(|one| kind(one) == kind(&found)) {
            found.untold = counted(&found, &all.remove(at));
        } else if let Some((older, newer)) = two_alike(all) {
            all[newer].untold = counted(&all[newer], &all[older]);
            all.remove(older);
        }
    }
    all.push(found);
}

/// What is not told before `newer` when `older` is not either.
fn counted(newer: &LogMatch, older: &LogMatch) -> u64 {
    newer.untold.saturating_add(older.untold).saturating_add(1)
}

fn kind(found: &LogMatch) -> (&RuleName, &InstanceName, &str) {
    (&found.rule, &found.instance, &found.service)
}

/// The newest two of one kind.
fn two_alike(all: &[LogMatch]) -> Option<(usize, usize)> {
    let mut seen = BTreeSet::new();
    let older = all.iter().rposition(|one| !seen.insert(kind(one)))?;
    let newer = all[older + 1..]
        .iter()
        .position(|one| kind(one) == kind(&all[older]));
    Some((older, older + 1 + newer?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use tenantry_schema::wire::{EventKind, HostUsage, RefusalKind};

    fn refusal(detail: &str) -> Refusal {
        Refusal {
            at: Timestamp::UNIX_EPOCH,
            kind: RefusalKind::OldGeneration,
            detail: detail.into(),
        }
    }

    fn event(message: String) -> Event {
        Event {
            at: Timestamp::UNIX_EPOCH,
            kind: EventKind::Changed,
            instance: None,
            message,
        }
    }

    fn told(news: &News) -> Report {
        let mut report = crate::report::test_report(1, false);
        news.tell(&mut report);
        report
    }

    #[test]
    fn a_refusal_that_repeats_is_told_once() {
        let mut news = News::default();
        for detail in ["a", "a", "b", "b"] {
            news.refusal(refusal(detail));
        }
        assert_eq!(told(&news).refusals, [refusal("a"), refusal("b")]);
    }

    #[test]
    fn what_there_is_no_room_for_is_counted() {
        let mut news = News::default();
        for number in 0..MOST_NEWS + 7 {
            news.event(event(format!("e{number}")));
            news.refusal(refusal(&format!("r{}", number / 2)));
        }
        let report = told(&news);
        assert_eq!(report.events.len(), MOST_NEWS);
        assert_eq!(
            report.events[MOST_NEWS - 1].message,
            "e199 (and 7 more, for which there was no room)"
        );
        let last = report.refusals.last().unwrap();
        assert!(!last.detail.contains("more"), "{last:?}");
    }

    #[test]
    fn the_newest_windows_are_kept() {
        let mut news = News::default();
        for minute in 0..100 {
            let at = Timestamp::from_second(minute * 60).unwrap();
            news.usage([UsageWindow {
                from: at,
                until: at,
                host: HostUsage::default(),
                containers: BTreeMap::new(),
            }]);
        }
        let kept = told(&news).usage;
        assert_eq!(
            (kept.len(), kept[0].from.as_second()),
            (MOST_WINDOWS, 40 * 60)
        );
        assert!(news.is_empty(), "it is no news");
    }

    fn found(rule: u16, number: i64) -> LogMatch {
        LogMatch {
            at: Timestamp::from_second(number).unwrap(),
            rule: RuleName::try_from(format!("rule-{rule}")).unwrap(),
            instance: InstanceName::try_from("site-html".to_owned()).unwrap(),
            service: "web".into(),
            line: String::new(),
            before: Vec::new(),
            after: Vec::new(),
            untold: 0,
        }
    }

    proptest! {
        #[test]
        fn every_found_line_is_told_or_counted(rules in proptest::collection::vec(0u16..12, 0..60), most in 1usize..10) {
            let mut all = Vec::new();
            for (number, rule) in (0..).zip(&rules) {
                add_match(&mut all, found(*rule, number), most);
            }
            for rule in 0..12 {
                let seen = rules.iter().filter(|one| **one == rule).count() as u64;
                let mine = || all.iter().filter(|one| one.rule == found(rule, 0).rule);
                prop_assert_eq!(mine().map(|one| 1 + one.untold).sum::<u64>(), seen);
                // The newest is among those that are told.
                let newest = (0..).zip(&rules).filter(|(_, one)| **one == rule).map(|(number, _)| number).last();
                prop_assert_eq!(mine().next_back().map(|one| one.at.as_second()), newest);
            }
            let kinds = rules.iter().collect::<BTreeSet<_>>().len();
            prop_assert!(all.len() <= most.max(kinds));
            prop_assert!(all.windows(2).all(|pair| pair[0].at < pair[1].at));
        }
    }
}
