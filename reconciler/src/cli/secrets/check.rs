//! `tenantry secrets check`: what is wrong with the secrets of a fleet. Needs no key, and tells more with one.

use super::{Key, Place};
use crate::cli::Outcome;
use crate::cli::output::{count, json, say};
use crate::secrets::audit::{Finding, Problem, audit};
use crate::secrets::opened::{Opened, open_all};
use crate::secrets::rules::Rules;

use std::collections::BTreeSet;

/// Arguments of `secrets check`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Finds:
  - secrets in clear text: files of secrets that are not encrypted, private keys and tokens wherever they stand, values of
    settings that are named like secrets; with --history in every version of every file that this clone has
  - files that other people can open than .sops.yaml says
  - secrets that an order refers to and that are not there, and secrets that nothing uses
  - merges that left a choice between two values
  - with a key at hand: files that were changed without it (a value or the MAC does not fit)

No secret is ever printed. A line with `# not-a-secret` on it is passed over. Exit codes: 0 all well, 2 something to look at, 1 an
error.")]
pub(super) struct Args {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    key: Key,
    /// Look through all of Git's history, too.
    #[arg(long)]
    history: bool,
    /// For programs.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let tree = args.place.open()?;
    let rules = Rules::read(&tree)?;
    let mut found = audit(&tree, &rules, args.history)?;
    let opened = match args.key.find(&tree)? {
        Some(keyring) => open_all(&tree, &keyring)?,
        None => Opened::default(),
    };
    // What cannot even be read was found without a key.
    let unread = found.iter().filter(|one| one.problem == Problem::Damaged);
    let known: BTreeSet<String> = unread.map(|finding| finding.path.clone()).collect();
    let more = opened.found.iter().cloned();
    found.extend(more.filter(|finding| !known.contains(&finding.path)));
    let errors = found.iter().filter(|finding| finding.error).count();
    let outcome = match (errors, found.len()) {
        (0, 0) => Outcome::Clean,
        (0, _) => Outcome::Changes,
        _ => Outcome::Errors,
    };
    if args.json {
        json(&found)?;
        return Ok(outcome);
    }
    for finding in &found {
        say(sentence(finding));
    }
    match (errors, found.len()) {
        (0, 0) => say(
            "good: nothing in clear text, everything open to those who should, nothing missing or unused",
        ),
        (0, warnings) => say(count(warnings, "warning")),
        (errors, all) => say(format!(
            "{}, {}",
            count(errors, "error"),
            count(all - errors, "warning")
        )),
    }
    say(looked_into(&opened));
    Ok(outcome)
}

/// How far values were looked at.
fn looked_into(opened: &Opened) -> String {
    match (opened.good + opened.found.len(), opened.closed) {
        (0, _) => "no file was opened, for no key at hand fits: whether values are what was put in (MAC) is not known".to_owned(),
        (all, 0) => format!("{} opened: values and MAC looked at", count(all, "file")),
        (all, closed) => format!(
            "{} opened: values and MAC looked at; {} open to others alone",
            count(all, "file"),
            count(closed, "file")
        ),
    }
}

/// One finding, as a compiler would say it.
pub(in crate::cli) fn sentence(finding: &Finding) -> String {
    let level = if finding.error { "error" } else { "warning" };
    let line = finding
        .line
        .map(|line| format!(":{line}"))
        .unwrap_or_default();
    let commit = finding
        .commit
        .as_ref()
        .map(|commit| format!(" (commit {})", &commit[..commit.len().min(12)]))
        .unwrap_or_default();
    format!(
        "{level}: {}{line}{commit}: {}\n  = {}",
        finding.path, finding.message, finding.hint
    )
}
