//! References from services to services, networks, volumes, secrets, configs and ports of the server: they exist and do not clash.

use crate::grants;
use crate::mount::MountKind;
use crate::names::ServiceName;
use crate::port::Protocol;
use crate::project::Project;
use crate::reader::{At, Fields, is_opaque};
use crate::service::Service;
use std::collections::{BTreeMap, BTreeSet};
use tenantry_yaml::{Node, Problem, Span, suggest};

/// Reports what services refer to and the file does not define, and ports that two of them want.
pub(crate) fn check(top: &Fields<'_>, services: &At<'_>, project: &Project) {
    let defined = |section: &str| -> BTreeSet<&str> {
        let entries = top.get(section).and_then(|at| at.node.as_mapping());
        let keys = entries.unwrap_or_default().iter();
        keys.filter_map(|(key, _)| key.as_str()).collect()
    };
    let sections = [
        ("networks", "network", defined("networks")),
        ("secrets", "secret", defined("secrets")),
        ("configs", "config", defined("configs")),
        ("depends_on", "service", defined("services")),
    ];
    let volumes = defined("volumes");
    for (name, _, at) in services.entries().unwrap_or_default() {
        for (key, noun, known) in &sections {
            let Some(node) = at.node.get(key) else {
                continue;
            };
            for (target, span) in targets(node) {
                let fine = known.contains(target) || (*noun == "network" && target == "default");
                if !fine {
                    report(&at, key, span, noun, target, known);
                }
            }
        }
        for key in ["network_mode", "ipc", "pid"] {
            if let Some(mode) = at.node.get(key)
                && let Some(target) = mode.as_str().and_then(|mode| mode.strip_prefix("service:"))
                && !sections[3].2.contains(target)
            {
                report(&at, key, mode.span, "service", target, &sections[3].2);
            }
        }
        if let Some(service) = project.services.get(name) {
            check_volumes(&at, service, &volumes);
        }
    }
    grants::check(services, project);
    check_ports(services, project);
}

fn report(at: &At<'_>, key: &str, span: Span, noun: &str, target: &str, known: &BTreeSet<&str>) {
    // After interpolation the name may be anything, a secret included.
    if is_opaque(target) {
        return;
    }
    let shown = if span.of(at.cx.text).contains('$') {
        "of this name"
    } else {
        target
    };
    let quoted = if shown == target {
        format!("`{shown}`")
    } else {
        shown.to_owned()
    };
    let help = match suggest(target, known) {
        Some(near) => format!("did you mean `{near}`?"),
        None if noun == "service" => "it must be a key of `services`".to_owned(),
        None => format!("define it below `{noun}s` at the top of the file"),
    };
    let problem = Problem::invalid(span, format!("no {noun} {quoted} is defined"))
        .with_label("not defined")
        .with_help(help)
        .with_path(format!("{}.{key}", at.path));
    at.cx.push(problem);
}

/// Names in a list, a mapping's keys, or the `source` of long entries, each with its place.
fn targets(node: &Node) -> Vec<(&str, Span)> {
    if let Some(entries) = node.as_mapping() {
        let keys = entries.iter().map(|(key, _)| key);
        return keys
            .filter_map(|key| Some((key.as_str()?, key.span)))
            .collect();
    }
    node.as_sequence()
        .unwrap_or_default()
        .iter()
        .filter_map(|item| {
            let name = item.get("source").unwrap_or(item);
            Some((name.as_str()?, name.span))
        })
        .collect()
}

fn check_volumes(at: &At<'_>, service: &Service, known: &BTreeSet<&str>) {
    let Some(items) = at.node.get("volumes").and_then(Node::as_sequence) else {
        return;
    };
    for mount in &service.volumes {
        let MountKind::Volume {
            name: Some(name), ..
        } = &mount.kind
        else {
            continue;
        };
        if known.contains(name.as_str()) {
            continue;
        }
        let source = items.iter().find(|item| match item.get("source") {
            Some(source) => source.as_str() == Some(name.as_str()),
            None => item.as_str().and_then(|text| text.split(':').next()) == Some(name.as_str()),
        });
        let span = source.map_or(at.span(), |item| item.get("source").unwrap_or(item).span);
        report(at, "volumes", span, "volume", name.as_str(), known);
    }
}

/// A service that wants a port, and at which address.
type User<'p> = (&'p ServiceName, Option<std::net::IpAddr>);

/// Two services cannot have the same port of the server. Ports that stand for unknown values differ by themselves.
fn check_ports(services: &At<'_>, project: &Project) {
    let mut taken: BTreeMap<(u16, Protocol), Vec<User<'_>>> = BTreeMap::new();
    for (name, service) in &project.services {
        for port in &service.ports {
            let Some(published) = port
                .published
                .filter(|port| !services.cx.is_uncertain(*port))
            else {
                continue;
            };
            let users = taken.entry((published, port.protocol)).or_default();
            let clash = users.iter().find(|(other, ip)| {
                let exclusive = project.services.get(*other).is_some_and(|other| {
                    !other.profiles.is_empty() || !service.profiles.is_empty()
                });
                let overlaps = ip.is_none() || port.host_ip.is_none() || *ip == port.host_ip;
                overlaps && !exclusive
            });
            if let Some((other, _)) = clash {
                let node = services.node.get(name.as_str());
                let span = node.and_then(|node| node.key_span("ports"));
                let message = format!(
                    "port {published}/{} is published twice, also by `{other}`",
                    port.protocol
                );
                services.cx.push(
                    Problem::invalid(span.unwrap_or(services.span()), message)
                        .with_path(format!("{}.{name}.ports", services.path)),
                );
            }
            users.push((name, port.host_ip));
        }
    }
}

/// A service that runs cannot need one that does not.
pub(crate) fn check_profiles(
    at: &At<'_>,
    services: &BTreeMap<ServiceName, Service>,
    profiles: &[&str],
) {
    for (name, service) in services
        .iter()
        .filter(|(_, service)| service.is_active(profiles))
    {
        for (need, dependency) in &service.depends_on {
            let off = services
                .get(need)
                .is_some_and(|need| !need.is_active(profiles));
            if off && dependency.required {
                let node = at.node.get(name.as_str());
                let span = node.and_then(|node| node.key_span("depends_on"));
                at.cx.push(
                    Problem::invalid(
                        span.unwrap_or(at.span()),
                        format!("the service needs `{need}`, whose profile is not active"),
                    )
                    .with_help("give both the same profile, or set `required: false`")
                    .with_path(format!("{}.{name}.depends_on", at.path)),
                );
            }
        }
    }
}
