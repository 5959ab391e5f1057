//! The order in which services start, and circles in it; pure.

use crate::names::ServiceName;
use crate::reader::At;
use crate::service::Service;
use std::collections::{BTreeMap, BTreeSet};

type Services = BTreeMap<ServiceName, Service>;

/// What a service waits for, that of its network included; names that are not services are left out.
fn needs<'s>(
    services: &'s Services,
    service: &'s Service,
) -> impl Iterator<Item = &'s ServiceName> {
    service
        .depends_on
        .keys()
        .chain(service.shares())
        .filter(|name| services.contains_key(*name))
}

/// Topological waves. Services in a circle, which a loaded project cannot have, come last together.
pub(crate) fn waves(services: &Services) -> Vec<Vec<&ServiceName>> {
    let mut done: BTreeSet<&ServiceName> = BTreeSet::new();
    let mut waves = Vec::new();
    while done.len() < services.len() {
        let ready = |(name, service): &(&ServiceName, &Service)| {
            !done.contains(name) && needs(services, service).all(|need| done.contains(need))
        };
        let mut wave: Vec<&ServiceName> = services
            .iter()
            .filter(ready)
            .map(|(name, _)| name)
            .collect();
        if wave.is_empty() {
            wave = services
                .keys()
                .filter(|name| !done.contains(name))
                .collect();
        }
        done.extend(&wave);
        waves.push(wave);
    }
    waves
}

/// Reports every circle once, at the first of its services in the file.
pub(crate) fn check(at: &At<'_>, services: &Services) {
    let mut reported: BTreeSet<&ServiceName> = BTreeSet::new();
    for (key, _, at) in at.entries().unwrap_or_default() {
        let Some((start, _)) = services.get_key_value(key) else {
            continue;
        };
        if reported.contains(start) {
            continue;
        }
        if let Some(circle) = circle(services, start) {
            let words: Vec<&str> = circle
                .iter()
                .chain([&start])
                .map(|name| name.as_str())
                .collect();
            reported.extend(circle);
            let span = at.key.unwrap_or(at.node.span);
            at.report(
                tenantry_yaml::Problem::invalid(
                    span,
                    format!(
                        "services wait for each other in a circle: {}",
                        words.join(" -> ")
                    ),
                )
                .with_label("begins here")
                .with_help("take one `depends_on` out"),
            );
        }
    }
}

/// The shortest way from a service back to itself.
fn circle<'s>(services: &'s Services, start: &'s ServiceName) -> Option<Vec<&'s ServiceName>> {
    let mut came_from: BTreeMap<&ServiceName, &ServiceName> = BTreeMap::new();
    let mut wave = vec![start];
    while !wave.is_empty() {
        let mut next = Vec::new();
        for name in wave {
            for need in needs(services, services.get(name)?) {
                if need == start {
                    let mut path = vec![name];
                    let mut at = name;
                    while let Some(before) = came_from.get(at) {
                        path.push(before);
                        at = before;
                    }
                    path.reverse();
                    return Some(path);
                }
                if !came_from.contains_key(need) {
                    came_from.insert(need, name);
                    next.push(need);
                }
            }
        }
        wave = next;
    }
    None
}
