//! What the items of `backups.yaml` are on this server: containers, volumes, folders. Pure.

use crate::containers::InstanceInput;
use crate::desired::{Desired, Instance};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use tenantry_schema::document::During;
use tenantry_schema::id::InstanceName;
use tenantry_schema::name::{RelativePath, VariableName};
use tenantry_schema::wire::{BackupItem, DatabaseEngine};

/// One instance, as far as its data goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Targets {
    /// The instance.
    pub instance: InstanceName,
    /// Its version: the digest that the slice has for it.
    pub version: String,
    /// What is kept of it.
    pub items: Vec<Item>,
    /// The containers of all its services.
    pub containers: BTreeMap<String, String>,
}

/// One thing that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// Databases of a service.
    Database(Database),
    /// A database of SQLite.
    Sqlite {
        /// The volume.
        volume: Volume,
        /// The path in it.
        path: RelativePath,
    },
    /// A volume as files.
    Volume {
        /// The volume.
        volume: Volume,
        /// What its containers do meanwhile.
        during: During,
    },
    /// Files beside the Compose file.
    Files {
        /// The path from the stack's folder.
        path: RelativePath,
        /// The same on this server.
        at: PathBuf,
    },
}

/// A service with databases.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Database {
    /// What runs there.
    pub engine: DatabaseEngine,
    /// The service.
    pub service: String,
    /// Its container.
    pub container: String,
    /// Its image.
    pub image: String,
    /// Which databases; empty: all but the server's own.
    pub databases: Vec<String>,
    /// The account. Absent: the image's own.
    pub user: Option<String>,
    /// Variable with its password. Absent: the image's own.
    pub password: Option<VariableName>,
}

/// A volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// As the Compose file names it.
    pub key: String,
    /// As the container engine names it.
    pub name: String,
    /// Containers that mount it.
    pub containers: Vec<String>,
}

/// One item of `backups.yaml`. `live`: the instance's folder of live files.
fn target(
    instance: &InstanceName,
    input: &InstanceInput,
    live: &Path,
    item: &BackupItem,
) -> Result<Item, String> {
    Ok(match item {
        BackupItem::Database {
            engine,
            service,
            databases,
            user,
            password,
        } => {
            let spec = input.services.get(service);
            let spec = spec.ok_or_else(|| format!("{instance} has no service {service}"))?;
            Item::Database(Database {
                engine: *engine,
                service: service.clone(),
                container: spec.container.name.clone(),
                image: spec.container.image.clone(),
                databases: databases.clone(),
                user: user.clone(),
                password: password.clone(),
            })
        }
        BackupItem::Sqlite { volume: key, path } => Item::Sqlite {
            volume: volume(instance, input, key)?,
            path: path.clone(),
        },
        BackupItem::Volume {
            volume: key,
            during,
        } => Item::Volume {
            volume: volume(instance, input, key)?,
            during: *during,
        },
        BackupItem::Files { path } => Item::Files {
            path: path.clone(),
            at: live.join(path.as_str()),
        },
    })
}

/// The volume that the Compose file calls `key`, with the containers that mount it.
fn volume(instance: &InstanceName, input: &InstanceInput, key: &str) -> Result<Volume, String> {
    let found = input.volumes.iter().find(|(_, volume)| volume.key == key);
    let (name, _) =
        found.ok_or_else(|| format!("no service of {instance} mounts the volume {key}"))?;
    let containers = input.services.values().filter_map(|service| {
        let mounts = service.container.volumes().any(|mounted| mounted == name);
        mounts.then(|| service.container.name.clone())
    });
    Ok(Volume {
        key: key.to_owned(),
        name: name.clone(),
        containers: containers.collect(),
    })
}

fn items<'a>(desired: &'a Desired, instance: &InstanceName) -> Result<&'a [BackupItem], String> {
    let backups = desired.backups.as_ref();
    let items = backups.and_then(|backups| backups.spec.instances.get(instance));
    let items = items.ok_or_else(|| format!("nothing of {instance} is backed up"))?;
    Ok(items)
}

/// Whether the version that runs has this. A file that no version brings is one that the tool writes.
fn has(running: &Instance, newest: &Instance, item: &BackupItem) -> bool {
    let Ok(input) = &running.containers else {
        return true;
    };
    match item {
        BackupItem::Database { service, .. } => input.services.contains_key(service),
        BackupItem::Sqlite { volume, .. } | BackupItem::Volume { volume, .. } => {
            input.volumes.values().any(|found| found.key == *volume)
        }
        BackupItem::Files { path } => {
            let brings = |version: &Instance| {
                let mut files = version.files.keys();
                files.any(|file| is_within(file.as_str(), path.as_str()))
            };
            brings(running) || !brings(newest)
        }
    }
}

