//! `tenantry sops-merge`: Git runs it to merge a file of secrets. Exit code 0: merged; 1: people have to choose.

use crate::cli::Outcome;
use crate::cli::secrets::Key;
use crate::secrets::merge::{Merged, merge};
use crate::secrets::scan::CONFLICT;
use crate::secrets::{Target, WorkTree, sops_time};
use anyhow::Context;
use jiff::Timestamp;
use std::path::{Path, PathBuf};

/// Arguments of `sops-merge`, as Git's `%O %A %B %P` give them.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The common ancestor; empty where there is none.
    base: PathBuf,
    /// Ours; the result is written here.
    ours: PathBuf,
    /// Theirs.
    theirs: PathBuf,
    /// The path of the file in the work tree.
    path: String,
    #[command(flatten)]
    key: Key,
}

pub(in crate::cli) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let path = &args.path;
    let read = |file: &Path| {
        std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
    };
    let (base, ours, theirs) = (read(&args.base)?, read(&args.ours)?, read(&args.theirs)?);
    let tree = WorkTree::open(Path::new("."))?;
    let merged = args.key.read(&tree).and_then(|keyring| {
        let identities = keyring.for_target(&tree, &Target::of_path(path))?;
        let now = sops_time(Timestamp::now())?;
        Ok(merge(
            Some(&base),
            &ours,
            &theirs,
            &identities,
            now,
            &mut rand::rng(),
        )?)
    });
    let (text, names) = match merged.with_context(|| {
        format!("{path} is left as ours has it: it cannot be merged value by value")
    })? {
        Merged::Clean(text) => (text, Vec::new()),
        Merged::Conflicts { text, names } => (text, names),
    };
    let mut marked = String::new();
    for name in &names {
        let why = "was changed on both sides; this is ours. Choose, then delete this line.";
        marked.extend([CONFLICT, "`", name, "` ", why, "\n"]);
    }
    marked.push_str(&text);
    std::fs::write(&args.ours, marked)
        .with_context(|| format!("cannot write {}", args.ours.display()))?;
    if names.is_empty() {
        return Ok(Outcome::Clean);
    }
    let target = Target::of_path(path);
    for name in &names {
        eprintln!("{path}: `{name}` was changed on both sides; the file has ours");
        eprintln!("  see theirs: tenantry secrets get {target} {name} --at theirs --show");
        eprintln!("  take another: tenantry secrets set {target} {name}");
    }
    eprintln!(
        "  then delete the lines `{}` in {path}, and `git add` it",
        CONFLICT.trim()
    );
    Ok(Outcome::Errors)
}
