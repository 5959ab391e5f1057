//! Containers to try things out in: no network, nothing of the server mounted, and gone afterwards with all that they held.

use super::engine::Engine;
use super::error::{EngineError, status};
use super::labels;
use bollard::models::{ContainerCreateBody, HostConfig};
use bollard::query_parameters::{
    CreateContainerOptions, ListContainersOptions, RemoveContainerOptions, StartContainerOptions,
    StopContainerOptions,
};
use std::collections::HashMap;
use tenantry_schema::Secret;

/// How their names begin.
pub const PREFIX: &str = "tenantry-drill-";
/// Most memory that it gets: a MySQL server takes half of one GiB by itself, and several times the bytes of a long row.
const MEMORY: i64 = 2 << 30;
/// Where memory ends, it is the first that goes.
const FIRST_TO_GO: i64 = 1000;
/// Its share of the processor next to others, of 1024.
const SHARE: i64 = 64;

/// A container to try things out in.
#[derive(Debug, Clone)]
pub struct Sandbox {
    /// Its name.
    pub name: String,
    /// Its image, which is here already.
    pub image: String,
    /// Whose it is: `<fleet id>/<customer>/<server>`.
    pub keeper: String,
    /// Its variables.
    pub variables: Vec<(String, Secret)>,
}

/// Makes and starts it. One that is there under its name is removed before.
pub async fn start(engine: &Engine, sandbox: &Sandbox) -> Result<(), EngineError> {
    remove(engine, &sandbox.name).await?;
    let what = format!("start {} to try a backup out", sandbox.name);
    let (docker, _) = engine.client().await?;
    let judged = |error| engine.judge(&what, error, None);
    let variables = sandbox
        .variables
        .iter()
        .map(|(name, value)| format!("{name}={}", value.expose()));
    let body = ContainerCreateBody {
        image: Some(sandbox.image.clone()),
        env: Some(variables.collect()),
        labels: Some(HashMap::from([(
            labels::DRILL.to_owned(),
            sandbox.keeper.clone(),
        )])),
        network_disabled: Some(true),
        host_config: Some(HostConfig {
            network_mode: Some("none".to_owned()),
            memory: Some(MEMORY),
            oom_score_adj: Some(FIRST_TO_GO),
            cpu_shares: Some(SHARE),
            security_opt: Some(vec!["no-new-privileges:true".to_owned()]),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    };
    let options = CreateContainerOptions {
        name: Some(sandbox.name.clone()),
        ..CreateContainerOptions::default()
    };
    docker
        .create_container(Some(options), body)
        .await
        .map_err(judged)?;
    docker
        .start_container(&sandbox.name, None::<StartContainerOptions>)
        .await
        .map_err(judged)
}

/// Makes sure that it is gone, with its volumes. A container that is none of ours stays.
pub async fn remove(engine: &Engine, name: &str) -> Result<(), EngineError> {
    let what = format!("remove {name}");
    let (docker, _) = engine.client().await?;
    let options = RemoveContainerOptions {
        v: true,
        force: true,
        link: false,
    };
    match docker.remove_container(name, Some(options)).await {
        Err(error) if status(&error) == Some(404) => Ok(()),
        result => result.map_err(|error| engine.judge(&what, error, None)),
    }
}

/// Makes sure that all of a keeper's are gone.
pub async fn remove_all(engine: &Engine, keeper: &str) -> Result<(), EngineError> {
    let (docker, _) = engine.client().await?;
    let label = format!("{}={keeper}", labels::DRILL);
    let options = ListContainersOptions {
        all: true,
        filters: Some(HashMap::from([("label".to_owned(), vec![label])])),
        ..ListContainersOptions::default()
    };
    let found = docker
        .list_containers(Some(options))
        .await
        .map_err(|error| engine.judge("list containers of drills", error, None))?;
    for id in found.into_iter().filter_map(|container| container.id) {
        remove(engine, &id).await?;
    }
    Ok(())
}

/// Stops a container that runs.
pub async fn stop(engine: &Engine, name: &str) -> Result<(), EngineError> {
    let (docker, _) = engine.client().await?;
    match docker
        .stop_container(name, None::<StopContainerOptions>)
        .await
    {
        Err(error) if matches!(status(&error), Some(304 | 404)) => Ok(()),
        result => result
            .inspect(|()| crate::faults::changed())
            .map_err(|error| engine.judge(&format!("stop {name}"), error, None)),
    }
}

/// Starts a container that is stopped.
pub async fn resume(engine: &Engine, name: &str) -> Result<(), EngineError> {
    let (docker, _) = engine.client().await?;
    match docker
        .start_container(name, None::<StartContainerOptions>)
        .await
    {
        Err(error) if status(&error) == Some(304) => Ok(()),
        result => result
            .inspect(|()| crate::faults::changed())
            .map_err(|error| engine.judge(&format!("start {name}"), error, None)),
    }
}
