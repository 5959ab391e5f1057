//! Containers before and after, by the rule of the agent: whatever a container is made with replaces it; files behind a mounted folder do not
//! where the service takes them in by itself or at a signal.

use super::files::{Files, Seen, differing};
use super::protections::Rules;
use super::{ServiceChange, Why, made};
use std::collections::{BTreeMap, BTreeSet};
use tenantry_compose::{
    Attachment, BindSource, FileSource, MountKind, Project, ProjectName, Sensitive, Service,
};

/// The services of one side.
#[derive(Default)]
pub(super) struct Services<'p> {
    by_name: BTreeMap<&'p str, Made<'p>>,
}

/// What a container is made with.
pub(super) struct Made<'p> {
    pub(super) name: &'p str,
    pub(super) service: &'p Service,
    /// Networks that it is in, by the engine's names.
    pub(super) networks: BTreeMap<String, &'p Attachment>,
    /// What the engine calls the volumes that it mounts.
    pub(super) volumes: BTreeMap<&'p str, String>,
    pub(super) rules: &'p Rules,
    /// Content of secrets and configs, by name.
    secrets: BTreeMap<String, Content<'p>>,
    /// Files of the tool's folder, by mounted path.
    mounted: BTreeMap<&'p str, Seen<'p>>,
}

#[derive(Clone, PartialEq, Eq)]
enum Content<'p> {
    Text(&'p Sensitive),
    File(Seen<'p>),
}

impl<'p> Services<'p> {
    pub(super) fn of(
        (name, project): (&ProjectName, &'p Project),
        files: &'p Files,
        rules: &'p Rules,
    ) -> Self {
        let made = project.services.iter().map(|(key, service)| {
            let networks = service.networks.iter();
            let made = Made {
                name: key.as_str(),
                service,
                networks: networks
                    .map(|(key, how)| (project.network_name(name, key), how))
                    .collect(),
                volumes: volumes((name, project), service),
                rules,
                secrets: contents(project, service, files),
                mounted: mounted(service, files),
            };
            (key.as_str(), made)
        });
        Self {
            by_name: made.collect(),
        }
    }
}

fn volumes<'p>(
    (name, project): (&ProjectName, &Project),
    service: &'p Service,
) -> BTreeMap<&'p str, String> {
    let named = service
        .volumes
        .iter()
        .filter_map(|mount| match &mount.kind {
            MountKind::Volume { name, .. } => name.as_ref(),
            _ => None,
        });
    named
        .map(|key| (key.as_str(), project.volume_name(name, key)))
        .collect()
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
    let reloads = (old.rules.reloads(old.name), new.rules.reloads(new.name));
    for (path, now) in &new.mounted {
        match (old.mounted.get(path), now) {
            (Some(Seen::Folder(before)), Seen::Folder(now)) => {
                let changed = differing(before, now);
                if reloads.0 != reloads.1 {
                    // What was among the things that it is made with is not any more, or the other way round.
                    why.insert(Why::Settings(BTreeSet::from(["reload".to_owned()])));
                }
                if reloads.1 {
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
    why.extend(made::otherwise(old, new));
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

#[cfg(test)]
mod tests;
