//! What people can tell of a server, in a form that can be compared.

use crate::common::tree;
use crate::lab::Lab;
use bollard::query_parameters::{ListContainersOptionsBuilder, ListNetworksOptions};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tenantry_agent::config::Config;

const PROJECT: &str = "com.docker.compose.project";

/// What people can tell of the server. Volumes are left out: those that nothing asks for any more stay.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Settings by container.
    pub(crate) containers: BTreeMap<String, String>,
    /// Settings by network.
    networks: BTreeMap<String, String>,
    /// Live files, secret files, and what the web server serves.
    files: BTreeMap<PathBuf, Vec<u8>>,
}

impl Shape {
    /// Leaves out containers and networks of an instance that should be stopped: where it ran before they are still there, and where
    /// it never ran there are none.
    pub(crate) fn leave_out_stopped(&mut self, instance: &str) {
        let (container, network) = (format!("/{instance}-"), format!("{instance}_"));
        self.containers.retain(|name, facts| {
            let stopped = name.starts_with(&container);
            assert!(!stopped || facts.starts_with("Some(false)"), "{name} runs");
            !stopped
        });
        self.networks.retain(|name, _| !name.starts_with(&network));
    }

    /// Of the projects whose names begin like the lab's.
    pub(crate) async fn of(lab: &Lab, config: &Config) -> Self {
        Self {
            containers: containers(lab).await,
            networks: networks(lab).await,
            files: files(config),
        }
    }
}

/// Ids by container.
pub(crate) async fn ids(lab: &Lab) -> BTreeMap<String, String> {
    let all = ListContainersOptionsBuilder::new().all(true).build();
    let all = lab.docker.list_containers(Some(all)).await.unwrap();
    let ours = all.into_iter().filter(|one| {
        let labels = one.labels.as_ref();
        labels.is_some_and(|labels| is_ours(lab, labels.get(PROJECT)))
    });
    ours.map(|one| (one.names.unwrap_or_default().concat(), one.id.unwrap()))
        .collect()
}

fn is_ours(lab: &Lab, project: Option<&String>) -> bool {
    project
        .is_some_and(|name| *name == lab.project || name.starts_with(&format!("{}-", lab.project)))
}

async fn containers(lab: &Lab) -> BTreeMap<String, String> {
    let mut containers = BTreeMap::new();
    for id in ids(lab).await.into_values() {
        // Removed since it was listed.
        let Ok(details) = lab.docker.inspect_container(&id, None).await else {
            continue;
        };
        let networks = details.network_settings.and_then(|it| it.networks);
        let mut networks: Vec<_> = networks.unwrap_or_default().into_keys().collect();
        networks.sort();
        let mut mounts: Vec<_> = details.mounts.unwrap_or_default();
        mounts.sort_by(|a, b| a.destination.cmp(&b.destination));
        let mounts: Vec<_> = mounts
            .into_iter()
            .map(|mount| (mount.source, mount.destination))
            .collect();
        let config = details.config.unwrap_or_default();
        let labels = config.labels.unwrap_or_default();
        let state = details.state.unwrap_or_default();
        let facts = format!(
            "{:?} {:?} {:?} {:?} {networks:?} {mounts:?} {:?} {:?}",
            state.running,
            state.paused,
            config.env,
            config.cmd,
            labels.get("dev.tenantry.inputs"),
            details.image
        );
        containers.insert(details.name.unwrap(), facts);
    }
    containers
}

async fn networks(lab: &Lab) -> BTreeMap<String, String> {
    let all = lab.docker.list_networks(None::<ListNetworksOptions>).await;
    let ours = all.unwrap().into_iter().filter(|network| {
        let labels = network.labels.as_ref();
        labels.is_some_and(|labels| is_ours(lab, labels.get(PROJECT)))
    });
    ours.map(|network| {
        let labels: BTreeMap<_, _> = network.labels.unwrap_or_default().into_iter().collect();
        let facts = format!("{:?} {labels:?}", network.internal);
        (network.name.unwrap_or_default(), facts)
    })
    .collect()
}

fn files(config: &Config) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = tree(&config.live_folder());
    files.extend(tree(&config.secrets));
    let folder = config.nginx.configuration.parent();
    let sites = folder.unwrap_or(Path::new("/")).join("tenantry/sites");
    files.extend(tree(&sites));
    files
}
