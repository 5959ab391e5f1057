//! What becomes of a version that the slice asks for: it is tried, and then it is good, or it is given up. Pure.

mod opens;
mod outcome;
mod standing;

use super::{Input, InstancePlan};
use crate::containers::{EngineState, Pass, Pins, pin};
use crate::desired::Instance;
use crate::rollout::{Outcome, PuttingBack, Rejected, Rollout};
use crate::step::{Lane, Mark, RolloutStep, Step};
use jiff::{SignedDuration, Timestamp};
use opens::opens_data;
use outcome::{Seen, reject};
use standing::steady_at;
use tenantry_schema::document::State;
use tenantry_schema::id::InstanceName;
use tenantry_schema::wire::{AgentWait, InstancePhase, RolloutReport, RolloutState};

/// After the engine was away, or the agent, containers get so many seconds before a version is given up.
const GRACE: i64 = 60;

/// Why disruptive steps are held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hold {
    /// The maintenance window is shut.
    Window,
    /// Not every image is here.
    Images,
    /// A backup that is newer than this comes first.
    Backup(Timestamp),
}

/// Whether the maintenance window is shut.
pub(super) fn shut(input: &Input<'_>) -> bool {
    let window = input.desired.host.window;
    window.is_some_and(|window| !window.is_open(input.now))
}

/// An instance between its last good version and the one that is wanted.
pub(super) struct Change<'a> {
    name: &'a InstanceName,
    /// The version that is in force.
    instance: &'a Instance,
    /// Digest of the one that the slice asks for.
    wanted: &'a str,
    record: Option<&'a Rollout>,
    rejected: Option<&'a Rejected>,
}

impl<'a> Change<'a> {
    pub(super) fn of(input: &Input<'a>, name: &'a InstanceName, instance: &'a Instance) -> Self {
        let wanted = input.wanted.instances.get(name).unwrap_or(instance);
        let record = input.ledger.rollouts.get(name);
        Self {
            name,
            instance,
            wanted: &wanted.digest,
            record,
            rejected: record.and_then(|record| record.rejected(&wanted.digest)),
        }
    }

    /// Whether the last good version is in force although another one is wanted.
    pub(super) fn is_back(&self) -> bool {
        self.wanted != self.instance.digest
    }

    /// Whether the version that is wanted is being tried.
    pub(super) fn is_begun(&self) -> bool {
        !self.is_back() && self.tried_since().is_some()
    }

    /// Whether the version in force is not known to be good.
    pub(super) fn is_new(&self) -> bool {
        let good = self.record.is_some_and(|it| it.is_good(self.wanted));
        !self.is_back() && !good
    }

    /// Whether there are containers of it, of whatever version.
    pub(super) fn runs(&self, engine: &EngineState) -> bool {
        let mut all = engine.containers.iter();
        all.any(|one| one.owner.project.as_deref() == Some(self.name.as_str()))
    }

    fn tried_since(&self) -> Option<Timestamp> {
        self.record?.tried_since(self.wanted)
    }

    /// Why the version before must not be disturbed yet. Going back is not a change that can wait, for what runs does not work; nor is one
    /// that is in the middle.
    pub(super) fn hold(&self, input: &Input<'_>, pass: &Pass) -> Option<Hold> {
        if shut(input) && !self.is_back() && !self.is_begun() {
            return Some(Hold::Window);
        }
        if !self.is_new() {
            return None;
        }
        if pass.fetches().next().is_some() {
            return Some(Hold::Images);
        }
        let begun = self.is_begun() || self.rejected.is_some();
        let spec = &self.instance.spec;
        let opens = || opens_data(input, self.name, self.instance);
        if begun || !spec.upgrade.backup_before || !opens() {
            return None;
        }
        let standing = input.state.backups.get(self.name).copied();
        let standing = standing.unwrap_or_default();
        let asked = self.record.and_then(|it| it.asked_since(self.wanted));
        let since = asked.unwrap_or(input.now);
        let open = standing != crate::rollout::Standing::NotConfigured && !standing.covers(since);
        open.then_some(Hold::Backup(since))
    }

