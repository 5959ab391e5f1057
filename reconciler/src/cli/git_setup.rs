//! `tenantry git-setup`: what a clone of a fleet needs from Git. The drivers that Git then runs are in the folder beside.

pub(super) mod merge;
pub(super) mod textconv;

use super::Outcome;
use super::output::{json, say};
use crate::secrets::WorkTree;
use crate::secrets::git_setup::{Done, Setup, apply};
use anyhow::Context;
use std::path::PathBuf;

/// Arguments of `git-setup`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Sets up this clone, once; running it again changes nothing:
  - `git diff` and `git log -p` show which secrets changed, as short digests (values themselves with --show-values)
  - `git merge` merges files of secrets value by value. A value that both sides changed is left to you: the file keeps yours and
    a line `# CONFLICT`, and nothing is ever written in clear text
  - a pre-commit hook runs `tenantry check --staged`
  - `.gitattributes` says which files are meant; commit it, so that it holds for everybody

A hook that is there already and not ours is left alone, and you are told what to add to it. Git's settings are those of this
clone alone; every clone runs this once.")]
pub(super) struct Args {
    /// A work tree of the fleet.
    #[arg(value_name = "FLEET", default_value = ".", env = "TENANTRY_FLEET")]
    fleet: PathBuf,
    /// Remember this age identity file for this clone. The file stays where it is.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Let diffs show values instead of digests.
    #[arg(long)]
    show_values: bool,
    /// For programs.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let tree = WorkTree::open(&args.fleet)?;
    if let Some(key) = &args.key {
        crate::secrets::Keyring::of_file(key)?;
    }
    let program = std::env::current_exe().context("cannot find this program")?;
    let setup = Setup {
        program,
        key: args.key.clone(),
        show_values: args.show_values,
    };
    let parts = apply(&tree, &setup)?;
    let left_alone = parts
        .iter()
        .any(|part| matches!(part.done, Done::LeftAlone { .. }));
    let outcome = if left_alone {
        Outcome::Changes
    } else {
        Outcome::Clean
    };
    if args.json {
        json(&parts)?;
        return Ok(outcome);
    }
    for part in &parts {
        let done = match &part.done {
            Done::Created => "set up",
            Done::Changed => "changed",
            Done::Unchanged => "there already",
            Done::LeftAlone { add } => add,
        };
        say(format!("{}: {done}", part.name));
    }
    if parts
        .iter()
        .any(|part| part.name == ".gitattributes" && part.done != Done::Unchanged)
    {
        say("commit .gitattributes, so that it holds for everybody");
    }
    Ok(outcome)
}
