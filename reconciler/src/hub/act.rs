//! Doing what is due: decisions become a commit, then slices are made and published. Execution has no choices left but when to try again.

use super::push::Told;
use super::{Done, HUB_EMAIL, Hub, HubError};
use crate::decide::{self, Decider};
use crate::git::{Author, Outcome, Signer, Stop, Written};
use crate::load::Revision;
use crate::publish::{Publisher, Sealed};
use crate::slices;
use crate::store::AuditEntry;
use crate::web::CurrentSlice;
use jiff::Timestamp;
use rayon::prelude::*;
use std::collections::BTreeSet;
use tenantry_planner::check::check_by_customer;
use tenantry_planner::decision::Decision;
use tenantry_planner::inventory::{Attempt, Published, slice_key};
use tenantry_planner::plan::SliceTask;
use tenantry_schema::id::CustomerId;

/// Who signs commits of decisions.
const AUTHOR: (&str, &str) = ("Tenantry hub", HUB_EMAIL);
/// Slices that are rendered, written and announced together. Bounds memory, and lets the first servers begin before the last slice is made.
const BATCH: usize = 256;

/// What was done, and whether the branch has to be looked at again at once.
pub(super) struct Acted {
    pub(super) did: Done,
    pub(super) again: bool,
}

/// What came of decisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Committed {
    /// So many are in the branch.
    Done(usize),
    /// The branch is no longer where they were planned: read and plan again.
    Moved,
    /// None is in the branch: nothing could be written now, or it is on its way to a remote.
    Nothing,
}

impl Committed {
    fn count(self) -> usize {
        match self {
            Self::Done(count) => count,
            Self::Moved | Self::Nothing => 0,
        }
    }
}

impl Hub {
    /// Commits decisions if there are any, else publishes slices.
    pub(super) fn act(&mut self, now: Timestamp) -> Result<Acted, HubError> {
        if self.plan.is_empty() {
            self.pushes.forget_failures();
            return Ok(Acted {
                did: Done::default(),
                again: false,
            });
        }
        let refused = self.refused();
        let mut did = Done::default();
        let mut again = false;
        let decisions: Vec<Decision> = self
            .plan
            .decisions()
            .filter(|decision| !refused.contains(&decision.order.customer))
            .cloned()
            .collect();
        // On top of a commit that is not followed nothing can be committed.
        let open = self.source.refused.is_none();
        if decisions.is_empty() {
            self.pushes.forget_failures();
        } else if open && self.pushes.may_begin(now) {
            match self.commit(&decisions, now) {
                Ok(committed) => {
                    again = committed == Committed::Moved;
                    did.decisions = committed.count();
                }
                Err(error) => self.pushes.fail(&error, now),
            }
        }
        // Slices that are due now do not wait for decisions of others.
        let tasks: Vec<SliceTask> = self
            .plan
            .slices()
            .filter(|task| !refused.contains(&task.server.customer))
            .cloned()
            .collect();
        // What is published, or failed to be, is known to their plans from the next round on.
        self.dirty
            .extend(tasks.iter().map(|task| task.server.customer.clone()));
        did.slices = self.publish(&tasks, now)?;
        Ok(Acted { did, again })
    }

    /// Customers whose part of the plan breaks a promise. The checker shares nothing with the planner but the types; what it refuses is not done.
    fn refused(&mut self) -> BTreeSet<CustomerId> {
        let Some(desired) = self
            .loaded
            .as_ref()
            .and_then(|loaded| loaded.desired.as_ref())
        else {
            return BTreeSet::new();
        };
        let wrong = check_by_customer(&self.plan, desired, &self.inventory);
        for (customer, promises) in &wrong {
            let promises = promises.join("; ");
            tracing::error!(%customer, "the plan was refused by the checker: {promises}");
            self.source.problem = Some(format!(
                "the plan for customer {customer} was refused by the checker: {promises}"
            ));
        }
        wrong.into_keys().collect()
    }

