//! A server with many containers: rest, drifts one after the other, memory afterwards, and what other tools take to look at as much.

use super::super::child::resident_memory;
use super::super::{BenchError, Doing as _, Options};
use super::ms;
use super::noop;
use super::path::idle;
use super::peers::{Looked, ansible, pyinfra};
use super::setting::{Setting, Size};
use bollard::models::{ContainerInspectResponse, NetworkDisconnectRequest};
use bollard::query_parameters::{RemoveContainerOptions, StopContainerOptions};
use rand::prelude::*;
use std::time::{Duration, Instant};

/// What was found.
pub(super) struct Large {
    pub(super) idle_mb: f64,
    pub(super) idle_percent: f64,
    pub(super) drift_ms: Vec<f64>,
    pub(super) gained_mb: f64,
    /// Along the way.
    pub(super) memory_mb: Vec<f64>,
    pub(super) ansible_ms: Vec<f64>,
    pub(super) pyinfra_ms: Vec<f64>,
    pub(super) pass_ms: Vec<f64>,
    pub(super) compose_ms: Vec<f64>,
}

/// What somebody does.
#[derive(Debug, Clone, Copy)]
enum Drift {
    Kill,
    Stop,
    Remove,
    Pause,
    /// From the network of its stack.
    Disconnect,
    /// Not the container: a file of its stack.
    Edit,
}

impl Drift {
    const ALL: [Self; 6] = [
        Self::Kill,
        Self::Stop,
        Self::Remove,
        Self::Pause,
        Self::Disconnect,
        Self::Edit,
    ];
}

/// For a file to be put right.
const PATIENCE: Duration = Duration::from_mins(1);
/// Drifts between two looks at memory.
const STRETCH: usize = 100;
/// A container without a health check that was started again is well for good after 15 seconds; until then the agent has something left to do.
const STEADY: Duration = Duration::from_secs(20);
/// Times that every container drifts before another edition is committed: what is started again and again is made to wait.
const TURNS: usize = 3;

pub(super) async fn measure(options: &Options, size: Size) -> Result<Large, BenchError> {
    let (drifts, rest, runs, passes) = match options {
        Options { quick: true, .. } => (6, 3, 1, 5),
        Options { long: true, .. } => (2_000, 60, 5, 50),
        _ => (200, 60, 5, 50),
    };
    let mut setting = Setting::sized(size.stacks, size).await?;
    let (idle_mb, idle_percent) = idle(&mut setting, Duration::from_secs(rest)).await?;
    let looked = Looked::of(&setting)?;
    let (ansible_ms, pyinfra_ms) = (ansible(&looked, runs)?, pyinfra(&looked, runs)?);
    let (drift_ms, memory_mb) = churn(&mut setting, size, drifts).await?;
    setting.quiet(size.stacks).await?;
    tokio::time::sleep(STEADY).await;
    let gained_mb = (memory(&mut setting)? - idle_mb).max(0.0);
    Ok(Large {
        pass_ms: noop::passes(&mut setting, size, passes).await?,
        compose_ms: noop::composed(&setting, runs, size)?,
        idle_mb,
        idle_percent,
        drift_ms,
        gained_mb,
        memory_mb,
        ansible_ms,
        pyinfra_ms,
    })
}

/// So many drifts, one after the other: what each took, and the agent's memory along the way.
async fn churn(
    setting: &mut Setting,
    size: Size,
    drifts: usize,
) -> Result<(Vec<f64>, Vec<f64>), BenchError> {
    // The same drifts in every run.
    let mut random = rand::rngs::StdRng::seed_from_u64(20);
    let services = ["front", "back", "side"];
    let (mut drift_ms, mut memory_mb) = (Vec::new(), Vec::new());
    let mut names: Vec<String> = Vec::new();
    let mut kinds: Vec<Drift> = Vec::new();
    let mut turns = 0;
    for number in 0..drifts {
        if names.is_empty() {
            // Each in turn, so that no service is started so often that the agent makes it wait.
            names = (0..size.stacks)
                .flat_map(|stack| services.map(|service| setting.container(stack, service)))
                .collect();
            names.shuffle(&mut random);
            turns += 1;
            if turns > TURNS && turns % TURNS == 1 {
                setting.edit(size.stacks, turns).await?;
            }
        }
        let Some(name) = names.pop() else { break };
        if kinds.is_empty() {
            kinds.extend(Drift::ALL);
            kinds.shuffle(&mut random);
        }
        let Some(what) = kinds.pop() else { break };
        drift_ms.push(drift(setting, &name, what).await?);
        if (number + 1) % STRETCH == 0 {
            memory_mb.push(memory(setting)?);
        }
    }
    Ok((drift_ms, memory_mb))
}

