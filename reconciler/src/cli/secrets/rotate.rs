//! `tenantry secrets rotate`: new values for what was generated. Knows what must never change, and says what restarts.

use super::{Desk, Effect, Key, Place};
use crate::cli::Outcome;
use crate::cli::output::say;
use crate::decide::generate;
use crate::secrets::Target;
use crate::secrets::uses::Declared;
use anyhow::{Context, bail};
use tenantry_schema::document::Rotate;
use tenantry_sops::{Change, Path, Value};

/// Arguments of `secrets rotate`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
  tenantry secrets rotate acme/website/umami DB_PASSWORD --dry-run
  tenantry secrets rotate acme/website/umami DB_PASSWORD

A secret whose stack says `rotate: never` is refused: data is encrypted with it, and would be lost. Some tools keep a password
in their database as well; there it has to be changed by the tool's own means before the services start with the new value.

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
    let mut chosen = Vec::new();
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
            (true, Rotate::Manual) => chosen.push((name.clone(), spec.clone())),
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
    let names: Vec<String> = chosen.iter().map(|(name, _)| name.clone()).collect();
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
    let mut rng = rand::rng();
    let changes: Vec<Change> = chosen
        .iter()
        .map(|(name, spec)| Change::Set {
            path: Path::from(name.as_str()),
            value: Value::text(generate(spec, &mut rng)),
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
