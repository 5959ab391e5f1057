//! `tenantry secrets updatekeys`: files to the recipients that the rules name.

use super::{Desk, Key, Place};
use crate::cli::Outcome;
use crate::cli::output::{complain, count, json, say};
use crate::secrets::Target;
use crate::secrets::change::Saved;
use crate::secrets::holders::Holders;
use crate::secrets::scan::must_be_sealed;
use anyhow::Context;
use serde::Serialize;
use tenantry_sops::{Recipient, SopsFile};

/// Arguments of `secrets updatekeys`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
After a change of .sops.yaml:
  tenantry secrets updatekeys --dry-run
  tenantry secrets updatekeys

Who is added gets the data key of a file. Who is dropped loses it: such a file is encrypted anew under a new data key. What they
could read they know; `tenantry offboard` lists it. Personal data is brought to the key of its customer.

A file of secrets in clear text is encrypted, if it is named:
  tenantry secrets updatekeys acme

--json: {looked_at, dry_run, files: [{file, path, outcome, error}]}. `outcome` is changed, encrypted, failed or, with --dry-run, due;
files that are as they should be are not listed.")]
pub(super) struct Args {
    /// Only these files. Default: all.
    files: Vec<String>,
    /// Only say what would change.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    key: Key,
    /// For programs.
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    looked_at: usize,
    dry_run: bool,
    files: Vec<Updated>,
}

/// A file that was not as it should be.
#[derive(Serialize)]
struct Updated {
    file: String,
    path: String,
    outcome: What,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// What became of it.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum What {
    Changed,
    Encrypted,
    Failed,
    Due,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let desk = Desk::open(&args.place, &args.key)?;
    let named: Vec<Target> = args
        .files
        .iter()
        .map(|text| Target::parse(text))
        .collect::<Result<_, _>>()?;
    let all = named.is_empty();
    let targets = if all { every_file(&desk)? } else { named };
    let holders = Holders::of(&desk.rules);
    let mut report = Report {
        looked_at: targets.len(),
        dry_run: args.dry_run,
        files: Vec::new(),
    };
    for target in &targets {
        if let Some((outcome, error)) = bring(args, &desk, &holders, target)? {
            report.files.push(Updated {
                file: target.to_string(),
                path: target.path(),
                outcome,
                error,
            });
        }
    }
    let failed = report
        .files
        .iter()
        .filter(|file| file.outcome == What::Failed)
        .count();
    if args.json {
        json(&report)?;
    } else {
        sum_up(&report, failed);
    }
    Ok(match (failed, report.files.len(), args.dry_run) {
        (0, 0, _) | (0, _, false) => Outcome::Clean,
        (0, _, true) => Outcome::Changes,
        _ => Outcome::Errors,
    })
}

/// One file. None where it is as it should be.
fn bring(
    args: &Args,
    desk: &Desk,
    holders: &Holders,
    target: &Target,
) -> anyhow::Result<Option<(What, Option<String>)>> {
    let tell = |text: String| {
        if !args.json {
            say(text);
        }
    };
    if args.dry_run {
        let due = due(desk, holders, target)?;
        return Ok(due.map(|how| {
            tell(format!("{target}: {how}"));
            (What::Due, None)
        }));
    }
    Ok(match desk.writer().update_recipients(target) {
        Ok(Saved::Unchanged) => None,
        Ok(Saved::Created) => {
            tell(format!(
                "{target}: encrypted; if it was committed in clear text, its secrets are known: replace them"
            ));
            Some((What::Encrypted, None))
        }
        Ok(Saved::Changed) => {
            tell(format!("{target}: brought to its recipients"));
            Some((What::Changed, None))
        }
        Err(error) => {
            let error = anyhow::Error::from(error);
            let said = format!("{error:#}");
            if !args.json {
                complain(&error.context(format!("{target} stays as it is")));
            }
            Some((What::Failed, Some(said)))
        }
    })
}

fn sum_up(report: &Report, failed: usize) {
    let looked = count(report.looked_at, "file");
    say(match (failed, report.files.len(), report.dry_run) {
        (0, 0, _) => format!("nothing to do: {looked} as .sops.yaml says"),
        (0, due, true) => format!("{due} of {looked} would change"),
        (0, changed, false) => format!("{changed} of {looked} changed"),
        (failed, ..) => {
            format!("{failed} of {looked} could not be changed; `git status` shows which were")
        }
    });
}

fn every_file(desk: &Desk) -> anyhow::Result<Vec<Target>> {
    let mut targets = Vec::new();
    for path in desk.tree.files()? {
        let target = Target::of_path(&path);
        let Ok(Some(text)) = desk.tree.read(&path) else {
            continue;
        };
        // Files that no rule speaks of are nobody's business here.
        if tenantry_sops::is_sops(&text)
            && (matches!(target, Target::Person(_))
                || desk.rules.wanted(&desk.tree, &target)?.is_some())
        {
            targets.push(target);
        }
    }
    Ok(targets)
}

/// How a file differs from what it should be. Needs no key.
fn due(desk: &Desk, holders: &Holders, target: &Target) -> anyhow::Result<Option<String>> {
    let file = match SopsFile::parse(&desk.tree.text(&target.path())?) {
        Err(tenantry_sops::Error::NotSops) if must_be_sealed(&target.path()) => {
            return Ok(Some("is in clear text, to be encrypted".to_owned()));
        }
        file => file.with_context(|| target.path())?,
    };
    let Some(wanted) = desk.rules.wanted(&desk.tree, target)? else {
        return Ok(Some("to a new key of its customer".to_owned()));
    };
    if wanted.same_recipients(file.recipients()) {
        return Ok(None);
    }
    let should: Vec<&str> = wanted.recipients.iter().map(Recipient::as_str).collect();
    let mut parts: Vec<String> = should
        .iter()
        .filter(|one| !file.recipients().any(|found| found == **one))
        .map(|one| format!("+ {}", holders.name(one)))
        .collect();
    parts.extend(
        file.recipients()
            .filter(|one| !should.contains(one))
            .map(|one| format!("- {}", holders.name(one))),
    );
    Ok(Some(parts.join(", ")))
}
