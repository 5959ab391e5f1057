//! Containers that stand still while their data is read: what runs is frozen, and what does not run has to stay so.

use super::engine::Engine;
use super::error::{EngineError, ErrorKind, status};
use bollard::query_parameters::InspectContainerOptions;
use std::time::Duration;

/// A container that is started just then is tried to be frozen so often, with a pause in between.
const ATTEMPTS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(200);

/// How a container stands still.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Still {
    /// It was running, and is frozen. What it had been started at.
    Frozen(Option<String>),
    /// It does not run. What it was last started at.
    Down(Option<String>),
    /// There is no such container.
    Absent,
}

/// Where a container is now.
struct Now {
    paused: bool,
    running: bool,
    started: Option<String>,
}

async fn look(engine: &Engine, container: &str) -> Result<Option<Now>, EngineError> {
    let (docker, _) = engine.client().await?;
    let found = docker
        .inspect_container(container, None::<InspectContainerOptions>)
        .await;
    match found {
        Ok(details) => {
            let state = details.state.unwrap_or_default();
            Ok(Some(Now {
                paused: state.paused == Some(true),
                // One that waits for being started again counts as running for the engine.
                running: state.running == Some(true) && state.restarting != Some(true),
                started: state.started_at,
            }))
        }
        Err(error) if status(&error) == Some(404) => Ok(None),
        Err(error) => Err(engine.judge(&format!("look at {container}"), error, None)),
    }
}

/// Freezes a container that runs; one that does not run stays as it is.
pub async fn freeze(engine: &Engine, container: &str) -> Result<Still, EngineError> {
    let what = format!("pause {container}");
    let (docker, _) = engine.client().await?;
    for _ in 0..ATTEMPTS {
        match docker.pause_container(container).await {
            Err(error) if status(&error) == Some(404) => return Ok(Still::Absent),
            // It is frozen already, does not run, or is being started again.
            Err(error) if status(&error) == Some(409) => {}
            result => result.map_err(|error| engine.judge(&what, error, None))?,
        }
        match look(engine, container).await? {
            None => return Ok(Still::Absent),
            Some(now) if now.paused => return Ok(Still::Frozen(now.started)),
            Some(now) if !now.running => return Ok(Still::Down(now.started)),
            // It was started in between.
            Some(_) => tokio::time::sleep(PAUSE).await,
        }
    }
    let reason = "it is started again and again".to_owned();
    Err(EngineError::new(what, ErrorKind::Other { reason }))
}

/// Ends it. Answers whether the container stood still all the time: it was neither thawed, started nor made meanwhile.
pub async fn thaw(engine: &Engine, container: &str, still: &Still) -> Result<bool, EngineError> {
    let now = look(engine, container).await?;
    let held = match (still, &now) {
        (Still::Frozen(started), Some(now)) => now.paused && now.started == *started,
        (Still::Down(started), Some(now)) => !now.paused && !now.running && now.started == *started,
        (Still::Absent, None) => true,
        _ => false,
    };
    if now.is_some_and(|now| now.paused) {
        let (docker, _) = engine.client().await?;
        match docker.unpause_container(container).await {
            // It went in this very moment.
            Err(error) if matches!(status(&error), Some(404 | 409)) => {}
            result => {
                result
                    .map_err(|error| engine.judge(&format!("unpause {container}"), error, None))?;
            }
        }
    }
    Ok(held)
}
