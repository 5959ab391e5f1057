//! `tenantry where`: which customers run what.

use super::output::{count, json, say};
use super::status::AskHub;
use super::{Outcome, open};
use crate::config::CacheArgs;
use anyhow::{Context, bail};
use std::collections::BTreeSet;
use tenantry_planner::explain::word;
use tenantry_planner::query::{Found, Query, Running, find};
use tenantry_schema::id::ToolName;

/// Arguments of `where`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A question is one or more words that must all hold:
  nextcloud              the tool
  nextcloud<34           its version, the tag of its image: <, <=, =, !=, >=, >
  plan=pro               also customer, order, server, domain, state, image, stack; = or !=, and * for anything
  override=yes           whether an override file of the customer lies on top of its stack: yes or no
  health=failed          what its agent says (healthy, progressing, degraded, failed, stopped, waiting), `absent`, or
                         `unknown` where no agent has reported; takes --hub

With --hub a version or an image holds where the fleet says so and where it is what really runs.

Examples:
  tenantry where 'nextcloud<34'
  tenantry where 'image=docker.io/* state=running' --json
  tenantry where 'nextcloud health!=healthy' --hub https://hub.example.com")]
pub(super) struct Args {
    /// The question.
    query: String,
    /// The fleet repository: a folder, or a URL that the `git` program can fetch from.
    #[arg(value_name = "FLEET", default_value = ".", env = "TENANTRY_FLEET")]
    fleet: String,
    /// The branch that says what should be true.
    #[arg(long, default_value = "main", env = "TENANTRY_BRANCH")]
    branch: String,
    #[command(flatten)]
    hub: AskHub,
    /// For programs.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let query = Query::try_from(args.query.as_str())?;
    if let Some(word) = query.needs_a_hub()
        && args.hub.hub.is_none()
    {
        bail!("only a hub knows `{word}`: give --hub URL");
    }
    let opened = open::look(&args.fleet, &args.branch, CacheArgs::default())?;
    let desired = opened
        .loaded
        .desired
        .context("the fleet's own documents were never good; `tenantry check` lists the errors")?;
    let status = args.hub.ask(&desired.head.hub.fleet_id)?;
    let found = find(&desired, &query, status.as_ref());
    if found.is_empty() {
        let catalogue: BTreeSet<&ToolName> = opened.loaded.catalogue.branch.keys().collect();
        let orders = desired
            .customers
            .values()
            .flat_map(|one| one.orders.values());
        let ordered = orders.flat_map(|order| order.tools.keys());
        hint(&query, &ordered.chain(catalogue).collect());
    }
    if args.json {
        json(&found)?;
    } else {
        for found in &found {
            say(line(found));
        }
        let customers: BTreeSet<_> = found.iter().map(|found| &found.customer).collect();
        say(format!(
            "{} of {}",
            count(found.len(), "tool"),
            count(customers.len(), "customer")
        ));
    }
    Ok(Outcome::Clean)
}

/// Says on the side that a tool of the question is nowhere: 0 tools are then a slip of the pen.
fn hint(query: &Query, known: &BTreeSet<&ToolName>) {
    for tool in query.tools().filter(|tool| !known.contains(tool)) {
        let near =
            match tenantry_yaml::suggest(tool.as_str(), known.iter().map(|tool| tool.as_str())) {
                Some(near) => format!("did you mean `{near}`?"),
                None => {
                    let known: Vec<&str> = known.iter().map(|tool| tool.as_str()).collect();
                    format!("there are: {}", known.join(", "))
                }
            };
        eprintln!("note: no stack is called `{tool}`, and no order has it; {near}");
    }
}

fn line(found: &Found) -> String {
    let Found {
        customer,
        order,
        server,
        tool,
        version,
        ..
    } = found;
    let server = server
        .as_ref()
        .map_or_else(|| "no server yet".to_owned(), ToString::to_string);
    let version = version.as_deref().unwrap_or("?");
    let runs = match &found.running {
        None => String::new(),
        Some(Running { phase: None, .. }) => "  (is not there)".to_owned(),
        Some(Running {
            phase: Some(phase),
            version: runs,
            ..
        }) => match runs.as_deref().filter(|runs| *runs != version) {
            Some(runs) => format!("  ({}, runs {runs})", word(phase)),
            None => format!("  ({})", word(phase)),
        },
    };
    format!("{customer}/{order}  {tool} {version}  on {server}{runs}")
}
