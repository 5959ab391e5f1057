//! Containers before and after, by the rule of the agent: whatever a container is made with replaces it; files behind a mounted folder do not
//! where the service takes them in by itself or at a signal.

use super::files::{Files, Seen, differing};
use super::{ServiceChange, Why};
use std::collections::{BTreeMap, BTreeSet};
use tenantry_compose::{BindSource, FileSource, MountKind, Pairs, Project, Sensitive, Service};

/// The services of one side.
#[derive(Default)]
pub(super) struct Services<'p> {
    by_name: BTreeMap<&'p str, Made<'p>>,
}

/// What a container is made with.
struct Made<'p> {
    service: &'p Service,
    /// Content of secrets and configs, by name.
    secrets: BTreeMap<String, Content<'p>>,
    /// Files of the tool's folder, by mounted path.
    mounted: BTreeMap<&'p str, Seen<'p>>,
    /// Whether it takes changes behind a folder in without a new container.
    reloads: bool,
}

#[derive(Clone, PartialEq, Eq)]
enum Content<'p> {
    Text(&'p Sensitive),
    File(Seen<'p>),
}

impl<'p> Services<'p> {
    pub(super) fn of(project: &'p Project, files: &'p Files, reloading: &BTreeSet<String>) -> Self {
        let made = project.services.iter().map(|(name, service)| {
            let made = Made {
                service,
                secrets: contents(project, service, files),
                mounted: mounted(service, files),
                reloads: reloading.contains(name.as_str()),
            };
            (name.as_str(), made)
        });
        Self {
            by_name: made.collect(),
        }
    }
}

fn mounted<'p>(service: &'p Service, files: &'p Files) -> BTreeMap<&'p str, Seen<'p>> {
    let paths = service
        .volumes
        .iter()
        .filter_map(|mount| match &mount.kind {
            MountKind::Bind {
                source: BindSource::Project(path),
                ..
            } => Some(path.as_str()),
            _ => None,
        });
    paths.map(|path| (path, files.seen(path))).collect()
}

fn contents<'p>(
    project: &'p Project,
    service: &'p Service,
    files: &'p Files,
) -> BTreeMap<String, Content<'p>> {
    let named = service.secrets.iter().chain(&service.configs);
    let mut contents = BTreeMap::new();
    for mount in named {
        let (name, source) = match &mount.kind {
            MountKind::Secret { name, .. } => (name.to_string(), project.secrets.get(name)),
            MountKind::Config { name, .. } => (name.to_string(), project.configs.get(name)),
            _ => continue,
        };
        let content = match source {
            Some(FileSource::Environment { content, .. } | FileSource::Content(content)) => {
                Content::Text(content)
            }
            Some(FileSource::File(path)) => Content::File(files.seen(path.as_str())),
            None => continue,
        };
        contents.insert(name, content);
    }
    contents
}

