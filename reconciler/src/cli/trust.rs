//! `tenantry trust`: judges commits as a hub would with `trust: signed`, and notes a commit that is known to be good.

use super::Outcome;
use super::open::View;
use super::output::{count, json, say};
use super::serve::commit_id;
use crate::config::FleetArgs;
use crate::git::{Objects, Oid};
use crate::keys::{HubIdentity, TRUST_ROOT};
use crate::trust::{Judge, Judged, NotFollowed};
use anyhow::{Context, bail};
use clap::Subcommand;
use serde::Serialize;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Arguments of `trust`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Judge every commit since one that is known to be good, whatever `trust:` says now.
    Verify(Verify),
    /// Write into the hub's key file which commit is known to be good, so that a hub with nothing but the repository and that file can judge the rest.
    Pin(Pin),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
--json: {good, from, to, stays_at, commits, refused}. `stays_at` is the newest commit that a hub follows, `commits` how many are good,
`refused` null or {commit, author, summary, reason}.")]
struct Verify {
    #[command(flatten)]
    fleet: FleetArgs,
    /// The commit that is known to be good. Default: the one that the key file names.
    #[arg(long, value_name = "COMMIT")]
    from: Option<String>,
    /// The newest commit to judge. Default: the branch.
    #[arg(long, value_name = "COMMIT")]
    to: Option<String>,
    /// Judge what merging this into the branch would bring, by the rules of the branch: signatures only where it asks for them (`trust: signed`).
    #[arg(long, value_name = "COMMIT", conflicts_with_all = ["from", "to"])]
    merging: Option<String>,
    /// The hub's age identity file.
    #[arg(long, value_name = "FILE", env = "TENANTRY_KEY_FILE")]
    key: Option<PathBuf>,
    /// For programs.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "--json: {key, commit}.")]
struct Pin {
    /// The hub's age identity file.
    #[arg(long, value_name = "FILE", env = "TENANTRY_KEY_FILE")]
    key: PathBuf,
    /// The whole id of a commit that you have looked at.
    commit: String,
    /// For programs.
    #[arg(long)]
    json: bool,
}

/// What `--json` of `verify` prints.
#[derive(Serialize)]
struct Verdict {
    good: bool,
    from: String,
    to: String,
    /// The newest commit that a hub follows.
    stays_at: String,
    /// How many commits were judged good.
    commits: usize,
    refused: Option<NotFollowed>,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    match &args.command {
        Command::Verify(args) => verify(args),
        Command::Pin(args) => pin(args),
    }
}

fn verify(args: &Verify) -> anyhow::Result<Outcome> {
    if let Some(branch) = &args.merging {
        return verify_merging(args, branch);
    }
    let view = View::open(&args.fleet.fleet, &args.fleet.branch)?;
    let pinned = match &args.key {
        Some(key) => HubIdentity::read(key)?.trust_root(),
        None => None,
    };
    let from = match (&args.from, pinned) {
        (Some(name), _) => view.commit_named(name)?,
        (None, Some(pinned)) => pinned,
        (None, None) => bail!(
            "name a commit that you know to be good: --from COMMIT, or --key FILE with one pinned"
        ),
    };
    let to = match &args.to {
        Some(name) => view.commit_named(name)?,
        None => view.head()?,
    };
    let objects = view.scratch.objects();
    let judged = Judge::strict(objects).judge(from, to)?;
    let since = format!("since {}", short(from));
    tell(objects, (from, to), judged, args.json, &since)
}

/// Judges what merging `branch` into the fleet's would bring, as far as the fleet asks for it.
fn verify_merging(args: &Verify, branch: &str) -> anyhow::Result<Outcome> {
    let view = View::open(&args.fleet.fleet, &args.fleet.branch)?;
    let (base, tip) = (view.head()?, view.commit_named(branch)?);
    let objects = view.scratch.objects();
    let mut judge = Judge::new(objects);
    let judged = Judged {
        good: base,
        refused: judge.brings(&objects.only_in(&[tip], base)?, base)?,
    };
    let by = if judge.asks_for_signatures(base)? {
        "as merging would bring them"
    } else {
        "of which none has to be signed (`trust: forge`)"
    };
    tell(objects, (base, tip), judged, args.json, by)
}

/// What came of judging what leads from the first commit to the second.
fn tell(
    objects: &Objects,
    (from, to): (Oid, Oid),
    judged: Judged,
    as_json: bool,
    which: &str,
) -> anyhow::Result<Outcome> {
    let good = judged.refused.is_none();
    let refused = judged
        .refused
        .map(|refused| NotFollowed::new(objects, refused));
    let refused = refused.transpose()?;
    let commits = |to: Oid| objects.only_in(&[to], from).map(|list| list.len());
    if as_json {
        json(&Verdict {
            good,
            from: from.to_string(),
            to: to.to_string(),
            stays_at: judged.good.to_string(),
            commits: commits(judged.good)?,
            refused,
        })?;
    } else if let Some(refused) = refused {
        say(format!(
            "commit {} by {} ({}) is not good: {}\na hub stays at {}",
            refused.short(),
            refused.author,
            refused.summary,
            refused.reason,
            short(judged.good)
        ));
    } else {
        say(format!("good: {} {which}", count(commits(to)?, "commit")));
    }
    Ok(if good {
        Outcome::Clean
    } else {
        Outcome::Errors
    })
}

fn short(commit: Oid) -> String {
    commit.to_string().chars().take(12).collect()
}

fn pin(args: &Pin) -> anyhow::Result<Outcome> {
    let commit = commit_id(&args.commit)?;
    // Only a key file is rewritten.
    HubIdentity::read(&args.key)?;
    let text = std::fs::read_to_string(&args.key).map(zeroize_on_drop)?;
    let kept = text.lines().filter(|line| !line.starts_with(TRUST_ROOT));
    let mut lines: Vec<&str> = kept.collect();
    let pinned = format!("{TRUST_ROOT} {commit}");
    lines.push(&pinned);
    replace(&args.key, &(lines.join("\n") + "\n"))
        .with_context(|| format!("cannot write {}", args.key.display()))?;
    if args.json {
        json(&serde_json::json!({ "key": args.key, "commit": commit.to_string() }))?;
        return Ok(Outcome::Clean);
    }
    say(format!(
        "{} names {commit} as known to be good",
        args.key.display()
    ));
    Ok(Outcome::Clean)
}

fn zeroize_on_drop(text: String) -> zeroize::Zeroizing<String> {
    zeroize::Zeroizing::new(text)
}

/// Another content under the same name, readable by its owner alone, at once or not at all.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let beside = PathBuf::from(name);
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&beside)?;
    let written = file
        .write_all(text.as_bytes())
        .and_then(|()| file.sync_all());
    let moved = written.and_then(|()| std::fs::rename(&beside, path));
    moved.inspect_err(|_| drop(std::fs::remove_file(&beside)))
}
