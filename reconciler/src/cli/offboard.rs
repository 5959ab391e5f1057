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

Takes every age key that any version of fleet/staff.yaml had of the person out of .sops.yaml and of every file, which is encrypted
anew under a new data key, so that they open nothing that is written from now on; it does not matter whether their entry, or its
key, is there still. What they could read, in this or any earlier version, they may have kept: those secrets
are listed, the worst first, with what to do about each. So is what no command can do: their entry in staff.yaml, the forge,
accounts elsewhere, hosts. Nothing is committed. Exit codes: 0 nothing to do, 2 there is, 1 an error.")]
pub(super) struct Args {
    /// Their id in fleet/staff.yaml, as it is or was.
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
    if let Some(warning) = &report.warning {
        say(format!("warning: {warning}\n"));
    }
    let files = count(report.files.len(), "file");
    let keys = match usize::from(report.recipient.is_some()) + report.earlier.len() {
        0 if report.all_keys => {
            say(format!(
                "fleet/staff.yaml has no age key of {person}, and never had one: no file of secrets was encrypted to them by it"
            ));
            None
        }
        0 => {
            say(format!(
                "no age key of {person} is known, but not all of fleet/staff.yaml's history could be read: see below"
            ));
            None
        }
        1 => Some("key".to_owned()),
        more => Some(format!("{more} keys")),
    };
    if let Some(keys) = keys {
        say(if dry_run {
            format!(
                "{files} would be encrypted without {person}'s {keys}{}",
                if without_key {
                    " (that needs a key that opens them, and none is at hand)"
                } else {
                    ""
                }
            )
        } else if report.files.is_empty() {
            let open = if keys == "key" { "opens" } else { "open" };
            format!("{person}'s {keys} {open} no file of secrets any more: nothing was changed")
        } else {
            format!("{files} no longer open to {person}'s {keys}: commit and push them")
        });
    }
    if !report.earlier.is_empty() {
        say(format!(
            "{} found in earlier versions of fleet/staff.yaml alone",
            match report.earlier.len() {
                1 => "one of their keys was".to_owned(),
                more => format!("{more} of their keys were"),
            }
        ));
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
