//! `tenantry codeowners`: the staff file and the policy as a forge understands them, so that it asks the right people to review.

use super::Outcome;
use super::open;
use super::output::{json, say};
use crate::config::{CacheArgs, FleetArgs};
use crate::trust::Rules;
use anyhow::Context;
use serde::Serialize;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use tenantry_planner::documents::HeadDocuments;
use tenantry_schema::document::Role;

/// Arguments of `codeowners`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "GitHub looks for CODEOWNERS, .github/CODEOWNERS and docs/CODEOWNERS; GitLab and Gitea for CODEOWNERS, docs/CODEOWNERS and a folder of their own.

--json: {written, rules: [{pattern, least, people}]}. `written` is the file, or null; of several rules that fit a path the last counts."
)]
pub(super) struct Args {
    #[command(flatten)]
    fleet: FleetArgs,
    /// Write it there instead of printing it.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// For programs.
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    written: Option<&'a Path>,
    rules: Vec<Line<'a>>,
}

/// Who is asked to review what.
#[derive(Serialize)]
struct Line<'a> {
    pattern: String,
    /// The least role that may.
    least: Role,
    /// Their addresses.
    people: Vec<&'a str>,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let opened = open::look(&args.fleet.fleet, &args.fleet.branch, CacheArgs::default())?;
    let desired = opened
        .loaded
        .desired
        .context("fleet/hub.yaml or fleet/staff.yaml has errors; `tenantry check` lists them")?;
    let rules = rules(&desired.head);
    let text = text(&rules);
    if let Some(file) = &args.output {
        let folder = file.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::write(file, &text))
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    match &args.output {
        _ if args.json => json(&Report {
            written: args.output.as_deref(),
            rules,
        })?,
        Some(file) => say(format!("written: {}", file.display())),
        None => say(text),
    }
    Ok(Outcome::Clean)
}

fn text(rules: &[Line<'_>]) -> String {
    let mut out = String::from(
        "# Written by `tenantry codeowners` from fleet/staff.yaml and the policy in fleet/hub.yaml.\n",
    );
    for rule in rules {
        let _ = write!(out, "{}", rule.pattern);
        for person in &rule.people {
            let _ = write!(out, " {person}");
        }
        out.push('\n');
    }
    out
}

/// Of several lines that fit a file the last counts, so the narrowest come last.
fn rules(head: &HeadDocuments) -> Vec<Line<'_>> {
    let mut out = Vec::new();
    let mut line = |pattern: &str, least: Role| {
        let may = head.staff.0.values().filter(|person| person.role <= least);
        out.push(Line {
            pattern: pattern.to_owned(),
            least,
            people: may.map(|person| person.email.as_str()).collect(),
        });
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
