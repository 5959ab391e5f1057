//! `tenantry sops-textconv`: Git runs it to show a file of secrets in a diff.

use crate::cli::Outcome;
use crate::cli::output::say;
use crate::cli::secrets::Key;
use crate::secrets::git_setup::SALT_SETTING;
use crate::secrets::textconv::{Shown, show};
use crate::secrets::{Target, WorkTree};
use anyhow::Context;
use std::path::{Path, PathBuf};

/// Arguments of `sops-textconv`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The file.
    file: PathBuf,
    /// Show values instead of digests.
    #[arg(long)]
    show: bool,
    #[command(flatten)]
    key: Key,
}

pub(in crate::cli) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let text = std::fs::read_to_string(&args.file)
        .with_context(|| format!("cannot read {}", args.file.display()))?;
    let tree = WorkTree::open(Path::new(".")).ok();
    // Whatever is wrong with the keys, a diff is better than none.
    let keyring = tree
        .as_ref()
        .and_then(|tree| args.key.find(tree).ok().flatten());
    let mut identities = keyring.as_ref().map(|keyring| keyring.identities().clone());
    if let (Some(tree), Some(keyring)) = (&tree, &keyring)
        && let Ok(file) = tenantry_sops::SopsFile::parse(&text)
        && let Some(customer) =
            crate::secrets::person_keys::owner(tree.repository(), file.recipients())
        && let Ok(own) = keyring.for_target(tree, &Target::Person(customer))
    {
        identities = Some(own);
    }
    let salt = tree.as_ref().and_then(|tree| tree.setting(SALT_SETTING));
    let shown = match (&salt, args.show) {
        (_, true) => Shown::Values,
        (Some(salt), false) => Shown::Digests(salt),
        // Digests that anybody could compare would tell weak secrets.
        (None, false) => {
            say(show(&text, None, Shown::Values));
            return Ok(Outcome::Clean);
        }
    };
    say(show(&text, identities.as_ref(), shown));
    Ok(Outcome::Clean)
}
