//! What the items of `backups.yaml` are on this server: containers, volumes, folders. Pure.

use crate::containers::InstanceInput;
use crate::desired::Desired;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
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

impl Targets {
    /// What `backups.yaml` says of `instance`, on this server. `live` is the folder of live files.
    pub fn resolve(
        desired: &Desired,
        instance: &InstanceName,
        live: &Path,
    ) -> Result<Self, String> {
        let backups = desired.backups.as_ref();
        let items = backups.and_then(|backups| backups.spec.instances.get(instance));
        let items = items.ok_or_else(|| format!("nothing of {instance} is backed up"))?;
        let wanted = desired
            .instances
            .get(instance)
            .ok_or_else(|| format!("{instance} does not run here"))?;
        let input = wanted.containers.as_ref().map_err(Clone::clone)?;
        let place = live.join(instance.as_str());
        let item = |item| target(instance, input, &place, item);
        Ok(Self {
            instance: instance.clone(),
            version: wanted.digest.clone(),
            items: items.iter().map(item).collect::<Result<_, String>>()?,
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
        let mut all: Vec<&str> = self
            .items
            .iter()
            .filter_map(|item| match item {
                Item::Volume {
                    volume,
                    during: During::Paused,
                } => Some(&volume.containers),
                _ => None,
            })
            .flatten()
            .map(String::as_str)
            .collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}
