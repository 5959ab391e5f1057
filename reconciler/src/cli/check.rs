//! `tenantry check`: everything that is wrong with a fleet, at once.

use super::output::{count, diagnostics, json, say};
use super::{Outcome, open};
use crate::config::FleetArgs;
use serde::Serialize;
use tenantry_planner::domains::Verdict;
use tenantry_planner::link::order_path;
use tenantry_planner::status::FrozenScope;
use tenantry_planner::{Desired, codes};
use tenantry_schema::Diagnostic;
use tenantry_schema::diagnostic::Place;
use tenantry_schema::id::OrderKey;

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
    let mut found = opened.loaded.diagnostics.to_vec();
    if let Some(desired) = &opened.loaded.desired {
        found.extend(contested_domains(desired));
    }
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
            diagnostics: &found,
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

/// Orders that will wait because their domain is somebody else's. No mistake of the fleet's: a stranger may order anything.
fn contested_domains(desired: &Desired) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for customer in desired.customers.values() {
        for (id, order) in &customer.orders {
            let key = OrderKey {
                customer: customer.id.clone(),
                order: id.clone(),
            };
            let wanted = &order.document.domain;
            if let Verdict::Taken { domain, holder } = desired.domains.verdict(&key, wanted) {
                let place = Place::file(order_path(&customer.id, id));
                let message = format!("order {key} waits for its domain `{wanted}`");
                let reason = if domain == wanted.as_str() {
                    format!("order {holder} has it, or comes first")
                } else {
                    format!("order {holder} has `{domain}`, or comes first")
                };
                found.push(Diagnostic::warning(codes::DOMAIN_TAKEN, place, message).note(reason));
            }
        }
    }
    found
}
