//! `tenantry secrets`: files of secrets in a work tree, by short names. One file a command; what they do is in [`crate::secrets`].

mod check;
mod edit;
mod generate;
mod get;
mod list;
mod rotate;
mod set;
mod updatekeys;

pub(super) use check::sentence;

use super::Outcome;
use crate::config;
use crate::secrets::change::Writer;
use crate::secrets::follow::Stale;
use crate::secrets::git_setup::KEY_SETTING;
use crate::secrets::rules::Rules;
use crate::secrets::uses::{Declared, Orders};
use crate::secrets::{Keyring, SecretsError, Target, WorkTree, follow};
use anyhow::bail;
use clap::Subcommand;
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Arguments of `secrets`.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

const HELP: &str = "\
FILE is a short name or a path from the top of the fleet:
  hub                 fleet/secrets.yaml: the hub's accounts
  acme                what people gave for the customer acme
  acme/person         personal data of acme, encrypted to a key of acme's own
  acme/website/umami  what was generated for the tool umami of the order website

Files are in SOPS format: `sops` opens what Tenantry writes, and the other way round. Who can open a new file is said in
.sops.yaml. Keys are looked for in --key, TENANTRY_KEY_FILE, the setting `tenantry.keyFile` of the clone (`tenantry
git-setup --key FILE`), SOPS_AGE_KEY_FILE, SOPS_AGE_KEY and ~/.config/sops/age/keys.txt.

  tenantry secrets list                              which secrets there are, and who can open them
  pass show smtp | tenantry secrets set acme smtp_password
  tenantry secrets edit acme                         several at once, in your editor
  tenantry secrets check --history                   what should not be as it is

Nothing is committed: `git diff` shows what changed, and `tenantry check` what is wrong.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the names of secrets, and who can open them. Needs no key.
    List(list::Args),
    /// Print one value.
    Get(get::Args),
    /// Set one value, taken from standard input or a prompt.
    Set(set::Args),
    /// Edit a file as plain text, in memory, in your editor.
    Edit(edit::Args),
    /// Generate values that are not there yet.
    Generate(generate::Args),
    /// Replace generated values, and say what restarts.
    Rotate(rotate::Args),
    /// Bring files to the people that .sops.yaml names.
    Updatekeys(updatekeys::Args),
    /// Find secrets in clear text, open to the wrong people, unused or missing.
    Check(check::Args),
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    match &args.command {
        Command::List(args) => list::run(args),
        Command::Get(args) => get::run(args),
        Command::Set(args) => set::run(args),
        Command::Edit(args) => edit::run(args),
        Command::Generate(args) => generate::run(args),
        Command::Rotate(args) => rotate::run(args),
        Command::Updatekeys(args) => updatekeys::run(args),
        Command::Check(args) => check::run(args),
    }
}

/// Where the files are.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Place {
    /// A work tree of the fleet.
    #[arg(long, value_name = "DIR", default_value = ".", env = "TENANTRY_FLEET")]
    fleet: PathBuf,
}

impl Place {
    pub(super) fn open(&self) -> anyhow::Result<WorkTree> {
        Ok(WorkTree::open(&self.fleet)?)
    }
}

/// What files are opened with.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Key {
    /// An age identity file. `tenantry secrets --help` says where keys are looked for without it.
    #[arg(long, value_name = "FILE", env = "TENANTRY_KEY_FILE")]
    key: Option<PathBuf>,
}

impl Key {
    /// The keys at hand.
    pub(super) fn read(&self, tree: &WorkTree) -> anyhow::Result<Keyring> {
        match self.find(tree)? {
            Some(keyring) => Ok(keyring),
            None => bail!(
                "no key at hand: name an age identity file with --key, TENANTRY_KEY_FILE or SOPS_AGE_KEY_FILE"
            ),
        }
    }

    /// The same, where it works without one, too.
    pub(super) fn find(&self, tree: &WorkTree) -> anyhow::Result<Option<Keyring>> {
        if let Some(file) = &self.key {
            return Ok(Some(Keyring::of_file(file)?));
        }
        if let Some(file) = tree.setting(KEY_SETTING) {
            return Ok(Some(Keyring::of_file(file.as_ref())?));
        }
        Ok(Keyring::of_sources(&config::sops_keys())?)
    }
}

/// What `--json` of the commands that change values prints.
#[derive(Debug, Serialize)]
struct Effect {
    /// The file.
    path: String,
    /// Whether it has changed.
    saved: bool,
    /// Names of the values that are new or different.
    changed: Vec<String>,
    /// Names that are gone.
    removed: Vec<String>,
    /// What is made anew with them once they are committed.
    restarts: Vec<String>,
    /// Names of values that follow another one and were not made from it.
    stale: Vec<String>,
}

