//! Containers that stand still while their data is read: what runs is frozen, and what does not run has to stay so.

use super::engine::Engine;
use super::error::{EngineError, status};
use bollard::query_parameters::InspectContainerOptions;

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
                started: state.started_at,
            }))
        }
        Err(error) if status(&error) == Some(404) => Ok(None),
        Err(error) => Err(engine.judge(&format!("look at {container}"), error, None)),
    }
}

/// Freezes a container that runs; one that does not run stays as it is.
pub async fn freeze(engine: &Engine, container: &str) -> Result<Still, EngineError> {
    let (docker, _) = engine.client().await?;
    let refused = match docker.pause_container(container).await {
        Ok(()) => None,
        Err(error) if status(&error) == Some(404) => return Ok(Still::Absent),
        // It is frozen already, does not run, or is being started again.
        Err(error) if status(&error) == Some(409) => Some(error),
        Err(error) => return Err(engine.judge(&format!("pause {container}"), error, None)),
    };
    let Some(now) = look(engine, container).await? else {
        return Ok(Still::Absent);
    };
    Ok(match refused {
        Some(_) if !now.paused => Still::Down(now.started),
        _ => Still::Frozen(now.started),
    })
}

/// Ends it. Answers whether the container stood still all the time: it was neither thawed, started nor made meanwhile.
pub async fn thaw(engine: &Engine, container: &str, still: &Still) -> Result<bool, EngineError> {
    let now = look(engine, container).await?;
    let held = match (still, &now) {
        (Still::Frozen(started), Some(now)) => now.paused && now.started == *started,
        (Still::Down(started), Some(now)) => !now.paused && now.started == *started,
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
