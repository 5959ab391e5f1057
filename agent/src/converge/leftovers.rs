//! What nothing asks for any more: containers, secret files, files of ours. Volumes and what containers wrote stay (law 8). Pure.

use super::Input;
use crate::containers;
use crate::step::{Lane, Step};
use std::collections::BTreeSet;
use tenantry_schema::name::RelativePath;

pub(super) fn plan(input: &Input<'_>) -> Vec<Step> {
    let steps = wanted(input);
    let failure = input
        .history
        .failure(&Lane::Leftovers, &input.desired.reference.content);
    if failure.is_some_and(|failure| failure.waits(input.now)) {
        Vec::new()
    } else {
        steps
    }
}

fn wanted(input: &Input<'_>) -> Vec<Step> {
    // Without the engine nobody knows what still uses the files.
    let Ok(engine) = &input.state.engine else {
        return Vec::new();
    };
    let instances: BTreeSet<_> = input
        .desired
        .instances
        .keys()
        .map(ToString::to_string)
        .collect();
    let pass = containers::remove_others(&input.desired.keeper, &instances, engine);
    if !pass.steps.is_empty() {
        return pass
            .steps
            .into_iter()
            .map(|step| Step::Container(Box::new(step)))
            .collect();
    }
    let owner = |path: &RelativePath| {
        path.as_str()
            .split('/')
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    let orphan = |path: &&RelativePath| !instances.contains(&owner(path));
    let files = input
        .ledger
        .files
        .iter()
        .filter(orphan)
        .map(|path| Step::RemoveFile { path: path.clone() });
    let secrets = input.state.secrets.iter().flat_map(|found| found.keys());
    let secrets = secrets
        .filter(orphan)
        .map(|path| Step::RemoveSecret { path: path.clone() });
    files.chain(secrets).collect()
}
