//! `tenantry secrets rotate`: new values for what was generated. Knows what must never change, and says what restarts.

use super::{Desk, Effect, Key, Place};
use crate::cli::Outcome;
use crate::cli::output::say;
use crate::generate::draw;
use crate::secrets::Target;
use crate::secrets::uses::{Declared, source_of};
use anyhow::{Context, bail};
use std::collections::BTreeMap;
use tenantry_schema::document::{Rotate, SecretSpec};
use tenantry_sops::{Change, Path, Value};

/// Arguments of `secrets rotate`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
  tenantry secrets rotate acme/website/umami DB_PASSWORD --dry-run
  tenantry secrets rotate acme/website/umami DB_PASSWORD

A secret whose stack says `rotate: never` is refused: data is encrypted with it, and would be lost. Some tools keep a password
in their database as well; there it has to be changed by the tool's own means before the services start with the new value.

What follows a secret (`share_with`, `derive` in stack.yaml) is replaced with it.

Values that people gave (`acme`, `hub`) cannot be generated: replace them where they were issued, then use `secrets set`.
To encrypt files anew for other people, use `secrets updatekeys`.

--json: {path, saved, changed, removed, restarts}, as of `secrets edit`. With --dry-run `saved` is false, and the rest what would be.")]
pub(super) struct Args {
    /// The file of a tool: `acme/website/umami`.
    file: String,
    /// Which secrets.
    #[arg(required_unless_present = "all")]
    names: Vec<String>,
    /// All that may be replaced.
    #[arg(long, conflicts_with = "names")]
    all: bool,
    /// Only say what would be replaced and what would restart.
    #[arg(long)]
    dry_run: bool,
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
    let Target::Tool(customer, order, tool) = &target else {
        bail!(
            "{} holds what people gave, which cannot be generated: replace it where it was issued, then `tenantry secrets set {target} NAME`",
            target.path()
        );
    };
    let desk = Desk::open(&args.place, &args.key)?;
    let declared = Declared::read(&desk.tree, customer, order, tool)?
        .with_context(|| format!("there is no stack {tool}"))?;
    let mut chosen: BTreeMap<String, SecretSpec> = BTreeMap::new();
    for (name, spec) in &declared.secrets {
        let asked = args.names.contains(name);
        match (args.all || asked, spec.rotate) {
            (true, Rotate::Never) if asked => bail!(
                "`{name}` of {tool} is never replaced: stacks/{tool}/stack.yaml says `rotate: never`, because data is encrypted with it and would be lost"
            ),
            (true, Rotate::Never) if args.json => {}
            (true, Rotate::Never) => say(format!(
                "`{name}`: left as it is, its stack says `rotate: never`"
            )),
            (true, Rotate::Manual) => {
                if let (true, Some(source)) = (asked, source_of(&declared.secrets, name))
                    && source != name
                    && !args.names.iter().any(|asked| asked == source)
                {
                    bail!(
                        "`{name}` follows `{source}` and has no value of its own: rotate `{source}`, and `{name}` goes with it"
                    );
                }
                chosen.insert(name.clone(), spec.clone());
            }
            (false, _) => {}
        }
    }
    if let Some(name) = args
        .names
        .iter()
        .find(|name| !declared.secrets.contains_key(*name))
    {
        let known: Vec<_> = declared.secrets.keys().cloned().collect();
        bail!(
            "the stack {tool} declares no secret `{name}`; it declares {}",
            known.join(", ")
        );
    }
    let mut going_with = Vec::new();
    for name in chosen.keys().cloned().collect::<Vec<_>>() {
        for follower in declared.followers(&name) {
            if let Some(spec) = declared.secrets.get(&follower) {
                chosen.insert(follower.clone(), spec.clone());
                let how = spec
                    .derive
                    .as_ref()
                    .map_or("the same value", |it| it.word());
                going_with.push(format!("`{follower}` goes with `{name}` ({how})"));
            }
        }
    }
    let names: Vec<String> = chosen.keys().cloned().collect();
    if !args.json {
        going_with.into_iter().for_each(say);
    }
    if names.is_empty() {
        if args.json {
            return Effect::nothing(&target).print();
        }
        say("nothing may be replaced");
        return Ok(Outcome::Clean);
    }
    if args.dry_run {
        if args.json {
            let would = Effect::new(&desk, &target, names, Vec::new())?;
            let would = Effect {
                saved: false,
                ..would
            };
            return would.print().map(|_| Outcome::Changes);
        }
        say(format!(
            "{}: {} would be replaced",
            target.path(),
            names.join(", ")
        ));
        desk.tell_restarts(&target, &names)?;
        return Ok(Outcome::Changes);
    }
    let writer = desk.writer();
    let draft = writer.draft(&target)?;
    if draft.file.is_none() {
        bail!("{} is not there yet: the hub generates it", target.path());
    }
    let mut there = draft.values(&target)?;
    there.retain(|name, _| !chosen.contains_key(name));
    let changes: Vec<Change> = draw(&chosen, &there, &mut rand::rng())?
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
    say(format!("{}: {} replaced", target.path(), names.join(", ")));
    desk.tell_restarts(&target, &names)?;
    Ok(Outcome::Clean)
}
