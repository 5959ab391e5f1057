//! From a commit to running containers, from a kill to a running container, and rest: real hub, real agent, real engine.

use super::super::child::{busy, resident_memory};
use super::super::fleet::commit_file;
use super::super::{BenchError, Doing as _};
use super::ms;
use super::setting::{STACKS, Setting, order_path, order_text};
use std::time::{Duration, Instant};

/// What was found.
pub(super) struct Path {
    pub(super) commit_ms: Vec<f64>,
    pub(super) kill_ms: Vec<f64>,
    pub(super) start_ms: Vec<f64>,
    pub(super) idle_mb: f64,
    pub(super) idle_percent: f64,
}

pub(super) async fn measure(quick: bool) -> Result<Path, BenchError> {
    let (tools, rest) = if quick { (3, 3) } else { (STACKS, 30) };
    let mut setting = Setting::begin(1).await?;
    let mut commit_ms = Vec::new();
    for number in 1..tools {
        commit_ms.push(commit(&setting, number).await?);
        setting.quiet(number + 1).await?;
    }
    let mut kill_ms = Vec::new();
    for number in 0..tools {
        kill_ms.push(kill(&setting, &setting.container(number, "back")).await?);
        setting.quiet(tools).await?;
    }
    let (idle_mb, idle_percent) = idle(&mut setting, Duration::from_secs(rest)).await?;
    setting.world.servers[0].kill_agent();
    let mut start_ms = Vec::new();
    for number in 0..tools {
        start_ms.push(start(&setting, &setting.container(number, "back")).await?);
    }
    Ok(Path {
        commit_ms,
        kill_ms,
        start_ms,
        idle_mb,
        idle_percent,
    })
}

/// One more tool is committed. The clock runs from before the commit until both containers run.
async fn commit(setting: &Setting, number: usize) -> Result<f64, BenchError> {
    let repository = setting.world.home.fleet.repository().to_owned();
    let begun = Instant::now();
    commit_file(
        &repository,
        "one more tool",
        &order_path(&setting.order),
        &order_text(number + 1),
    )?;
    for service in ["back", "front"] {
        setting
            .until_running(&setting.container(number, service), None)
            .await?;
    }
    Ok(ms(begun.elapsed()))
}

async fn kill(setting: &Setting, name: &str) -> Result<f64, BenchError> {
    let before = setting.started(name).await;
    let begun = Instant::now();
    setting
        .world
        .lab
        .engine()
        .client()
        .kill_container(name, None)
        .await
        .doing("killing a container")?;
    setting.until_running(name, before.as_deref()).await?;
    Ok(ms(begun.elapsed()))
}

/// What the engine itself needs for a start, from the kill on.
async fn start(setting: &Setting, name: &str) -> Result<f64, BenchError> {
    let client = setting.world.lab.engine().client();
    let before = setting.started(name).await;
    let begun = Instant::now();
    client
        .kill_container(name, None)
        .await
        .doing("killing a container")?;
    client
        .start_container(name, None)
        .await
        .doing("starting a container")?;
    setting.until_running(name, before.as_deref()).await?;
    Ok(ms(begun.elapsed()))
}

/// After a restart the agent looks once more whether a container is steady, ten seconds later. That is not rest yet.
const SETTLED: Duration = Duration::from_secs(15);

/// Memory, and percent of a core, of an agent that nothing happens to.
pub(super) async fn idle(setting: &mut Setting, rest: Duration) -> Result<(f64, f64), BenchError> {
    tokio::time::sleep(SETTLED).await;
    let agent = setting.world.servers[0]
        .agent()
        .map(|agent| agent.id().to_string());
    let pid = agent.ok_or_else(|| BenchError::Wrong("the agent does not run".to_owned()))?;
    let (before, begun) = (busy(&pid), Instant::now());
    tokio::time::sleep(rest).await;
    let used = busy(&pid).saturating_sub(before).as_secs_f64() / begun.elapsed().as_secs_f64();
    Ok((resident_memory(&pid), used * 100.0))
}
