//! How a service and the one that it extends become one, and a file and the one on top of it. Rules: Compose Specification, "Merge and override", and what compose-go
//! does where the text is silent: mappings are merged, lists joined, later entries for the same thing win at the earlier place.

use std::collections::BTreeMap;
use tenantry_yaml::{Kind, Node, Tag};

/// Lists of `name=value` that may also be written as mappings.
const PAIRS: [&str; 6] = [
    "environment",
    "labels",
    "sysctls",
    "annotations",
    "extra_hosts",
    "storage_opt",
];
/// What a name in a list of `depends_on` means.
const STARTED: &[(&str, &str)] = &[("condition", "service_started")];
/// Single texts or lists of them.
const TEXTS: [&str; 4] = ["dns", "dns_search", "tmpfs", "env_file"];

/// `own` on top of `base`.
pub(crate) fn merge(base: &Node, own: &Node) -> Node {
    overlay(base, own, &field)
}

/// A whole file with another on top: services as [`merge`] does, all else entry by entry.
pub(crate) fn files(base: &Node, own: &Node) -> Node {
    overlay(base, own, &|section, base, own| {
        let nothing = own.is_null() && base.as_mapping().is_some();
        if nothing {
            return base.clone();
        }
        overlay(base, own, &|_, base, own| match section {
            "services" if own.is_null() => base.clone(),
            "services" => merge(base, own),
            _ => deep(base, own),
        })
    })
}

/// Two mappings as one; `both` says what a key comes to that stands in both.
fn overlay(base: &Node, own: &Node, both: &dyn Fn(&str, &Node, &Node) -> Node) -> Node {
    let (Some(there), Some(more)) = (base.as_mapping(), own.as_mapping()) else {
        return own.clone();
    };
    let mut all = there.to_vec();
    let known: BTreeMap<&str, usize> = there
        .iter()
        .enumerate()
        .filter_map(|(at, (key, _))| Some((key.as_str()?, at)))
        .collect();
    for (key, value) in more {
        let name = key.as_str().unwrap_or_default();
        match known.get(name) {
            Some(at) => all[*at] = (key.clone(), both(name, &there[*at].1, value)),
            None => all.push((key.clone(), value.clone())),
        }
    }
    mapping(own, all)
}

/// The later value counts.
fn later(_: &str, _: &Node, own: &Node) -> Node {
    own.clone()
}

fn field(name: &str, base: &Node, own: &Node) -> Node {
    match name {
        "command" | "entrypoint" => own.clone(),
        "logging" if driver(base) != driver(own) && driver(own).is_some() => own.clone(),
        "ulimits" => overlay(base, own, &later),
        "ports"
        | "expose"
        | "cap_add"
        | "cap_drop"
        | "profiles"
        | "dns_opt"
        | "security_opt"
        | "group_add"
        | "devices"
        | "device_cgroup_rules" => join(base, own, &whole),
        "volumes" => join(base, own, &volume_target),
        "secrets" | "configs" => join(base, own, &grant_target),
        _ if PAIRS.contains(&name) => overlay(&as_pairs(base, name), &as_pairs(own, name), &later),
        "depends_on" => deep(&as_names(base, STARTED), &as_names(own, STARTED)),
        "networks" => deep(&as_names(base, &[]), &as_names(own, &[])),
        _ if TEXTS.contains(&name) => join(&as_list(base), &as_list(own), &whole),
        _ => deep(base, own),
    }
}

fn driver(logging: &Node) -> Option<&str> {
    logging.get("driver").and_then(Node::as_str)
}

/// Mappings entry by entry, lists one after the other, all else by what is on top; a `test` is one thing.
fn deep(base: &Node, own: &Node) -> Node {
    match (&base.kind, &own.kind) {
        (Kind::Mapping(_), Kind::Mapping(_)) => overlay(base, own, &|name, base, own| {
            if name == "test" {
                own.clone()
            } else {
                deep(base, own)
            }
        }),
        (Kind::Sequence(_), Kind::Sequence(_)) => join(base, own, &whole),
        _ if own.is_null() && base.as_mapping().is_some() => base.clone(),
        _ => own.clone(),
    }
}

/// Both lists; an item of the second takes the place of one of the first that is about the same thing.
fn join(base: &Node, own: &Node, about: &dyn Fn(&Node) -> Option<String>) -> Node {
    let (Some(first), Some(second)) = (base.as_sequence(), own.as_sequence()) else {
        return own.clone();
    };
    let mut items = first.to_vec();
    let mut known: BTreeMap<String, usize> = items
        .iter()
        .enumerate()
        .filter_map(|(at, item)| Some((about(item)?, at)))
        .collect();
    for item in second {
        match about(item) {
            Some(name) => match known.get(&name) {
                Some(at) => items[*at] = item.clone(),
                None => {
                    known.insert(name, items.len());
                    items.push(item.clone());
                }
            },
            None => items.push(item.clone()),
        }
    }
    Node {
        span: own.span,
        kind: Kind::Sequence(items),
    }
}

/// A text is about itself.
fn whole(item: &Node) -> Option<String> {
    item.as_str().map(str::to_owned)
}

fn volume_target(item: &Node) -> Option<String> {
    let target = match item.get("target") {
        Some(target) => target.as_str()?,
        None => {
            let text = item.as_str()?;
            let mut parts = text.split(':');
            let first = parts.next()?;
            parts.next().unwrap_or(first)
        }
    };
    Some(target.trim_end_matches('/').to_owned())
}

fn grant_target(item: &Node) -> Option<String> {
    let target = item.get("target").or_else(|| item.get("source"));
    target.unwrap_or(item).as_str().map(str::to_owned)
}

fn as_pairs(node: &Node, name: &str) -> Node {
    let Some(items) = node.as_sequence() else {
        return node.clone();
    };
    let entries = items.iter().filter_map(|item| {
        let text = item.as_str()?;
        let split = text.split_once('=');
        let split = if name == "extra_hosts" {
            split.or_else(|| text.split_once(':'))
        } else {
            split
        };
        let scalar = |value: &str, plain| Node {
            span: item.span,
            kind: Kind::Scalar {
                value: value.into(),
                plain,
                tag: Tag::None,
            },
        };
        Some(match split {
            Some((key, value)) => (scalar(key, true), scalar(value, false)),
            None => (scalar(text, true), scalar("", true)),
        })
    });
    mapping(node, entries.collect())
}

/// `[a, b]` as a mapping of names, each with these settings.
fn as_names(node: &Node, settings: &[(&str, &str)]) -> Node {
    let Some(items) = node.as_sequence() else {
        return node.clone();
    };
    let entries = items.iter().map(|item| {
        let scalar = |text: &&str| Node::scalar(item.span, *text);
        let settings = settings
            .iter()
            .map(|(key, value)| (scalar(key), scalar(value)));
        let value = if settings.len() == 0 {
            scalar(&"")
        } else {
            mapping(item, settings.collect())
        };
        (item.clone(), value)
    });
    mapping(node, entries.collect())
}

fn as_list(node: &Node) -> Node {
    match node.kind {
        Kind::Scalar { .. } => Node {
            span: node.span,
            kind: Kind::Sequence(vec![node.clone()]),
        },
        _ => node.clone(),
    }
}

fn mapping(like: &Node, entries: Vec<(Node, Node)>) -> Node {
    Node {
        span: like.span,
        kind: Kind::Mapping(entries),
    }
}