/// Services of both sides, each with whether it runs there. `kept`: the tool is there on both.
pub(super) fn compare(
    (old, ran): (&Services<'_>, bool),
    (new, runs): (&Services<'_>, bool),
    kept: bool,
) -> BTreeMap<String, ServiceChange> {
    let names: BTreeSet<&str> = old
        .by_name
        .keys()
        .chain(new.by_name.keys())
        .copied()
        .collect();
    let mut changes = BTreeMap::new();
    for name in names {
        let change = match (old.by_name.get(name), new.by_name.get(name)) {
            (None, Some(new)) => Some(ServiceChange::Created {
                image: new.service.image.as_str().to_owned(),
            }),
            (Some(_), None) => Some(ServiceChange::Removed),
            (Some(old), Some(new)) => match (ran, runs) {
                (true, false) if kept => Some(ServiceChange::Stopped),
                _ => differs(old, new).or_else(|| (!ran && runs).then_some(ServiceChange::Started)),
            },
            (None, None) => None,
        };
        changes.extend(change.map(|change| (name.to_owned(), change)));
    }
    changes
}

/// What makes a container of `old` another one in `new`.
fn differs(old: &Made<'_>, new: &Made<'_>) -> Option<ServiceChange> {
    let (mut why, mut behind_folders) = (BTreeSet::new(), BTreeSet::new());
    let mut single = BTreeSet::new();
    for (path, now) in &new.mounted {
        match (old.mounted.get(path), now) {
            (Some(Seen::Folder(before)), Seen::Folder(now)) => {
                let changed = differing(before, now);
                if new.reloads {
                    behind_folders.extend(changed);
                } else if !changed.is_empty() {
                    single.insert((*path).to_owned());
                }
            }
            (Some(before), now) if before != now => drop(single.insert((*path).to_owned())),
            _ => {}
        }
    }
    if !single.is_empty() {
        why.insert(Why::Files(single));
    }
    let secrets = changed_keys(&old.secrets, &new.secrets);
    if !secrets.is_empty() {
        why.insert(Why::Secrets(secrets));
    }
    made_otherwise(old.service, new.service, &mut why);
    if !why.is_empty() {
        return Some(ServiceChange::Replaced { why });
    }
    (!behind_folders.is_empty()).then_some(ServiceChange::Files {
        files: behind_folders,
    })
}

fn changed_keys<V: PartialEq>(
    old: &BTreeMap<String, V>,
    new: &BTreeMap<String, V>,
) -> BTreeSet<String> {
    let names = old.keys().chain(new.keys());
    names
        .filter(|name| old.get(*name) != new.get(*name))
        .cloned()
        .collect()
}

fn changed_pairs(old: &Pairs, new: &Pairs) -> BTreeSet<String> {
    let names = old.iter().chain(new.iter()).map(|(name, _)| name);
    names
        .filter(|name| old.get(name) != new.get(name))
        .map(ToOwned::to_owned)
        .collect()
}

fn made_otherwise(old: &Service, new: &Service, why: &mut BTreeSet<Why>) {
    if old.image != new.image {
        why.insert(Why::Image {
            from: old.image.as_str().to_owned(),
            to: new.image.as_str().to_owned(),
        });
    }
    let environment = changed_pairs(&old.environment, &new.environment);
    if !environment.is_empty() {
        why.insert(Why::Environment(environment));
    }
    if old.ports != new.ports || old.expose != new.expose {
        why.insert(Why::Ports);
    }
    if old.volumes != new.volumes || old.secrets != new.secrets || old.configs != new.configs {
        why.insert(Why::Mounts);
    }
    if old.networks != new.networks || old.network_mode != new.network_mode {
        why.insert(Why::Networks);
    }
    let settings = other_settings(old, new);
    if !settings.is_empty() {
        why.insert(Why::Settings(settings));
    }
}

/// Names of the other keys of a service that differ. What only says when or in which order things start replaces nothing.
fn other_settings(old: &Service, new: &Service) -> BTreeSet<String> {
    let keys = [
        ("command", old.command == new.command),
        ("entrypoint", old.entrypoint == new.entrypoint),
        ("labels", old.labels == new.labels),
        ("healthcheck", old.healthcheck == new.healthcheck),
        ("restart", old.restart == new.restart),
        (
            "user",
            old.user == new.user && old.group_add == new.group_add,
        ),
        ("working_dir", old.working_dir == new.working_dir),
        ("hostname", old.hostname == new.hostname),
        ("read_only", old.read_only == new.read_only),
        ("init", old.init == new.init),
        ("privileged", old.privileged == new.privileged),
        (
            "tty",
            old.tty == new.tty && old.stdin_open == new.stdin_open,
        ),
        ("cap_add", old.cap_add == new.cap_add),
        ("cap_drop", old.cap_drop == new.cap_drop),
        ("security_opt", old.security_opt == new.security_opt),
        ("shm_size", old.shm_size == new.shm_size),
        ("ulimits", old.ulimits == new.ulimits),
        ("sysctls", old.sysctls == new.sysctls),
        ("extra_hosts", old.extra_hosts == new.extra_hosts),
        (
            "dns",
            old.dns == new.dns && old.dns_search == new.dns_search && old.dns_opt == new.dns_opt,
        ),
        ("stop_signal", old.stop_signal == new.stop_signal),
        (
            "stop_grace_period",
            old.stop_grace_period == new.stop_grace_period,
        ),
        ("logging", old.logging == new.logging),
        (
            "limits",
            old.limits == new.limits && old.reservations == new.reservations,
        ),
        ("platform", old.platform == new.platform),
    ];
    let differing = keys.into_iter().filter(|(_, same)| !same);
    differing.map(|(name, _)| name.to_owned()).collect()
}
