//! `tenantry plan`: what a change of the fleet does, container by container, and what a hub would decide for it. Works without any key: a secret
//! counts as changed exactly if its ciphertext is.

use super::Outcome;
use super::kept::Kept;
use super::observed::inventory;
use super::open::View;
use super::output::{count, diagnostics, json, say};
use super::status::AskHub;
use crate::config::{CacheArgs, FleetArgs, wants_colour};
use crate::foresee::{Foresight, Past};
use crate::git::Oid;
use crate::load::{Revision, said_today};
use crate::review::{End, Ends, Report, Seen, markdown, report, text};
use crate::trust::{Judge, NotFollowed, Refusal};
use anyhow::{Context, bail};
use jiff::Timestamp;
use std::collections::HashMap;
use std::io::IsTerminal;
use tenantry_planner::Observed;

/// Arguments of `plan`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  tenantry plan                            what the files as they are now change, against the branch
  tenantry plan --to fix-acme              what merging a branch changes
  tenantry plan --from v1 --to v2          what came of everything between two commits
  tenantry plan --to HEAD --markdown       the same for a comment at a pull request
  tenantry plan --hub https://hub.example.com   with what the hub knows: what it would decide, and how servers really are

Exit codes: 0 nothing changes and nothing is to be decided, 2 something is, 1 the fleet has errors, the two conflict, or merging
would bring a commit that a hub does not follow (`trust: signed`).")]
pub(super) struct Args {
    #[command(flatten)]
    fleet: FleetArgs,
    #[command(flatten)]
    cache: CacheArgs,
    /// What is now. Default: the branch.
    #[arg(long, value_name = "COMMIT")]
    from: Option<String>,
    /// What is to be. Default: the files as they are now, or the branch where there are none. What does not follow `--from` is merged first.
    #[arg(long, value_name = "COMMIT")]
    to: Option<String>,
    #[command(flatten)]
    hub: AskHub,
    /// Every server on its own, however many there are.
    #[arg(long)]
    all: bool,
    /// For programs.
    #[arg(long, conflicts_with = "markdown")]
    json: bool,
    /// For a comment at a pull request.
    #[arg(long)]
    markdown: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let view = View::open(&args.fleet.fleet, &args.fleet.branch)?;
    let from = match &args.from {
        Some(name) => (view.commit_named(name)?, name.clone()),
        None => (view.head()?, args.fleet.branch.clone()),
    };
    let from_commit = from.0;
    let kept = Kept::of(&view, args.cache);
    let ends = ends(&view, from, args.to.as_deref(), kept.as_ref())?;
    let status = args.hub.ask_of_any()?;
    let inventory = status.as_ref().map(inventory).unwrap_or_default();
    let attempts = HashMap::new();
    let observed = Observed {
        inventory: &inventory,
        attempts: &attempts,
        attempts_revision: 0,
        now: Timestamp::now(),
    };
    let mut foresight = match &kept {
        Some(kept) => {
            let (from, to) = (ends.from.1, ends.to.1);
            Foresight::between(&view.scratch, kept.open(), kept.past(), from, to)?
        }
        None => Foresight::new(&view.scratch, Past::default()),
    };
    let before = foresight.look(ends.from.1, observed)?;
    let after = foresight.look(ends.to.1, observed)?;
    if after.loaded.desired.is_none() {
        diagnostics(after.loaded.diagnostics.iter());
        bail!("the fleet's own documents have errors and were never good; nothing can be planned");
    }
    let approvals = report::approvals(view.scratch.objects(), &ends, &before)?;
    let tree = ends.to.1.tree;
    let mut report = Report::new(ends, &before, &after, approvals, &|file| {
        foresight.marks(file)
    })?;
    report.without_key();
    report.refused = not_followed(&view, args, from_commit)?;
    if let Some(desired) = &after.loaded.desired {
        let objects = view.scratch.objects();
        let found = said_today(objects, tree, desired, observed.now);
        report.diagnostics.extend(found);
    }
    if let (Some(desired), Some(status)) = (&after.loaded.desired, &status) {
        args.hub.is_of(status, &desired.head.hub.fleet_id)?;
        report.seen = Some(Seen::new(status, &report));
    }
    // What is found out with what a hub says does not hold without it.
    if status.is_none()
        && let (Some(kept), Some(cache)) = (kept, foresight.into_cache())
    {
        kept.save(cache);
    }
    if args.json {
        json(&report)?;
    } else if args.markdown {
        say(markdown::write(&report));
    } else {
        diagnostics(&report.diagnostics);
        let colour = wants_colour(std::io::stdout().is_terminal());
        say(text::write(&report, args.all, colour));
    }
    Ok(if report.has_errors() || report.conflict {
        Outcome::Errors
    } else if report.is_empty() {
        Outcome::Clean
    } else {
        Outcome::Changes
    })
}

