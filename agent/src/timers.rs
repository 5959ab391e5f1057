//! Runs the job of one timer: what the units of systemd call. When it runs is systemd's business.

use crate::agent::Agent;
use crate::containers::EngineError;
use crate::containers::exec::{self, Program};
use crate::desired::Desired;
use crate::host::programs::{Call, Program as HostProgram, ProgramError};
use crate::web_server::WebServer;
use std::time::Duration;
use tenantry_schema::document::{ContainerCommand, HostAction, Job, Timer};
use tenantry_schema::id::{InstanceName, TimerName};

/// What a command may say on its standard output, in bytes; the rest is not looked at.
const MOST_OUTPUT: usize = 64 << 10;

/// Why a job did not do what it was to do.
#[derive(Debug, thiserror::Error)]
pub enum TimerError {
    /// The slice has no such timer.
    #[error("there is no timer {0} in the slice")]
    Unknown(TimerName),
    /// Nobody runs its tool here.
    #[error("{0} does not run on this server")]
    NoInstance(String),
    /// The tool has no such service.
    #[error("{instance} has no service {service}")]
    NoService {
        /// Which tool.
        instance: InstanceName,
        /// Which service.
        service: String,
    },
    /// The container engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A program of the machine.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// The command ended with an error.
    #[error("{instance}: {program} ended with code {code}: {said}")]
    Failed {
        /// Where.
        instance: InstanceName,
        /// Which program.
        program: String,
        /// Its exit code.
        code: i64,
        /// What it said on standard error.
        said: String,
    },
    /// It took too long. In a container it may go on.
    #[error("it took longer than {0} and was not waited for any more")]
    Slow(tenantry_schema::amount::Duration),
}

/// Runs the job of the timer `name` to its end.
pub async fn run<W: WebServer>(agent: &Agent<W>, name: &TimerName) -> Result<(), TimerError> {
    let unknown = || TimerError::Unknown(name.clone());
    let desired = agent.desired().ok_or_else(unknown)?;
    let host = desired.host.host.as_ref().ok_or_else(unknown)?;
    let timers = host.timers.as_ref().ok_or_else(unknown)?;
    let timer: &Timer = timers.get(name).ok_or_else(unknown)?;
    let span = Duration::from_secs(u64::from(timer.timeout.minutes) * 60);
    let work = async {
        match timer.job().ok_or_else(unknown)? {
            Job::Container(command) => in_containers(agent, desired, command).await,
            Job::Host(action) => on_the_machine(agent, action).await,
        }
    };
    tokio::time::timeout(span, work)
        .await
        .map_err(|_| TimerError::Slow(timer.timeout))?
}

async fn on_the_machine<W: WebServer>(
    agent: &Agent<W>,
    action: HostAction,
) -> Result<(), TimerError> {
    let call = match action {
        HostAction::Trim => Call::new(HostProgram::Fstrim, ["--all"]),
        HostAction::VacuumJournal => Call::new(HostProgram::Journalctl, ["--vacuum-time=2weeks"]),
        HostAction::CleanPackages => Call::new(HostProgram::AptGet, ["-q", "clean"]),
    };
    let programs = &agent.hands().host.programs;
    programs.run(&call, None).await?;
    Ok(())
}

/// In every instance of the tool, one after the other; the first failure is told when all have had their turn.
async fn in_containers<W: WebServer>(
    agent: &Agent<W>,
    desired: &Desired,
    command: &ContainerCommand,
) -> Result<(), TimerError> {
    let ours = |(_, instance): &(&InstanceName, &crate::desired::Instance)| {
        instance.spec.tool == command.tool
    };
    let mut any = false;
    let mut failed = None;
    for (name, instance) in desired.instances.iter().filter(ours) {
        any = true;
        let services = instance.containers.as_ref().ok().map(|it| &it.services);
        let service = services.and_then(|services| services.get(&command.service));
        let result = match service {
            Some(service) => in_container(agent, name, &service.container.name, command).await,
            None => Err(TimerError::NoService {
                instance: name.clone(),
                service: command.service.clone(),
            }),
        };
        if let Err(error) = result {
            failed.get_or_insert(error);
        }
    }
    match failed {
        Some(error) => Err(error),
        None if any => Ok(()),
        None => Err(TimerError::NoInstance(command.tool.to_string())),
    }
}

async fn in_container<W: WebServer>(
    agent: &Agent<W>,
    instance: &InstanceName,
    container: &str,
    command: &ContainerCommand,
) -> Result<(), TimerError> {
    let mut program = Program::new(container, command.command.clone());
    program.user.clone_from(&command.user);
    let (ended, _) = exec::output(&agent.hands().engine, &program, MOST_OUTPUT).await?;
    if ended.code == 0 {
        return Ok(());
    }
    Err(TimerError::Failed {
        instance: instance.clone(),
        program: program.name().to_owned(),
        code: ended.code,
        said: ended.complaints,
    })
}
