//! Which version of an instance its containers show. Pure.

use crate::containers::desired::InstanceInput;
use crate::containers::inputs::InputsKey;
use crate::containers::names;
use crate::containers::state::{Container, EngineState};

/// A version of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// The one that is wanted.
    Wanted,
    /// The one before.
    Before,
}

/// The version whose files the containers see. In the middle of a change that is the wanted one: files are written before the first
/// container is made from them. `None` where some container belongs to neither.
pub fn in_force(
    wanted: &InstanceInput,
    before: Option<&InstanceInput>,
    state: &EngineState,
    key: &InputsKey,
) -> Option<Version> {
    let containers: Vec<_> = state
        .containers
        .iter()
        .filter(|container| {
            let owner = &container.owner;
            owner.project.as_ref() == Some(&wanted.project) && !owner.one_off
        })
        .collect();
    let new = |container: &&Container| {
        is_made_from(wanted, container, key) && has_image(wanted, container, state)
    };
    let old =
        |container: &&Container| before.is_some_and(|before| is_made_from(before, container, key));
    if containers.iter().all(new) {
        Some(Version::Wanted)
    } else if containers.iter().all(old) {
        Some(Version::Before)
    } else if containers.iter().all(|one| new(one) || old(one)) {
        Some(Version::Wanted)
    } else {
        None
    }
}

fn is_made_from(input: &InstanceInput, container: &Container, key: &InputsKey) -> bool {
    let owner = &container.owner;
    let service = owner
        .service
        .as_ref()
        .and_then(|service| input.services.get(service));
    let made = service.map(|service| key.container(service, &container.image_id));
    owner.made_by(&input.keeper)
        && made.is_some_and(|made| owner.inputs.as_deref() == Some(made.as_str()))
}

/// Whether the container runs the image that its service names now.
fn has_image(input: &InstanceInput, container: &Container, state: &EngineState) -> bool {
    let service = container.owner.service.as_ref();
    let service = service.and_then(|service| input.services.get(service));
    let image =
        service.and_then(|service| state.images.get(&names::image(&service.container.image)));
    image.is_some_and(|id| *id == container.image_id)
}
