//! A hub in its daily work: the fleet is known, every server has its slice and reports. Commits of one file come, and reports.

use super::super::child::{ms, peak_memory};
use super::super::{BenchError, Doing};
use super::cold::{Opened, answer, desired, observed, open, revision};
use super::generate::order;
use super::import::{commit_file, git};
use super::observed::{observation, published, report};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;
use tenantry::git::Fetched;
use tenantry::store::{SqliteStore, StateStore};
use tenantry_planner::Inventory;
use tenantry_planner::check::check;
use tenantry_planner::inventory::Attempt;
use tenantry_planner::plan::{PlanCache, plan, replan};
use tenantry_planner::slice_input::SliceInput;
use tenantry_schema::id::CustomerId;
use tenantry_schema::wire::ReportBatch;

/// Reports that arrive together.
const CROWD: usize = 64;

/// What daily work costs.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Warm {
    pub(super) commit_ms: Vec<f64>,
    pub(super) commit_load_ms: Vec<f64>,
    pub(super) commit_plan_ms: Vec<f64>,
    pub(super) check_ms: Vec<f64>,
    pub(super) diff_tree_ms: Vec<f64>,
    pub(super) replan_ms: Vec<f64>,
    pub(super) report_ms: Vec<f64>,
    pub(super) sync_ms: Vec<f64>,
    pub(super) crowd_ms: Vec<f64>,
    pub(super) full_plan_ms: Vec<f64>,
    pub(super) peak_mb: f64,
}

/// The role.
pub(in crate::bench) fn warm(arguments: &[String]) -> Result<String, BenchError> {
    let (repository, numbers) = super::arguments(arguments)?;
    let [servers, commits, reports] = numbers[..] else {
        return Err(BenchError::Wrong("three numbers are needed".into()));
    };
    let data = tempfile::tempdir_in(repository.parent().unwrap_or(&repository))
        .doing("making a folder")?;
    let opened = open(&repository, data.path())?;
    let tasks = opened.plan.slices().count();
    opened.check(servers, tasks)?;
    let mut hub = Known {
        opened,
        inventory: Inventory::default(),
        attempts: HashMap::new(),
        repository,
        servers,
    };
    let mut out = Warm::default();
    hub.learn()?;
    hub.plan_afresh(&mut out)?;
    for edition in 0..commits {
        hub.commit(edition, &mut out)?;
    }
    let store = SqliteStore::open(&data.path().join("hub.db")).doing("opening the store")?;
    hub.reports(reports, &store, data.path(), &mut out)?;
    out.peak_mb = peak_memory("self");
    answer(&out)
}

/// All that a hub knows.
struct Known {
    opened: Opened,
    inventory: Inventory,
    attempts: HashMap<String, Attempt>,
    repository: PathBuf,
    servers: usize,
}

impl Known {
    /// Every slice was published, and every server reports that all is well.
    fn learn(&mut self) -> Result<(), BenchError> {
        let now = jiff::Timestamp::now();
        for input in self
            .opened
            .plan
            .customers
            .values()
            .flat_map(|plan| &plan.desired_slices)
        {
            let published = published(input, now);
            let report = report(input, &published.content, 1, now);
            self.inventory
                .servers
                .insert(input.server.clone(), observation(report));
            self.inventory
                .published
                .insert(input.server.clone(), published);
        }
        self.plan()?;
        self.expect_slices(0)
    }

    fn plan(&mut self) -> Result<(), BenchError> {
        let desired = desired(&self.opened.loaded)?;
        self.opened.plan = plan(
            desired,
            observed(&self.inventory, &self.attempts),
            &mut self.opened.cache,
        );
        Ok(())
    }

    fn expect_slices(&self, expected: usize) -> Result<(), BenchError> {
        let plan = &self.opened.plan;
        let found = (plan.slices().count(), plan.decisions().count());
        let healthy: usize = plan
            .customers
            .values()
            .map(|plan| plan.totals.healthy_servers)
            .sum();
        if found == (expected, 0) && healthy == self.servers {
            return Ok(());
        }
        Err(BenchError::Wrong(format!(
            "{found:?} slices and decisions are due instead of {expected} and 0; {healthy} servers are healthy"
        )))
    }

    /// What a full pass costs, which the hub makes now and then to check what it kept.
    fn plan_afresh(&mut self, out: &mut Warm) -> Result<(), BenchError> {
        for _ in 0..3 {
            self.opened.cache = PlanCache::default();
            let begun = Instant::now();
            self.plan()?;
            out.full_plan_ms.push(ms(begun.elapsed()));
        }
        self.expect_slices(0)
    }