    /// What is to be remembered, and how the roll-out stands.
    pub(super) fn decide(
        &self,
        input: &Input<'_>,
        engine: &EngineState,
        hold: Option<Hold>,
        plan: &mut InstancePlan,
    ) {
        if let (Some(rejected), true) = (self.rejected, self.is_back()) {
            return tell_back(rejected, plan);
        }
        if self.puts_back(input, plan) || self.instance.spec.state == State::Stopped {
            return;
        }
        let well = plan.verdict.phase == InstancePhase::Healthy;
        if let Some(hold) = hold {
            self.tell_hold(hold, plan);
        } else if well {
            self.accept(input, engine, plan);
        } else if self.is_new() && plan.verdict.waiting != Some(AgentWait::DriftReported) {
            self.go_on(input, engine, plan);
        }
        if self.is_new() {
            self.tell_new(input, well, plan);
        }
    }

    /// Whether the data of before it is being put back. Nobody is at work on the version meanwhile, and it is not taken for good: that would be
    /// with data that goes.
    fn puts_back(&self, input: &Input<'_>, plan: &mut InstancePlan) -> bool {
        let Some((rejected, put_back)) = self
            .rejected
            .and_then(|rejected| Some((rejected, rejected.put_back.as_ref()?)))
        else {
            return false;
        };
        match input.state.putting_back.get(&put_back.id) {
            Some(PuttingBack::Failed(_)) => return false,
            // Until it is begun it needs the containers of the databases.
            Some(PuttingBack::Waiting) | None => {}
            Some(PuttingBack::Running) => plan.steps.clear(),
            Some(PuttingBack::Done) => plan.steps = vec![self.mark(Mark::Restored)],
        }
        tell_held(rejected, rejected.evidence.reason.clone(), plan);
        plan.settled = false;
        true
    }

    /// It is healthy. Good it is once it has been so for a while.
    fn accept(&self, input: &Input<'_>, engine: &EngineState, plan: &mut InstancePlan) {
        let clean = |it: &Rollout| it.trying.is_none() && it.rejected.is_none();
        if !self.is_new() && self.record.is_none_or(clean) {
            return;
        }
        let steady = steady_at(engine, self.name, self.instance);
        if let Some(at) = steady.filter(|at| *at > input.now && self.is_new()) {
            plan.next = [plan.next, Some(at)].into_iter().flatten().min();
            return;
        }
        let (content, images) = match self.record.and_then(|it| it.good.as_ref()) {
            Some(good) if good.digest == self.wanted => (good.content.clone(), good.images.clone()),
            _ => (
                input.wanted.reference.content.clone(),
                pins(engine, self.name, self.instance),
            ),
        };
        plan.steps.push(self.mark(Mark::Good { content, images }));
    }

