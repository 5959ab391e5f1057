//! `tenantry secrets rotate`: new values for what was generated. Knows what must never change, and says what restarts.

use super::{Desk, Effect, Key, Place};
use crate::cli::Outcome;
use crate::cli::output::say;
use crate::generate::draw;
use crate::secrets::Target;
use crate::secrets::uses::Declared;
use anyhow::{Context, bail};
use std::collections::BTreeSet;
use tenantry_schema::document::{Rotate, on_both_sides};
use tenantry_schema::id::ToolName;
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

--json: {path, saved, changed, removed, restarts, stale}, as of `secrets edit`. With --dry-run `saved` is false, and the rest what would be.")]
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
    let chosen = choose(args, &declared, tool)?;
    let names: Vec<String> = chosen.iter().cloned().collect();
    if names.is_empty() {
        if args.json {
            return Effect::nothing(&target).print();
        }
        say("nothing may be replaced");
        return Ok(Outcome::Clean);
    }
    if args.dry_run {
        return foretell(args, &desk, &target, names);
    }
    replace(&desk, &target, &declared, &chosen)?;
    if args.json {
        return Effect::new(&desk, &target, names, Vec::new())?.print();
    }
    say(format!("{}: {} replaced", target.path(), names.join(", ")));
    desk.tell_restarts(&target, &names)?;
    Ok(Outcome::Clean)
}

/// Which secrets are replaced: those that are asked for, and what follows them.
fn choose(args: &Args, declared: &Declared, tool: &ToolName) -> anyhow::Result<BTreeSet<String>> {
    let unknown = |name: &&String| !declared.secrets.contains_key(*name);
    if let Some(name) = args.names.iter().find(unknown) {
        let known: Vec<_> = declared.secrets.keys().cloned().collect();
        bail!(
            "the stack {tool} declares no secret `{name}`; it declares {}",
            known.join(", ")
        );
    }
    let mut chosen = BTreeSet::new();
    let asked = |name: &str| args.names.iter().any(|asked| asked == name);
    for (name, spec) in &declared.secrets {
        match (args.all || asked(name), spec.rotate) {
            (true, Rotate::Never) if asked(name) => bail!(
                "`{name}` of {tool} is never replaced: stacks/{tool}/stack.yaml says `rotate: never`, because data is encrypted with it and would be lost"
            ),
            (true, Rotate::Never) if args.json => {}
            (true, Rotate::Never) => say(format!(
                "`{name}`: left as it is, its stack says `rotate: never`"
            )),
            (true, Rotate::Manual) => {
                if let Some(source) = declared.source(name)
                    && asked(name)
                    && !asked(source)
                {
                    bail!(
                        "`{name}` follows `{source}` and has no value of its own: rotate `{source}`, and `{name}` goes with it"
                    );
                }
                chosen.insert(name.clone());
            }
            (false, _) => {}
        }
    }
    for name in chosen.clone() {
        for (follower, how) in declared.followers(&name) {
            chosen.insert(follower.to_owned());
            if !args.json {
                say(format!("`{follower}` goes with `{name}` ({how})"));
            }
        }
    }
    Ok(chosen)
}

/// Says what would be.
fn foretell(
    args: &Args,
    desk: &Desk,
    target: &Target,
    names: Vec<String>,
) -> anyhow::Result<Outcome> {
    if args.json {
        let would = Effect {
            restarts: desk.all_restarts(target, &names)?,
            changed: names,
            ..Effect::nothing(target)
        };
        return would.print().map(|_| Outcome::Changes);
    }
    say(format!(
        "{}: {} would be replaced",
        target.path(),
        names.join(", ")
    ));
    desk.tell_restarts(target, &names)?;
    Ok(Outcome::Changes)
}

/// Draws new values and writes them.
fn replace(
    desk: &Desk,
    target: &Target,
    declared: &Declared,
    chosen: &BTreeSet<String>,
) -> anyhow::Result<()> {
    let writer = desk.writer();
    let draft = writer.draft(target)?;
    if draft.file.is_none() {
        bail!("{} is not there yet: the hub generates it", target.path());
    }
    let mut there = draft.values(target)?;
    there.retain(|name, _| !chosen.contains(name));
    let specs = on_both_sides(&declared.secrets, |name| chosen.contains(name));
    let changes: Vec<Change> = draw(&specs, &there, &mut rand::rng())?
        .into_iter()
        .map(|(name, value)| Change::Set {
            path: Path::from(name.as_str()),
            value: Value::from(value),
        })
        .collect();
    writer.apply(target, &draft, &changes)?;
    Ok(())
}
