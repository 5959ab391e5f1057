//! Decisions that were taken away by hand are not made anew: before anything is decided or published without one, the history is asked.

use super::{Hub, HubError};
use crate::lost::{acknowledgements, hold, is_known, open};
use jiff::Timestamp;
use tenantry_planner::lost::{LostDecisions, Missing};

impl Hub {
    /// Asks the history about what the plan lacks, and plans again for those who lost something.
    pub(super) fn hold_lost_decisions(&mut self, now: Timestamp) -> Result<(), HubError> {
        let Some(revision) = self.source.revision else {
            return Ok(());
        };
        let objects = self.fleet.objects().clone();
        let departed = self.history.departed(&objects, revision.tree, &self.plan)?;
        if !departed.is_empty() {
            for (order, domain) in &departed {
                tracing::warn!(%order, "its domain {domain} is asked for by somebody else, and its customer is gone");
            }
            self.departed.extend(departed);
            self.replan_all = true;
            self.tell_planner();
            self.make_plan(now);
        }
        let open: Vec<&Missing> = self
            .plan
            .customers
            .values()
            .flat_map(|plan| open(plan))
            .filter(|missing| !is_known(&self.lost, missing))
            .collect();
        if open.is_empty() {
            return Ok(());
        }
        let found = self.history.ask(&objects, revision, open)?;
        if found.is_empty() {
            return Ok(());
        }
        for (order, lost) in found {
            tracing::warn!(%order, commit = lost.commit, "{} was taken away and is not decided anew", lost.path);
            self.dirty.push(order.customer.clone());
            // Others may have been about to get the domain.
            self.replan_all |= lost.domain.is_some();
            self.lost.add(&order, lost);
        }
        self.tell_planner();
        self.make_plan(now);
        Ok(())
    }

    /// After a load: what customers lost who are as they were is still lost, about the others the history is asked again. What cannot fail of it;
    /// [`Hub::keep_losses`] does the rest.
    pub(super) fn forget_losses(&mut self) {
        let Some(loaded) = &self.loaded else { return };
        // What others may have depends on the domains that are held for lost claims.
        self.replan_all |= self.lost.domains().next().is_some();
        match &loaded.changed {
            None => self.lost = LostDecisions::default(),
            Some(changed) => changed.iter().for_each(|id| self.lost.forget(id)),
        }
        self.losses_untold = true;
    }

    /// Before anything is planned on a commit that was loaded: the planner is told what is still lost. About all of it the history is asked again when people
    /// gave something up. Where this fails, nothing is planned, and the next pass begins with it.
    pub(super) fn keep_losses(&mut self) -> Result<(), HubError> {
        if !self.losses_untold {
            return Ok(());
        }
        let Some(revision) = self.source.revision else {
            return Ok(());
        };
        let objects = self.fleet.objects();
        if !self.departed.is_empty() {
            self.history
                .still_departed(objects, revision.tree, &mut self.departed)?;
            self.replan_all = true;
        }
        let given = acknowledgements(objects, revision.tree)?;
        let same = std::mem::replace(&mut self.given_up, given) == given;
        if !same && !self.lost.is_empty() {
            self.lost = LostDecisions::default();
            self.replan_all = true;
        }
        self.tell_planner();
        self.losses_untold = false;
        Ok(())
    }

    fn tell_planner(&mut self) {
        // Who waits for which domain is no longer what it was.
        self.said = None;
        let Some(loaded) = &mut self.loaded else {
            return;
        };
        let kept = loaded.kept.clone();
        if let Some(desired) = &mut loaded.desired {
            hold(desired, &self.lost, &kept, &self.departed);
        }
    }
}