    /// A person changes one file.
    fn commit(&mut self, edition: usize, out: &mut Warm) -> Result<(), BenchError> {
        let number = edition * 37 % self.servers;
        let before = git(&self.repository, &["rev-parse", "HEAD"])?;
        // Another text than any measurement before has left there.
        let unique = jiff::Timestamp::now().as_microsecond().unsigned_abs() as usize;
        let (path, text) = order(number, unique);
        commit_file(&self.repository, "an edit", &path, &text)?;

        let begun = Instant::now();
        let fleet = &self.opened.fleet;
        let Fetched::Moved { to, .. } = fleet.fetch().doing("following the branch")? else {
            return Err(BenchError::Wrong("the commit was not seen".into()));
        };
        let loading = Instant::now();
        self.opened.loaded = self
            .opened
            .loader
            .load(revision(fleet, to)?)
            .doing("following the branch")?;
        out.commit_load_ms.push(ms(loading.elapsed()));
        fleet.accept(to).doing("following the branch")?;
        let planning = Instant::now();
        // As the hub does it: where the loader knows what changed, the rest of the plan stays.
        match self.opened.loaded.changed.clone() {
            Some(changed) => self.replan(&changed)?,
            None => self.plan()?,
        }
        out.commit_plan_ms.push(ms(planning.elapsed()));
        out.commit_ms.push(ms(begun.elapsed()));
        self.expect_slices(1)?;
        let checking = Instant::now();
        let wrong = check(
            &self.opened.plan,
            desired(&self.opened.loaded)?,
            &self.inventory,
        );
        out.check_ms.push(ms(checking.elapsed()));
        if !wrong.is_empty() {
            return Err(BenchError::Wrong(format!(
                "the checker refuses the plan: {wrong:?}"
            )));
        }
        self.publish_due()?;

        let begun = Instant::now();
        let changed = git(
            &self.repository,
            &[
                "diff-tree",
                "-r",
                "--name-only",
                before.trim(),
                &to.to_string(),
            ],
        )?;
        out.diff_tree_ms.push(ms(begun.elapsed()));
        if changed.trim() == path {
            Ok(())
        } else {
            Err(BenchError::Wrong(format!(
                "git says that {changed} changed"
            )))
        }
    }

    /// What was due is published, its server reports that it has it, and nothing is due any more.
    fn publish_due(&mut self) -> Result<(), BenchError> {
        let now = jiff::Timestamp::now();
        let due: Vec<_> = self
            .opened
            .plan
            .slices()
            .map(|task| task.input.clone())
            .collect();
        for input in &due {
            let published = published(input, now);
            if let Some(seen) = self.inventory.servers.get_mut(&input.server) {
                seen.report = Arc::new(report(input, &published.content, 2, now));
                seen.revision += 1;
            }
            self.inventory
                .published
                .insert(input.server.clone(), published);
        }
        let customers: Vec<_> = due
            .iter()
            .map(|input| input.server.customer.clone())
            .collect();
        self.replan(&customers)?;
        self.expect_slices(0)
    }

    /// Reports come one by one, then many at a time.
    fn reports(
        &mut self,
        count: usize,
        store: &SqliteStore,
        data: &Path,
        out: &mut Warm,
    ) -> Result<(), BenchError> {
        let inputs: Vec<Arc<SliceInput>> = self
            .opened
            .plan
            .customers
            .values()
            .flat_map(|plan| plan.desired_slices.clone())
            .collect();
        let file = std::fs::File::create(data.join("peer")).doing("making a file")?;
        for at in 0..count {
            let input = &inputs[at * 37 % inputs.len()];
            let batch = self.batch(input, 100 + at as u64);
            let begun = Instant::now();
            self.keep(store, vec![(input, batch.clone())])?;
            let kept = begun.elapsed();
            self.replan(std::slice::from_ref(&input.server.customer))?;
            out.report_ms.push(ms(begun.elapsed()));
            out.replan_ms.push(ms(begun.elapsed().saturating_sub(kept)));

            let text = serde_json::to_vec(&batch).doing("writing a report")?;
            let begun = Instant::now();
            (&file)
                .write_all(&text)
                .and_then(|()| file.sync_data())
                .doing("writing a file")?;
            out.sync_ms.push(ms(begun.elapsed()));
        }
        for round in 0..count.div_ceil(CROWD).max(3) {
            let many: Vec<&Arc<SliceInput>> = (0..CROWD)
                .map(|at| &inputs[(round * CROWD + at) * 41 % inputs.len()])
                .collect();
            let batches = many
                .iter()
                .enumerate()
                .map(|(at, input)| {
                    (
                        *input,
                        self.batch(input, (1_000 + round * CROWD + at) as u64),
                    )
                })
                .collect();
            let begun = Instant::now();
            self.keep(store, batches)?;
            self.replan(
                &many
                    .iter()
                    .map(|input| input.server.customer.clone())
                    .collect::<Vec<_>>(),
            )?;
            out.crowd_ms.push(ms(begun.elapsed()) / CROWD as f64);
        }
        self.expect_slices(0)
    }

    fn batch(&self, input: &SliceInput, sequence: u64) -> ReportBatch {
        let content = self
            .inventory
            .published
            .get(&input.server)
            .map_or("", |published| published.content.as_str());
        ReportBatch {
            ledger: format!("ledger of {}", input.server),
            reports: vec![report(input, content, sequence, jiff::Timestamp::now())],
        }
    }

    /// Keeps reports durably and takes in what is new, as the hub does.
    fn keep(
        &mut self,
        store: &SqliteStore,
        batches: Vec<(&Arc<SliceInput>, ReportBatch)>,
    ) -> Result<(), BenchError> {
        let now = jiff::Timestamp::now();
        let replies: Vec<_> = batches
            .into_iter()
            .map(|(input, batch)| {
                (
                    &input.server,
                    store.record_reports(input.server.clone(), batch, now),
                )
            })
            .collect();
        for (server, reply) in replies {
            let recorded = reply.wait().doing("keeping a report")?;
            let latest = recorded.news.and_then(|news| news.latest);
            let seen = self.inventory.servers.get_mut(server);
            let (Some(seen), Some(latest)) = (seen, latest) else {
                return Err(BenchError::Wrong("a report was not taken for new".into()));
            };
            seen.report = latest.report;
            seen.received_at = now;
            seen.revision += 1;
        }
        Ok(())
    }

    fn replan(&mut self, customers: &[CustomerId]) -> Result<(), BenchError> {
        let desired = desired(&self.opened.loaded)?;
        replan(
            &mut self.opened.plan,
            desired,
            observed(&self.inventory, &self.attempts),
            customers,
            &mut self.opened.cache,
        );
        Ok(())
    }
}
