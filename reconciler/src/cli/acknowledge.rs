//! `tenantry acknowledge`: what is held back because too much would go at once, or because decisions were taken away, and the entry that lets it go.

use super::Outcome;
use super::open::look;
use super::output::{count, json, say};
use crate::config::{CacheArgs, FleetArgs};
use crate::secrets::WorkTree;
use anyhow::bail;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use tenantry_planner::lost::TakenAway;
use tenantry_planner::removal::{FILE, Removal};
use tenantry_schema::document::Acknowledged;
use tenantry_schema::id::AcknowledgementId;
use tenantry_yaml::Limits;

/// Arguments of `acknowledge`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
`policy.max_removed` of fleet/hub.yaml limits on how many servers one commit may remove or replace something. What goes beyond is
held back. So are orders whose decisions (fleet/decisions) people took away, because they are not made anew. This shows all of it, and adds
to fleet/acknowledged.yaml that it is meant; commit that, together with the change or afterwards. An entry is for exactly what is shown:
it lets nothing go a second time, and covers no later deletion of decisions.

Examples:
  tenantry acknowledge             what is held back, in the files as they are now
  tenantry acknowledge --name acme-leaves --reason 'gave notice, ticket 812'

--json: {held, taken_away, written}. `held` [{mark, words, losses, servers}] are removals beyond the limit, `taken_away` [{words, anew,
commit, paths}] orders without their decisions, `written` whether an entry says now that it is meant.

Exit codes: 0 nothing is held back, or it was written down; 2 something is held back; 1 an error.")]
pub(super) struct Args {
    /// A name for the entry. Without one it is only shown.
    #[arg(long, requires = "reason")]
    name: Option<AcknowledgementId>,
    /// Why it is meant, for those who review it.
    #[arg(long, requires = "name")]
    reason: Option<String>,
    #[command(flatten)]
    fleet: FleetArgs,
    #[command(flatten)]
    cache: CacheArgs,
    /// For programs.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let opened = look(&args.fleet.fleet, &args.fleet.branch, args.cache)?;
    let removals = &opened.loaded.removals;
    let held: Vec<&Removal> = removals
        .iter()
        .filter(|removal| removal.is_held())
        .collect();
    let lost = opened.lost()?;
    let done = |text: &str, written: bool, outcome: Outcome| {
        if args.json {
            json(&report(&held, &lost, written))?;
        } else {
            say(text);
        }
        Ok(outcome)
    };
    if held.is_empty() && lost.is_empty() {
        return done("nothing is held back", false, Outcome::Clean);
    }
    if !args.json {
        tell(&held, &lost);
    }
    let entries: Vec<String> = held
        .iter()
        .map(|removal| removal_entry(removal))
        .chain(anew_entries(&lost))
        .collect();
    if entries.is_empty() {
        return done(
            "\nif they are to be made anew, commit their deletion first: an entry names that commit",
            false,
            Outcome::Changes,
        );
    }
    let (Some(name), Some(reason)) = (&args.name, &args.reason) else {
        return done(
            "\nif all of this is meant: tenantry acknowledge --name NAME --reason WHY",
            false,
            Outcome::Changes,
        );
    };
    if !opened.work_tree {
        bail!(
            "`{}` has no files to edit: work in a clone of it",
            args.fleet.fleet
        );
    }
    let tree = WorkTree::open(Path::new(&args.fleet.fleet))?;
    let before = tree.read(FILE)?.unwrap_or_default();
    let text = with_entries(&before, name, reason, &entries)?;
    tree.write(FILE, &text)?;
    let said = format!(
        "\n{FILE} says now that this is meant ({}); commit it together with the change",
        count(entries.len(), "entry").replace("entrys", "entries")
    );
    done(&said, true, Outcome::Clean)
}

/// What is held back, for people.
fn tell(held: &[&Removal], lost: &[TakenAway]) {
    for removal in held {
        say(format!("{}:", removal.words()));
        for loss in &removal.losses {
            say(format!("  {loss}"));
        }
    }
    for taken in lost {
        say(format!("{taken}:"));
        for path in &taken.paths {
            say(format!("  {path}"));
        }
    }
}

/// The same for programs.
fn report(held: &[&Removal], lost: &[TakenAway], written: bool) -> serde_json::Value {
    let removal = |removal: &&Removal| {
        let losses: Vec<String> = removal.losses.iter().map(ToString::to_string).collect();
        serde_json::json!({
            "mark": removal.mark,
            "words": removal.words(),
            "losses": losses,
            "servers": removal.servers,
        })
    };
    let taken = |taken: &TakenAway| {
        serde_json::json!({
            "words": taken.to_string(),
            "anew": taken.anew.to_string(),
            "commit": taken.commit,
            "paths": taken.paths,
        })
    };
    serde_json::json!({
        "held": held.iter().map(removal).collect::<Vec<_>>(),
        "taken_away": lost.iter().map(taken).collect::<Vec<_>>(),
        "written": written,
    })
}

