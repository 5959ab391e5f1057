//! The command line of `tenantry-agent`. Everything that it does is in the library.

use anyhow::Context as _;
use clap::{CommandFactory as _, Parser, Subcommand};
use jiff::Timestamp;
use std::io::{IsTerminal as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use tenantry_agent::agent::{Agent, AgentError};
use tenantry_agent::config::{self, Config};
use tenantry_agent::execute::sentence;
use tenantry_agent::looping::Ended;
use tenantry_agent::pause::PauseFile;
use tenantry_agent::update::trial::{self, Verdict};
use tenantry_agent::web_server::NginxServer;
use tenantry_agent::{
    backups, diff, enrol, faults, greet, install, looping, once, report, status, timers,
};
use tenantry_schema::id::{InstanceName, TimerName};
use tokio::signal::unix::{SignalKind, signal};

/// Keeps one server as its slice says, with or without the hub.
///
/// How a server is taken in:
///   1. `tenantry-agent enrol …` makes its keys and prints a line; commit that line in
///      fleet/customers/<customer>/servers/<server>.yaml
///   2. `tenantry-agent install` writes the systemd units; enable both
///   3. the hub sees the commit, publishes the slice, the agent fetches it
///
/// Exit codes: 0 nothing to do or done, 2 something changed or would change, 1 error.
#[derive(Debug, Parser)]
#[command(version, verbatim_doc_comment)]
struct Arguments {
    /// The agent's configuration
    #[arg(long, global = true, default_value = config::DEFAULT_PATH)]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make this server's keys and configuration, and print what the fleet must know
    ///
    /// Run again it changes nothing and prints the same. The private keys never leave the server. The hub is asked whether it knows
    /// this server, and what it says is printed to standard error; nothing depends on it.
    Enrol {
        /// YAML file with hub_url, fleet_id, server, hub_key, hub_age, recovery_key, recovery_age
        #[arg(long)]
        hub_file: Option<PathBuf>,
        #[command(flatten)]
        facts: Box<enrol::HubFacts>,
        #[command(flatten)]
        places: Box<enrol::Places>,
        /// Do not ask the hub whether it knows this server
        #[arg(long)]
        offline: bool,
    },
    /// Run until stopped: fetch slices, converge, heal, report
    Run,
    /// Fetch the newest slice, make the server what it says, and end
    Converge {
        /// Required: without it use `run`
        #[arg(long, required = true)]
        once: bool,
        /// Do not ask the hub; use the slice that was accepted last
        #[arg(long)]
        offline: bool,
        /// Seconds to wait until everything is healthy
        #[arg(long, default_value_t = 120)]
        patience: u64,
    },
    /// Show how the server stands
    Status {
        /// As a report in JSON
        #[arg(long)]
        json: bool,
    },
    /// Change nothing on this server for a while, so that a person can
    ///
    /// Containers, files and sites stay as people leave them. Slices are still accepted and reports still sent; the hub's page says until
    /// when. It ends by itself, also across restarts.
    Pause {
        /// How long, such as 30m, 2h or 1d; a week at most
        #[arg(long = "for", value_name = "TIME", value_parser = minutes)]
        span: u32,
    },
    /// End a pause
    Resume,
    /// Show what would be done, and do nothing
    Diff {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Show how backups stand, or ask for one
    Backups {
        /// Ask the agent that runs for a backup of this instance as soon as one can be taken
        #[arg(long, value_name = "INSTANCE")]
        now: Option<String>,
        /// As a report in JSON
        #[arg(long)]
        json: bool,
    },
    /// Write the systemd units, and the line that lets nginx see our sites
    Install {
        /// Folder that stands for `/`
        #[arg(long, default_value = "/")]
        root: PathBuf,
        /// Where the program will be
        #[arg(long, default_value = "/usr/local/bin/tenantry-agent")]
        program: PathBuf,
    },
    /// Write secret files into memory; runs before the container engine starts
    RestoreSecrets,
    /// Run as `run` does, and say when all is well; called by an agent of another release
    #[command(hide = true)]
    Trial {
        /// The file that says that all is well
        #[arg(long)]
        mark: PathBuf,
        /// All is well only once the hub answered
        #[arg(long)]
        hub: bool,
    },
    /// Run the job of a timer; called by its systemd unit
    #[command(hide = true)]
    RunTimer {
        /// The timer
        name: String,
    },
    /// Print completions for a shell
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: Known,
    },
    /// Write manual pages
    #[command(hide = true)]
    Man {
        /// The folder to write pages into, one a command
        #[arg(long, value_name = "DIR")]
        output: PathBuf,
    },
}

/// Shells that are completed for.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Known {
    Bash,
    Zsh,
    Fish,
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        // Not clap's own 2, which means "there are changes" here.
        Err(error) => {
            let code = ExitCode::from(u8::from(error.use_stderr()));
            let _ = error.print();
            return code;
        }
    };
    let filter = tracing_subscriber::EnvFilter::new(config::log_filter())
        // Whole answers of the engine, with environments, are logged at `debug`.
        .add_directive("bollard=info".parse().unwrap_or_default());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    match run(arguments) {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {}", sentence(error.as_ref()));
            ExitCode::from(1)
        }
    }
}

fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let path = &arguments.config;
    match arguments.command {
        Command::Enrol {
            hub_file,
            facts,
            places,
            offline,
        } => {
            let facts = match hub_file {
                Some(file) => facts.or(enrol::HubFacts::read(&file)?),
                None => *facts,
            };
            let config = facts.config(*places)?;
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
        Command::Install { root, program } => {
            let installed = install::install(&root, &program, path, &Config::load(path)?)?;
            for file in &installed {
                say(&format!(
                    "{} {}\n",
                    if file.changed {
                        "wrote    "
                    } else {
                        "unchanged"
                    },
                    file.path
                ))?;
            }
            say(&format!(
                "next: systemctl daemon-reload && systemctl enable --now {} {}\n",
                install::SECRETS_UNIT,
                install::AGENT_UNIT
            ))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Run => on_runtime(async {
            if let Some(changes) = config::fault_after() {
                faults::arm(changes);
            }
            serve(path).await
        }),
        Command::Trial { mark, hub } => on_runtime(async {
            // Whoever tries this program has to watch it.
            rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM))?;
            let trial = looping::Trial { mark, hub };
            looping::run_as(open(path, true)?, Some(trial), stop()?).await?;
            Ok(ExitCode::SUCCESS)
        }),
        Command::Converge {
            offline, patience, ..
        } => on_runtime(async {
            let mut agent = open(path, true)?;
            let outcome =
                once::converge(&mut agent, offline, Duration::from_secs(patience)).await?;
            say(&outcome.to_string())?;
            anyhow::ensure!(
                outcome.is_good(),
                "the server is not as it should be after {patience} seconds"
            );
            Ok(if outcome.changed || outcome.would() {
                ExitCode::from(2)
            } else {
                ExitCode::SUCCESS
            })
        }),
        Command::Status { json } => on_runtime(async {
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
            let text = if json {
                serde_json::to_string_pretty(&standing)? + "\n"
            } else {
                standing.words()
            };
            say(&text)?;
            Ok(if report::all_well(&standing.report) {
                ExitCode::SUCCESS
            } else {
                ExitCode::from(2)
            })
        }),
        Command::Diff { json } => on_runtime(async {
            let mut agent = open(path, false)?;
            agent.have().context(NO_SLICE)?;
            let look = agent.look(Timestamp::now()).await;
            let diff = diff::diff(&look);
            let text = if json {
                serde_json::to_string_pretty(&diff)? + "\n"
            } else {
                diff.to_string()
            };
            say(&text)?;
            Ok(if diff.steps.is_empty() {
                ExitCode::SUCCESS
            } else {
                ExitCode::from(2)
            })
        }),
        Command::Backups { now, json } => {
            let config = Config::load(path)?;
            if let Some(name) = now {
                let name = InstanceName::try_from(name)?;
                backups::desk::request(&config.state, &name)?;
                say(&format!("a backup of {name} was asked for\n"))?;
                return Ok(ExitCode::SUCCESS);
            }
            let agent = Agent::open(config, false)?;
            let desired = agent.desired().context(NO_SLICE)?;
            let kept = desired.backups.as_ref();
            let kept = kept.context("nothing on this server is backed up")?;
            let report = agent.desk.report(&kept.spec);
            say(&if json {
                serde_json::to_string_pretty(&report)? + "\n"
            } else {
                backups::told::words(&report)
            })?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Pause { span } => {
            let file = PauseFile::open(&Config::load(path)?.state)?;
            let pause = file.begin(span, Timestamp::now())?;
            say(&format!("paused until {:.0}\n", pause.until))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Resume => {
            let ended = PauseFile::open(&Config::load(path)?.state)?.end()?;
            say(if ended {
                "the pause is over\n"
            } else {
                "there was no pause\n"
            })?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Completions { shell } => {
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
            Ok(ExitCode::SUCCESS)
        }
        Command::Man { output } => {
            let failed = || format!("cannot write manual pages into `{}`", output.display());
            std::fs::create_dir_all(&output).with_context(failed)?;
            clap_mangen::generate_to(Arguments::command(), &output).with_context(failed)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::RunTimer { name } => on_runtime(async {
            let agent = open(path, false)?;
            timers::run(&agent, &TimerName::try_from(name)?).await?;
            Ok(ExitCode::SUCCESS)
        }),
        Command::RestoreSecrets => {
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
    }
}

/// The agent, whose units know where it is.
fn open(path: &Path, alone: bool) -> anyhow::Result<Agent<NginxServer>> {
    let agent = Agent::open(Config::load(path)?, alone)?;
    let program = agent.config().program.clone();
    agent.hands().host.called(&program, path);
    Ok(agent)
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
            Ok(Verdict::Stopped) => return Ok(ExitCode::SUCCESS),
            Err(error) => {
                // Without a note of it, it would be tried again and again.
                return Err(error).context("another program cannot be tried");
            }
        }
    }
}

fn minutes(text: &str) -> Result<u32, String> {
    let span = tenantry_schema::amount::Duration::try_from(text.to_owned());
    span.map(|span| span.minutes)
        .map_err(|error| error.to_string())
}

/// How long an enrolling person waits for the hub.
const GREETING: Duration = Duration::from_secs(5);
const NO_SLICE: &str = "no slice has been accepted yet";

fn say(text: &str) -> anyhow::Result<()> {
    std::io::stdout()
        .write_all(text.as_bytes())
        .context("cannot write to standard output")
}

/// One thread is enough for one server, and keeps memory small.
fn on_runtime(work: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
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
