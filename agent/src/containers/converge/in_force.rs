//! Which version of an instance its containers show. Pure.

use crate::containers::desired::{InstanceInput, ServiceSpec};
use crate::containers::inputs::InputsKey;
use crate::containers::names;
use crate::containers::state::{Container, EngineState, State};

/// A version of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// The one that is wanted.
    Wanted,
    /// One of those before, by its place among them.
    Before(usize),
}

/// The version whose files the containers see. In the middle of a change that is the wanted one: files are written before the first
/// container is made from them. `None` where some container belongs to none of them.
///
/// Versions that differ in nothing that a container is made from cannot be told apart by their containers. Then it is the wanted one if
/// the change to it has `begun`, and the one before if not.
pub fn in_force(
    wanted: &InstanceInput,
    before: &[&InstanceInput],
    begun: bool,
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
    let of =
        |version: &InstanceInput, container: &&Container| is_made_from(version, container, key);
    let is_new = containers.iter().all(new);
    let mut each = before.iter();
    let old = each.position(|version| containers.iter().all(|one| of(version, one)));
    match old {
        Some(at) if !(is_new && begun) => Some(Version::Before(at)),
        _ if is_new => Some(Version::Wanted),
        _ => {
            let known = |one| new(one) || before.iter().any(|version| of(version, one));
            containers.iter().all(known).then_some(Version::Wanted)
        }
    }
}

/// What a change from one version to another disturbs of what the one before runs, by name of a service or in words: whether all of it runs
/// at the moment or not.
pub fn disturbed(
    before: &InstanceInput,
    wanted: &InstanceInput,
    state: &EngineState,
    key: &InputsKey,
) -> Option<String> {
    let image = |service: &ServiceSpec| state.images.get(&names::image(&service.container.image));
    let digest = |service: &ServiceSpec, image: Option<&String>| {
        key.container(service, image.map_or("", String::as_str))
    };
    let mut services = before.services.iter();
    let service = services.find(|(name, old)| match wanted.services.get(*name) {
        Some(new) => {
            let same = old.container.image == new.container.image;
            let image = |service| if same { None } else { image(service) };
            digest(old, image(old)) != digest(new, image(new))
        }
        None => !old.job || !is_done(before, name, state),
    });
    let mut networks = before.networks.iter();
    let mut network = || {
        networks.any(|(name, old)| {
            let new = wanted.networks.get(name);
            new.is_some_and(|new| !new.external && key.network(old) != key.network(new))
        })
    };
    match service {
        Some((name, _)) => Some(name.clone()),
        None => network().then(|| "a network".to_owned()),
    }
}

/// Whether a service ended well.
fn is_done(input: &InstanceInput, service: &str, state: &EngineState) -> bool {
    let mut all = state.containers.iter();
    all.any(|container| {
        let owner = &container.owner;
        owner.serves(&input.keeper, &input.project, service)
            && container.state == State::Exited
            && container.exit_code == Some(0)
    })
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
