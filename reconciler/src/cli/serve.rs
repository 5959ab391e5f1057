//! `tenantry serve`: the hub as a service.

use super::Outcome;
use super::output::say;
use crate::config::{FleetArgs, HubArgs, log_filter};
use crate::git::{Location, Oid};
use crate::hub::{HubError, Options, serve};
use anyhow::{Context, bail};
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// How long what is under way may take after the word to stop.
const GRACE: Duration = Duration::from_secs(5);

/// Options of everything that runs a hub.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct HubOptions {
    #[command(flatten)]
    fleet: FleetArgs,
    #[command(flatten)]
    hub: HubArgs,
    /// How often a remote repository is asked for news, in seconds. A local one is watched.
    #[arg(long, default_value_t = 30, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    poll: u64,
    /// A commit that is known to be good: with `trust: signed` every later one is judged, back to here, by a hub that remembers nothing. Default: what
    /// the key file names in a line `# trust-root: COMMIT`.
    #[arg(long, value_name = "COMMIT", env = "TENANTRY_TRUST_ROOT")]
    trust_root: Option<String>,
    /// The program restic, with which repositories of backups are looked after.
    #[arg(long, default_value = "restic", value_name = "PROGRAM")]
    restic: PathBuf,
}

impl HubOptions {
    pub(super) fn options(&self, observe: bool) -> anyhow::Result<Options> {
        Ok(Options {
            location: Location::parse(&self.fleet.fleet)?,
            branch: self.fleet.branch.clone(),
            data: self.hub.data.clone(),
            key: self.hub.key.clone(),
            observe,
            poll: Duration::from_secs(self.poll.max(1)),
            restic: self.restic.clone(),
            trust_root: self.trust_root.as_deref().map(commit_id).transpose()?,
            programs: None,
        })
    }
}

/// A whole id: a name could come to mean another commit.
pub(super) fn commit_id(text: &str) -> anyhow::Result<Oid> {
    match Oid::from_str(text) {
        Ok(id) if text.len() == 40 => Ok(id),
        _ => bail!("`{text}` is not the whole id of a commit (40 digits)"),
    }
}

/// Arguments of `serve`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    hub: HubOptions,
    /// Address for agents and the status page. Put a reverse proxy with TLS in front.
    #[arg(long, default_value = "127.0.0.1:8080", env = "TENANTRY_LISTEN")]
    listen: SocketAddr,
    /// Do everything but act.
    #[arg(long)]
    observe: bool,
    /// Folder of programs for agents, each named by its SHA-256, as `agent:` of hub.yaml names them.
    #[arg(long, value_name = "DIR", env = "TENANTRY_PROGRAMS")]
    programs: Option<PathBuf>,
}

/// Logs go to standard error: lines for people on a terminal, JSON otherwise.
pub(super) fn log_to_stderr() {
    let filter = tracing_subscriber::EnvFilter::try_new(log_filter())
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let done = if std::io::stderr().is_terminal() {
        builder.with_target(false).try_init()
    } else {
        builder.json().try_init()
    };
    // Only where something installed a subscriber before, which then does the logging.
    drop(done);
}

pub(super) fn run(args: Args) -> anyhow::Result<Outcome> {
    log_to_stderr();
    let options = Options {
        programs: args.programs,
        ..args.hub.options(args.observe)?
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start")?;
    let served = runtime.block_on(async {
        let listening = |address: SocketAddr| say(format!("serving at http://{address}"));
        loop {
            match serve(options.clone(), args.listen, listening, stop_signal()).await {
                // It is a cache and a diary: everything needed is in Git.
                Err(error @ HubError::DataGone(_)) => {
                    tracing::warn!("{error}; starting anew");
                }
                outcome => return outcome,
            }
        }
    });
    // A remote that is being asked just now is not waited for.
    runtime.shutdown_timeout(GRACE);
    served?;
    Ok(Outcome::Clean)
}

/// Ends at Ctrl-C or SIGTERM.
async fn stop_signal() {
    let kind = tokio::signal::unix::SignalKind::terminate();
    let Ok(mut terminate) = tokio::signal::unix::signal(kind) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
