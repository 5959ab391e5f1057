//! What is in force: what the slice asks for, with the last good version in the place of each instance that was rolled back. Pure.

use super::{Outcome, Rollout};
use crate::desired::{Desired, Instance, Site};
use crate::secrets;
use std::collections::{BTreeMap, BTreeSet};
use tenantry_schema::id::InstanceName;
use tenantry_schema::name::{DomainName, RelativePath};

/// One version of an instance, with all that belongs to it.
#[derive(Debug, Clone)]
pub struct Version {
    /// The instance.
    pub instance: Instance,
    /// Its sites.
    pub sites: BTreeMap<DomainName, Site>,
    /// Its secret files.
    pub secrets: secrets::Wanted,
}

/// Versions of instances.
pub type Versions = BTreeMap<InstanceName, Version>;

impl Version {
    /// The versions of all instances that a slice asks for.
    pub fn all(desired: &Desired) -> Versions {
        let names = desired.instances.keys();
        let all = names.filter_map(|name| Some((name.clone(), Self::of(desired, name)?)));
        all.collect()
    }

    /// The version of an instance that a slice asks for.
    pub fn of(desired: &Desired, name: &InstanceName) -> Option<Self> {
        let instance = desired.instances.get(name)?.clone();
        let sites = desired
            .sites
            .iter()
            .filter(|(_, site)| site.instance == *name);
        let secrets = desired
            .secrets
            .iter()
            .filter(|(path, _)| belongs(path, name));
        Some(Self {
            instance,
            sites: sites
                .map(|(host, site)| (host.clone(), site.clone()))
                .collect(),
            secrets: secrets
                .map(|(path, file)| (path.clone(), file.clone()))
                .collect(),
        })
    }
}

/// Instances whose wanted version was given up, and whose last good one is there to take over.
pub fn rolled_back(
    wanted: &Desired,
    rollouts: &BTreeMap<InstanceName, Rollout>,
    versions: &Versions,
) -> BTreeSet<InstanceName> {
    let back = wanted.instances.iter().filter(|(name, instance)| {
        let rejected = rollouts
            .get(*name)
            .and_then(|rollout| rollout.rejected(&instance.digest));
        rejected.is_some_and(|it| it.outcome == Outcome::Back) && versions.contains_key(*name)
    });
    back.map(|(name, _)| name.clone()).collect()
}

/// `wanted`, with the last good version of each of `back` in its place.
pub fn effective(wanted: &Desired, back: &BTreeSet<InstanceName>, versions: &Versions) -> Desired {
    let mut desired = wanted.clone();
    for (name, version) in versions.iter().filter(|(name, _)| back.contains(*name)) {
        desired
            .instances
            .insert(name.clone(), version.instance.clone());
        desired.sites.retain(|_, site| site.instance != *name);
        for (host, site) in &version.sites {
            // A name that another instance has now stays there.
            desired
                .sites
                .entry(host.clone())
                .or_insert_with(|| site.clone());
        }
        desired.secrets.retain(|path, _| !belongs(path, name));
        desired.secrets.extend(version.secrets.clone());
    }
    desired
}

fn belongs(path: &RelativePath, name: &InstanceName) -> bool {
    let mut parts = path.as_str().split('/');
    parts.next() == Some(name.as_str())
}
