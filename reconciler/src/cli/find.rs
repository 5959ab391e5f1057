//! `tenantry where`: which customers run what.

use super::output::{count, json, say};
use super::{Outcome, open};
use anyhow::Context;
use tenantry_planner::query::{Found, Query, find};

/// Arguments of `where`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A question is one or more words that must all hold:
  nextcloud              the tool
  nextcloud<34           its version, the tag of its image: <, <=, =, !=, >=, >
  plan=pro               also customer, order, server, domain, state, image, stack; = or !=, and * for anything

Examples:
  tenantry where 'nextcloud<34'
  tenantry where 'image=docker.io/* state=running' --json")]
pub(super) struct Args {
    /// The question.
    query: String,
    /// The fleet repository: a folder, or a URL that the `git` program can fetch from.
    #[arg(value_name = "FLEET", default_value = ".", env = "TENANTRY_FLEET")]
    fleet: String,
    /// The branch that says what should be true.
    #[arg(long, default_value = "main", env = "TENANTRY_BRANCH")]
    branch: String,
    /// For programs.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let query = Query::try_from(args.query.as_str())?;
    let opened = open::look(&args.fleet, &args.branch)?;
    let desired = opened
        .loaded
        .desired
        .context("the fleet's own documents were never good; `tenantry check` lists the errors")?;
    let found = find(&desired, &query);
    if args.json {
        json(&found)?;
    } else {
        for found in &found {
            say(line(found));
        }
        let customers: std::collections::BTreeSet<_> =
            found.iter().map(|found| &found.customer).collect();
        say(format!(
            "{} of {}",
            count(found.len(), "tool"),
            count(customers.len(), "customer")
        ));
    }
    Ok(Outcome::Clean)
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
    format!("{customer}/{order}  {tool} {version}  on {server}")
}