/// The agent's, now.
fn memory(setting: &mut Setting) -> Result<f64, BenchError> {
    let agent = setting.world.servers[0]
        .agent()
        .map(|agent| agent.id().to_string());
    let pid = agent.ok_or_else(|| BenchError::Wrong("the agent does not run".to_owned()))?;
    Ok(resident_memory(&pid))
}

/// From the moment at which somebody asks the engine for it, or has written the file, to the moment at which everything is as it was.
async fn drift(setting: &Setting, name: &str, what: Drift) -> Result<f64, BenchError> {
    let client = setting.world.lab.engine().client();
    let disturbed = "disturbing a container";
    let before = setting.started(name).await;
    let begun = Instant::now();
    match what {
        Drift::Kill => client.kill_container(name, None).await.doing(disturbed)?,
        Drift::Stop => {
            let now = StopContainerOptions {
                t: Some(0),
                ..StopContainerOptions::default()
            };
            let stopped = client.stop_container(name, Some(now)).await;
            stopped.doing(disturbed)?;
        }
        Drift::Remove => {
            let now = RemoveContainerOptions {
                force: true,
                ..RemoveContainerOptions::default()
            };
            let removed = client.remove_container(name, Some(now)).await;
            removed.doing(disturbed)?;
        }
        Drift::Pause => {
            client.pause_container(name).await.doing(disturbed)?;
            let goes_on = |seen: &ContainerInspectResponse| {
                let state = seen.state.as_ref();
                state.is_some_and(|it| it.running == Some(true) && it.paused == Some(false))
            };
            setting.until(name, goes_on).await?;
            return Ok(ms(begun.elapsed()));
        }
        Drift::Disconnect => {
            let network = format!("{}_default", instance(name));
            let from = NetworkDisconnectRequest {
                container: name.to_owned(),
                force: Some(true),
            };
            let left = client.disconnect_network(&network, from).await;
            left.doing(disturbed)?;
            let is_back = |seen: &ContainerInspectResponse| {
                let settings = seen.network_settings.as_ref();
                let networks = settings.and_then(|it| it.networks.as_ref());
                networks.is_some_and(|all| all.contains_key(&network))
            };
            setting.until(name, is_back).await?;
            return Ok(ms(begun.elapsed()));
        }
        Drift::Edit => return edit(setting, instance(name)).await,
    }
    setting.until_running(name, before.as_deref()).await?;
    Ok(ms(begun.elapsed()))
}

/// The instance that a container is of: `<instance>-<service>-1`.
fn instance(container: &str) -> &str {
    container.rsplitn(3, '-').last().unwrap_or(container)
}

/// Somebody writes into a file of the instance.
async fn edit(setting: &Setting, instance: &str) -> Result<f64, BenchError> {
    let path = setting.world.live(0).join(instance).join("compose.yaml");
    let doing = "editing a file";
    let before = std::fs::read(&path).doing(doing)?;
    std::fs::write(&path, "services: {}\n").doing(doing)?;
    let begun = Instant::now();
    while std::fs::read(&path).ok().as_ref() != Some(&before) {
        if begun.elapsed() > PATIENCE {
            let path = path.display();
            return Err(BenchError::Wrong(format!("{path} is not put right")));
        }
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    Ok(ms(begun.elapsed()))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_instance_of_a_container_is_its_name_without_service_and_number() {
        assert_eq!(super::instance("o-1-pair-7-front-1"), "o-1-pair-7");
    }
}
