//! `tenantry activate`: commits which hub, and which release of it, may act on a fleet (law 13).

use super::Outcome;
use super::output::{json, say};
use crate::config::{FleetArgs, person, signing_key};
use crate::git::{Author, Change, Fleet, Location, Oid, Outcome as Committed, Signer};
use crate::keys::HubIdentity;
use crate::load::{Loader, Revision};
use anyhow::{Context, bail, ensure};
use jiff::Timestamp;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use tenantry_planner::documents::HeadDocuments;
use tenantry_schema::document::Activation;
use tenantry_schema::key::AgeRecipient;
use tenantry_schema::name::RelativePath;

/// Arguments of `activate`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The key has to be the fleet's own: the one that `keys.hub.age` in fleet/hub.yaml names, which opens fleet/hub-key.yaml. With any other
the fleet would be without a hub.

--json: {fleet_id, hub, release, commit, changed, displaced}. `hub` is the public half of the key, `commit` the newest of the branch,
`changed` whether it is new, `displaced` {hub, release}: what was activated before and may not act any more, or null.")]
pub(super) struct Args {
    #[command(flatten)]
    fleet: FleetArgs,
    /// The age identity file of the hub that may act.
    #[arg(long, value_name = "FILE", env = "TENANTRY_KEY_FILE")]
    key: PathBuf,
    /// The release that may act. Default: this one.
    #[arg(long, default_value = crate::RELEASE, value_parser = release)]
    release: String,
    /// For programs.
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    activation: &'a Activation,
    commit: String,
    changed: bool,
    displaced: Option<Displaced<'a>>,
}

/// What was activated before, and may not act any more.
#[derive(Serialize)]
struct Displaced<'a> {
    hub: &'a AgeRecipient,
    release: &'a str,
}

/// Where the document is.
const PATH: &str = "fleet/activation.yaml";

/// A release as it stands in documents and commit messages: one short word.
fn release(text: &str) -> Result<String, String> {
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+' | '_');
    if (1..=64).contains(&text.len()) && text.chars().all(fine) {
        Ok(text.to_owned())
    } else {
        Err("a release is at most 64 letters, digits, `.`, `-`, `+` and `_`, such as 1.4.0".into())
    }
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let identity = HubIdentity::read(&args.key)?;
    let scratch = tempfile::tempdir().context("cannot make a temporary folder")?;
    let fleet = Fleet::open(
        Location::parse(&args.fleet.fleet)?,
        &args.fleet.branch,
        scratch.path(),
    )?;
    let folder = fleet.work_folder()?;
    let path = RelativePath::try_from(PATH)?;
    let (name, email) = person();
    let mut author = Author::new(&name, &email);
    if let Some(key) = signing_key() {
        author = author.signed_by(Signer::Program(key));
    }
    let message = format!(
        "activate: hub {} at release {}\n",
        identity.recipient(),
        args.release
    );
    for _ in 0..5 {
        fleet.fetch()?;
        let base = fleet.head()?.with_context(|| {
            format!(
                "the fleet has no branch `{}`: push it there, or name another one with --branch",
                args.fleet.branch
            )
        })?;
        let head = head(&fleet, base)?;
        fits(&identity, &args.key, &fleet, &head)?;
        let document = Activation {
            fleet_id: head.hub.fleet_id.clone(),
            hub: identity.recipient().clone(),
            release: args.release.clone(),
        };
        let before = head.activation.as_ref();
        let body = serde_yaml::to_string(&document).context("cannot write the document")?;
        let content = format!(
            "# Written by `tenantry activate`: the hub that may act on this fleet, and its release.\n{body}"
        );
        let change = Change {
            path: path.clone(),
            content: Some(content.clone().into_bytes()),
        };
        if let Some(folder) = &folder {
            let (id, changed) = in_folder(&folder.folder, &args.fleet.branch, &content, &message)?;
            let note = "; push it to the repository that the hub serves";
            tell(args, &document, before, (&id, changed), note)?;
            return Ok(Outcome::Clean);
        }
        match fleet.commit(base, &[change], &author, &message, Timestamp::now())? {
            Committed::Committed(id) => {
                tell(args, &document, before, (&id.to_string(), true), "")?;
                return Ok(Outcome::Clean);
            }
            Committed::Unchanged => {
                tell(args, &document, before, (&base.to_string(), false), "")?;
                return Ok(Outcome::Clean);
            }
            Committed::Moved => {}
        }
    }
    bail!("the branch kept moving; try again")
}

