//! Writes down what must be remembered of a roll-out, and gathers the evidence of a version that is given up.

use super::{Done, Hands, StepError};
use crate::containers::last_words;
use crate::redact::Redactor;
use crate::rollout::{Good, Outcome, Rejected, Rollout, Trying};
use crate::step::{Mark, Rejection, RolloutStep};
use std::time::Duration;
use tenantry_schema::wire::Evidence;

/// Gathering evidence must not hold up going back.
const PATIENCE: Duration = Duration::from_secs(10);

/// Makes the ledger know what the step says.
pub(super) async fn mark<W>(hands: &Hands<W>, step: &RolloutStep) -> Result<Done, StepError> {
    let evidence = match &step.mark {
        Mark::Rejected(rejection) => Some(gather(hands, rejection).await),
        _ => None,
    };
    hands.ledger.borrow_mut().update(|ledger| {
        let rollout = ledger.rollouts.entry(step.instance.clone()).or_default();
        note(rollout, step, evidence);
    })?;
    Ok(Done::Changed)
}

/// Takes what the step says into the record.
pub(crate) fn note(rollout: &mut Rollout, step: &RolloutStep, evidence: Option<Evidence>) {
    let digest = step.digest.clone();
    match &step.mark {
        Mark::Asked { since } => {
            let since = *since;
            rollout.asked = Some(Trying { digest, since });
        }
        Mark::Tried { since, opens } => {
            let since = *since;
            if *opens {
                rollout.opened.get_or_insert(since);
            }
            rollout.trying = Some(Trying { digest, since });
            (rollout.rejected, rollout.asked) = (None, None);
        }
        Mark::Good { content, images } => {
            let (content, images) = (content.clone(), images.clone());
            *rollout = Rollout {
                good: Some(Good {
                    digest,
                    content,
                    images,
                }),
                ..Rollout::default()
            };
        }
        Mark::Rejected(rejection) => {
            rollout.rejected = Some(Rejected {
                digest,
                outcome: rejection.outcome,
                evidence: evidence.unwrap_or_else(|| rejection.evidence.clone()),
                put_back: rejection.put_back.clone(),
            });
            (rollout.trying, rollout.asked) = (None, None);
            if rejection.outcome == Outcome::Back {
                rollout.opened = None;
            }
        }
        Mark::Restored => {
            if let Some(rejected) = rollout.rejected.as_mut().filter(|it| it.digest == digest) {
                rejected.outcome = Outcome::Back;
                rejected.put_back = None;
                rollout.opened = None;
            }
        }
    }
}

/// The evidence with what containers said last, as far as the engine tells it in time.
async fn gather<W>(hands: &Hands<W>, rejection: &Rejection) -> Evidence {
    let redactor = Redactor::new(&rejection.secrets);
    let mut evidence = rejection.evidence.clone();
    evidence.reason = redactor.clean(&evidence.reason);
    evidence.smoke = evidence.smoke.map(|smoke| redactor.clean(&smoke));
    let deadline = tokio::time::Instant::now() + PATIENCE;
    for container in &mut evidence.containers {
        let Some(id) = rejection.containers.get(&container.service) else {
            continue;
        };
        let said = tokio::time::timeout_at(
            deadline,
            last_words(&hands.engine, id, |text| redactor.clean(text)),
        )
        .await;
        let Ok(Ok(said)) = said else { continue };
        container.out_of_memory = said.out_of_memory;
        container.health_output = said.health;
        container.log = said.log;
    }
    evidence
}
