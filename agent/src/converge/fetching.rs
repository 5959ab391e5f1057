//! Fetching images: told while it goes on, and not begun where there is no room. Pure. While it goes on the engine's progress says what an
//! image needs, and fetching one that does not fit is broken off ([`crate::containers::RESERVE`]).

use super::{Input, InstancePlan};
use crate::containers::{EngineState, RESERVE};
use crate::step::Step;
use jiff::SignedDuration;
use tenantry_schema::wire::{AgentWait, InstancePhase};

/// Seconds between two reports of how far it is.
const TELL: i64 = 2;

/// Says how far it is, or why it is not begun.
pub(super) fn judge(input: &Input<'_>, engine: &EngineState, plan: &mut InstancePlan) {
    let all: Vec<_> = plan.steps.iter().filter_map(Step::fetched).collect();
    let begun = all
        .iter()
        .find(|image| input.state.fetching.contains_key(**image));
    let Some(image) = begun.or(all.first()).map(|image| (*image).to_owned()) else {
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
        plan.steps.retain(|step| step.fetched().is_none());
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
