//! What can be written on the command line.

use clap::{Parser, Subcommand};
use std::path::PathBuf;
use tenantry_agent::{config, enrol};

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
pub(super) struct Arguments {
    /// The agent's configuration
    #[arg(long, global = true, default_value = config::DEFAULT_PATH)]
    pub(super) config: PathBuf,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
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
        /// Ask the agent that runs to try out the newest backup of this instance
        #[arg(long, value_name = "INSTANCE", conflicts_with = "now")]
        drill: Option<String>,
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
pub(super) enum Known {
    Bash,
    Zsh,
    Fish,
}

fn minutes(text: &str) -> Result<u32, String> {
    let span = tenantry_schema::amount::Duration::try_from(text.to_owned());
    span.map(|span| span.minutes)
        .map_err(|error| error.to_string())
}