    /// Commits decisions on top of the commit that they were planned on. What cannot be written for one customer holds up nobody else (law 11).
    fn commit(&mut self, decisions: &[Decision], now: Timestamp) -> Result<Committed, HubError> {
        let (
            Some(identity),
            Some(Revision {
                tree, commit: base, ..
            }),
        ) = (self.identity.clone(), self.source.revision)
        else {
            return Ok(Committed::Nothing);
        };
        let Some(head) = self
            .loaded
            .as_ref()
            .and_then(|loaded| loaded.desired.as_ref())
            .map(|desired| desired.head.clone())
        else {
            return Ok(Committed::Nothing);
        };
        let objects = self.fleet.objects().clone();
        let decider = Decider {
            objects: &objects,
            tree,
            head: &head,
            identity: &identity,
            now,
        };
        let (mut changes, mut kept) = (Vec::new(), Vec::new());
        for decision in decisions {
            let key = decider.key(decision)?;
            let failed = self.attempts.get(&key);
            if failed.is_some_and(|failed| failed.next.is_none_or(|next| next > now)) {
                continue;
            }
            match decider.change(decision, &mut rand::rng()) {
                Ok(written) => {
                    changes.extend(written);
                    kept.push(decision);
                }
                Err(error) => {
                    let error = super::chain(&error);
                    let (path, order) = (decision.path(), &decision.order);
                    tracing::error!(%order, "the decision {path} cannot be written: {error}");
                    self.source.problem = Some(format!(
                        "the decision {path} of order {order} cannot be written: {error}"
                    ));
                    self.count_failure(key, error, now)?;
                }
            }
        }
        if kept.is_empty() {
            return Ok(Committed::Nothing);
        }
        // Also after the start somebody can begin to work there (`git worktree add`).
        self.check_nobody_works_there()?;
        let message = decide::message(&kept);
        let mut author = Author::new(AUTHOR.0, AUTHOR.1);
        if let Some(signer) = self.signer.borrow().clone() {
            author = author.signed_by(Signer::Key(signer));
        }
        let written = self.fleet.write(base, &changes, &author, &message, now)?;
        let summaries = kept.iter().map(|decision| decision.summary()).collect();
        let told = Told { summaries, message };
        let new = match written {
            Written::Commit(new) => new,
            Written::Unchanged => return Ok(self.committed(&told, Outcome::Unchanged)),
            Written::Moved => return Ok(self.committed(&told, Outcome::Moved)),
        };
        if self.fleet.lands_far_away() {
            let (fleet, wake) = (self.fleet.clone(), self.waker.clone());
            self.pushes.begin(&fleet, (base, new), told, now, wake);
            return Ok(Committed::Nothing);
        }
        let outcome = self.fleet.land(base, new, &Stop::default())?;
        Ok(self.committed(&told, outcome))
    }

    /// Takes in what came of a push, if one has ended: how many decisions the branch got. It has to be looked at in any case.
    pub(super) fn take_in_push(&mut self) -> Option<usize> {
        let (told, outcome) = self.pushes.ended()?;
        match outcome {
            Ok(outcome) => Some(self.committed(&told, outcome).count()),
            Err(error) => {
                self.pushes.fail(&HubError::from(error), Timestamp::now());
                Some(0)
            }
        }
    }

    /// Says what came of decisions.
    fn committed(&mut self, told: &Told, outcome: Outcome) -> Committed {
        self.pushes.forget_failures();
        match outcome {
            Outcome::Committed(id) => {
                for summary in &told.summaries {
                    tracing::info!(commit = %id, "decided: {summary}");
                }
                let (branch, message) = (self.fleet.branch(), told.message.trim_end());
                self.diary("commit decisions", branch, Some(id.to_string()), message);
                Committed::Done(told.summaries.len())
            }
            Outcome::Unchanged => {
                tracing::warn!("decisions are in the branch already; reading it again");
                Committed::Moved
            }
            Outcome::Moved => {
                tracing::info!("the branch moved while deciding; planning again on top");
                Committed::Moved
            }
        }
    }

