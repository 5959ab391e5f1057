//! `tenantry erase`: a person asks to be forgotten.

use super::Outcome;
use super::output::{count, json, say};
use super::secrets::Place;
use crate::secrets::erase::{Fate, Proof, Survey, erase, survey};
use anyhow::{Context, bail};
use jiff::Timestamp;
use serde::Serialize;
use std::io::{BufRead, IsTerminal, Write};
use std::path::PathBuf;
use tenantry_schema::id::CustomerId;

/// Arguments of `erase`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
  tenantry erase acme --dry-run     every place where the person is, and what would happen to it
  tenantry erase acme               destroys the key of their personal data, here and at the remote, and commits a record

Personal data (person.yaml) is encrypted to a key of that customer alone, and that key is in no history: it lives on the reference
refs/tenantry/person-keys, which is kept one commit deep and which ordinary clones do not have. Without the key no version of the
file can be read any more, in whoever's clone. This cannot be undone.

What accounting law keeps, and what a person has to see to, is listed. The record (fleet/decisions/CUSTOMER/erased.yaml) holds ids
and digests only. What a clone was lost with before it was pushed can be finished in any other: `tenantry erase CUSTOMER` again.

Exit codes: 0 erased, 2 versions of person.yaml can still be read, because other keys open them (with --dry-run: something is to be
done), 1 an error.")]
pub(super) struct Args {
    /// The customer.
    customer: CustomerId,
    /// Only say what would be done.
    #[arg(long)]
    dry_run: bool,
    /// Do not ask; takes the id of the customer once more.
    #[arg(long, value_name = "CUSTOMER")]
    confirm: Option<CustomerId>,
    /// The data folder of a hub on this machine, to look into it, too.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
    /// For programs.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    survey: &'a Survey,
    proof: Option<&'a Proof>,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let tree = args.place.open()?;
    let found = survey(&tree, &args.customer, args.data.as_deref())?;
    if !args.json {
        tell(&found);
    }
    if args.dry_run || found.is_done() {
        if args.json {
            json(&Report {
                survey: &found,
                proof: None,
            })?;
        } else if found.is_done() {
            say(format!("\n{} was erased already", args.customer));
        } else {
            say("\nnothing was changed (--dry-run)");
        }
        return Ok(if found.is_done() {
            left(&found)
        } else {
            Outcome::Changes
        });
    }
    confirm(args)?;
    let proof = erase(&tree, &found, Timestamp::now())?;
    if args.json {
        json(&Report {
            survey: &found,
            proof: Some(&proof),
        })?;
        return Ok(left(&found));
    }
    say(format!(
        "\nerased: {} (commit {})",
        proof.record,
        &proof.commit[..proof.commit.len().min(12)]
    ));
    if !proof.forgotten {
        say(
            "the dropped key is still in a pack of this clone, where nothing points to it: `git gc --prune=now` removes it for good",
        );
    }
    say("push the commit, so that the file is gone from the branch, too");
    let by_hand = found
        .places
        .iter()
        .filter(|place| place.fate == Fate::ByHand)
        .count();
    if by_hand > 0 {
        say(format!(
            "left for you to see to, as listed above: {}",
            count(by_hand, "place")
        ));
    }
    Ok(left(&found))
}

/// Whether versions are left that can be read.
fn left(found: &Survey) -> Outcome {
    if found.readable.is_empty() {
        Outcome::Clean
    } else {
        Outcome::Changes
    }
}

fn tell(found: &Survey) {
    let destroyed = if found.is_done() {
        "destroyed:"
    } else {
        "would be destroyed:"
    };
    for (fate, title) in [
        (Fate::Destroyed, destroyed),
        (Fate::KeptByLaw, "kept, because accounting law asks for it:"),
        (Fate::ByHand, "for you to see to:"),
        (Fate::Nothing, "nothing of the person is here:"),
    ] {
        let mut places = found
            .places
            .iter()
            .filter(|place| place.fate == fate)
            .peekable();
        if places.peek().is_some() {
            say(title);
        }
        for place in places {
            say(format!("  {}: {}", place.place, place.why));
        }
    }
}

fn confirm(args: &Args) -> anyhow::Result<()> {
    let customer = &args.customer;
    match &args.confirm {
        Some(confirmed) if confirmed == customer => return Ok(()),
        Some(other) => bail!("--confirm says `{other}`, not `{customer}`: nothing was changed"),
        None => {}
    }
    if !std::io::stdin().is_terminal() {
        bail!("this cannot be undone: confirm it with --confirm {customer}");
    }
    eprint!("\nThis cannot be undone. Type the customer's id to go on: ");
    let _ = std::io::stderr().flush();
    let mut line = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut line)
        .context("cannot read from the terminal")?;
    if line.trim() == customer.as_str() {
        return Ok(());
    }
    bail!("nothing was changed")
}
