//! `tenantry secrets get`: one value, for a pipe or, when asked for, for the screen.

use super::{Key, Place};
use crate::cli::Outcome;
use crate::cli::output::json;
use crate::secrets::change::name;
use crate::secrets::{Keyring, SecretsError, Target, WorkTree, destroyed, person_keys};
use anyhow::{Context, bail};
use std::io::{IsTerminal, Write};
use tenantry_sops::{Decrypted, ExposeSecret, SopsFile, Value};

/// Arguments of `secrets get`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The value goes to standard output as it is, without a line end of its own:
  tenantry secrets get acme smtp_password | swaks --auth-password-stdin ...
On a terminal it is shown only with --show.

With --json: {path, name, value}, on a terminal only with --show as well.

In a merge with a conflict:
  tenantry secrets get acme smtp_password --at theirs --show")]
pub(super) struct Args {
    /// The file: `acme`, `acme/person`, `acme/website/umami`, `hub`, or a path.
    file: String,
    /// The name of the secret. Inside of mappings: names with dots between them.
    name: String,
    /// Show it on a terminal, too.
    #[arg(long)]
    show: bool,
    /// Take the file from this commit instead of the work tree; in a conflict from `ours`, `theirs` or `base`.
    #[arg(long, value_name = "COMMIT")]
    at: Option<String>,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    key: Key,
    /// For programs.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let target = Target::parse(&args.file)?;
    if std::io::stdout().is_terminal() && !args.show {
        bail!("the value would stay on your screen: pipe it somewhere, or ask for it with --show");
    }
    let tree = args.place.open()?;
    let keyring = args.key.read(&tree)?;
    let path = target.path();
    let text = match &args.at {
        None => tree.text(&path)?,
        Some(at) => at_version(&tree, at, &path)?,
    };
    let failed = SecretsError::sops(&path);
    let file = SopsFile::parse(&text).map_err(&failed)?;
    let identities = keyring.for_target(&tree, &target)?;
    let opened = match file.decrypt(&identities) {
        Err(tenantry_sops::Error::NoMatchingKey { .. }) if target.is_person() => {
            again_with_fetched_key(&tree, &keyring, &target, &file)?
        }
        opened => opened.map_err(&failed)?,
    };
    let at = name(Some(&file), &args.name)?;
    let root = Value::Map(opened.root);
    let Some(value) = root.get(&at) else {
        let names: Vec<_> = file.top_level_keys().collect();
        bail!("{path} has no `{}`; it has {}", args.name, names.join(", "));
    };
    let Some(text) = value.scalar_text() else {
        bail!(
            "`{}` is not one value; name one inside of it, with dots",
            args.name
        );
    };
    if args.json {
        json(&serde_json::json!({
            "path": path,
            "name": at.to_string(),
            "value": text.expose_secret(),
        }))?;
        return Ok(Outcome::Clean);
    }
    let mut out = std::io::stdout().lock();
    out.write_all(text.expose_secret().as_bytes())?;
    if args.show && std::io::stdout().is_terminal() {
        out.write_all(b"\n")?;
    }
    out.flush()?;
    Ok(Outcome::Clean)
}

/// The key of a customer may be at the remote alone: clones do not bring it.
fn again_with_fetched_key(
    tree: &WorkTree,
    keyring: &Keyring,
    target: &Target,
    file: &SopsFile,
) -> anyhow::Result<Decrypted> {
    person_keys::fetch(tree)?;
    let identities = keyring.for_target(tree, target)?;
    match file.decrypt(&identities) {
        Err(tenantry_sops::Error::NoMatchingKey { .. }) => {
            if let Target::Person(customer) = target
                && let known = destroyed::of(tree.repository(), customer)?
                && let Some(dead) = destroyed::opener(&known, file)
            {
                bail!(
                    "{}: nobody can read this version any more",
                    destroyed::sentence(customer, dead.at)
                );
            }
            bail!(
                "none of your keys opens {}: only the hub's and the recovery key open the customer's own key, and that one is gone if the customer was erased",
                target.path()
            )
        }
        opened => Ok(opened.map_err(SecretsError::sops(&target.path()))?),
    }
}

/// The file in a commit, or on one side of a conflict.
fn at_version(tree: &WorkTree, at: &str, path: &str) -> anyhow::Result<String> {
    let repository = tree.repository();
    // Stages of an index, gitglossary(7).
    let stage = match at {
        "base" => Some(1),
        "ours" => Some(2),
        "theirs" => Some(3),
        _ => None,
    };
    let blob = match stage {
        Some(stage) => {
            let index = repository.index()?;
            let entry = index.get_path(std::path::Path::new(path), stage);
            let entry = entry.with_context(|| format!("{path} has no conflict"))?;
            repository.find_blob(entry.id)?
        }
        None => repository
            .revparse_single(&format!("{at}:{path}"))
            .and_then(|object| object.peel_to_blob())
            .with_context(|| format!("{path} is not in {at}"))?,
    };
    String::from_utf8(blob.content().to_vec()).context("not a text file")
}