    fn publish(&mut self, tasks: &[SliceTask], now: Timestamp) -> Result<usize, HubError> {
        let (Some(identity), Some(signer)) = (self.identity.clone(), self.signer.borrow().clone())
        else {
            return Ok(0);
        };
        let Some((commit, generation)) = self
            .source
            .commit
            .as_ref()
            .map(|commit| (commit.id.clone(), commit.generation))
        else {
            return Ok(0);
        };
        let objects = self.fleet.objects().clone();
        let publisher = Publisher {
            objects: &objects,
            identity: &identity,
            signer: &signer,
            commit,
            generation,
            now,
        };
        let mut published = 0;
        for batch in tasks.chunks(BATCH) {
            let made: Vec<_> = batch
                .par_iter()
                .map(|task| (task, publisher.make(&task.input)))
                .collect();
            let mut good = Vec::new();
            for (task, result) in made {
                match result {
                    Ok(sealed) => good.push((task, sealed)),
                    Err(error) => {
                        let error = super::chain(&error);
                        tracing::error!(server = %task.server, "the slice cannot be made: {error}");
                        self.count_failure(slice_key(&task.server, &task.inputs), error, now)?;
                    }
                }
            }
            published += good.len();
            let commit = publisher.commit.clone();
            self.keep(good, &commit, generation, now)?;
        }
        Ok(published)
    }

    /// Writes slices down and announces them. A slice whose content is what the server has already is not sent again.
    fn keep(
        &mut self,
        made: Vec<(&SliceTask, Sealed)>,
        commit: &str,
        generation: u64,
        now: Timestamp,
    ) -> Result<(), HubError> {
        let (mut fresh, mut done) = (Vec::new(), Vec::new());
        for (task, sealed) in made {
            let same = self
                .board
                .current(&task.server)
                .filter(|current| *current.content == *sealed.content);
            let (generation, new) =
                same.map_or((generation, true), |current| (current.generation, false));
            let published = Published {
                inputs: task.inputs.clone(),
                generation,
                content: sealed.content.clone(),
                at: now,
            };
            if new {
                tracing::info!(server = %task.server, generation, "slice published: {}", task.because);
                self.diary(
                    "publish slice",
                    &task.server.to_string(),
                    Some(commit.to_owned()),
                    task.because,
                );
                fresh.push(slices::Sealed {
                    server: task.server.clone(),
                    generation,
                    content: sealed.content,
                    commit: commit.to_owned(),
                    inputs: task.inputs.clone(),
                    files: sealed.files,
                });
            }
            done.push((task, published));
        }
        let heads: Vec<_> = fresh
            .iter()
            .map(|sealed| {
                let head = CurrentSlice::new(generation, &sealed.content, commit);
                (sealed.server.clone(), head)
            })
            .collect();
        self.slices
            .publish(fresh, now)
            .map_err(|error| HubError::Slices(Box::new(error)))?;
        for (server, head) in heads {
            self.board.publish(&server, head);
        }
        // Only now: what could not be written is due again.
        for (task, published) in done {
            let key = slice_key(&task.server, &task.inputs);
            if self.attempts.remove(&key).is_some() {
                self.attempts_revision += 1;
                drop(self.store.attempts_done(vec![key]));
            }
            self.inventory
                .published
                .insert(task.server.clone(), published);
        }
        Ok(())
    }

    /// Writes a failed attempt down: again after 1, 5 and 15 minutes, then dead until what it is made from changes.
    fn count_failure(
        &mut self,
        key: String,
        error: String,
        now: Timestamp,
    ) -> Result<(), HubError> {
        let jitter = rand::random_range(-1.0..=1.0);
        let attempt = self
            .store
            .attempt_failed(key.clone(), error, now, jitter)
            .wait()?;
        self.attempts.insert(
            key,
            Attempt {
                count: attempt.count,
                error: attempt.error,
                next: attempt.next,
            },
        );
        self.attempts_revision += 1;
        Ok(())
    }

    /// What was done goes into the diary; nothing waits for that, and a diary that fails is logged by the store.
    fn diary(&self, act: &str, subject: &str, commit: Option<String>, reason: &str) {
        let entry = AuditEntry {
            at: Timestamp::now(),
            act: act.into(),
            subject: subject.into(),
            commit,
            reason: reason.into(),
        };
        drop(self.store.audit(vec![entry]));
    }
}
