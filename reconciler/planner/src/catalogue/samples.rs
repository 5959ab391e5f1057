//! A Compose file read with stand-ins for the values that it will get.

use crate::render::site_prefix;
use std::collections::BTreeMap;
use tenantry_compose::{ComposeFile, Project};
use tenantry_schema::document::{Site, Stack};
use tenantry_schema::id::SiteName;

/// The port of the site at `index`, in the order of names.
pub(super) fn sample_port(index: usize) -> u16 {
    20_000_u16.saturating_add(index as u16)
}

/// The project with a port of its own for each site, the defaults of parameters, and for everything else that has a source the first of some
/// values that fits wherever it stands. None where none does: then only the outline is known.
pub(super) fn with_samples(
    compose: &ComposeFile<'_>,
    document: &Stack,
    sites: &BTreeMap<SiteName, Site>,
    known: &dyn Fn(&str) -> bool,
) -> Option<Project> {
    let ports: BTreeMap<String, u16> = sites
        .keys()
        .enumerate()
        .map(|(index, site)| (format!("{}_PORT", site_prefix(site)), sample_port(index)))
        .collect();
    ["x", "1", "1s", "1m", "true", "127.0.0.1"]
        .into_iter()
        .find_map(|filler| {
            let value = |name: &str| {
                let default = || {
                    document
                        .parameters
                        .get(name)
                        .and_then(|parameter| parameter.default.clone())
                };
                let filler = || known(name).then(|| filler.to_owned());
                ports
                    .get(name)
                    .map(ToString::to_string)
                    .or_else(default)
                    .or_else(filler)
            };
            compose.load_with(&value, &["*"]).ok()
        })
}
