//! What people ask about containers and volumes. Reads only.

use super::engine::Engine;
use super::error::EngineError;
use super::labels;
use super::state::Owner;
use bollard::models::ContainerInspectResponse;
use bollard::query_parameters::{ListContainersOptionsBuilder, ListVolumesOptions};
use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;

/// A volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its name.
    pub name: String,
    /// Where its files are, if they are on this server's disk.
    pub folder: Option<PathBuf>,
}

/// The id of the newest container of a service that may be looked at on behalf of `keeper`.
pub async fn container_of_service(
    engine: &Engine,
    keeper: &str,
    project: &str,
    service: &str,
) -> Result<Option<String>, EngineError> {
    let (docker, _) = engine.client().await?;
    let label = |name: &str, value: &str| format!("{name}={value}");
    let filters = HashMap::from([(
        "label".to_owned(),
        vec![
            label(labels::PROJECT, project),
            label(labels::SERVICE, service),
        ],
    )]);
    let options = ListContainersOptionsBuilder::new()
        .all(true)
        .filters(&filters)
        .build();
    let found = docker
        .list_containers(Some(options))
        .await
        .map_err(|error| engine.judge("find a container", error, None))?;
    let newest = found
        .into_iter()
        .filter(|container| {
            let marks = container.labels.clone().unwrap_or_default();
            Owner::read(|label| marks.get(label)).serves(keeper, project, service)
        })
        .max_by_key(|container| container.created);
    Ok(newest.and_then(|container| container.id))
}

/// Everything that the engine says of a container. It holds secrets.
pub async fn inspected(engine: &Engine, id: &str) -> Result<ContainerInspectResponse, EngineError> {
    let (docker, _) = engine.client().await?;
    docker
        .inspect_container(id, None)
        .await
        .map_err(|error| engine.judge("inspect a container", error, None))
}

/// The volumes of these projects, by name.
pub async fn volumes_of(
    engine: &Engine,
    projects: &BTreeSet<String>,
) -> Result<Vec<Place>, EngineError> {
    let (docker, _) = engine.client().await?;
    let listed = docker.list_volumes(None::<ListVolumesOptions>).await;
    let listed = listed.map_err(|error| engine.judge("list volumes", error, None))?;
    let mut all: Vec<_> = listed
        .volumes
        .into_iter()
        .flatten()
        .filter(|volume| {
            volume
                .labels
                .get(labels::PROJECT)
                .is_some_and(|project| projects.contains(project))
        })
        .map(|volume| Place {
            folder: (volume.driver == "local" && !volume.mountpoint.is_empty())
                .then(|| volume.mountpoint.into()),
            name: volume.name,
        })
        .collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(all)
}