const HEAD: &str = "\
# What people agreed to: to lose more than `policy.max_removed` lets one commit remove or replace (`removes`), or to have decided anew what was
# taken away from fleet/decisions (`anew`). An entry counts once, for exactly what it names. `tenantry acknowledge` writes them.
";

fn removal_entry(removal: &Removal) -> String {
    format!(
        "  removes: \"{}\"\n  servers: {}\n",
        removal.mark, removal.servers
    )
}

/// One entry for each order and commit. What is not committed yet has none.
fn anew_entries(lost: &[TakenAway]) -> BTreeSet<String> {
    let entry = |taken: &TakenAway| {
        let commit = taken.commit.as_ref()?;
        Some(format!("  anew: {}\n  since: {commit}\n", taken.anew))
    };
    lost.iter().filter_map(entry).collect()
}

/// The file with these entries; comments and entries that are there stay.
fn with_entries(
    before: &str,
    name: &AcknowledgementId,
    reason: &str,
    entries: &[String],
) -> anyhow::Result<String> {
    let there: Acknowledged = if before.trim().is_empty() {
        Acknowledged::default()
    } else {
        match tenantry_yaml::from_str(before, &Limits::default()) {
            Ok(there) => there,
            Err(_) => bail!("{FILE} has errors; `tenantry check` shows them"),
        }
    };
    let mut text = if before.trim().is_empty() {
        HEAD.to_owned()
    } else {
        before.trim_end().to_owned() + "\n"
    };
    for (number, entry) in entries.iter().enumerate() {
        let name = match number {
            0 => name.to_string(),
            more => format!("{name}-{}", more + 1),
        };
        if there.0.keys().any(|known| known.as_str() == name) {
            bail!(
                "{FILE} has an entry `{name}` already; an entry counts once, so take another name"
            );
        }
        let reason = serde_json::to_string(reason)?;
        let _ = writeln!(text, "{name}:\n{entry}  reason: {reason}");
    }
    // What is written must mean what was meant, whatever stood there before.
    let after: Result<Acknowledged, _> = tenantry_yaml::from_str(&text, &Limits::default());
    match after {
        Ok(after) if after.0.len() == there.0.len() + entries.len() => Ok(text),
        _ => bail!(
            "{FILE} is not written with an entry a line; write it as `name:` with its keys below, then try again"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tenantry_planner::removal::{Loss, Losses};
    use tenantry_schema::id::ServerKey;

    fn removal() -> Removal {
        let mut losses = Losses::default();
        for customer in ["acme", "globex"] {
            let server = ServerKey {
                customer: customer.try_into().unwrap(),
                server: "one".try_into().unwrap(),
            };
            losses.add(Loss::Server(server.clone()), server);
        }
        let limit = "1".to_owned().try_into().unwrap();
        Removal::judge(&losses, 2, limit, &"test".to_owned().try_into().unwrap()).unwrap()
    }

    fn written(before: &str, name: &str) -> anyhow::Result<String> {
        let name = name.try_into().unwrap();
        with_entries(
            before,
            &name,
            "a \"reason\": #1\nof two lines",
            &[removal_entry(&removal())],
        )
    }

    #[test]
    fn what_is_there_stays() {
        let first = written("", "one").unwrap();
        let with_comment = format!("# mine\n{first}\n\n\n");
        let second = written(&with_comment, "two").unwrap();
        assert!(second.starts_with("# mine\n"));
        let read: Acknowledged = tenantry_yaml::from_str(&second, &Limits::default()).unwrap();
        assert_eq!(read.0.len(), 2);
        let entry = &read.0.values().next().unwrap();
        assert_eq!(entry.reason, "a \"reason\": #1\nof two lines");
        assert!(
            removal()
                .acknowledged_by(&read, &Acknowledged::default())
                .is_some()
        );
    }

    #[test]
    fn what_cannot_be_added_to_is_left() {
        let first = written("", "one").unwrap();
        assert!(written(&first, "one").is_err(), "an entry counts once");
        assert!(written("one: {", "two").is_err());
        let flow =
            "{ one: { removes: 9f86d081884c7d659a2feaa0c55ad015, servers: 2, reason: x } }\n";
        assert!(written(flow, "two").is_err());
    }

    #[test]
    fn lost_decisions_have_an_entry_each_by_order_and_commit() {
        let taken = |anew: &str, commit: Option<&str>, parent| TakenAway {
            anew: anew.to_owned().try_into().unwrap(),
            commit: commit.map(|digit| digit.repeat(40)),
            parent,
            good_at: None,
            paths: Vec::new(),
        };
        let lost = [
            taken("acme/web", Some("1"), 1),
            taken("acme/web", Some("1"), 2),
            taken("acme", Some("2"), 1),
            taken("acme/web", None, 1),
        ];
        let entries: Vec<String> = anew_entries(&lost).into_iter().collect();
        let name = "anew".try_into().unwrap();
        let text = with_entries("", &name, "a trial", &entries).unwrap();
        let read: Acknowledged = tenantry_yaml::from_str(&text, &Limits::default()).unwrap();
        assert_eq!(read.0.len(), 2);
        assert!(read.0.values().all(|entry| entry.anew().is_some()));
    }
}
