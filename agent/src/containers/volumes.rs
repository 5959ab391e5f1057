//! Volumes and folders of containers, as far as their content is to be exchanged: where it is, and who has it open.

use super::engine::Engine;
use super::error::{EngineError, ErrorKind};
use bollard::query_parameters::ListContainersOptions;
use std::path::{Path, PathBuf};

/// The folder of a volume that can take the place of another. One with options of its driver is mounted by the engine only while a container
/// uses it: there is nothing to exchange while the tool stands still.
pub async fn own_folder(engine: &Engine, volume: &str) -> Result<PathBuf, EngineError> {
    let what = format!("look at volume {volume}");
    let folder = super::exec::volume_folder(engine, volume).await?;
    let (docker, _) = engine.client().await?;
    let details = docker
        .inspect_volume(volume)
        .await
        .map_err(|error| engine.judge(&what, error, None))?;
    if details.options.is_empty() {
        return Ok(folder);
    }
    let reason = "it has options of its driver (`driver_opts`), so the engine mounts it only while a container runs; put its data back by hand";
    Err(EngineError::new(
        what,
        ErrorKind::Other {
            reason: reason.to_owned(),
        },
    ))
}

/// Running containers that have one of `places`, or something in it, mounted. They would go on with what was there before.
pub async fn users(engine: &Engine, places: &[&Path]) -> Result<Vec<String>, EngineError> {
    let (docker, _) = engine.client().await?;
    let running = docker
        .list_containers(None::<ListContainersOptions>)
        .await
        .map_err(|error| engine.judge("list containers", error, None))?;
    let uses = |source: &str| places.iter().any(|at| Path::new(source).starts_with(at));
    let found = running.into_iter().filter(|container| {
        let mounts = container.mounts.iter().flatten();
        mounts.filter_map(|mount| mount.source.as_deref()).any(uses)
    });
    let name = |names: Vec<String>| Some(names.first()?.trim_start_matches('/').to_owned());
    Ok(found
        .filter_map(|container| container.names.and_then(name))
        .collect())
}
