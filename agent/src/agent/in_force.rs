//! What is in force: last good versions, read from the slices that are kept, and put in the place of what was rolled back.

use super::Agent;
use crate::containers::image_name;
use crate::desired::Desired;
use crate::rollout::{Version, Versions, effective, rolled_back};
use crate::web_server::WebServer;
use std::collections::{BTreeMap, BTreeSet};
use tenantry_schema::id::InstanceName;
use tenantry_schema::wire::SliceRef;

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
}

impl<W: WebServer> Agent<W> {
    /// Takes in what the ledger says of roll-outs. Costs next to nothing while nothing changed.
    pub(super) fn refresh_in_force(&mut self) {
        let Some(wanted) = &self.desired else { return };
        if self.in_force.kept_images.0.as_ref() != Some(&wanted.reference) {
            let images = self.images_of_last_slices();
            self.in_force.kept_images = (Some(wanted.reference.clone()), images);
        }
        let ledger = self.hands.ledger.borrow();
        let rollouts = &ledger.get().rollouts;
        let needed = wanted.instances.iter().filter_map(|(name, instance)| {
            let good = rollouts.get(name)?.good.as_ref()?;
            (good.digest != instance.digest).then(|| (name.clone(), good.content.clone()))
        });
        let needed: BTreeMap<_, _> = needed.collect();
        if self.in_force.from != needed {
            let before = std::mem::take(&mut self.in_force.versions);
            let from = std::mem::take(&mut self.in_force.from);
            self.in_force.versions = self.good_versions(&needed, &from, before);
            self.in_force.from = needed;
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

    fn images_of_last_slices(&self) -> BTreeSet<String> {
        let newest = self.slices.newest(GENERATIONS).unwrap_or_default();
        let slices = newest
            .iter()
            .filter_map(|bundle| self.gate.check(bundle).ok());
        let all = slices.map(|slice| Desired::new(slice, &self.surroundings));
        all.flat_map(|desired| desired.instances.into_values())
            .filter_map(|instance| instance.containers.ok())
            .flat_map(|containers| containers.services.into_values())
            .map(|service| image_name(&service.container.image))
            .collect()
    }

    /// Reads what is not known yet. A slice that is gone or damaged holds no version to go back to.
    fn good_versions(
        &self,
        needed: &BTreeMap<InstanceName, String>,
        from: &BTreeMap<InstanceName, String>,
        mut before: Versions,
    ) -> Versions {
        let mut slices: BTreeMap<&str, Option<Desired>> = BTreeMap::new();
        let mut versions = Versions::new();
        for (name, content) in needed {
            let known = before
                .remove(name)
                .filter(|_| from.get(name) == Some(content));
            let version = known.or_else(|| {
                let slice = slices.entry(content).or_insert_with(|| {
                    let slice = self.gate.kept(content, &self.slices)?;
                    Some(Desired::new(slice, &self.surroundings))
                });
                Version::of(slice.as_ref()?, name)
            });
            match version {
                Some(version) => drop(versions.insert(name.clone(), version)),
                None => {
                    tracing::warn!(instance = %name, content, "its last good version cannot be read");
                }
            }
        }
        versions
    }
}
