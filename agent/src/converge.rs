//! Decides what to do: pure, no I/O, no clock. The same arguments give the same plan, and between `now` and [`Plan::next`] nothing
//! changes by time alone.
//!
//! Law 7: what could not be seen plans nothing that depends on it. Law 8: no step removes a volume, or a file that is not ours.

mod certificates;
mod fetching;
mod hands_off;
mod images;
mod instance;
mod leftovers;
mod logs;
mod machine;
mod rollout;
mod web;

use crate::containers::InputsKey;
use crate::desired::Desired;
use crate::history::History;
use crate::host_state::HostState;
use crate::ledger::Ledger;
use crate::rollout::Versions;
use crate::step::{Lane, Step};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use tenantry_schema::document::{HostArea, Manage};
use tenantry_schema::id::InstanceName;
use tenantry_schema::name::DomainName;
use tenantry_schema::wire::{
    AgentWait, AreaReport, CertificateReport, InstancePhase, RolloutReport,
};

/// Everything that a plan depends on.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// What should be: the slice, with the last good version of each instance that was rolled back.
    pub desired: &'a Desired,
    /// What the slice asks for.
    pub wanted: &'a Desired,
    /// Last good versions of instances for which the slice asks for another one.
    pub versions: &'a Versions,
    /// What is.
    pub state: &'a HostState,
    /// What was accepted and done.
    pub ledger: &'a Ledger,
    /// Instances as they were when everything of them was last as it should be.
    pub settled: &'a Versions,
    /// Images that slices of the last generations name, as the engine lists them.
    pub kept_images: &'a BTreeSet<String>,
    /// What was tried.
    pub history: &'a History,
    /// Key of digests that others may see.
    pub key: &'a InputsKey,
    /// The time.
    pub now: Timestamp,
}

/// What to do now, and how things stand.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// To be taken in order within each lane. Empty where `manage: observe` forbids them.
    pub steps: BTreeMap<Lane, Vec<Step>>,
    /// What would be taken, were it not forbidden.
    pub would: BTreeMap<Lane, Vec<Step>>,
    /// How each instance stands.
    pub verdicts: BTreeMap<InstanceName, Verdict>,
    /// How each site stands.
    pub sites: BTreeMap<DomainName, SiteVerdict>,
    /// How it stands with the certificates of an authority, by site.
    pub certificates: BTreeMap<DomainName, CertificateReport>,
    /// How the areas of the machine stand that are asked for.
    pub areas: BTreeMap<HostArea, AreaReport>,
    /// Instances of which everything is there and healthy.
    pub settled: BTreeSet<InstanceName>,
    /// Digest of what each lane's steps are for: a failure says nothing about steps for something else.
    pub of: BTreeMap<Lane, String>,
    /// When to plan again although nothing happened.
    pub next: Option<Timestamp>,
    /// Whether everything is as it should be.
    pub converged: bool,
}

/// How an instance stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Where it is.
    pub phase: InstancePhase,
    /// What it waits for.
    pub waiting: Option<AgentWait>,
    /// What is wrong, in a sentence.
    pub message: Option<String>,
    /// What a smoke check of it would be a check of now.
    pub smoke_of: Option<String>,
    /// The roll-out of the version that the slice asks for, unless that version runs and is good.
    pub rollout: Option<RolloutReport>,
}

impl Default for Verdict {
    fn default() -> Self {
        Self {
            phase: InstancePhase::Progressing,
            waiting: None,
            message: None,
            smoke_of: None,
            rollout: None,
        }
    }
}

/// How a site stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SiteVerdict {
    /// Whether the web server serves what it should.
    pub live: bool,
    /// Why not.
    pub message: Option<String>,
    /// Whether it should not be served, its instance being stopped.
    pub unwanted: bool,
}

/// What an instance comes to.
#[derive(Debug, Clone, Default)]
struct InstancePlan {
    steps: Vec<Step>,
    verdict: Verdict,
    /// Whether its sites may be served: it runs, and is healthy.
    ready: bool,
    /// Whether everything of it is as it should be.
    settled: bool,
    /// Whether an image is still to be fetched.
    fetches: bool,
    /// Whether the container engine does not answer, so that only files can be put right.
    blind: bool,
    next: Option<Timestamp>,
}

impl Plan {
    /// All steps, whether they may be taken or not.
    pub fn all_steps(&self) -> impl Iterator<Item = (&Lane, &Step)> {
        self.steps
            .iter()
            .chain(&self.would)
            .flat_map(|(lane, steps)| steps.iter().map(move |step| (lane, step)))
    }

    /// Whether there is nothing to do but to wait for a person or another slice: a version was given up.
    pub fn is_given_up(&self) -> bool {
        let given_up = |verdict: &Verdict| {
            matches!(
                verdict.waiting,
                Some(AgentWait::RolledBack { .. } | AgentWait::Held { .. })
            )
        };
        self.all_steps().next().is_none() && self.verdicts.values().any(given_up)
    }

    fn wake(&mut self, at: Option<Timestamp>) {
        self.next = [self.next, at].into_iter().flatten().min();
    }

    fn add(&mut self, lane: Lane, of: &str, steps: Vec<Step>) {
        if !steps.is_empty() {
            self.of.insert(lane.clone(), of.to_owned());
            self.steps.insert(lane, steps);
        }
    }
}

/// What to do so that the server becomes what it should be.
pub fn converge(input: &Input<'_>) -> Plan {
    let mut plan = Plan::default();
    let mut ready = BTreeMap::new();
    for (name, instance) in &input.desired.instances {
        let planned = instance::plan(input, name, instance);
        ready.insert(name, planned.ready);
        plan.wake(planned.next);
        plan.verdicts.insert(name.clone(), planned.verdict);
        if planned.settled {
            plan.settled.insert(name.clone());
        }
        let lane = if planned.blind {
            Lane::Files(name.clone())
        } else {
            Lane::Instance(name.clone())
        };
        let mut steps = Vec::new();
        for step in planned.steps {
            match step.fetched() {
                Some(image) => {
                    let lane = Lane::Fetch(name.clone(), image.to_owned());
                    plan.add(lane, &instance.digest, vec![step]);
                }
                None => steps.push(step),
            }
        }
        plan.add(lane, &instance.digest, steps);
    }
    plan.add(
        Lane::Leftovers,
        &input.desired.reference.content,
        leftovers::plan(input),
    );
    let web = web::plan(input, &ready);
    plan.wake(web.next);
    plan.sites = web.sites;
    plan.add(Lane::Web, &web.of, web.steps);
    certificates::plan(input, &mut plan);
    logs::plan(input, &mut plan);
    machine::plan(input, &mut plan);
    plan.add(Lane::Images, "", images::plan(input, &plan));
    if input.desired.host.manage == Manage::Observe {
        hands_off::observe_only(&mut plan);
        machine::hold(&mut plan, &AgentWait::ObserveOnly);
    }
    if let Some(until) = input.state.paused {
        hands_off::pause(&mut plan, until);
        machine::hold(&mut plan, &AgentWait::Paused { until });
    }
    let well = |verdict: &Verdict| {
        matches!(
            verdict.phase,
            InstancePhase::Healthy | InstancePhase::Stopped
        )
    };
    plan.converged = input.state.paused.is_none()
        && !plan.all_steps().any(|(lane, _)| lane.decides())
        && plan.verdicts.values().all(well)
        && plan.sites.values().all(|site| site.live || site.unwanted);
    plan
}

#[cfg(test)]
mod tests;
