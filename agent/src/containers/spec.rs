//! Translates a Compose project into [`InstanceInput`], and tells which files must be written before its containers can be made.
//! Pure. What cannot be translated is an error, never dropped.

mod mounts;
mod rules;
mod service;

pub use rules::Rules;

use super::desired::{InstanceInput, IpamPool, NetworkSpec, ServiceSpec, VolumeSpec, Wanted};
use super::inputs::InputsKey;
use super::labels;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use tenantry_compose::{self as compose, Pairs, Project, ProjectName};
use tenantry_schema::secret::Secret;

/// Where an instance stands on this server.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// Name of the instance, which is its Compose project.
    pub instance: &'a str,
    /// The keeper.
    pub keeper: &'a str,
    /// Whether it runs.
    pub state: Wanted,
    /// Folder of its files, absolute and the same in every generation: paths of mounts are inputs of a container.
    pub folder: &'a Path,
    /// Folder of its secret files, on tmpfs: a Compose secret from variable `NAME` is mounted from `<secrets>/NAME`,
    /// with other permissions than usual from `<secrets>/NAME@0400-33-`.
    pub secrets: &'a Path,
    /// Folder of files that hold the content of Compose configs. It must not be in `folder` under a name that a stack may use.
    pub configs: &'a Path,
    /// Digests of the content of every file below `folder`, by absolute path.
    pub digests: &'a BTreeMap<PathBuf, String>,
    /// Key of digests.
    pub key: &'a InputsKey,
    /// What it may do, and how it is protected.
    pub rules: &'a Rules,
}

/// An instance and the files that its containers mount beside those of its folder.
#[derive(Debug, Clone)]
pub struct Instance {
    /// What should be on the engine.
    pub input: InstanceInput,
    /// Files to be written first, sorted by path.
    pub files: Vec<MountedFile>,
}

/// A file that a container mounts and that does not come with the stack's files.
#[derive(Clone, PartialEq, Eq)]
pub struct MountedFile {
    /// Absolute.
    pub path: PathBuf,
    /// Its content.
    pub content: Secret<String>,
    /// Permission bits; 0444 as in Compose where the file does not say, because the user inside is rarely root. The folder
    /// around it must keep others out.
    pub mode: u32,
    /// Owner, where the file says.
    pub uid: Option<u32>,
    /// Group, where the file says.
    pub gid: Option<u32>,
}

impl fmt::Debug for MountedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MountedFile({}, {:o})", self.path.display(), self.mode)
    }
}

/// Why a project cannot run here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// Not a name that Compose takes.
    #[error("`{0}` is not a name for a Compose project")]
    ProjectName(String),
    /// Only a trusted stack may have this.
    #[error(
        "{place}: {what} is for trusted stacks only (`policy.trusted_stacks` of fleet/hub.yaml)"
    )]
    Untrusted {
        /// The keys of the Compose file that lead to it, with dots between them.
        place: String,
        /// What it reaches.
        what: String,
    },
    /// Something that the agent cannot do.
    #[error("service `{service}`: {what}")]
    Service {
        /// The service.
        service: String,
        /// What, in a sentence.
        what: String,
    },
}

/// What `project` asks for at this place.
pub fn instance(project: &Project, place: &Place<'_>) -> Result<Instance, SpecError> {
    let name = ProjectName::try_from(place.instance)
        .map_err(|_| SpecError::ProjectName(place.instance.to_owned()))?;
    if !place.rules.trusted {
        // Checked by the hub as well; here it holds whoever made the slice, and with real values.
        if let Some(beyond) = compose::beyond(project).into_iter().next() {
            return Err(SpecError::Untrusted {
                place: beyond.place.join("."),
                what: beyond.what,
            });
        }
    }
    let awaited = awaited(project);
    let mut files = BTreeMap::new();
    let mut services = BTreeMap::new();
    for (key, service) in &project.services {
        let job = awaited.contains(key.as_str()) || may_end(project, key.as_str(), service);
        let translation = service::Translation {
            project,
            name: &name,
            place,
            key: key.as_str(),
            service,
        };
        let (mut container, seen, mounted) = translation.container()?;
        place.rules.protect(key.as_str(), &mut container);
        for file in mounted {
            if files
                .insert(file.path.clone(), file.clone())
                .is_some_and(|other| other != file)
            {
                // The hub refuses it as well.
                let what = format!("{} would be two files", file.path.display());
                return Err(SpecError::Service {
                    service: key.to_string(),
                    what,
                });
            }
        }
        let spec = ServiceSpec {
            container,
            depends_on: translation.depends_on(),
            job,
            pull: translation.pull(),
            files: seen.files,
            watched: seen.watched,
            signal: translation.signal(),
            shares: service.shares().map(ToString::to_string).collect(),
        };
        services.insert(key.to_string(), spec);
    }
    let input = InstanceInput {
        project: place.instance.to_owned(),
        keeper: place.keeper.to_owned(),
        state: place.state,
        working_dir: place.folder.to_owned(),
        networks: networks(project, &name),
        volumes: volumes(project, &name),
        services,
    };
    Ok(Instance {
        input,
        files: files.into_values().collect(),
    })
}

