//! Taking steps, and what came of them: into history, news and ledger.

use super::Agent;
use crate::containers::Action;
use crate::converge::Plan;
use crate::files::FilesError;
use crate::lanes::{self, LaneResult};
use crate::step::{Lane, Mark, Step};
use crate::web_server::WebServer;
use jiff::Timestamp;
use tenantry_schema::id::InstanceName;
use tenantry_schema::wire::EventKind;

impl<W: WebServer> Agent<W> {
    /// Takes all steps of a plan, lanes side by side. Returns whether anything is different now.
    pub async fn take(&mut self, plan: &Plan) -> bool {
        let lanes = plan.steps.iter().map(|(lane, steps)| {
            let of = plan.of.get(lane).cloned().unwrap_or_default();
            lanes::run(self.hands.clone(), lane.clone(), of, steps.clone())
        });
        let results = futures_util::future::join_all(lanes).await;
        let now = Timestamp::now();
        let mut changed = false;
        for result in results {
            changed |= result
                .taken
                .iter()
                .any(|(step, changed)| step.is_told(*changed));
            self.absorb(result, now);
        }
        changed
    }

    /// Takes in what came of a lane.
    pub fn absorb(&mut self, result: LaneResult, now: Timestamp) {
        self.history.busy.remove(&result.lane);
        let instance = result.lane.instance().cloned();
        for (step, changed) in &result.taken {
            self.took(step, *changed, &result.lane, instance.as_ref(), now);
        }
        self.history.published(
            result
                .tried
                .iter()
                .map(|(host, digest)| (host, digest.as_str())),
            &result.complaints,
            now,
        );
        for (host, complaint) in &result.complaints {
            tracing::warn!(%host, complaint, "site refused by the web server");
            self.event(EventKind::Failed, None, format!("{host}: {complaint}"), now);
        }
        if result.full && self.ballast.release() {
            tracing::warn!("the disk is full: the ballast is given up");
        }
        match result.failed {
            None => self.history.succeeded(&result.lane),
            Some((step, why)) => self.failed(&step, why, result.lane, &result.of, instance, now),
        }
    }

    /// A step that was taken.
    fn took(
        &mut self,
        step: &Step,
        changed: bool,
        lane: &Lane,
        instance: Option<&InstanceName>,
        now: Timestamp,
    ) {
        self.count_start(step, now);
        self.note_rejection(step, now);
        if step.is_told(changed) {
            let kind = if step.is_repair() {
                EventKind::Repaired
            } else {
                EventKind::Changed
            };
            tracing::info!(%lane, "{step}");
            self.event(kind, instance.cloned(), step.to_string(), now);
        }
    }

    /// A step that could not be taken. It is told once, and again when it is another reason.
    fn failed(
        &mut self,
        step: &Step,
        why: String,
        lane: Lane,
        of: &str,
        instance: Option<InstanceName>,
        now: Timestamp,
    ) {
        self.count_start(step, now);
        tracing::warn!(%lane, why, "could not {step}");
        let before = self.history.failure(&lane, of);
        if before.is_none_or(|failure| failure.message != why) {
            self.event(EventKind::Failed, instance, why.clone(), now);
        }
        self.history.failed(lane, of, why, now);
    }

    /// What takes over is not held back by what became of the version before it.
    fn note_rejection(&mut self, step: &Step, now: Timestamp) {
        let Step::Rollout(step) = step else { return };
        if let Mark::Rejected(_) | Mark::Restored = step.mark {
            self.history.pace.forget(step.instance.as_str());
            tracing::warn!(instance = %step.instance, "{step}");
            let instance = Some(step.instance.clone());
            self.event(EventKind::Failed, instance, step.to_string(), now);
        }
    }

    fn count_start(&mut self, step: &Step, now: Timestamp) {
        let Step::Container(step) = step else { return };
        if let (
            Action::Start { .. } | Action::Restart { .. } | Action::Recreate { .. },
            Some(service),
        ) = (&step.action, &step.service)
        {
            self.history.pace.started(&step.project, service, now);
        }
    }

    /// Remembers that the server is as it should be, once it is.
    pub fn note_converged(&mut self, plan: &Plan) -> Result<(), FilesError> {
        let Some(desired) = self
            .desired
            .as_ref()
            .filter(|_| plan.converged && !self.history.busy.iter().any(Lane::decides))
        else {
            return Ok(());
        };
        self.ballast.keep();
        self.hands.ledger.borrow_mut().update(|ledger| {
            ledger.converged = Some(desired.reference.content.clone());
            ledger
                .smoke
                .retain(|instance, _| desired.instances.contains_key(instance));
            ledger
                .rollouts
                .retain(|instance, _| desired.instances.contains_key(instance));
        })
    }
}
