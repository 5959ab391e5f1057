//! `tenantry new`: writes a customer, an order, a server, a pool, an operation or a stack into the work tree, checked before it is written. Nothing is ever overwritten.

mod ask;
mod customer;
mod folder;
mod operation;
mod order;
mod pool;
mod server;
mod stack;
mod takeover;
mod write;

use super::Outcome;
use super::open::View;
use crate::load::{Loaded, Loader, Revision};
use anyhow::{Context, bail};
use std::path::PathBuf;
use tenantry_planner::Desired;
use tenantry_planner::desired::CustomerDesired;
use tenantry_schema::id::CustomerId;

/// Arguments of `new`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
What has no default is asked for on a terminal; elsewhere give it as an option.
Nothing is committed and nothing overwritten: read what was written, `tenantry plan`, commit.

Examples:
  tenantry new customer acme --language de
  tenantry new server acme/acme-1 --address 192.0.2.17
  tenantry new order acme/website --plan pro --domain acme.example --tools html,umami
  tenantry new customer acme --with-order --plan pro --domain acme.example --tools html
  tenantry new stack umami --from ~/umami/docker-compose.yml")]
pub(super) struct Args {
    #[command(subcommand)]
    kind: Kind,
}

#[derive(Debug, clap::Subcommand)]
enum Kind {
    /// Someone who pays.
    Customer(customer::Args),
    /// What a customer buys: a plan, a domain, tools.
    Order(order::Args),
    /// A machine that runs an agent.
    Server(server::Args),
    /// Machines that stand ready before anyone ordered them.
    Pool(pool::Args),
    /// A reviewed one-time act: restore, rotate, move, ...
    Operation(operation::Args),
    /// A tool of the catalogue, new or taken over from a Compose file.
    Stack(Box<stack::Args>),
}

/// Arguments that every kind has.
#[derive(Debug, clap::Args)]
struct Common {
    /// The folder where the fleet is checked out.
    #[arg(long, value_name = "DIR", default_value = ".", env = "TENANTRY_FLEET")]
    fleet: String,
    /// The branch that says what should be true.
    #[arg(long, default_value = "main", env = "TENANTRY_BRANCH")]
    branch: String,
    /// Show what would be written, and write nothing.
    #[arg(long)]
    dry_run: bool,
    /// For programs.
    #[arg(long)]
    json: bool,
}

impl Common {
    /// The fleet as an option of the next command, if it is not the one that is worked in.
    fn as_option(&self) -> String {
        match self.fleet.as_str() {
            "." => String::new(),
            fleet => format!(" --fleet {}", write::quoted(fleet)),
        }
    }

    /// The same, for commands that take it without an option.
    fn as_place(&self) -> String {
        match self.fleet.as_str() {
            "." => String::new(),
            fleet => format!(" {}", write::quoted(fleet)),
        }
    }
}

/// Runs `new`.
pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    match &args.kind {
        Kind::Customer(args) => customer::run(args),
        Kind::Order(args) => order::run(args),
        Kind::Server(args) => server::run(args),
        Kind::Pool(args) => pool::run(args),
        Kind::Operation(args) => operation::run(args),
        Kind::Stack(args) => stack::run(args),
    }
}

/// The fleet as it is in the work tree.
struct Desk {
    view: View,
    root: PathBuf,
    loader: Loader,
    revision: Revision,
    before: Loaded,
}

impl Desk {
    fn open(common: &Common) -> anyhow::Result<Self> {
        let view = View::open(&common.fleet, &common.branch)?;
        let Some(root) = view.folder() else {
            bail!(
                "`{}` has no files to write to: `new` works where the fleet is checked out (`git clone` it first)",
                common.fleet
            );
        };
        let revision = view.files(None)?;
        let mut loader = Loader::new(view.scratch.objects().clone());
        let before = loader.load(revision)?;
        Ok(Self {
            view,
            root,
            loader,
            revision,
            before,
        })
    }

    fn desired(&self) -> anyhow::Result<&Desired> {
        let desired = self.before.desired.as_ref();
        desired
            .context("fleet/hub.yaml or fleet/staff.yaml has errors; `tenantry check` shows them")
    }

    fn customer(&self, id: &CustomerId) -> anyhow::Result<Option<&CustomerDesired>> {
        let customers = &self.desired()?.customers;
        if let Some(customer) = customers.get(id) {
            return Ok(Some(customer));
        }
        // One with errors that was never good is there as well.
        if self.root.join(format!("fleet/customers/{id}")).is_dir() {
            return Ok(None);
        }
        let known: Vec<&str> = customers.keys().map(CustomerId::as_str).collect();
        match tenantry_yaml::suggest(id.as_str(), &known) {
            Some(near) => bail!("there is no customer `{id}`; did you mean `{near}`?"),
            None => bail!("there is no customer `{id}`; `tenantry new customer {id}` makes one"),
        }
    }
}