/// Networks that a service joins: as for Compose, what no service uses is not made.
fn networks(project: &Project, name: &ProjectName) -> BTreeMap<String, NetworkSpec> {
    let used = project.networks.iter().filter(|(key, _)| {
        let mut services = project.services.values();
        services.any(|service| service.networks.contains_key(*key))
    });
    used.map(|(key, network)| {
        (
            network.full_name(name, key),
            network_spec(key.as_str(), network),
        )
    })
    .collect()
}

/// Volumes that a service mounts.
fn volumes(project: &Project, name: &ProjectName) -> BTreeMap<String, VolumeSpec> {
    let mounted = project.mounted_volumes();
    let used = project.volumes.iter();
    let used = used.filter(|(key, _)| mounted.contains(key.as_str()));
    used.map(|(key, volume)| {
        (
            volume.full_name(name, key),
            volume_spec(key.as_str(), volume),
        )
    })
    .collect()
}

/// Services whose end others wait for.
fn awaited(project: &Project) -> BTreeSet<&str> {
    let dependencies = project
        .services
        .values()
        .flat_map(|service| &service.depends_on);
    dependencies
        .filter(|(_, how)| how.condition == compose::Condition::Completed)
        .map(|(name, _)| name.as_str())
        .collect()
}

/// Whether a service that ended with code 0 did what it should. Compose's default is not to restart, so that alone does not make a
/// job: a service that is reached, checked or leant on should run.
fn may_end(project: &Project, name: &str, service: &compose::Service) -> bool {
    let leant_on = || {
        project
            .services
            .values()
            .any(|other| other.depends_on.contains_key(name))
    };
    match service.restart {
        Some(compose::Restart::Always | compose::Restart::UnlessStopped) => false,
        Some(compose::Restart::OnFailure { .. }) => true,
        Some(compose::Restart::No) | None => {
            service.ports.is_empty()
                && service.expose.is_empty()
                && service.healthcheck.is_none()
                && !leant_on()
        }
    }
}

fn network_spec(key: &str, network: &compose::Network) -> NetworkSpec {
    NetworkSpec {
        key: key.to_owned(),
        external: network.external,
        driver: network.driver.clone(),
        options: map(&network.driver_opts),
        internal: network.internal,
        attachable: network.attachable,
        ipv6: network.enable_ipv6.then_some(true),
        ipam_driver: network.ipam.driver.clone(),
        ipam_options: map(&network.ipam.options),
        ipam: network.ipam.pools.iter().map(pool).collect(),
        labels: free_labels(&network.labels),
    }
}

fn pool(pool: &compose::Pool) -> IpamPool {
    IpamPool {
        subnet: pool.subnet.clone(),
        ip_range: pool.ip_range.clone(),
        gateway: pool.gateway.clone(),
        aux: map(&pool.aux_addresses),
    }
}

fn volume_spec(key: &str, volume: &compose::Volume) -> VolumeSpec {
    VolumeSpec {
        key: key.to_owned(),
        external: volume.external,
        driver: volume.driver.clone(),
        options: map(&volume.driver_opts),
        labels: free_labels(&volume.labels),
    }
}

fn map(pairs: &Pairs) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// Labels of networks and volumes under Compose's prefix or ours would be overwritten by the real ones.
fn free_labels(pairs: &Pairs) -> BTreeMap<String, String> {
    map(pairs)
        .into_iter()
        .filter(|(name, _)| labels::is_free(name))
        .collect()
}
