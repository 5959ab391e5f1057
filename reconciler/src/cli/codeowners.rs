//! `tenantry codeowners`: the staff file and the policy as a forge understands them, so that it asks the right people to review.

use super::Outcome;
use super::open;
use super::output::say;
use crate::config::FleetArgs;
use crate::trust::Rules;
use anyhow::Context;
use std::fmt::Write as _;
use std::path::PathBuf;
use tenantry_planner::documents::HeadDocuments;
use tenantry_schema::document::Role;

/// Arguments of `codeowners`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "GitHub looks for CODEOWNERS, .github/CODEOWNERS and docs/CODEOWNERS; GitLab and Gitea for CODEOWNERS, docs/CODEOWNERS and a folder of their own."
)]
pub(super) struct Args {
    #[command(flatten)]
    fleet: FleetArgs,
    /// Write it there instead of printing it.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let opened = open::look(&args.fleet.fleet, &args.fleet.branch)?;
    let desired = opened
        .loaded
        .desired
        .context("fleet/hub.yaml or fleet/staff.yaml has errors; `tenantry check` lists them")?;
    let text = write(&desired.head);
    match &args.output {
        Some(file) => {
            std::fs::write(file, text)
                .with_context(|| format!("cannot write {}", file.display()))?;
            say(format!("written: {}", file.display()));
        }
        None => say(text),
    }
    Ok(Outcome::Clean)
}

/// Of several lines that fit a file the last counts, so the narrowest come last.
fn write(head: &HeadDocuments) -> String {
    let mut out = String::from(
        "# Written by `tenantry codeowners` from fleet/staff.yaml and the policy in fleet/hub.yaml.\n",
    );
    let mut line = |pattern: &str, least: Role| {
        let _ = write!(out, "{pattern}");
        for person in head.staff.0.values().filter(|person| person.role <= least) {
            let _ = write!(out, " {}", person.email);
        }
        out.push('\n');
    };
    line("*", Role::Admin);
    line("/fleet/customers/", Role::Manager);
    let mut patterns: Vec<_> = head.hub.policy.paths.iter().collect();
    patterns.sort_by_key(|(pattern, _)| pattern.as_str().len());
    for (pattern, role) in patterns {
        line(&format!("/{pattern}"), *role);
    }
    line(&format!("/{}", Rules::DECISIONS), Role::Owner);
    for file in Rules::OWNERS {
        line(&format!("/{file}"), Role::Owner);
    }
    out
}
