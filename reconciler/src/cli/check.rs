//! `tenantry check`: everything that is wrong with a fleet, at once.

use super::output::{count, diagnostics, json, say};
use super::{Outcome, open};
use crate::config::FleetArgs;
use serde::Serialize;
use tenantry_planner::status::FrozenScope;
use tenantry_schema::Diagnostic;

/// Arguments of `check`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    fleet: FleetArgs,
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
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let opened = open::look(&args.fleet.fleet, &args.fleet.branch)?;
    let found = &opened.loaded.diagnostics;
    let errors = found
        .iter()
        .filter(|diagnostic| diagnostic.is_error())
        .count();
    let customers = opened
        .loaded
        .desired
        .as_ref()
        .map_or(0, |desired| desired.customers.len());
    let outcome = if errors == 0 {
        Outcome::Clean
    } else {
        Outcome::Errors
    };
    if args.json {
        json(&Report {
            good: errors == 0,
            customers,
            diagnostics: found,
            frozen: &opened.loaded.frozen,
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
    Ok(outcome)
}
