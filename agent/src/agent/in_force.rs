//! What is in force: last good versions, read from the slices that are kept, and put in the place of what was rolled back.

use super::Agent;
use crate::containers::image_name;
use crate::converge::Plan;
use crate::desired::Desired;
use crate::files::FilesError;
use crate::rollout::{Version, Versions, effective, rolled_back};
use crate::step::Lane;
use crate::web_server::WebServer;
use std::collections::{BTreeMap, BTreeSet};
use tenantry_schema::id::InstanceName;
use tenantry_schema::wire::{InstancePhase, SliceRef};

/// Last good versions, and what is in force because of them.
#[derive(Debug, Default)]
pub(super) struct InForce {
    /// Of instances for which the slice asks for another version.
    versions: Versions,
    /// Content digests of the slices that they are from.
    from: BTreeMap<InstanceName, String>,
    /// What was rolled back, in which slice.
    back: Option<(SliceRef, BTreeSet<InstanceName>)>,
    replaced: Option<Desired>,
    /// Images that slices of the last generations name, and the slice for which that was looked up.
    kept_images: (Option<SliceRef>, BTreeSet<String>),
    /// Why the last good version of an instance could not be read that must not run the newer one. It may be there: it is looked for
    /// again at every look.
    unread: BTreeMap<InstanceName, String>,
}

/// Slices whose images stay, the accepted one included.
const GENERATIONS: usize = 3;

impl InForce {
    pub(super) fn kept_images(&self) -> &BTreeSet<String> {
        &self.kept_images.1
    }

    /// What is in force, where that is not what the slice asks for.
    pub(super) fn replaced(&self) -> Option<&Desired> {
        self.replaced.as_ref()
    }

    pub(super) fn versions(&self) -> &Versions {
        &self.versions
    }

    /// Nothing is done to an instance while nobody knows which version of it should run, and no image is removed while nobody knows
    /// which are needed.
    pub(super) fn hold_unread(&self, plan: &mut Plan) {
        for (name, why) in &self.unread {
            plan.steps.retain(|lane, _| lane.instance() != Some(name));
            plan.converged = false;
            if let Some(verdict) = plan.verdicts.get_mut(name) {
                verdict.phase = InstancePhase::Failed;
                verdict.message = Some(format!("its last good version cannot be read: {why}"));
            }
        }
        if self.kept_images.0.is_none() {
            plan.steps.remove(&Lane::Images);
        }
    }
}

impl<W: WebServer> Agent<W> {
    /// Takes in what the ledger says of roll-outs. Costs next to nothing while nothing changed.
    pub(super) fn refresh_in_force(&mut self) {
        let Some(wanted) = &self.desired else { return };
        if self.in_force.kept_images.0.as_ref() != Some(&wanted.reference) {
            let known = self.images_of_last_slices().ok();
            let of = known.as_ref().map(|_| wanted.reference.clone());
            self.in_force.kept_images = (of, known.unwrap_or_default());
        }
        let ledger = self.hands.ledger.borrow();
        let rollouts = &ledger.get().rollouts;
        let needed = wanted.instances.iter().filter_map(|(name, instance)| {
            let good = rollouts.get(name)?.good.as_ref()?;
            (good.digest != instance.digest).then(|| (name.clone(), good.content.clone()))
        });
        let needed: BTreeMap<_, _> = needed.collect();
        let unread = &mut self.in_force.unread;
        unread.retain(|name, _| needed.contains_key(name));
        if self.in_force.from != needed {
            let before = std::mem::take(&mut self.in_force.versions);
            let from = std::mem::take(&mut self.in_force.from);
            let (versions, unread) = self.good_versions(&needed, &from, before);
            self.in_force.versions = versions;
            self.in_force.from = needed;
            let known = |name: &InstanceName, _: &mut String| !unread.contains_key(name);
            self.in_force.from.retain(known);
            let given_up = |name: &InstanceName, _: &mut String| {
                let (rollout, instance) = (rollouts.get(name), wanted.instances.get(name));
                let both = rollout.zip(instance);
                both.is_some_and(|(rollout, it)| rollout.rejected(&it.digest).is_some())
            };
            self.in_force.unread = unread;
            self.in_force.unread.retain(given_up);
            self.in_force.back = None;
        }
        let in_force = &mut self.in_force;
        let back = rolled_back(wanted, rollouts, &in_force.versions);
        let key = (wanted.reference.clone(), back);
        if in_force.back.as_ref() != Some(&key) {
            in_force.replaced =
                (!key.1.is_empty()).then(|| effective(wanted, &key.1, &in_force.versions));
            in_force.back = Some(key);
        }
    }

