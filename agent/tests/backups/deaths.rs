//! The agent dies after each change that it makes on the way of a restore, and the next one, which may die too, brings it to one end: the
//! data is the old or the new, never both, what is told of it is true, and nothing is left beside.

use crate::common::process::Process;
use crate::common::seed;
use crate::rig::{self, Rig};
use rand::prelude::*;
use std::time::{Duration, Instant};
use tenantry_schema::id::OperationId;
use tenantry_schema::wire::{Report, RestoreBegun, RestoreResult};

/// Changes that a restore makes at least.
const MOST: u32 = 40;
/// How long a restore and what follows may take, at worst.
const LONGEST: Duration = Duration::from_mins(3);

/// What was told of a restore.
#[derive(Debug)]
enum Told {
    Ended(RestoreResult),
    /// It ended before it was written down that something is to be touched.
    Unknown,
}

fn told(report: &Report, id: &OperationId) -> Option<Told> {
    let backups = report.backups.as_ref()?;
    if let Some(result) = backups.restores.get(id) {
        return Some(Told::Ended(result.clone()));
    }
    let unknown = backups.begun.get(id) == Some(&RestoreBegun::OutcomeUnknown);
    unknown.then_some(Told::Unknown)
}

impl Rig {
    /// Waits until something was told of a restore and nothing of it is left, or the agent died.
    async fn told_before_death(&self, agent: &mut Process, id: &OperationId) -> Option<Told> {
        let begun = Instant::now();
        while begun.elapsed() < LONGEST {
            if agent.is_dead() {
                return None;
            }
            let found = self.hub.read(|said| told(said.reports.last()?, id));
            if let Some(found) = found.filter(|_| self.exchange().is_empty()) {
                return Some(found);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let last = self.hub.read(|said| said.reports.last().cloned());
        panic!(
            "nothing was ever told of it: {last:#?}\n{}",
            self.exchange()
        );
    }

    /// Data that is newer than its backup, whose snapshot this names.
    async fn with_something_to_restore(&self) -> String {
        let _agent = Process::start(&self.world, None);
        self.with_something_newer().await
    }

    /// One restore on whose way the agent dies after so many changes, and the next one after so many others. Whether the first one died.
    async fn die(&self, what: &str, number: u64, dies: [u32; 2]) -> bool {
        let name = format!("2026-11-20-restore-{number}");
        let id = OperationId::try_from(name.as_str()).unwrap();
        let mut agent = Process::start(&self.world, Some(dies[0]));
        self.restore_as(&name, number + 10, what);
        let mut came = self.told_before_death(&mut agent, &id).await;
        let died = came.is_none();
        if died {
            agent = Process::start(&self.world, Some(dies[1]));
            came = self.told_before_death(&mut agent, &id).await;
        }
        // Also where it was told: it may have died since, and reports of it are not newer than its death.
        drop(agent);
        let before = self.hub.read(|said| said.reports.len());
        let mut agent = Process::start(&self.world, None);
        let newer = async {
            while self.hub.read(|said| said.reports.len()) <= before {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(LONGEST, newer).await.unwrap();
        let came_last = self.told_before_death(&mut agent, &id).await;
        let what = format!("{dies:?}: {came:?}, {came_last:?}");
        self.until_well().await;
        let (old, new) = (("4", 3, "newer"), ("3", 2, "pixels"));
        let seen = self.seen().await;
        let expected = match came_last.unwrap_or_else(|| panic!("{what}")) {
            Told::Ended(RestoreResult { problem: None, .. }) => new,
            Told::Ended(_) | Told::Unknown => old,
        };
        assert_eq!(
            (seen.0.as_str(), seen.1, seen.2.as_str()),
            expected,
            "{what}"
        );
        assert_eq!(
            self.uploads().await.join("later").exists(),
            expected == old,
            "{what}"
        );
        self.until_tidy().await;
        if expected == new {
            self.something_newer().await;
        }
        died
    }
}

#[test]
fn a_restore_whose_agent_dies_comes_to_one_end() {
    let seed = seed();
    rig::run(move |rig: Rig| async move {
        let mut random = StdRng::seed_from_u64(seed);
        let what = rig.with_something_to_restore().await;
        for number in 0..2 {
            let dies = [random.random_range(0..MOST), random.random_range(0..MOST)];
            println!("dies after {dies:?}");
            assert!(rig.die(&what, number, dies).await, "{dies:?}");
        }
    });
}

/// Run with `--ignored`: after every single change.
#[test]
#[ignore = "takes many minutes"]
fn a_restore_whose_agent_dies_after_each_change_comes_to_one_end() {
    let seed = seed();
    rig::run(move |rig: Rig| async move {
        let mut random = StdRng::seed_from_u64(seed);
        let what = rig.with_something_to_restore().await;
        for first in 0..400 {
            let dies = [first, random.random_range(0..MOST)];
            println!("dies after {dies:?}");
            if !rig.die(&what, u64::from(first), dies).await {
                println!("{first} deaths");
                assert!(first >= MOST, "only {first} deaths");
                return;
            }
        }
        panic!("it never came to an end by itself");
    });
}
