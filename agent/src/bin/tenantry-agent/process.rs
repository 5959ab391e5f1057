//! What runs until it is stopped, and the runtime under every command that waits for something.

use anyhow::Context as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tenantry_agent::agent::Agent;
use tenantry_agent::config::{self, Config};
use tenantry_agent::faults;
use tenantry_agent::looping::{self, Ended};
use tenantry_agent::update::trial::{self, Verdict};
use tenantry_agent::web_server::NginxServer;
use tokio::signal::unix::{SignalKind, signal};

/// `tenantry-agent run`.
pub(super) async fn run(path: &Path) -> anyhow::Result<ExitCode> {
    arm();
    serve(path).await
}

/// Dies after so many changes, where a test asks for it.
pub(super) fn arm() {
    if let Some(changes) = config::fault_after() {
        faults::arm(changes);
    }
}

/// The same as a program that an agent of another release tries.
pub(super) async fn trial(path: &Path, mark: PathBuf, hub: bool) -> anyhow::Result<ExitCode> {
    // Whoever tries this program has to watch it. One that ended before this was asked for sends no signal.
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM))?;
    let parent = rustix::process::getppid().map(rustix::process::Pid::as_raw_nonzero);
    if let Some(by) = config::tried_by()
        && parent.is_none_or(|parent| parent.get() != by)
    {
        anyhow::bail!("the agent that tries this program has ended");
    }
    let trial = looping::Trial { mark, hub };
    looping::run_as(open(path, true)?, Some(trial), stop()?).await?;
    Ok(ExitCode::SUCCESS)
}

/// Runs, and tries other programs when the slice asks for them. A good one takes over this very process.
async fn serve(path: &Path) -> anyhow::Result<ExitCode> {
    loop {
        let agent = open(path, true)?;
        let Ended::Update(candidate) = looping::run(agent, stop()?).await? else {
            return Ok(ExitCode::SUCCESS);
        };
        let config = Config::load(path)?;
        let (release, sha256) = (candidate.release, &candidate.sha256);
        tracing::info!(%release, %sha256, "another program is tried");
        match trial::run(&config, path, &candidate, stop()?).await {
            Ok(Verdict::Good) => {
                tracing::info!(%release, %sha256, "it is healthy and takes over");
                let mut command = std::process::Command::new(&config.program);
                let error = command.arg("--config").arg(path).arg("run").exec();
                return Err(error).context("the new program is installed and cannot be started");
            }
            Ok(Verdict::Rejected(reason)) => tracing::error!(%release, reason, "it is given up"),
            Ok(Verdict::Failed(reason)) => tracing::error!(%release, reason, "it is tried later"),
            Ok(Verdict::Stopped) => return Ok(ExitCode::SUCCESS),
            Err(error) => {
                // Without a note of it, it would be tried again and again.
                return Err(error).context("another program cannot be tried");
            }
        }
    }
}

/// The agent, whose units know where it is.
pub(super) fn open(path: &Path, alone: bool) -> anyhow::Result<Agent<NginxServer>> {
    let agent = Agent::open(Config::load(path)?, alone)?;
    let program = agent.config().program.clone();
    agent.hands().host.called(&program, path);
    Ok(agent)
}

/// One thread is enough for one server, and keeps memory small.
pub(super) fn on_runtime(
    work: impl Future<Output = anyhow::Result<ExitCode>>,
) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(2)
        .build()?;
    tokio::task::LocalSet::new().block_on(&runtime, work)
}

/// Completes when the process is asked to end.
fn stop() -> anyhow::Result<impl Future<Output = ()>> {
    let (mut terminate, mut interrupt) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
