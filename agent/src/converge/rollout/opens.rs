//! Whether a version opens data with other images than the last good one did. Pure.

use crate::containers::{Pinned, image_name};
use crate::converge::Input;
use crate::desired::Instance;
use tenantry_schema::id::InstanceName;

/// Whether data is opened by another image than before: going back to the one before is then no matter of course.
pub(super) fn opens_data(input: &Input<'_>, name: &InstanceName, wanted: &Instance) -> bool {
    let Some(before) = input.versions.get(name).map(|version| &version.instance) else {
        return false;
    };
    let Ok(containers) = &wanted.containers else {
        return false;
    };
    let mut services = containers.services.keys();
    (wanted.spec.has_data || before.spec.has_data)
        && services.any(|service| other_image(input, name, wanted, service))
}

/// Whether a service runs another image than in the last good version: by its name, or because the name stood for something else then. What
/// cannot be known counts as another one.
pub(super) fn other_image(
    input: &Input<'_>,
    name: &InstanceName,
    wanted: &Instance,
    service: &str,
) -> bool {
    let Some(before) = input.versions.get(name).map(|version| &version.instance) else {
        return true;
    };
    match (image_of(wanted, service), image_of(before, service)) {
        (Some(now), Some(then)) if now == then => pinned(input, name, &before.digest, now)
            .is_some_and(|pinned| moved(input, name, wanted, service, pinned)),
        _ => true,
    }
}

fn image_of<'i>(instance: &'i Instance, service: &str) -> Option<&'i str> {
    let services = &instance.containers.as_ref().ok()?.services;
    Some(&services.get(service)?.container.image)
}

/// What a name stood for when the version with this digest was good. Absent: nobody noted it, and the name is all there is.
fn pinned<'a>(
    input: &Input<'a>,
    name: &InstanceName,
    digest: &str,
    image: &str,
) -> Option<&'a Pinned> {
    let good = input.ledger.rollouts.get(name)?.good.as_ref()?;
    let noted = good.images.get(image);
    noted.filter(|_| good.digest == digest)
}

/// Whether the name stands for another image now, or the service's container was made from another one.
fn moved(
    input: &Input<'_>,
    name: &InstanceName,
    wanted: &Instance,
    service: &str,
    pinned: &Pinned,
) -> bool {
    let (Ok(engine), Ok(containers)) = (&input.state.engine, &wanted.containers) else {
        return true;
    };
    let Some(spec) = containers.services.get(service) else {
        return true;
    };
    let (title, image) = (&spec.container.name, &spec.container.image);
    let here = engine.images.get(&image_name(image));
    let runs = engine.container_of(&containers.keeper, name.as_str(), service, title);
    let mut used = here
        .into_iter()
        .chain(runs.map(|container| &container.image_id))
        .peekable();
    used.peek().is_none() || used.any(|id| *id != pinned.id)
}
