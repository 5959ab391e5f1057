//! `tenantry plan`: what a hub would decide and publish. Works without any key and without a running hub: then nothing is known of the servers.

use super::output::{count, diagnostics, json, say};
use super::{Outcome, open};
use crate::config::FleetArgs;
use anyhow::bail;
use jiff::Timestamp;
use serde::Serialize;
use std::collections::HashMap;
use tenantry_planner::explain::word;
use tenantry_planner::{Inventory, Observed, Plan, PlanCache, plan};

/// Arguments of `plan`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    fleet: FleetArgs,
    /// For programs.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Shown {
    decisions: Vec<ShownDecision>,
    slices: Vec<ShownSlice>,
    waiting: Vec<ShownWait>,
}

#[derive(Serialize)]
struct ShownDecision {
    path: String,
    summary: String,
}

#[derive(Serialize)]
struct ShownSlice {
    server: String,
    because: &'static str,
    instances: Vec<String>,
}

#[derive(Serialize)]
struct ShownWait {
    order: String,
    phase: String,
    reasons: Vec<String>,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let opened = open::look(&args.fleet.fleet, &args.fleet.branch)?;
    if !args.json {
        diagnostics(opened.loaded.diagnostics.iter());
    }
    let Some(desired) = &opened.loaded.desired else {
        bail!("the fleet's own documents have errors and were never good; nothing can be planned");
    };
    let inventory = Inventory::default();
    let attempts = HashMap::new();
    let observed = Observed {
        inventory: &inventory,
        attempts: &attempts,
        attempts_revision: 0,
        now: Timestamp::now(),
    };
    let plan = plan(desired, observed, &mut PlanCache::default());
    let shown = shown(&plan);
    let outcome = if plan.is_empty() {
        Outcome::Clean
    } else {
        Outcome::Changes
    };
    if args.json {
        json(&shown)?;
    } else {
        print(&shown);
    }
    Ok(outcome)
}

fn shown(plan: &Plan) -> Shown {
    let orders = plan
        .customers
        .values()
        .flat_map(|customer| &customer.orders);
    Shown {
        decisions: plan
            .decisions()
            .map(|decision| ShownDecision {
                path: decision.path(),
                summary: decision.summary(),
            })
            .collect(),
        slices: plan
            .slices()
            .map(|task| ShownSlice {
                server: task.server.to_string(),
                because: task.because,
                instances: task
                    .input
                    .instances
                    .keys()
                    .map(ToString::to_string)
                    .collect(),
            })
            .collect(),
        waiting: orders
            .filter(|order| !order.waiting.is_empty())
            .map(|order| ShownWait {
                order: format!("{}/{}", order.customer, order.order),
                phase: word(&order.phase),
                reasons: order.waiting.iter().map(ToString::to_string).collect(),
            })
            .collect(),
    }
}

fn print(shown: &Shown) {
    for decision in &shown.decisions {
        say(format!(
            "+ decide   {}\n           {}",
            decision.path, decision.summary
        ));
    }
    for slice in &shown.slices {
        let runs = if slice.instances.is_empty() {
            "nothing yet".to_owned()
        } else {
            slice.instances.join(", ")
        };
        say(format!("~ publish  slice of {}: {runs}", slice.server));
    }
    for wait in &shown.waiting {
        say(format!("· {} ({})", wait.order, wait.phase));
        for reason in &wait.reasons {
            say(format!("    waits: {reason}"));
        }
    }
    if shown.decisions.is_empty() && shown.slices.is_empty() {
        say("nothing to decide or publish");
    } else {
        let (decisions, slices) = (
            count(shown.decisions.len(), "decision"),
            count(shown.slices.len(), "slice"),
        );
        say(format!(
            "plan: {decisions}, {slices} (nothing is known of the servers: ask a running hub with `tenantry status`)"
        ));
    }
}
