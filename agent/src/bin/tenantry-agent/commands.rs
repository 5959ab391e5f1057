//! What each command does with the library, and what it prints.

use crate::arguments::{Arguments, Command, Known};
use crate::process::{self, on_runtime, open};
use anyhow::Context as _;
use clap::CommandFactory as _;
use jiff::Timestamp;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use tenantry_agent::agent::{Agent, AgentError};
use tenantry_agent::backups::requests::Wish;
use tenantry_agent::config::Config;
use tenantry_agent::pause::PauseFile;
use tenantry_agent::{backups, diff, enrol, greet, install, once, report, status, timers};
use tenantry_schema::id::{InstanceName, TimerName};

/// How long an enrolling person waits for the hub.
const GREETING: Duration = Duration::from_secs(5);
const NO_SLICE: &str = "no slice has been accepted yet";
/// Something changed, would change, or is not as it should be.
const CHANGES: u8 = 2;

/// Does what was asked.
pub(super) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let path = &arguments.config;
    match arguments.command {
        Command::Enrol {
            hub_file,
            facts,
            places,
            offline,
        } => enrolled(path, hub_file, *facts, *places, offline),
        Command::Install { root, program } => installed(path, &root, &program),
        Command::Run => on_runtime(process::run(path)),
        Command::Trial { mark, hub } => on_runtime(process::trial(path, mark, hub)),
        Command::Converge {
            offline, patience, ..
        } => on_runtime(converged(path, offline, patience)),
        Command::Status { json } => on_runtime(shown(path, json)),
        Command::Diff { json } => on_runtime(compared(path, json)),
        Command::Backups {
            now: Some(name), ..
        } => asked_for(Wish::Backup, "a backup", path, name),
        Command::Backups {
            drill: Some(name), ..
        } => asked_for(Wish::Drill, "a restore drill", path, name),
        Command::Backups { json, .. } => backups_shown(path, json),
        Command::Pause { span } => paused(path, span),
        Command::Resume => resumed(path),
        Command::Completions { shell } => Ok(completions(shell)),
        Command::Man { output } => manual(&output),
        Command::RunTimer { name } => on_runtime(timer_run(path, name)),
        Command::RestoreSecrets => secrets_restored(path),
    }
}

fn enrolled(
    path: &Path,
    hub_file: Option<PathBuf>,
    facts: enrol::HubFacts,
    places: enrol::Places,
    offline: bool,
) -> anyhow::Result<ExitCode> {
    let facts = match hub_file {
        Some(file) => facts.or(enrol::HubFacts::read(&file)?),
        None => facts,
    };
    let config = facts.config(places)?;
    let keys = enrol::enrol(&config, path)?;
    say(&format!(
        "# {} is enrolled. Commit this line in fleet/customers/{}/servers/{}.yaml:\n{}",
        config.server,
        config.server.customer,
        config.server.server,
        enrol::snippet(&keys)
    ))?;
    if offline {
        return Ok(ExitCode::SUCCESS);
    }
    on_runtime(async {
        let said = greet::greet(&config, GREETING).await?;
        let _ = writeln!(std::io::stderr(), "{said}");
        Ok(ExitCode::SUCCESS)
    })
}

fn installed(path: &Path, root: &Path, program: &Path) -> anyhow::Result<ExitCode> {
    let installed = install::install(root, program, path, &Config::load(path)?)?;
    for file in &installed {
        let done = if file.changed {
            "wrote    "
        } else {
            "unchanged"
        };
        say(&format!("{done} {}\n", file.path))?;
    }
    say(&format!(
        "next: systemctl daemon-reload && systemctl enable --now {} {}\n",
        install::SECRETS_UNIT,
        install::AGENT_UNIT
    ))?;
    Ok(ExitCode::SUCCESS)
}

async fn converged(path: &Path, offline: bool, patience: u64) -> anyhow::Result<ExitCode> {
    process::arm();
    let mut agent = open(path, true)?;
    let outcome = once::converge(&mut agent, offline, Duration::from_secs(patience)).await?;
    say(&outcome.to_string())?;
    anyhow::ensure!(
        outcome.is_good(),
        "the server is not as it should be after {patience} seconds"
    );
    Ok(code(!outcome.changed && !outcome.would()))
}

