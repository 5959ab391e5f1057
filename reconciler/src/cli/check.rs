//! `tenantry check`: everything that is wrong with a fleet, at once.

mod staged;

use super::output::{count, diagnostics, json, say};
use super::{Outcome, open};
use crate::config::{CacheArgs, FleetArgs};
use serde::Serialize;
use tenantry_planner::status::FrozenScope;
use tenantry_schema::Diagnostic;

/// Arguments of `check`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    fleet: FleetArgs,
    #[command(flatten)]
    cache: CacheArgs,
    /// Only what is staged for the next commit, as a pre-commit hook does: errors that it would add, and secrets in clear text.
    #[arg(long, conflicts_with = "json")]
    staged: bool,
    /// For programs.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report<'a> {
    good: bool,
    customers: usize,
    diagnostics: &'a [Diagnostic],
    frozen: &'a [FrozenScope],
    /// What was not looked at, and why.
    unchecked: [&'static str; 1],
}

/// What takes a key, which this command never has.
const UNCHECKED: &str = "not looked at, for it takes a key: whether encrypted files open and their values are what was put in (MAC); \
                         `tenantry secrets check --key FILE` looks";

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    if args.staged {
        return staged::run(&args.fleet.fleet, &args.fleet.branch, args.cache);
    }
    let opened = open::look_for_errors(&args.fleet.fleet, &args.fleet.branch, args.cache)?;
    let mut found = opened.loaded.diagnostics.to_vec();
    if let Some(desired) = &opened.loaded.desired {
        found.extend(opened.said_today(desired));
    }
    let errors = found
        .iter()
        .filter(|diagnostic| diagnostic.is_error())
        .count();
    let customers = opened.loaded.customers();
    let outcome = if errors == 0 {
        Outcome::Clean
    } else {
        Outcome::Errors
    };
    if args.json {
        json(&Report {
            good: errors == 0,
            customers,
            diagnostics: &found,
            frozen: &opened.loaded.frozen,
            unchecked: [UNCHECKED],
        })?;
        return Ok(outcome);
    }
    diagnostics(found.iter());
    let what = if opened.work_tree {
        "the files as they are now"
    } else {
        "the branch"
    };
    let stacks = opened.loaded.catalogue.branch.len();
    if errors == 0 {
        let warnings = found.len();
        let more = if warnings == 0 {
            String::new()
        } else {
            format!(", {}", count(warnings, "warning"))
        };
        say(format!(
            "good: {}, {} ({what}{more})",
            count(customers, "customer"),
            count(stacks, "stack")
        ));
    } else {
        say(format!("{} in {what}", count(errors, "error")));
    }
    say(UNCHECKED);
    Ok(outcome)
}