/// Whether a live file, `<instance>/<path>`, is `path` or below it.
fn is_within(file: &str, path: &str) -> bool {
    let (_, file) = file.split_once('/').unwrap_or(("", file));
    let rest = file.strip_prefix(path);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl Targets {
    /// What `backups.yaml` says of `instance`, on this server. `live` is the folder of live files.
    pub fn resolve(
        desired: &Desired,
        instance: &InstanceName,
        live: &Path,
    ) -> Result<Self, String> {
        let wanted = desired
            .instances
            .get(instance)
            .ok_or_else(|| format!("{instance} does not run here"))?;
        Self::of(instance, wanted, items(desired, instance)?.iter(), live)
    }

    /// The same of the version that runs, while `newest`, the one that the slice asks for, may be another. What that one brings is not here yet.
    pub fn of_running(
        desired: &Desired,
        instance: &InstanceName,
        running: &Instance,
        newest: &Instance,
        live: &Path,
    ) -> Result<Self, String> {
        let all = items(desired, instance)?.iter();
        if running.digest == newest.digest {
            return Self::of(instance, running, all, live);
        }
        let found = Self::of(
            instance,
            running,
            all.filter(|it| has(running, newest, it)),
            live,
        )?;
        if found.items.is_empty() {
            return Err(format!(
                "the version of {instance} that runs has nothing of what is to be kept: it comes with the next one"
            ));
        }
        Ok(found)
    }

    fn of<'a>(
        instance: &InstanceName,
        version: &Instance,
        items: impl Iterator<Item = &'a BackupItem>,
        live: &Path,
    ) -> Result<Self, String> {
        let input = version.containers.as_ref().map_err(Clone::clone)?;
        let place = live.join(instance.as_str());
        let item = |item| target(instance, input, &place, item);
        Ok(Self {
            instance: instance.clone(),
            version: version.digest.clone(),
            items: items.map(item).collect::<Result<_, String>>()?,
            containers: input
                .services
                .iter()
                .map(|(service, spec)| (service.clone(), spec.container.name.clone()))
                .collect(),
        })
    }

    /// Whether a volume holds the files of a database server that is dumped.
    pub fn holds_database(&self, key: &str) -> bool {
        let servers = || {
            self.items.iter().filter_map(|item| match item {
                Item::Database(database) => Some(&database.container),
                _ => None,
            })
        };
        self.items.iter().any(|item| match item {
            Item::Volume { volume, .. } if volume.key == key => {
                servers().any(|server| volume.containers.contains(server))
            }
            _ => false,
        })
    }

    /// Containers that are frozen while volumes are read.
    pub fn frozen(&self) -> Vec<&str> {
        self.containers_of(|item| match item {
            Item::Volume {
                volume,
                during: During::Paused,
            } => Some(&volume.containers),
            _ => None,
        })
    }

    /// Containers that can write to what is saved as files. Who writes to files beside the Compose file is not known: any of them.
    pub fn writers(&self) -> Vec<&str> {
        let files = |item: &Item| matches!(item, Item::Files { .. });
        if self.items.iter().any(files) {
            return sorted(self.containers.values());
        }
        self.containers_of(|item| match item {
            Item::Volume { volume, .. } => Some(&volume.containers),
            _ => None,
        })
    }

    fn containers_of(&self, of: impl Fn(&Item) -> Option<&Vec<String>>) -> Vec<&str> {
        sorted(self.items.iter().filter_map(of).flatten())
    }
}

fn sorted<'a>(all: impl Iterator<Item = &'a String>) -> Vec<&'a str> {
    let all: BTreeSet<&str> = all.map(String::as_str).collect();
    all.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_frozen_and_who_can_write() {
        let volume = |key: &str, during| Item::Volume {
            volume: Volume {
                key: key.to_owned(),
                name: format!("web_{key}"),
                containers: vec!["web-app-1".to_owned(), format!("web-{key}-1")],
            },
            during,
        };
        let mut targets = Targets {
            instance: "web".to_owned().try_into().unwrap(),
            version: String::new(),
            items: vec![volume("b", During::Running), volume("a", During::Paused)],
            containers: ["a", "app", "b", "db"]
                .map(|service| (service.to_owned(), format!("web-{service}-1")))
                .into(),
        };
        assert_eq!(targets.frozen(), ["web-a-1", "web-app-1"]);
        assert_eq!(targets.writers(), ["web-a-1", "web-app-1", "web-b-1"]);
        targets.items.push(Item::Files {
            path: "settings".try_into().unwrap(),
            at: "/live/web/settings".into(),
        });
        assert_eq!(targets.frozen(), ["web-a-1", "web-app-1"]);
        assert_eq!(targets.writers().len(), 4);
    }

    #[test]
    fn a_file_is_found_by_its_path_or_above_it() {
        for (file, path, expected) in [
            ("web/settings", "settings", true),
            ("web/settings/a.conf", "settings", true),
            ("web/settings2", "settings", false),
            ("web/a/settings", "settings", false),
            ("settings", "settings", true),
        ] {
            assert_eq!(is_within(file, path), expected, "{file} {path}");
        }
    }
}
