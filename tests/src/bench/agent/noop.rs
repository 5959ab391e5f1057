//! Stacks that are as they should be: the agent's pass, beside Compose's.

use super::super::{BenchError, Doing as _};
use super::ms;
use super::setting::{Setting, Size, compose};
use crate::lab::Compose;
use jiff::Timestamp;
use std::path::Path;
use std::time::Instant;
use tenantry_agent::agent::Agent;
use tenantry_agent::config::Config;

/// What passes cost that change nothing.
pub(super) struct Noop {
    pub(super) pass_ms: Vec<f64>,
    pub(super) inspected_ms: Vec<f64>,
    pub(super) process_ms: Vec<f64>,
    pub(super) compose_ms: Vec<f64>,
    pub(super) changed: f64,
}

pub(super) async fn measure(quick: bool, size: Size) -> Result<Noop, BenchError> {
    let (passes, processes) = if quick { (5, 2) } else { (50, 7) };
    let mut setting = Setting::sized(size.stacks, size).await?;
    // The daemon would work beside what is measured.
    setting.world.servers[0].kill_agent();
    let before = setting.world.running()?;
    if before.len() != size.services * size.stacks {
        return Err(BenchError::Wrong(format!(
            "{} containers run",
            before.len()
        )));
    }
    let config = setting.world.servers[0].dir().join("agent.yaml");
    let (pass_ms, inspected_ms) = (
        passes_of(&config, passes, false).await?,
        passes_of(&config, passes, true).await?,
    );
    let process_ms = (0..processes)
        .map(|_| process(&setting))
        .collect::<Result<_, _>>()?;
    let after = setting.world.running()?;
    let same = before
        .iter()
        .filter(|(name, facts)| after.get(*name) == Some(*facts))
        .count();
    let changed = (before.len().max(after.len()) - same) as f64;
    let compose_ms = composed(&setting, processes, size)?;
    Ok(Noop {
        pass_ms,
        inspected_ms,
        process_ms,
        compose_ms,
        changed,
    })
}

/// Passes of one agent, as the running one makes them: look at engine, files and web server, and decide.
async fn passes_of(config: &Path, count: usize, inspect: bool) -> Result<Vec<f64>, BenchError> {
    let mut agent = Agent::open(
        Config::load(config).doing("reading the agent's configuration")?,
        false,
    )
    .doing("opening the agent")?;
    let mut samples = Vec::new();
    // The first one fills what is remembered.
    for _ in 0..=count {
        if inspect {
            agent.observer().forget_all();
        }
        let begun = Instant::now();
        let look = agent.look(Timestamp::now()).await;
        samples.push(ms(begun.elapsed()));
        let idle = look.plan.steps.is_empty() && look.plan.converged;
        if !idle {
            return Err(BenchError::Wrong(
                "the agent finds something to do".to_owned(),
            ));
        }
    }
    samples.remove(0);
    Ok(samples)
}

/// The program from start to end.
fn process(setting: &Setting) -> Result<f64, BenchError> {
    let begun = Instant::now();
    let output = setting.world.servers[0].run_agent(&["converge", "--once", "--offline"])?;
    let took = ms(begun.elapsed());
    if output.status.code() == Some(0) {
        return Ok(took);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(BenchError::Wrong(format!(
        "converge --once: {}: {said}",
        output.status
    )))
}

/// Projects of the same content under Compose.
fn composed(setting: &Setting, runs: usize, size: Size) -> Result<Vec<f64>, BenchError> {
    let lab = &setting.world.lab;
    let folders = tempfile::tempdir().doing("making a folder")?;
    let ports = crate::lab::PortRange::reserve(u16::try_from(size.stacks).unwrap_or(u16::MAX))?;
    let mut projects = Vec::new();
    for number in 0..size.stacks {
        let folder = folders.path().join(number.to_string());
        std::fs::create_dir(&folder).doing("making a folder")?;
        std::fs::write(folder.join("compose.yaml"), compose(number, size.services))
            .doing("writing a Compose file")?;
        let port = usize::from(ports.first()) + number;
        std::fs::write(folder.join(".env"), format!("SITE_PORT={port}\n"))
            .doing("writing a Compose file")?;
        let Some(project) =
            Compose::project(lab.config(), &lab.name(&format!("peer-{number}")), folder)
        else {
            return Ok(Vec::new());
        };
        project.run(&["up", "-d"])?;
        projects.push(project);
    }
    let up_all = || {
        let begun = Instant::now();
        for project in &projects {
            project.run(&["up", "-d"])?;
        }
        Ok(ms(begun.elapsed()))
    };
    (0..runs).map(|_| up_all()).collect()
}
