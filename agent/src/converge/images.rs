//! Images that we fetched and that nothing needs any more. Never one that somebody else fetched, that a container uses, whoever
//! made it, or that a slice of the last generations names. Pure.

use super::{Input, Plan};
use crate::containers::image_name;
use crate::step::{Lane, Step};
use std::collections::BTreeSet;

pub(super) fn plan(input: &Input<'_>, plan: &Plan) -> Vec<Step> {
    let Ok(engine) = &input.state.engine else {
        return Vec::new();
    };
    let failure = input.history.failure(&Lane::Images, "");
    let waits = failure.is_some_and(|failure| failure.waits(input.now));
    // While something changes nobody knows what is needed next.
    let calm = plan
        .steps
        .keys()
        .all(|lane| !matches!(lane, Lane::Instance(_) | Lane::Fetch(..)));
    if input.ledger.pulled.is_empty() || waits || !calm {
        return Vec::new();
    }
    let used: BTreeSet<&str> = engine
        .containers
        .iter()
        .map(|container| container.image_id.as_str())
        .collect();
    let needed = needed(input);
    let gone = input.ledger.pulled.iter().filter(|image| {
        let name = image_name(image);
        let id = engine.images.get(&name);
        let names = |needed: &String| *needed == name || id.is_some_and(|id| id == needed);
        !id.is_some_and(|id| used.contains(id.as_str())) && !needed.iter().any(names)
    });
    gone.map(|image| Step::RemoveImage {
        image: image.clone(),
    })
    .collect()
}

/// Names and ids of images that must stay.
fn needed(input: &Input<'_>) -> BTreeSet<String> {
    let wanted = input.wanted.instances.values();
    let in_force = input.desired.instances.values();
    let good = input.versions.values().map(|version| &version.instance);
    let versions = wanted.chain(in_force).chain(good);
    let named = versions
        .filter_map(|instance| instance.containers.as_ref().ok())
        .flat_map(|containers| containers.services.values())
        .map(|service| image_name(&service.container.image));
    let pins = input.ledger.rollouts.values();
    let pins = pins
        .filter_map(|rollout| rollout.good.as_ref())
        .flat_map(|good| good.images.values())
        .flat_map(|pinned| [Some(pinned.id.clone()), pinned.fetch.clone()])
        .flatten();
    let kept = input.kept_images.iter().cloned();
    named.chain(pins).chain(kept).collect()
}