    fn images_of_last_slices(&self) -> Result<BTreeSet<String>, FilesError> {
        let newest = self.slices.newest(GENERATIONS)?;
        let slices = newest
            .iter()
            .filter_map(|bundle| self.gate.check(bundle).ok());
        let all = slices.map(|slice| Desired::new(slice, &self.surroundings));
        let images = all
            .flat_map(|desired| desired.instances.into_values())
            .filter_map(|instance| instance.containers.ok())
            .flat_map(|containers| containers.services.into_values())
            .map(|service| image_name(&service.container.image));
        Ok(images.collect())
    }

    /// Reads what is not known yet. A slice that is gone or damaged holds no version to go back to; of one that cannot be read nobody
    /// knows.
    fn good_versions(
        &self,
        needed: &BTreeMap<InstanceName, String>,
        from: &BTreeMap<InstanceName, String>,
        mut before: Versions,
    ) -> (Versions, BTreeMap<InstanceName, String>) {
        let mut slices: BTreeMap<&str, Result<Option<Desired>, String>> = BTreeMap::new();
        let (mut versions, mut unread) = (Versions::new(), BTreeMap::new());
        for (name, content) in needed {
            let known = before
                .remove(name)
                .filter(|_| from.get(name) == Some(content));
            if let Some(version) = known {
                versions.insert(name.clone(), version);
                continue;
            }
            let slice = slices.entry(content).or_insert_with(|| {
                let slice = self.gate.kept(content, &self.slices);
                let desired = |slice| Desired::new(slice, &self.surroundings);
                let desired = slice.map(|slice| slice.map(desired));
                desired.map_err(|error| error.to_string())
            });
            match slice {
                Err(why) => drop(unread.insert(name.clone(), why.clone())),
                Ok(slice) => match slice.as_ref().and_then(|slice| Version::of(slice, name)) {
                    Some(version) => drop(versions.insert(name.clone(), version)),
                    None => {
                        tracing::warn!(instance = %name, content, "its last good version is not there any more");
                    }
                },
            }
        }
        (versions, unread)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::converge::Verdict;
    use crate::step::Step;

    fn name(text: &str) -> InstanceName {
        text.to_owned().try_into().unwrap()
    }

    fn plan() -> Plan {
        let steps = || vec![Step::ReloadWebServer];
        let lanes = [
            Lane::Instance(name("web-a")),
            Lane::Files(name("web-a")),
            Lane::Fetch(name("web-a"), "web:2".to_owned()),
            Lane::Instance(name("web-b")),
            Lane::Images,
        ];
        Plan {
            steps: lanes.into_iter().map(|lane| (lane, steps())).collect(),
            verdicts: [(name("web-a"), Verdict::default())].into(),
            converged: true,
            ..Plan::default()
        }
    }

    #[test]
    fn what_is_not_known_is_left_alone_and_told() {
        let read = SliceRef {
            generation: 1,
            content: String::new(),
            commit: String::new(),
        };
        let mut in_force = InForce {
            unread: [(name("web-a"), "Input/output error".to_owned())].into(),
            kept_images: (Some(read), BTreeSet::new()),
            ..InForce::default()
        };
        let mut held = plan();
        in_force.hold_unread(&mut held);
        let lanes: Vec<_> = held.steps.keys().cloned().collect();
        assert_eq!(lanes, [Lane::Instance(name("web-b")), Lane::Images]);
        assert!(!held.converged);
        let verdict = &held.verdicts[&name("web-a")];
        assert_eq!(verdict.phase, InstancePhase::Failed);
        assert!(
            verdict
                .message
                .as_ref()
                .unwrap()
                .ends_with("Input/output error")
        );

        // Nobody knows which images are needed.
        in_force.unread.clear();
        in_force.kept_images.0 = None;
        let mut held = plan();
        in_force.hold_unread(&mut held);
        assert!(held.converged && !held.steps.contains_key(&Lane::Images));
        assert_eq!(held.steps.len(), 4);
    }
}
