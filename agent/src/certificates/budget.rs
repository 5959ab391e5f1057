//! What an authority issues within seven days, as far as this server knows: pure.
//!
//! The count is kept by each agent, because an agent knows what it asked for, survives everything with that knowledge, and needs nobody to
//! keep below a limit. Where several servers share a registered domain none of them knows what the others ask for; then the authority itself
//! says that it is enough, and until when, and that holds for everything of this server below that domain.

use super::memory::{Issued, Memory, WEEK};
use super::plan::{LONGEST_WISH, is_ahead};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use tenantry_schema::document::WeeklyBudget;
use tenantry_schema::name::DomainName;

/// What was issued further ahead than this was noted by a clock that was wrong: when it was, nobody knows, and the authority itself says
/// when it is enough. A clock that was set back by less leaves everything counted.
const AHEAD: SignedDuration = SignedDuration::from_hours(24);

/// A budget that is used up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spent {
    /// What it is for, in words.
    pub(super) of: String,
    /// Until when.
    pub(super) until: Timestamp,
}

/// What is left this week.
pub(super) struct Budgets<'m> {
    memory: &'m Memory,
    weekly: WeeklyBudget,
    now: Timestamp,
    /// Orders of this very plan, by registered domain.
    asked: BTreeMap<String, usize>,
}

/// The name that somebody registered: `www.acme.co.uk` is below `acme.co.uk`.
pub(super) fn registered(name: &DomainName) -> &str {
    psl::domain_str(name.as_str()).unwrap_or(name.as_str())
}

impl<'m> Budgets<'m> {
    pub(super) fn new(memory: &'m Memory, weekly: WeeklyBudget, now: Timestamp) -> Self {
        Self {
            memory,
            weekly,
            now,
            asked: BTreeMap::new(),
        }
    }

    /// Takes one certificate for these names out of the budgets, or says which is used up.
    pub(super) fn take(
        &mut self,
        names: &BTreeSet<DomainName>,
        renewal: bool,
    ) -> Result<(), Spent> {
        let same = self.recent().filter(|issued| issued.names == *names);
        if let Some(until) = self.over(same, self.weekly.names, 0) {
            let of = "exactly these names".to_owned();
            return Err(Spent { of, until });
        }
        let domains: BTreeSet<&str> = names.iter().map(registered).collect();
        for domain in &domains {
            let limited = self.memory.limited.get(*domain);
            if let Some(until) = limited.filter(|until| is_ahead(**until, self.now, LONGEST_WISH)) {
                return Err(Spent {
                    of: (*domain).to_owned(),
                    until: *until,
                });
            }
            let below = self
                .recent()
                .filter(|issued| !issued.renewal)
                .filter(|issued| issued.names.iter().any(|name| registered(name) == *domain));
            let asked = self.asked.get(*domain).copied().unwrap_or_default();
            let over = self.over(below, self.weekly.domain, asked);
            if let Some(until) = over.filter(|_| !renewal) {
                return Err(Spent {
                    of: (*domain).to_owned(),
                    until,
                });
            }
        }
        for domain in domains.iter().filter(|_| !renewal) {
            *self.asked.entry((*domain).to_owned()).or_default() += 1;
        }
        Ok(())
    }

    fn recent(&self) -> impl Iterator<Item = &'m Issued> + use<'m> {
        let now = self.now;
        let issued = self.memory.issued.iter();
        issued.filter(move |issued| {
            let ago = now.duration_since(issued.at);
            -AHEAD <= ago && ago < WEEK
        })
    }

