//! `tenantry activate`: commits which hub, and which release of it, may act on a fleet (law 13).

use super::Outcome;
use super::output::say;
use crate::config::{FleetArgs, person, signing_key};
use crate::git::{Author, Change, Fleet, Location, Oid, Outcome as Committed, Signer};
use crate::keys::HubIdentity;
use crate::load::{Loader, Revision};
use anyhow::{Context, bail, ensure};
use jiff::Timestamp;
use std::path::{Path, PathBuf};
use std::process::Command;
use tenantry_schema::document::Activation;
use tenantry_schema::id::FleetId;
use tenantry_schema::name::RelativePath;

/// Arguments of `activate`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    fleet: FleetArgs,
    /// The age identity file of the hub that may act.
    #[arg(long, value_name = "FILE", env = "TENANTRY_KEY_FILE")]
    key: PathBuf,
    /// The release that may act. Default: this one.
    #[arg(long, default_value = crate::RELEASE, value_parser = release)]
    release: String,
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
        let document = Activation {
            fleet_id: fleet_id(&fleet, base)?,
            hub: identity.recipient().clone(),
            release: args.release.clone(),
        };
        let body = serde_yaml::to_string(&document).context("cannot write the document")?;
        let content = format!(
            "# Written by `tenantry activate`: the hub that may act on this fleet, and its release.\n{body}"
        );
        let change = Change {
            path: path.clone(),
            content: Some(content.clone().into_bytes()),
        };
        if let Some(folder) = &folder {
            return in_folder(
                &folder.folder,
                &args.fleet.branch,
                &document,
                &content,
                &message,
            );
        }
        match fleet.commit(base, &[change], &author, &message, Timestamp::now())? {
            Committed::Committed(id) => {
                say(format!(
                    "activated: hub {} may act at release {} (commit {})",
                    document.hub,
                    document.release,
                    &id.to_string()[..12]
                ));
                return Ok(Outcome::Clean);
            }
            Committed::Unchanged => {
                say("this hub and release are activated already");
                return Ok(Outcome::Clean);
            }
            Committed::Moved => {}
        }
    }
    bail!("the branch kept moving; try again")
}

/// Commits where a person works, as they would: with the `git` program, this file alone, whatever else is edited or staged.
fn in_folder(
    folder: &Path,
    branch: &str,
    document: &Activation,
    content: &str,
    message: &str,
) -> anyhow::Result<Outcome> {
    let on = git(folder, &["symbolic-ref", "--quiet", "--short", "HEAD"]).unwrap_or_default();
    ensure!(
        on.trim() == branch,
        "{} does not have `{branch}` checked out: `git switch {branch}`",
        folder.display()
    );
    let file = folder.join(PATH);
    std::fs::write(&file, content).with_context(|| format!("cannot write {}", file.display()))?;
    git(folder, &["add", "--", PATH])?;
    if git(folder, &["diff", "--quiet", "HEAD", "--", PATH]).is_ok() {
        say("this hub and release are activated already");
        return Ok(Outcome::Clean);
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
    let id = git(folder, &["rev-parse", "HEAD"])?;
    say(format!(
        "activated: hub {} may act at release {} (commit {}; push it to the repository that the hub serves)",
        document.hub,
        document.release,
        id.get(..12).unwrap_or(&id)
    ));
    Ok(Outcome::Clean)
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

/// The id of the fleet: the one it was activated with before, else that of `hub.yaml`.
fn fleet_id(fleet: &Fleet, base: Oid) -> anyhow::Result<FleetId> {
    let objects = fleet.objects();
    let loaded = Loader::new(objects.clone()).load(Revision {
        tree: objects.root_tree(base)?,
        commit: base,
        generation: 0,
    })?;
    let desired = loaded
        .desired
        .context("fleet/hub.yaml has errors; `tenantry check` lists them")?;
    Ok(desired.head.hub.fleet_id.clone())
}
