//! Fetching images: told while it goes on, and not begun where there is no room. Pure. While it goes on the engine's progress says what an
//! image needs, and fetching one that does not fit is broken off ([`crate::containers::RESERVE`]).

use super::{Input, InstancePlan};
use crate::containers::{Action, EngineState, RESERVE};
use crate::step::Step;
use jiff::SignedDuration;
use tenantry_schema::wire::{AgentWait, InstancePhase};

/// Seconds between two reports of how far it is.
const TELL: i64 = 2;

/// Says how far it is, or why it is not begun.
pub(super) fn judge(input: &Input<'_>, engine: &EngineState, plan: &mut InstancePlan) {
    let Some(image) = plan.steps.iter().find_map(fetched).map(str::to_owned) else {
        return;
    };
    if let Some(progress) = input.state.fetching.get(&image) {
        let at = input.now.checked_add(SignedDuration::from_secs(TELL)).ok();
        plan.next = [plan.next, at].into_iter().flatten().min();
        plan.verdict.phase = InstancePhase::Progressing;
        plan.verdict.message = Some(format!("fetching {image}"));
        plan.verdict.waiting = Some(AgentWait::Image {
            image,
            done: progress.done,
            total: progress.total,
        });
        return;
    }
    // How large it is is known only if it was tried before.
    let needed = input.state.too_large.get(&image).copied();
    let needed = needed.unwrap_or(RESERVE);
    if let Some(free) = engine.free.filter(|free| *free < needed) {
        plan.steps.retain(|step| fetched(step).is_none());
        plan.settled = false;
        plan.ready = false;
        plan.verdict.phase = InstancePhase::Waiting;
        plan.verdict.message = Some(format!(
            "{} MiB are free where the container engine keeps images, too few to fetch {image}: {} MiB must be; make room there or enlarge the disk",
            free >> 20,
            needed >> 20
        ));
        plan.verdict.waiting = Some(AgentWait::Disk { free, needed });
    }
}

/// The image that a step fetches.
fn fetched(step: &Step) -> Option<&str> {
    match step {
        Step::Container(step) => match &step.action {
            Action::EnsureImage { image, .. } => Some(image),
            _ => None,
        },
        _ => None,
    }
}
