//! The first look at a fleet, in a fresh process: nothing is known but the repository. The system has its files in memory.

use super::super::child::{busy, ms, peak_memory};
use super::super::{BenchError, Doing};
use super::import::BRANCH;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::Path;
use std::time::Instant;
use tenantry::git::{Fetched, Fleet, Location};
use tenantry::load::{Loaded, Loader, Revision};
use tenantry_planner::plan::{PlanCache, plan};
use tenantry_planner::{Desired, Inventory, Observed, Plan};

/// What a first look costs.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Cold {
    pub(super) total_ms: f64,
    pub(super) load_ms: f64,
    pub(super) plan_ms: f64,
    pub(super) cpu_ms: f64,
    pub(super) peak_mb: f64,
}

/// A fleet that was looked at.
pub(super) struct Opened {
    pub(super) fleet: Fleet,
    pub(super) loader: Loader,
    pub(super) loaded: Loaded,
    pub(super) cache: PlanCache,
    pub(super) plan: Plan,
    pub(super) load_ms: f64,
    pub(super) plan_ms: f64,
}

/// The role: looks once and says what that cost.
pub(in crate::bench) fn cold(arguments: &[String]) -> Result<String, BenchError> {
    let (repository, numbers) = super::arguments(arguments)?;
    let data = tempfile::tempdir().doing("making a folder")?;
    let begun = Instant::now();
    let opened = open(&repository, data.path())?;
    let total_ms = ms(begun.elapsed());
    let (cpu_ms, peak_mb) = (ms(busy("self")), peak_memory("self"));
    let tasks = opened.plan.slices().count();
    opened.check(numbers[0], tasks)?;
    answer(&Cold {
        total_ms,
        load_ms: opened.load_ms,
        plan_ms: opened.plan_ms,
        cpu_ms,
        peak_mb,
    })
}

/// An answer as one line of JSON.
pub(super) fn answer(figures: &impl Serialize) -> Result<String, BenchError> {
    serde_json::to_string(figures).doing("writing figures")
}

/// Does what the hub does when it starts: open, fetch, load, compile, plan.
pub(super) fn open(repository: &Path, data: &Path) -> Result<Opened, BenchError> {
    let fleet = Fleet::open(Location::Direct(repository.to_owned()), BRANCH, data)
        .doing("reading the fleet")?;
    let Fetched::Moved { to, .. } = fleet.fetch().doing("reading the fleet")? else {
        return Err(BenchError::Wrong("the fleet's branch is not there".into()));
    };
    let mut loader = Loader::new(fleet.objects().clone());
    let begun = Instant::now();
    let loaded = loader
        .load(revision(&fleet, to)?)
        .doing("reading the fleet")?;
    let load_ms = ms(begun.elapsed());
    fleet.accept(to).doing("reading the fleet")?;
    let mut cache = PlanCache::default();
    let begun = Instant::now();
    let plan = plan(
        desired(&loaded)?,
        observed(&Inventory::default(), &HashMap::new()),
        &mut cache,
    );
    Ok(Opened {
        fleet,
        loader,
        loaded,
        cache,
        plan,
        load_ms,
        plan_ms: ms(begun.elapsed()),
    })
}

pub(super) fn revision(fleet: &Fleet, commit: tenantry::git::Oid) -> Result<Revision, BenchError> {
    let tree = fleet
        .objects()
        .root_tree(commit)
        .doing("reading a commit")?;
    Ok(Revision {
        tree,
        commit,
        generation: fleet.generation(commit).doing("reading a commit")?,
    })
}

pub(super) fn desired(loaded: &Loaded) -> Result<&Desired, BenchError> {
    loaded
        .desired
        .as_ref()
        .ok_or_else(|| BenchError::Wrong(format!("the fleet has errors: {:?}", loaded.diagnostics)))
}

/// An inventory without failed attempts, now.
pub(super) fn observed<'a>(
    inventory: &'a Inventory,
    attempts: &'a HashMap<String, tenantry_planner::inventory::Attempt>,
) -> Observed<'a> {
    Observed {
        inventory,
        attempts,
        attempts_revision: 0,
        now: jiff::Timestamp::now(),
    }
}

impl Opened {
    /// Everything is there and right: as many customers as were made, nothing to complain of, nothing left to decide, a slice for each.
    pub(super) fn check(&self, servers: usize, tasks: usize) -> Result<(), BenchError> {
        let desired = desired(&self.loaded)?;
        let instances: usize = self
            .plan
            .customers
            .values()
            .flat_map(|plan| &plan.desired_slices)
            .map(|slice| slice.instances.len())
            .sum();
        let found = (
            desired.customers.len(),
            self.loaded.diagnostics.len(),
            self.plan.decisions().count(),
            tasks,
            instances,
        );
        let expected = (servers, 0, 0, servers, servers * super::TOOLS);
        if found == expected {
            return Ok(());
        }
        let first = self
            .loaded
            .diagnostics
            .first()
            .map(ToString::to_string)
            .unwrap_or_default();
        let decision = self.plan.decisions().next();
        let what = "customers, findings, decisions, slices, instances";
        Err(BenchError::Wrong(format!(
            "{what} are {found:?} instead of {expected:?}\n{first}\n{decision:?}"
        )))
    }
}
