//! `tenantry offboard`: somebody leaves.

use super::Outcome;
use super::output::{count, json, say};
use super::secrets::{Key, Place};
use crate::secrets::offboard::{Report, Risk, offboard};
use jiff::Timestamp;
use tenantry_schema::id::StaffId;

/// Arguments of `offboard`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
  tenantry offboard sam --dry-run
  tenantry offboard sam

Takes the age key of the person out of .sops.yaml and of every file, which is encrypted anew under a new data key, so that it
opens nothing that is written from now on. What they could read, in this or any earlier version, they may have kept: those secrets
are listed, the worst first, with what to do about each. So is what no command can do: their entry in staff.yaml, the forge,
accounts elsewhere, hosts. Nothing is committed. Exit codes: 0 nothing to do, 2 there is, 1 an error.")]
pub(super) struct Args {
    /// Their id in fleet/staff.yaml.
    person: StaffId,
    /// Only say what would be done.
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

/// Lines of the work list that are shown; all are in `--json`.
const SHOWN: usize = 30;

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let tree = args.place.open()?;
    let keyring = args.key.find(&tree)?.unwrap_or_default();
    let report = offboard(
        &tree,
        &keyring,
        &args.person,
        args.dry_run,
        Timestamp::now(),
    )?;
    if args.json {
        json(&report)?;
    } else {
        tell(&report, args.dry_run, keyring.is_empty());
    }
    Ok(Outcome::Changes)
}

fn tell(report: &Report, dry_run: bool, without_key: bool) {
    let person = &report.person;
    let files = count(report.files.len(), "file");
    match (&report.recipient, dry_run) {
        (None, _) => say(format!(
            "{person} has no age key in fleet/staff.yaml, so no file of secrets was ever theirs to open"
        )),
        (Some(_), true) => say(format!(
            "{files} would be encrypted without {person}'s key{}",
            if without_key {
                " (that needs a key that opens them, and none is at hand)"
            } else {
                ""
            }
        )),
        (Some(_), false) if report.files.is_empty() => say(format!(
            "{person}'s key opens no file of secrets any more: nothing was changed"
        )),
        (Some(_), false) => say(format!(
            "{files} no longer open to {person}'s key: commit and push them"
        )),
    }
    for file in &report.files {
        say(format!("  {file}"));
    }
    if !report.secrets.is_empty() {
        say(format!(
            "\n{person} could read {}; the worst first:",
            count(report.secrets.len(), "secret")
        ));
    }
    let mut before = None;
    for secret in &report.secrets {
        if before != Some(secret.risk) {
            before = Some(secret.risk);
            say(format!("  {}", title(secret.risk)));
        }
        say(format!(
            "    {} in {}\n      {}",
            secret.name, secret.file, secret.remedy
        ));
    }
    say("\nleft for you:");
    for line in report.work.iter().take(SHOWN) {
        say(format!("  [ ] {line}"));
    }
    if report.work.len() > SHOWN {
        say(format!(
            "  … and {} more (--json has them all)",
            report.work.len() - SHOWN
        ));
    }
}

fn title(risk: Risk) -> &'static str {
    match risk {
        Risk::Critical => "critical: everything depends on it",
        Risk::High => "high: the hub's own accounts",
        Risk::Medium => "medium: accounts of customers elsewhere",
        Risk::Low => "low: inside of one server, or no longer in use",
        Risk::Lasting => "lasting: cannot be replaced",
    }
}
