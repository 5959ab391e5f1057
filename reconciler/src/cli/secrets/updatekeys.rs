//! `tenantry secrets updatekeys`: files to the recipients that the rules name.

use super::{Desk, Key, Place};
use crate::cli::Outcome;
use crate::cli::output::{complain, count, say};
use crate::secrets::Target;
use crate::secrets::change::Saved;
use crate::secrets::holders::Holders;
use tenantry_sops::{Recipient, SopsFile};

/// Arguments of `secrets updatekeys`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
After a change of .sops.yaml:
  tenantry secrets updatekeys --dry-run
  tenantry secrets updatekeys

Who is added gets the data key of a file. Who is dropped loses it: such a file is encrypted anew under a new data key. What they
could read they know; `tenantry offboard` lists it. Personal data is brought to the key of its customer.")]
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
    let (mut changed, mut failed) = (0, 0);
    for target in &targets {
        if args.dry_run {
            changed += usize::from(tell(&desk, &holders, target)?);
            continue;
        }
        match desk.writer().update_recipients(target) {
            Ok(Saved::Unchanged) => {}
            Ok(_) => {
                changed += 1;
                say(format!("{target}: brought to its recipients"));
            }
            Err(error) => {
                failed += 1;
                complain(&anyhow::Error::from(error).context(format!("{target} stays as it is")));
            }
        }
    }
    let looked = count(targets.len(), "file");
    if failed > 0 {
        say(format!(
            "{failed} of {looked} could not be changed; `git status` shows which were"
        ));
        return Ok(Outcome::Errors);
    }
    match (changed, args.dry_run) {
        (0, _) => say(format!("nothing to do: {looked} as .sops.yaml says")),
        (changed, true) => say(format!("{changed} of {looked} would change")),
        (changed, false) => say(format!("{changed} of {looked} changed")),
    }
    Ok(if args.dry_run && changed > 0 {
        Outcome::Changes
    } else {
        Outcome::Clean
    })
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

/// Says how a file differs. Needs no key.
fn tell(desk: &Desk, holders: &Holders, target: &Target) -> anyhow::Result<bool> {
    let file = SopsFile::parse(&desk.tree.text(&target.path())?)?;
    let Some(wanted) = desk.rules.wanted(&desk.tree, target)? else {
        say(format!("{target}: to a new key of its customer"));
        return Ok(true);
    };
    if wanted.same_recipients(file.recipients()) {
        return Ok(false);
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
    say(format!("{target}: {}", parts.join(", ")));
    Ok(true)
}
