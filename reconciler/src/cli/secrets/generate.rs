//! `tenantry secrets generate`: values that are not there yet, by the rule of a stack or by options. What is there is never touched.

use super::{Desk, Effect, Key, Place};
use crate::cli::Outcome;
use crate::cli::output::say;
use crate::generate::{Values, draw};
use crate::secrets::Target;
use crate::secrets::uses::Declared;
use anyhow::{Context, bail};
use clap::ValueEnum;
use std::collections::BTreeMap;
use tenantry_schema::document::{Alphabet, SecretSpec, on_both_sides};
use tenantry_schema::id::ToolName;
use tenantry_sops::{Change, Path, Value};

/// Arguments of `secrets generate`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
For a tool, what its stack declares and the file lacks, by the rules of stack.yaml:
  tenantry secrets generate acme/website/umami
The hub does this by itself for every new order; it is of use for a stack that was adopted.

For any other file, names that you give:
  tenantry secrets generate acme webhook_secret --length 48 --alphabet hex
  tenantry secrets generate acme db_password --like umami/DB_PASSWORD

A value that is there is never replaced; `tenantry secrets rotate` and `set` do that.

--json: {path, saved, changed, removed, restarts, stale}, as of `secrets edit`; `changed` are the names that were generated.")]
pub(super) struct Args {
    /// The file: `acme/website/umami`, `acme`, `hub`, or a path.
    file: String,
    /// Which secrets. For a tool default to all that its stack declares.
    names: Vec<String>,
    /// Characters, 8 to 512. Default: 32.
    #[arg(long, value_parser = clap::value_parser!(u16).range(8..=512))]
    length: Option<u16>,
    /// Which characters.
    #[arg(long, value_enum)]
    alphabet: Option<Characters>,
    /// By the rule of a stack: TOOL/NAME.
    #[arg(long, value_name = "TOOL/NAME", conflicts_with_all = ["length", "alphabet"])]
    like: Option<String>,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    key: Key,
    /// For programs.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Characters {
    /// Letters and digits.
    UrlSafe,
    /// Lower-case hexadecimal.
    Hex,
    /// Digits only.
    Digits,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let target = Target::parse(&args.file)?;
    let desk = Desk::open(&args.place, &args.key)?;
    let specs = specs(args, &desk, &target)?;
    let writer = desk.writer();
    let draft = writer.draft(&target)?;
    let there: Vec<String> = draft
        .file
        .as_ref()
        .map(|file| file.top_level_keys().map(str::to_owned).collect())
        .unwrap_or_default();
    let (old, new): (Vec<_>, Vec<_>) = specs
        .into_iter()
        .partition(|(name, _)| there.contains(name));
    for (name, _) in old.iter().filter(|_| !args.json) {
        say(format!("`{name}` is there: left as it is"));
    }
    if new.is_empty() {
        return if args.json {
            Effect::nothing(&target).print()
        } else {
            Ok(Outcome::Clean)
        };
    }
    let names: Vec<String> = new.iter().map(|(name, _)| name.clone()).collect();
    let new: BTreeMap<String, SecretSpec> = new.into_iter().collect();
    let values = if new.values().any(SecretSpec::is_related) {
        draft.values(&target)?
    } else {
        Values::new()
    };
    let changes: Vec<Change> = draw(&new, &values, &mut rand::rng())?
        .into_iter()
        .map(|(name, value)| Change::Set {
            path: Path::from(name.as_str()),
            value: Value::from(value),
        })
        .collect();
    writer.apply(&target, &draft, &changes)?;
    if args.json {
        return Effect::new(&desk, &target, names, Vec::new())?.print();
    }
    say(format!("{}: generated {}", target.path(), names.join(", ")));
    for stale in desk.stale(&target, &names)? {
        say(stale.sentence(&target));
    }
    Ok(Outcome::Clean)
}

fn specs(args: &Args, desk: &Desk, target: &Target) -> anyhow::Result<Vec<(String, SecretSpec)>> {
    if let Target::Tool(customer, order, tool) = target {
        if args.length.is_some() || args.alphabet.is_some() || args.like.is_some() {
            bail!("the stack {tool} says how its secrets are generated");
        }
        let declared = Declared::read(&desk.tree, customer, order, tool)?
            .with_context(|| format!("there is no stack {tool}"))?
            .secrets;
        let known: Vec<_> = declared.keys().cloned().collect();
        if let Some(name) = args.names.iter().find(|name| !declared.contains_key(*name)) {
            bail!(
                "the stack {tool} declares no secret `{name}`; it declares {}",
                known.join(", ")
            );
        }
        let chosen = on_both_sides(&declared, |name| {
            args.names.is_empty() || args.names.contains(name)
        });
        return Ok(chosen.into_iter().collect());
    }
    if matches!(target, Target::Person(_)) {
        bail!("personal data is not generated");
    }
    if args.names.is_empty() {
        bail!("name the secrets to generate");
    }
    let spec = match &args.like {
        Some(like) => like_stack(desk, like)?,
        None => SecretSpec::password(
            args.length.unwrap_or(SecretSpec::LENGTH),
            match args.alphabet {
                None | Some(Characters::UrlSafe) => Alphabet::UrlSafe,
                Some(Characters::Hex) => Alphabet::Hex,
                Some(Characters::Digits) => Alphabet::Digits,
            },
        ),
    };
    Ok(args
        .names
        .iter()
        .map(|name| (name.clone(), spec.clone()))
        .collect())
}

fn like_stack(desk: &Desk, like: &str) -> anyhow::Result<SecretSpec> {
    let (tool, name) = like.split_once('/').context("--like takes TOOL/NAME")?;
    let tool = ToolName::try_from(tool)?;
    let stack = Declared::of_files(&desk.tree, &tool)?
        .with_context(|| format!("there is no stack {tool}"))?;
    let spec = stack.secrets.get(name);
    let spec = spec.with_context(|| format!("the stack {tool} declares no secret `{name}`"))?;
    if let Some(source) = spec.follows() {
        bail!(
            "`{name}` of {tool} follows `{source}`, which is not in this file: name one that is drawn"
        );
    }
    Ok(SecretSpec {
        must_differ: Vec::new(),
        ..spec.clone()
    })
}
