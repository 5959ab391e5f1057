//! Stacks that are as they should be: the agent's pass, beside Compose's.

use super::super::{BenchError, Doing as _};
use super::ms;
use super::setting::{Setting, Size, compose};
use crate::lab::Compose;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::time::Instant;
use tenantry_agent::agent::Agent;
use tenantry_agent::config::Config;

/// Containers, and since when they run.
type Running = BTreeMap<String, String>;

/// What passes cost that change nothing, in milliseconds.
pub(super) struct Noop {
    pub(super) pass: Vec<f64>,
    pub(super) inspected: Vec<f64>,
    pub(super) process: Vec<f64>,
    pub(super) compose: Vec<f64>,
}

pub(super) async fn measure(quick: bool, size: Size) -> Result<Noop, BenchError> {
    let (passes, processes) = if quick { (5, 2) } else { (50, 7) };
    let mut setting = Setting::sized(size.stacks, size).await?;
    let before = alone(&mut setting, size)?;
    let (pass, inspected) = (
        passes_of(&setting, passes, false).await?,
        passes_of(&setting, passes, true).await?,
    );
    let process = (0..processes)
        .map(|_| program(&setting))
        .collect::<Result<_, _>>()?;
    unchanged(&setting, &before)?;
    Ok(Noop {
        pass,
        inspected,
        process,
        compose: composed(&setting, processes, size)?,
    })
}

/// Passes over a server that is there already, whose agent ends for it.
pub(super) async fn passes(
    setting: &mut Setting,
    size: Size,
    count: usize,
) -> Result<Vec<f64>, BenchError> {
    let before = alone(setting, size)?;
    let found = passes_of(setting, count, false).await?;
    unchanged(setting, &before)?;
    Ok(found)
}

/// Ends the agent, which would work beside what is measured, and says what runs.
fn alone(setting: &mut Setting, size: Size) -> Result<Running, BenchError> {
    setting.world.servers[0].kill_agent();
    let running = setting.world.running()?;
    if running.len() == size.services * size.stacks {
        return Ok(running);
    }
    Err(BenchError::Wrong(format!(
        "{} containers run",
        running.len()
    )))
}

/// What changes containers is no pass that changes nothing.
fn unchanged(setting: &Setting, before: &Running) -> Result<(), BenchError> {
    let after = setting.world.running()?;
    if after == *before {
        return Ok(());
    }
    let same = |(name, facts): &(&String, &_)| after.get(*name) == Some(*facts);
    let changed: Vec<&String> = before
        .iter()
        .filter(|entry| !same(entry))
        .map(|(name, _)| name)
        .collect();
    Err(BenchError::Wrong(format!(
        "containers are not as they were: {changed:?} of {}, {} now",
        before.len(),
        after.len()
    )))
}

/// Passes of one agent, as the running one makes them: look at engine, files and web server, and decide.
async fn passes_of(setting: &Setting, count: usize, inspect: bool) -> Result<Vec<f64>, BenchError> {
    let config = setting.world.servers[0].dir().join("agent.yaml");
    let mut agent = Agent::open(
        Config::load(&config).doing("reading the agent's configuration")?,
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
            let unsettled: Vec<_> = (look.plan.verdicts.iter())
                .filter(|(name, _)| !look.plan.settled.contains(*name))
                .collect();
            return Err(BenchError::Wrong(format!(
                "the agent finds something to do: {:?}; not settled: {unsettled:?}",
                look.plan.steps
            )));
        }
    }
    samples.remove(0);
    Ok(samples)
}

/// The program from start to end.
fn program(setting: &Setting) -> Result<f64, BenchError> {
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
pub(super) fn composed(setting: &Setting, runs: usize, size: Size) -> Result<Vec<f64>, BenchError> {
    let lab = &setting.world.lab;
    let folders = tempfile::tempdir().doing("making a folder")?;
    let ports = crate::lab::PortRange::reserve(u16::try_from(size.stacks).unwrap_or(u16::MAX))?;
    let mut projects = Vec::new();
    for number in 0..size.stacks {
        let folder = folders.path().join(number.to_string());
        std::fs::create_dir(&folder).doing("making a folder")?;
        std::fs::write(folder.join("compose.yaml"), compose(number, size.services))
            .doing("writing a Compose file")?;
        // Of its own accord an engine has room for thirty networks, and the agent's stacks have theirs.
        let subnet = format!("10.{}.{number}.0/28", 128 + std::process::id() % 120);
        let networks = format!(
            "networks: {{ default: {{ ipam: {{ config: [{{ subnet: {subnet} }}] }} }} }}\n"
        );
        std::fs::write(folder.join("compose.override.yaml"), networks)
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
