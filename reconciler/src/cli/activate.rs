//! `tenantry activate`: commits which hub, and which release of it, may act on a fleet (law 13).

use super::Outcome;
use super::output::say;
use crate::config::{FleetArgs, person, signing_key};
use crate::git::{Author, Change, Fleet, Location, Oid, Outcome as Committed, Signer};
use crate::keys::HubIdentity;
use crate::load::{Loader, Revision};
use anyhow::{Context, bail};
use jiff::Timestamp;
use std::path::PathBuf;
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
    #[arg(long, default_value = crate::RELEASE)]
    release: String,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let identity = HubIdentity::read(&args.key)?;
    let scratch = tempfile::tempdir().context("cannot make a temporary folder")?;
    let fleet = Fleet::open(
        Location::parse(&args.fleet.fleet)?,
        &args.fleet.branch,
        scratch.path(),
    )?;
    let path = RelativePath::try_from("fleet/activation.yaml")?;
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
        let base = fleet
            .head()?
            .with_context(|| format!("the fleet has no branch `{}`", args.fleet.branch))?;
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
            content: Some(content.into_bytes()),
        };
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