impl Effect {
    fn new(
        desk: &Desk,
        target: &Target,
        changed: Vec<String>,
        removed: Vec<String>,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            path: target.path(),
            saved: true,
            restarts: desk.all_restarts(target, &changed)?,
            stale: desk
                .stale(target, &changed)?
                .into_iter()
                .map(|it| it.name)
                .collect(),
            changed,
            removed,
        })
    }

    fn nothing(target: &Target) -> Self {
        Self {
            path: target.path(),
            saved: false,
            changed: Vec::new(),
            removed: Vec::new(),
            restarts: Vec::new(),
            stale: Vec::new(),
        }
    }

    fn print(&self) -> anyhow::Result<Outcome> {
        super::output::json(self)?;
        Ok(Outcome::Clean)
    }
}

/// A work tree, its rules and keys: what a command that changes files starts with.
struct Desk {
    tree: WorkTree,
    keyring: Keyring,
    rules: Rules,
}

impl Desk {
    fn open(place: &Place, key: &Key) -> anyhow::Result<Self> {
        let tree = place.open()?;
        let keyring = key.find(&tree)?.unwrap_or_default();
        let rules = Rules::read(&tree)?;
        Ok(Self {
            tree,
            keyring,
            rules,
        })
    }

    fn writer(&self) -> Writer<'_> {
        Writer {
            tree: &self.tree,
            keyring: &self.keyring,
            rules: &self.rules,
            now: Timestamp::now(),
        }
    }

    /// What the stack of a tool says of its secrets. None for other files, and where there is no such stack.
    fn declared(&self, target: &Target) -> anyhow::Result<Option<Declared>> {
        let Target::Tool(customer, order, tool) = target else {
            return Ok(None);
        };
        Ok(Declared::read(&self.tree, customer, order, tool)?)
    }

    /// What is not made from what it follows, now that these have changed. Nothing can be said of a new file that none of the keys at hand opens.
    fn stale(&self, target: &Target, changed: &[String]) -> anyhow::Result<Vec<Stale>> {
        let Some(declared) = self.declared(target)? else {
            return Ok(Vec::new());
        };
        let related =
            |name: &String| declared.source(name).is_some() || !declared.followers(name).is_empty();
        if !changed.iter().any(related) {
            return Ok(Vec::new());
        }
        match self.writer().draft(target)?.values(target) {
            Ok(values) => Ok(follow::stale(&declared, &values, changed)),
            Err(SecretsError::NoKey { .. }) => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }

    /// What a new value of this secret restarts, once it is committed: services, by tool.
    fn restarts(&self, target: &Target, name: &str) -> anyhow::Result<Vec<String>> {
        let mut affected = BTreeSet::new();
        match target {
            Target::Tool(customer, order, tool) => {
                affected.insert((
                    customer.clone(),
                    order.clone(),
                    tool.clone(),
                    name.to_owned(),
                ));
            }
            Target::Customer(customer) => {
                let uses = Orders::read(&self.tree, &self.tree.files()?).uses;
                let own = uses
                    .into_iter()
                    .filter(|used| used.customer == *customer && used.secret == name);
                affected
                    .extend(own.map(|used| (used.customer, used.order, used.tool, used.variable)));
            }
            _ => {}
        }
        let mut lines = Vec::new();
        for (customer, order, tool, variable) in affected {
            let services = Declared::read(&self.tree, &customer, &order, &tool)?
                .map(|found| found.services(&variable));
            let services: Vec<String> = services.into_iter().flatten().collect();
            let services = if services.is_empty() {
                "no service".to_owned()
            } else {
                services.join(", ")
            };
            lines.push(format!("{customer}/{order}/{tool}: {services}"));
        }
        Ok(lines)
    }

    /// What new values restart, each once.
    fn all_restarts(&self, target: &Target, names: &[String]) -> anyhow::Result<Vec<String>> {
        let mut lines = BTreeSet::new();
        for name in names {
            lines.extend(self.restarts(target, name)?);
        }
        Ok(lines.into_iter().collect())
    }

    /// Says what does not fit new values, and what becomes of them.
    fn tell_effects(&self, target: &Target, names: &[String]) -> anyhow::Result<()> {
        for stale in self.stale(target, names)? {
            super::output::say(stale.sentence(target));
        }
        self.tell_restarts(target, names)
    }

    /// Says what is made anew with new values.
    fn tell_restarts(&self, target: &Target, names: &[String]) -> anyhow::Result<()> {
        let lines = self.all_restarts(target, names)?;
        if !lines.is_empty() {
            super::output::say("when it is committed, these are made anew with the new value:");
            for line in lines {
                super::output::say(format!("  {line}"));
            }
        }
        Ok(())
    }
}
