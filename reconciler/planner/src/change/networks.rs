//! Networks before and after. One with other settings is made anew by the agent; containers in it stay, and are cut off for a moment.

use std::collections::{BTreeMap, BTreeSet};
use tenantry_compose::{Network, Project, ProjectName};

/// By the engine's name, each with its key in the Compose file.
pub(super) type Networks<'p> = BTreeMap<String, (&'p str, &'p Network)>;

/// Those that a service is in: others are not made.
pub(super) fn of<'p>(name: &ProjectName, project: &'p Project) -> Networks<'p> {
    let services = project.services.values();
    let used: BTreeSet<_> = services
        .flat_map(|service| service.networks.keys())
        .collect();
    let networks = project.networks.iter();
    let used = networks.filter(|(key, _)| used.contains(key));
    used.map(|(key, network)| {
        let full = project.network_name(name, key);
        (full, (key.as_str(), network))
    })
    .collect()
}

/// Keys of those that are there on both sides, with other settings.
pub(super) fn made_anew(old: &Networks<'_>, new: &Networks<'_>) -> BTreeSet<String> {
    let kept = new
        .iter()
        .filter_map(|(name, new)| Some((old.get(name)?, new)));
    // The agent leaves alone what it did not make.
    let ours = kept.filter(|((_, old), (_, new))| !old.external && !new.external);
    ours.filter(|(old, new)| !same(old, new))
        .map(|(_, (key, _))| (*key).to_owned())
        .collect()
}

fn same((old_key, old): &(&str, &Network), (new_key, new): &(&str, &Network)) -> bool {
    let Network {
        // It is the same name on the engine.
        name: _,
        external: _,
        driver,
        driver_opts,
        internal,
        attachable,
        enable_ipv6,
        ipam,
        labels,
    } = old;
    old_key == new_key
        && *driver == new.driver
        && *driver_opts == new.driver_opts
        && *internal == new.internal
        && *attachable == new.attachable
        && *enable_ipv6 == new.enable_ipv6
        && *ipam == new.ipam
        && *labels == new.labels
}