async fn shown(path: &Path, json: bool) -> anyhow::Result<ExitCode> {
    let mut agent = open(path, false)?;
    let look = agent.look(Timestamp::now()).await;
    let report = agent.report(&look);
    let running = matches!(
        Agent::open(Config::load(path)?, true),
        Err(AgentError::Busy)
    );
    let outbox = agent.outbox()?;
    let standing = status::Standing {
        server: agent.config().server.to_string(),
        running,
        waiting_reports: outbox.len(),
        refused_reports: outbox.aside().summary()?,
        hub_troubles: agent.troubles()?.now().clone(),
        report,
    };
    say(&if json {
        serde_json::to_string_pretty(&standing)? + "\n"
    } else {
        standing.words()
    })?;
    Ok(code(report::all_well(&standing.report)))
}

async fn compared(path: &Path, json: bool) -> anyhow::Result<ExitCode> {
    let mut agent = open(path, false)?;
    agent.have().context(NO_SLICE)?;
    let look = agent.look(Timestamp::now()).await;
    let diff = diff::diff(&look);
    say(&if json {
        serde_json::to_string_pretty(&diff)? + "\n"
    } else {
        diff.to_string()
    })?;
    Ok(code(diff.steps.is_empty()))
}

fn asked_for(wish: Wish, what: &str, path: &Path, name: String) -> anyhow::Result<ExitCode> {
    let name = InstanceName::try_from(name)?;
    wish.request(&Config::load(path)?.state, &name)?;
    say(&format!("{what} of {name} was asked for\n"))?;
    Ok(ExitCode::SUCCESS)
}

fn backups_shown(path: &Path, json: bool) -> anyhow::Result<ExitCode> {
    let agent = Agent::open(Config::load(path)?, false)?;
    let desired = agent.desired().context(NO_SLICE)?;
    let kept = desired.backups.as_ref();
    let kept = kept.context("nothing on this server is backed up")?;
    let report = agent.desk.report(kept);
    say(&if json {
        serde_json::to_string_pretty(&report)? + "\n"
    } else {
        backups::told::words(&report)
    })?;
    Ok(ExitCode::SUCCESS)
}

fn paused(path: &Path, span: u32) -> anyhow::Result<ExitCode> {
    let file = PauseFile::open(&Config::load(path)?.state)?;
    let pause = file.begin(span, Timestamp::now())?;
    say(&format!("paused until {:.0}\n", pause.until))?;
    Ok(ExitCode::SUCCESS)
}

fn resumed(path: &Path) -> anyhow::Result<ExitCode> {
    let ended = PauseFile::open(&Config::load(path)?.state)?.end()?;
    say(if ended {
        "the pause is over\n"
    } else {
        "there was no pause\n"
    })?;
    Ok(ExitCode::SUCCESS)
}

fn completions(shell: Known) -> ExitCode {
    let shell = match shell {
        Known::Bash => clap_complete::Shell::Bash,
        Known::Zsh => clap_complete::Shell::Zsh,
        Known::Fish => clap_complete::Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(
        shell,
        &mut Arguments::command(),
        "tenantry-agent",
        &mut script,
    );
    // A reader that goes away is no error.
    let _ = std::io::stdout().write_all(&script);
    ExitCode::SUCCESS
}

fn manual(output: &Path) -> anyhow::Result<ExitCode> {
    let failed = || format!("cannot write manual pages into `{}`", output.display());
    std::fs::create_dir_all(output).with_context(failed)?;
    clap_mangen::generate_to(Arguments::command(), output).with_context(failed)?;
    Ok(ExitCode::SUCCESS)
}

async fn timer_run(path: &Path, name: String) -> anyhow::Result<ExitCode> {
    let agent = open(path, false)?;
    timers::run(&agent, &TimerName::try_from(name)?).await?;
    Ok(ExitCode::SUCCESS)
}

fn secrets_restored(path: &Path) -> anyhow::Result<ExitCode> {
    let agent = Agent::open(Config::load(path)?, false)?;
    let desired = agent.desired().context(NO_SLICE)?;
    let restored = agent.hands().secrets.restore(&desired.secrets)?;
    tracing::info!(
        written = restored.write.len(),
        removed = restored.remove.len(),
        "secret files restored"
    );
    Ok(ExitCode::SUCCESS)
}

/// Success, or the code that says that something is to be done or was.
fn code(as_it_was: bool) -> ExitCode {
    if as_it_was {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(CHANGES)
    }
}

fn say(text: &str) -> anyhow::Result<()> {
    std::io::stdout()
        .write_all(text.as_bytes())
        .context("cannot write to standard output")
}
