//! `tenantry secrets list`: names of secrets and who can open them. Needs no key.

use super::Place;
use crate::cli::Outcome;
use crate::cli::output::{json, say};
use crate::secrets::holders::Holders;
use crate::secrets::rules::Rules;
use crate::secrets::scan::must_be_sealed;
use crate::secrets::{Target, person_keys};
use anyhow::{Context, bail};
use serde::Serialize;
use tenantry_sops::SopsFile;

/// Arguments of `secrets list`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only these files: `acme`, `acme/person`, `acme/website/umami`, `hub`, or a path. Default: all.
    files: Vec<String>,
    #[command(flatten)]
    place: Place,
    /// For programs.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Listed {
    file: String,
    path: String,
    names: Vec<String>,
    opened_by: Vec<String>,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let tree = args.place.open()?;
    let rules = Rules::read(&tree)?;
    let holders = Holders::of(&rules);
    let wanted: Vec<Target> = args
        .files
        .iter()
        .map(|text| Target::parse(text))
        .collect::<Result<_, _>>()?;
    let mut listed = Vec::new();
    for path in tree.files()? {
        let target = Target::of_path(&path);
        let is_yaml = path.ends_with(".yaml") || path.ends_with(".yml");
        if !is_yaml || !(wanted.is_empty() || wanted.contains(&target)) {
            continue;
        }
        let Some(text) = tree.read(&path)? else {
            continue;
        };
        if !must_be_sealed(&path) && !tenantry_sops::is_sops(&text) {
            continue;
        }
        let file = SopsFile::parse(&text)
            .with_context(|| format!("{path}; `tenantry secrets check` says more"))?;
        let own = match &target {
            Target::Person(customer) => person_keys::find(tree.repository(), customer)?,
            _ => None,
        };
        let name = |recipient: &str| match &own {
            Some(key) if key.recipient.as_str() == recipient => "the customer's own key".to_owned(),
            _ => holders.name(recipient),
        };
        listed.push(Listed {
            file: target.to_string(),
            names: file.top_level_keys().map(str::to_owned).collect(),
            opened_by: file.recipients().map(name).collect(),
            path,
        });
    }
    if let Some(missing) = wanted
        .iter()
        .find(|target| !listed.iter().any(|found| found.path == target.path()))
    {
        bail!(
            "there is no file {}; `tenantry secrets set {missing} NAME` makes it",
            missing.path()
        );
    }
    if args.json {
        json(&listed)?;
        return Ok(Outcome::Clean);
    }
    for file in &listed {
        let path = if file.path == file.file {
            String::new()
        } else {
            format!("  ({})", file.path)
        };
        let names = if file.names.is_empty() {
            "nothing".to_owned()
        } else {
            file.names.join("\n  ")
        };
        say(format!(
            "{}{path}\n  {names}\n  - opened by {}",
            file.file,
            file.opened_by.join(", ")
        ));
    }
    if listed.is_empty() {
        say("no files of secrets yet; `tenantry secrets set CUSTOMER NAME` makes one");
    }
    Ok(Outcome::Clean)
}