    /// Until when there is no room for one more beside `asked`, if there is none.
    fn over<'i>(
        &self,
        issued: impl Iterator<Item = &'i Issued>,
        limit: u16,
        asked: usize,
    ) -> Option<Timestamp> {
        let mut times: Vec<Timestamp> = issued.map(|issued| issued.at).collect();
        times.sort_unstable();
        let spare = usize::from(limit.max(1));
        let excess = (times.len() + asked + 1).checked_sub(spare)?;
        let last = excess.checked_sub(1)?;
        // Where this plan alone asks for too much, the next one goes on.
        let at = times.get(last).or(times.last()).copied();
        let until = at.map_or_else(|| self.now.checked_add(WEEK), |at| at.checked_add(WEEK));
        Some(until.unwrap_or(self.now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WEEKLY: WeeklyBudget = WeeklyBudget {
        domain: 3,
        names: 2,
    };

    fn now() -> Timestamp {
        "2026-11-28T10:00:00Z".parse().unwrap()
    }

    fn names(all: &[&str]) -> BTreeSet<DomainName> {
        all.iter().map(|name| (*name).try_into().unwrap()).collect()
    }

    fn memory(issued: &[(i64, &[&str], bool)]) -> Memory {
        let mut memory = Memory::default();
        memory.issued = issued
            .iter()
            .map(|(hours_ago, all, renewal)| Issued {
                at: now() - SignedDuration::from_hours(*hours_ago),
                names: names(all),
                renewal: *renewal,
            })
            .collect();
        memory
    }

    fn take(memory: &Memory, all: &[&str], renewal: bool) -> Result<(), Spent> {
        Budgets::new(memory, WEEKLY, now()).take(&names(all), renewal)
    }

    #[test]
    fn exactly_these_names() {
        let memory = memory(&[
            (200, &["a.example"], false),
            (100, &["a.example"], true),
            (50, &["a.example"], true),
        ]);
        let spent = take(&memory, &["a.example"], true).unwrap_err();
        assert_eq!(spent.until, now() + SignedDuration::from_hours(168 - 100));
        assert_eq!(
            take(&memory, &["a.example", "www.a.example"], false),
            Ok(())
        );
    }

    #[test]
    fn a_registered_domain_and_all_below_it() {
        let memory = memory(&[
            (160, &["a.acme.co.uk"], false),
            (100, &["b.acme.co.uk", "x.example"], false),
            (50, &["c.acme.co.uk"], false),
            (40, &["d.acme.co.uk"], true),
        ]);
        let spent = take(&memory, &["new.acme.co.uk"], false).unwrap_err();
        assert_eq!(
            (spent.of.as_str(), spent.until),
            ("acme.co.uk", now() + SignedDuration::from_hours(8))
        );
        assert_eq!(take(&memory, &["a.acme.co.uk"], true), Ok(()), "a renewal");
        assert_eq!(take(&memory, &["other.co.uk"], false), Ok(()));
    }

    #[test]
    fn what_the_authority_said_counts_for_all_below() {
        let mut memory = Memory::default();
        let until = now() + SignedDuration::from_hours(3);
        memory.limited.insert("acme.example".into(), until);
        let spent = take(&memory, &["new.acme.example"], true).unwrap_err();
        assert_eq!(spent.until, until);
        assert_eq!(take(&memory, &["b.example"], false), Ok(()));
    }

    #[test]
    fn what_a_wrong_clock_noted_holds_nothing_up() {
        let twice = |hours_ago| {
            let issued: (i64, &[&str], bool) = (hours_ago, &["a.example"], true);
            memory(&[issued, issued])
        };
        assert!(take(&twice(-1), &["a.example"], true).is_err());
        let mut memory = twice(-9000);
        assert_eq!(take(&memory, &["a.example"], true), Ok(()));
        let until = now() + SignedDuration::from_hours(9000);
        memory.limited.insert("a.example".into(), until);
        assert_eq!(take(&memory, &["a.example"], true), Ok(()));
        memory.issued.iter_mut().for_each(|it| it.at = now());
        memory.forget_old(now() - SignedDuration::from_hours(9000));
        assert!(memory.issued.is_empty() && memory.limited.is_empty());
    }

    proptest! {
        /// Whatever was issued before: one plan never goes beyond a limit, and says a time at which there is room.
        #[test]
        fn no_plan_goes_beyond_a_limit(
            before in prop::collection::vec((0_i64..200, 0_usize..6, any::<bool>()), 0..8),
            asked in prop::collection::vec(0_usize..6, 0..8),
        ) {
            let sites = ["a.x.example", "b.x.example", "c.x.example", "d.x.example", "e.y.example", "f.y.example"];
            let issued: Vec<_> = before.iter().map(|(ago, site, renewal)| (*ago, vec![sites[*site]], *renewal)).collect();
            let issued: Vec<_> = issued.iter().map(|(ago, site, renewal)| (*ago, site.as_slice(), *renewal)).collect();
            let memory = memory(&issued);
            let mut budgets = Budgets::new(&memory, WEEKLY, now());
            let mut given = Vec::new();
            for site in asked {
                match budgets.take(&names(&[sites[site]]), false) {
                    Ok(()) => given.push(sites[site]),
                    Err(spent) => prop_assert!(spent.until > now()),
                }
            }
            for domain in ["x.example", "y.example"] {
                let recent = before.iter().filter(|(ago, site, renewal)| *ago < 168 && !renewal && sites[*site].ends_with(domain)).count();
                let given = given.iter().filter(|site| site.ends_with(domain)).count();
                prop_assert!(given == 0 || recent + given <= usize::from(WEEKLY.domain));
            }
        }
    }
}
