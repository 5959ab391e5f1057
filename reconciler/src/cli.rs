//! The command line: one file a command. Output for people by default, `--json` for programs; exit codes 0 (nothing to do), 2 (changes), 1 (error).

mod acknowledge;
mod activate;
mod apply;
mod approve;
mod backups;
mod check;
mod codeowners;
mod completions;
mod diagnose;
mod erase;
mod explain;
mod find;
mod git_setup;
mod init;
mod kept;
mod migrate;
mod new;
mod observed;
mod offboard;
mod open;
mod output;
mod plan;
mod schema;
mod secrets;
mod serve;
mod status;
mod trust;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Runs a managed-hosting business from one Git repository.
#[derive(Debug, Parser)]
#[command(name = "tenantry", version, max_term_width = 100, after_help = AFTER_HELP)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Start a fleet:     tenantry init my-fleet.git --bare && git clone my-fleet.git my-fleet
See what is wrong: tenantry check my-fleet
See what would be: tenantry plan my-fleet
Run it:            tenantry activate my-fleet.git --key KEY && tenantry serve my-fleet.git --key KEY --data DIR

Exit codes: 0 nothing to do or all well, 2 there are changes, 1 an error.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a new fleet repository with its keys.
    Init(init::Args),
    /// Write a customer, an order, a server, a pool, an operation or a stack.
    New(new::Args),
    /// Name the hub, and its release, that may act on a fleet.
    Activate(activate::Args),
    /// Find everything that is wrong with a fleet, uncommitted edits included.
    Check(check::Args),
    /// Show what a hub would decide and publish.
    Plan(plan::Args),
    /// Agree to a change that takes away more than the policy lets go at once.
    Acknowledge(acknowledge::Args),
    /// Sign an operation that loses data, as an owner, inside its file.
    Approve(approve::Args),
    /// Do what is due, once, and end.
    Apply(apply::Args),
    /// Run the hub: watch the fleet, act, serve agents and the status page.
    Serve(serve::Args),
    /// Show the state of the fleet, as a running hub sees it.
    Status(status::Args),
    /// Ask a server something through a running hub: logs, how a container is, open ports.
    Diagnose(diagnose::Args),
    /// Bring the documents of a fleet to the newest format.
    Migrate(migrate::Args),
    /// Print, write or install the JSON Schemas of documents.
    Schema(schema::Args),
    /// Show, set, edit, rotate and check secrets.
    Secrets(secrets::Args),
    /// Set up a clone: diffs and merges of secrets, and a hook that checks commits.
    GitSetup(git_setup::Args),
    /// Look after backups: list them, forget what is not kept any more, print the log-ins of agents.
    Backups(backups::Args),
    /// Erase the personal data of a customer from all of Git's history.
    Erase(erase::Args),
    /// Lock somebody who leaves out of the secrets, and list what they could read.
    Offboard(offboard::Args),
    /// Find who runs what, such as 'nextcloud<34'.
    #[command(name = "where")]
    Where(find::Args),
    /// Judge commits by who signed them, and note which commit is known to be good.
    Trust(trust::Args),
    /// Write the file by which a forge asks the right people to review.
    Codeowners(codeowners::Args),
    /// Say how far an order, server or operation is, and why not further; or what a code such as T0107 means.
    Explain(explain::Args),
    /// Print completions for a shell.
    Completions(completions::Args),
    /// Write manual pages, one a command.
    Man(completions::ManArgs),
    #[command(hide = true)]
    SopsTextconv(git_setup::textconv::Args),
    #[command(hide = true)]
    SopsMerge(git_setup::merge::Args),
}

/// How a command ended well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing to do, or all well.
    Clean,
    /// There are changes, or there is something to see to.
    Changes,
    /// Errors were found and shown.
    Errors,
}

/// Runs a command.
pub fn main(cli: Cli) -> ExitCode {
    let result = match cli.command {
        Command::Init(args) => init::run(&args),
        Command::New(args) => new::run(&args),
        Command::Activate(args) => activate::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Plan(args) => plan::run(&args),
        Command::Acknowledge(args) => acknowledge::run(&args),
        Command::Approve(args) => approve::run(&args),
        Command::Apply(args) => apply::run(&args),
        Command::Serve(args) => serve::run(args),
        Command::Status(args) => status::run(&args),
        Command::Diagnose(args) => diagnose::run(&args),
        Command::Migrate(args) => migrate::run(&args),
        Command::Schema(args) => schema::run(&args),
        Command::Secrets(args) => secrets::run(&args),
        Command::GitSetup(args) => git_setup::run(&args),
        Command::Backups(args) => backups::run(&args),
        Command::Erase(args) => erase::run(&args),
        Command::Offboard(args) => offboard::run(&args),
        Command::Where(args) => find::run(&args),
        Command::Trust(args) => trust::run(&args),
        Command::Codeowners(args) => codeowners::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Completions(args) => Ok(completions::run(&args)),
        Command::Man(args) => completions::man(&args),
        Command::SopsTextconv(args) => git_setup::textconv::run(&args),
        Command::SopsMerge(args) => git_setup::merge::run(&args),
    };
    match result {
        Ok(Outcome::Clean) => ExitCode::SUCCESS,
        Ok(Outcome::Changes) => ExitCode::from(2),
        Ok(Outcome::Errors) => ExitCode::FAILURE,
        Err(error) => {
            output::complain(&error);
            ExitCode::FAILURE
        }
    }
}