/// Refuses a key with which no hub can act here: activated, it would only take the hub that acts out of action.
fn fits(
    identity: &HubIdentity,
    file: &Path,
    fleet: &Fleet,
    head: &HeadDocuments,
) -> anyhow::Result<()> {
    let (named, file) = (&head.hub.keys.hub.age, file.display());
    ensure!(
        identity.recipient() == named,
        "{file} is not the key of this fleet's hub: it is {}, and `keys.hub.age` in fleet/hub.yaml names {named}. \
         Nothing was changed. Is it the key of another fleet?",
        identity.recipient()
    );
    identity
        .signing_key(fleet.objects(), head)
        .with_context(|| {
            format!(
                "a hub with {file} could not sign. Nothing was changed. If the hub has a new key: \
                 `tenantry secrets updatekeys fleet/hub-key.yaml`, with the old or the recovery key"
            )
        })?;
    Ok(())
}

/// Says what is activated now, by which commit, and what is not any more.
fn tell(
    args: &Args,
    now: &Activation,
    before: Option<&Activation>,
    (commit, changed): (&str, bool),
    note: &str,
) -> anyhow::Result<()> {
    let displaced = before.filter(|before| before.hub != now.hub || before.release != now.release);
    if args.json {
        return json(&Report {
            activation: now,
            commit: commit.to_owned(),
            changed,
            displaced: displaced.map(|before| Displaced {
                hub: &before.hub,
                release: &before.release,
            }),
        });
    }
    if !changed {
        say("this hub and release are activated already");
        return Ok(());
    }
    say(format!(
        "activated: hub {} may act at release {} (commit {}{note})",
        now.hub,
        now.release,
        commit.get(..12).unwrap_or(commit)
    ));
    if let Some(before) = displaced {
        say(format!(
            "hub {} at release {} was activated before: from this commit on it only observes",
            before.hub, before.release
        ));
    }
    Ok(())
}

/// Commits where a person works, as they would: with the `git` program, this file alone, whatever else is edited or staged. Gives the newest
/// commit, and whether it is new.
fn in_folder(
    folder: &Path,
    branch: &str,
    content: &str,
    message: &str,
) -> anyhow::Result<(String, bool)> {
    let on = git(folder, &["symbolic-ref", "--quiet", "--short", "HEAD"]).unwrap_or_default();
    ensure!(
        on.trim() == branch,
        "{} does not have `{branch}` checked out: `git switch {branch}`",
        folder.display()
    );
    let file = folder.join(PATH);
    std::fs::write(&file, content).with_context(|| format!("cannot write {}", file.display()))?;
    git(folder, &["add", "--", PATH])?;
    let newest = || git(folder, &["rev-parse", "HEAD"]).map(|id| id.trim().to_owned());
    if git(folder, &["diff", "--quiet", "HEAD", "--", PATH]).is_ok() {
        return Ok((newest()?, false));
    }
    let (name, email) = person();
    let (name, email) = (format!("user.name={name}"), format!("user.email={email}"));
    let sign = if signing_key().is_some() {
        "commit.gpgsign=true"
    } else {
        "commit.gpgsign=false"
    };
    let settings = ["-c", &name, "-c", &email, "-c", sign];
    let commit = [
        "commit",
        "--quiet",
        "--message",
        message,
        "--only",
        "--",
        PATH,
    ];
    git(folder, &[&settings[..], &commit].concat())?;
    Ok((newest()?, true))
}

/// Runs the `git` program in a folder. What it says if it fails is the error.
fn git(folder: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    let out = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(arguments)
        .output()
        .context("cannot start the `git` program (is it installed?)")?;
    let said = String::from_utf8_lossy(&out.stderr);
    ensure!(out.status.success(), "git: {}", said.trim());
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}

/// The settings of the fleet. Its id is the one that it was activated with before, else that of `hub.yaml`.
fn head(fleet: &Fleet, base: Oid) -> anyhow::Result<Arc<HeadDocuments>> {
    let objects = fleet.objects();
    let loaded = Loader::new(objects.clone()).load(Revision {
        tree: objects.root_tree(base)?,
        commit: base,
        generation: 0,
    })?;
    let desired = loaded
        .desired
        .context("fleet/hub.yaml has errors; `tenantry check` lists them")?;
    Ok(desired.head)
}