/// The first commit that merging would bring and a hub would not follow. What the branch has already is judged by `tenantry trust verify`.
fn not_followed(view: &View, args: &Args, from: Oid) -> anyhow::Result<Option<NotFollowed>> {
    let tip = match &args.to {
        Some(name) => view.commit_named(name)?,
        None if view.has_files() => view.commit_named("HEAD")?,
        None => return Ok(None),
    };
    // The branch as far as it is known here: it may have been fetched and not pulled.
    let mut base = from;
    let fetched = view.commit_named(&format!("refs/remotes/origin/{}", args.fleet.branch));
    for known in [view.head().ok(), fetched.ok()].into_iter().flatten() {
        if view.scratch.merge_base(base, known)? == Some(base) {
            base = known;
        }
    }
    let objects = view.scratch.objects();
    let mut judge = Judge::new(objects);
    let refused = match judge.brings(&objects.only_in(&[tip], base)?, base)? {
        // With commits of the hub it is the branch itself, further on than it is known here: the hub commits nowhere else.
        Some((_, Refusal::OtherLine(_))) => judge.judge(base, tip)?.refused,
        refused => refused,
    };
    let refused = refused.map(|refused| NotFollowed::new(objects, refused));
    Ok(refused.transpose()?)
}

fn ends(
    view: &View,
    from: (Oid, String),
    to: Option<&str>,
    kept: Option<&Kept>,
) -> anyhow::Result<Ends> {
    let (from, from_name) = from;
    let start = (End::commit(&from_name, from), view.at(from)?);
    let Some(name) = to else {
        if view.has_files() {
            return with_files(view, start, &from_name, view.files(kept)?);
        }
        let head = view.head()?;
        return Ok(Ends {
            from: start,
            to: (End::commit("the branch", head), view.at(head)?),
            note: None,
            conflict: false,
        });
    };
    let to = view.commit_named(name)?;
    let end = End::commit(name, to);
    let base = view.scratch.merge_base(from, to)?;
    let base =
        base.with_context(|| format!("`{from_name}` and `{name}` have no history in common"))?;
    if base == from {
        // Judged as one commit on top of what is now: a forge may make one of it.
        let revision = Revision {
            commit: from,
            ..view.at(to)?
        };
        return Ok(Ends {
            from: start,
            to: (end, revision),
            note: None,
            conflict: false,
        });
    }
    if base == to {
        // Backwards: what going back would do.
        return Ok(Ends {
            from: start,
            to: (end, view.at(to)?),
            note: Some(format!(
                "{name} is older than {from_name}: this is what going back does"
            )),
            conflict: false,
        });
    }
    match view.scratch.merge(from, to)? {
        Some(tree) => Ok(Ends {
            from: start,
            to: (
                end,
                Revision {
                    tree,
                    commit: from,
                    generation: 0,
                },
            ),
            note: Some(format!("{name}, merged into {from_name}")),
            conflict: false,
        }),
        None => Ok(Ends {
            from: (End::commit("where they parted", base), view.at(base)?),
            to: (end, view.at(to)?),
            note: Some(format!(
                "{name} conflicts with {from_name}: this is what {name} changes since they parted. Merge {from_name} into it and plan again"
            )),
            conflict: true,
        }),
    }
}

/// Files that are not committed, with what `from` has and what they were made from has not: the hub commits meanwhile.
fn with_files(
    view: &View,
    from: (End, Revision),
    from_name: &str,
    files: Revision,
) -> anyhow::Result<Ends> {
    let now = from.1.commit;
    let base = view.scratch.merge_base(now, files.commit)?;
    let base = base.with_context(|| {
        format!("`{from_name}` and what is checked out have no history in common")
    })?;
    if base == now {
        return Ok(Ends {
            from,
            to: (End::files(), files),
            note: None,
            conflict: false,
        });
    }
    let behind = view.scratch.behind(files.commit, now)?;
    let behind = format!("{} behind {from_name}", count(behind, "commit"));
    let parted = view.at(base)?;
    match view
        .scratch
        .merge_trees(parted.tree, from.1.tree, files.tree)?
    {
        Some(tree) => Ok(Ends {
            from,
            to: (
                End::files(),
                Revision {
                    tree,
                    commit: now,
                    generation: 0,
                },
            ),
            note: Some(format!(
                "what is checked out is {behind}: the files are planned as if they were merged into it"
            )),
            conflict: false,
        }),
        None => Ok(Ends {
            from: (End::commit("where they parted", base), parted),
            to: (End::files(), files),
            note: Some(format!(
                "what is checked out is {behind} and conflicts with it: this is what the files change since they parted. Merge {from_name} and plan again"
            )),
            conflict: true,
        }),
    }
}
