//! Files and secret files of one instance. Pure.

use super::held::Shown;
use crate::converge::Input;
use crate::converge::rollout::{Change, shut};
use crate::desired::Instance;
use crate::rollout::Version;
use crate::secrets;
use crate::step::Step;
use std::collections::BTreeSet;
use tenantry_schema::id::InstanceName;
use tenantry_schema::name::RelativePath;

/// Secret files as the version needs them that the containers show. `held`: the change to the one that is wanted is held.
pub(super) fn secret_steps(
    input: &Input<'_>,
    name: &InstanceName,
    shown: Shown<'_>,
    held: bool,
) -> Result<Vec<Step>, String> {
    let found = input.state.secrets.as_ref().map_err(Clone::clone)?;
    if let Shown::Before(version) = shown {
        return Ok(kept_secrets(input, found, version));
    }
    let difference = secrets::compare(&input.desired.secrets, found);
    let prefix = format!("{name}/");
    let mine = |path: &&RelativePath| is_below(&prefix, path);
    // Where nobody knows what containers see, a file that is there is left as it is.
    let may = |path: &&RelativePath| !matches!(shown, Shown::Unknown) || !found.contains_key(*path);
    let writes = difference.write.iter().filter(mine).filter(may);
    let writes = writes.filter_map(|path| {
        let file = input.desired.secrets.get(path)?.clone();
        Some(Step::WriteSecret {
            path: path.clone(),
            file,
        })
    });
    // While something of another version may run, it can need them.
    let removes = difference.remove.iter().filter(mine).filter(|_| !held);
    let removes = removes.map(|path| Step::RemoveSecret { path: path.clone() });
    Ok(writes.chain(removes).collect())
}

/// Secret files of a version before. What was looked at is whether files are as the version to come needs them: where the two differ, a file
/// that is neither missing nor the new one is taken for the old one.
fn kept_secrets(input: &Input<'_>, found: &secrets::Seen, version: &Version) -> Vec<Step> {
    let wrong = version.secrets.iter().filter(|(path, file)| {
        let same = input.desired.secrets.get(*path) == Some(*file);
        found.get(*path).is_none_or(|is_wanted| *is_wanted != same)
    });
    let writes = wrong.map(|(path, file)| Step::WriteSecret {
        path: path.clone(),
        file: file.clone(),
    });
    writes.collect()
}

fn is_below(prefix: &str, path: &RelativePath) -> bool {
    path.as_str().starts_with(prefix)
}

/// Whether a file may be written, or be gone, although nobody knows which version of it the containers show: not where a change of it may
/// have to wait.
pub(super) fn safe_unseen(
    input: &Input<'_>,
    change: &Change<'_>,
    name: &InstanceName,
    step: &Step,
) -> bool {
    let waits = shut(input) || change.is_new() && !change.is_begun();
    let before = input.settled.get(name).or(input.versions.get(name));
    let Some(before) = before.filter(|_| waits) else {
        return true;
    };
    match step {
        Step::WriteFile { path, data, .. } => {
            let file = before.instance.files.get(path);
            file.is_some_and(|file| file.data == *data)
        }
        Step::WriteSecret { path, file } => before.secrets.get(path) == Some(file),
        Step::RemoveSecret { path } => !before.secrets.contains_key(path),
        _ => true,
    }
}

/// `settled`: the files had been right before, whatever the server as a whole was.
pub(super) fn write_steps(
    input: &Input<'_>,
    instance: &Instance,
    settled: bool,
) -> Result<Vec<Step>, String> {
    let found = input.state.files.as_ref().map_err(Clone::clone)?;
    let repair = settled
        || input.ledger.converged.as_deref() == Some(&input.desired.reference.content)
        || input
            .ledger
            .rollouts
            .values()
            .any(|rollout| rollout.is_good(&instance.digest));
    let wrong: Vec<_> = instance
        .files
        .iter()
        .filter(|(path, file)| found.get(*path) != Some(&Some(file.digest.clone())))
        .collect();
    let new: BTreeSet<_> = wrong
        .iter()
        .map(|(path, _)| (*path).clone())
        .filter(|path| !input.ledger.files.contains(path))
        .collect();
    let own = (!new.is_empty()).then_some(Step::OwnFiles { paths: new });
    let writes = wrong.into_iter().map(|(path, file)| Step::WriteFile {
        path: path.clone(),
        data: file.data.clone(),
        repair,
    });
    Ok(own.into_iter().chain(writes).collect())
}

/// Files of ours that are not wanted any more. Last, so that no container that runs loses them.
pub(super) fn remove_steps(
    input: &Input<'_>,
    name: &InstanceName,
    instance: &Instance,
) -> Vec<Step> {
    let prefix = format!("{name}/");
    let old = input
        .ledger
        .files
        .iter()
        .filter(|path| is_below(&prefix, path) && !instance.files.contains_key(*path));
    old.map(|path| Step::RemoveFile { path: path.clone() })
        .collect()
}