    /// What the names of its images stood for when this version was good.
    pub(super) fn pins(&self) -> Option<&'a Pins> {
        self.pins_of(self.instance)
    }

    /// The same of another version.
    pub(super) fn pins_of(&self, version: &Instance) -> Option<&'a Pins> {
        let good = self.record?.good.as_ref()?;
        (good.digest == version.digest).then_some(&good.images)
    }

    /// Whether data may have been opened by what the last good version does not run.
    pub(super) fn is_opened(&self) -> bool {
        self.record.is_some_and(|it| it.opened.is_some())
    }

    /// It is not healthy: it is tried, or its time is over.
    fn go_on(&self, input: &Input<'_>, engine: &EngineState, plan: &mut InstancePlan) {
        // A beginning that is still to come is one before the clock was set back.
        let since = self.tried_since().filter(|since| *since <= input.now);
        let Some(since) = since else {
            if self.rejected.is_none() && self.begins(input, plan) {
                let since = input.now;
                let opens = opens_data(input, self.name, self.instance);
                plan.steps
                    .insert(0, self.mark(Mark::Tried { since, opens }));
            }
            return;
        };
        let timeout = SignedDuration::from_secs(self.instance.spec.upgrade.timeout.into());
        let grace = timeout.min(SignedDuration::from_secs(GRACE));
        let sighted = input.history.sighted.unwrap_or(input.now);
        let times = [since.checked_add(timeout), sighted.checked_add(grace)];
        let deadline = times.into_iter().flatten().max().unwrap_or(input.now);
        if input.now < deadline {
            plan.next = [plan.next, Some(deadline)].into_iter().flatten().min();
            return;
        }
        let seen = Seen {
            engine: Some(engine),
            why: plan.verdict.message.clone(),
        };
        let rejection = reject(input, self.name, self.instance, &seen);
        plan.steps = vec![self.mark(Mark::Rejected(Box::new(rejection)))];
    }

    /// Whether something of it is about to run, or runs: neither fetching images nor waiting after a failure is trying it.
    fn begins(&self, input: &Input<'_>, plan: &InstancePlan) -> bool {
        let lane = Lane::Instance(self.name.clone());
        let failed = input.history.failure(&lane, self.wanted).is_some();
        !plan.fetches && (!plan.steps.is_empty() || !failed)
    }

    /// What cannot even be read is given up at once: nothing was done for it.
    pub(super) fn give_up_unusable(
        &self,
        input: &Input<'_>,
        problem: &str,
        plan: &mut InstancePlan,
    ) {
        if let (Some(rejected), true) = (self.rejected, self.is_back()) {
            return tell_back(rejected, plan);
        }
        if self.is_new() && self.rejected.is_none() && input.versions.contains_key(self.name) {
            let seen = Seen {
                engine: None,
                why: Some(problem.to_owned()),
            };
            let mut rejection = reject(input, self.name, self.instance, &seen);
            rejection.outcome = Outcome::Back;
            plan.steps = vec![self.mark(Mark::Rejected(Box::new(rejection)))];
        }
    }

    fn tell_hold(&self, hold: Hold, plan: &mut InstancePlan) {
        let Hold::Backup(since) = hold else { return };
        let asked = self.record.and_then(|it| it.asked_since(self.wanted));
        if asked.is_none() {
            plan.steps.insert(0, self.mark(Mark::Asked { since }));
        }
        plan.verdict.phase = InstancePhase::Waiting;
        plan.verdict.waiting = Some(AgentWait::Backup { since });
        plan.verdict.message = Some(
            "another image opens the data, and a verified backup comes first (`upgrade.backup: before`)"
                .to_owned(),
        );
        plan.settled = false;
    }

    fn tell_new(&self, input: &Input<'_>, well: bool, plan: &mut InstancePlan) {
        if let Some(rejected) = self.rejected.filter(|_| !well) {
            tell_held(rejected, why_held(input, rejected), plan);
        } else if let Some(since) = self.tried_since().filter(|_| !well) {
            plan.verdict.rollout = Some(RolloutReport {
                state: RolloutState::Trying,
                since,
                evidence: None,
            });
        }
    }

    fn mark(&self, mark: Mark) -> Step {
        Step::Rollout(RolloutStep {
            instance: self.name.clone(),
            digest: self.wanted.to_owned(),
            mark,
        })
    }
}

/// It stays.
fn tell_held(rejected: &Rejected, message: String, plan: &mut InstancePlan) {
    let since = rejected.evidence.at;
    plan.verdict.phase = InstancePhase::Failed;
    plan.verdict.waiting = Some(AgentWait::Held { since });
    plan.verdict.message = Some(message);
    plan.verdict.rollout = Some(told(RolloutState::Held, rejected));
}

/// Why a person has to decide.
fn why_held(input: &Input<'_>, rejected: &Rejected) -> String {
    let reason = &rejected.evidence.reason;
    let put_back = rejected.put_back.as_ref();
    match put_back.and_then(|put_back| input.state.putting_back.get(&put_back.id)) {
        Some(PuttingBack::Failed(problem)) => format!(
            "{reason}; that failed: {problem}; commit a restore operation and the version before"
        ),
        _ => reason.clone(),
    }
}

/// The last good version runs, or is on its way.
fn tell_back(rejected: &Rejected, plan: &mut InstancePlan) {
    let since = rejected.evidence.at;
    if matches!(
        plan.verdict.phase,
        InstancePhase::Healthy | InstancePhase::Stopped
    ) {
        plan.verdict.phase = InstancePhase::Degraded;
        plan.verdict.waiting = Some(AgentWait::RolledBack { since });
        plan.verdict.message = Some(rejected.evidence.reason.clone());
    }
    plan.verdict.rollout = Some(told(RolloutState::RolledBack, rejected));
}

fn told(state: RolloutState, rejected: &Rejected) -> RolloutReport {
    RolloutReport {
        state,
        since: rejected.evidence.at,
        evidence: Some(rejected.evidence.clone()),
    }
}

/// What the names of its images stand for now: the images that its containers run.
fn pins(engine: &EngineState, name: &InstanceName, instance: &Instance) -> Pins {
    let Ok(containers) = &instance.containers else {
        return Pins::new();
    };
    let pins = containers.services.iter().filter_map(|(service, spec)| {
        let (title, image) = (&spec.container.name, &spec.container.image);
        let found = engine.container_of(&containers.keeper, name.as_str(), service, title)?;
        Some((image.clone(), pin(image, &found.image_id, engine)))
    });
    pins.collect()
}
