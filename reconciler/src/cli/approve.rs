//! `tenantry approve`: an owner reads what an operation destroys and signs it, inside its file.

mod file;
pub(super) mod key;

use super::Outcome;
use super::open::{Opened, look};
use super::output::{json, say};
use crate::config::{CacheArgs, FleetArgs};
use crate::secrets::WorkTree;
use anyhow::{Context, bail};
use jiff::Timestamp;
use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use tenantry_planner::desired::CustomerDesired;
use tenantry_planner::documents::HeadDocuments;
use tenantry_planner::operations::{
    NAMESPACE, Property, Standing, act, destroys, judge, path, to_sign,
};
use tenantry_planner::today::day;
use tenantry_schema::document::{Kind, Operation, classify};
use tenantry_schema::id::{CustomerId, OperationId};

/// Arguments of `approve`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
What is signed is the operation itself, the fleet, the customer and the name of the file, not the text of the file and no commit: comments
may be added, and a squash, a rebase or a forge's merge keeps it. Any other change voids it. `ssh-keygen -Y sign -n tenantry-operation`
signs, so keys in an agent are asked for as always. Without --key the key is the one that Git signs commits with.

Examples:
  tenantry approve fleet/customers/acme/operations/2026-11-20-wipe-umami-x7k2.yaml
  tenantry approve acme/2026-11-20-wipe-umami-x7k2 --key ~/.ssh/id_ed25519.pub

--json, which nobody reads, needs --yes: {operation, path, state, by, destroys}. `state` is approved, approved_already or loses_nothing,
`by` the owner or null.")]
pub(super) struct Args {
    /// The operation: its file, or CUSTOMER/NAME.
    operation: String,
    /// The owner's SSH key: its private half, or the public half of one that an agent holds.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
    /// Print the text that would be signed, and nothing else.
    #[arg(long, conflicts_with_all = ["key", "yes", "json"])]
    print: bool,
    /// For programs.
    #[arg(long, requires = "yes")]
    json: bool,
    #[command(flatten)]
    fleet: FleetArgs,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let (customer, id) = named(&args.operation)?;
    one_alone(&args.fleet.fleet)?;
    let opened = look(&args.fleet.fleet, &args.fleet.branch, CacheArgs::default())?;
    if !opened.work_tree {
        bail!(
            "`{}` has no files to edit: work in a clone of it",
            args.fleet.fleet
        );
    }
    let path = path(&customer, &id);
    let (head, desired) = found(&opened, &customer)?;
    let tree = WorkTree::open(Path::new(&args.fleet.fleet))?;
    let text = tree.text(&path)?;
    // The file as it is, also where something else of the customer has errors.
    let read = file::read(&text)
        .map_err(|problem| anyhow::anyhow!("{path}: {problem}; `tenantry check` shows where"))?;
    let property = desired.map(Property::of).unwrap_or_default();
    let operation = property.complete(&read);
    if let Some(server) = read.machine_of()
        && operation.machine.is_none()
    {
        bail!(
            "customer {customer} has no server `{server}`, so nobody can say which machine this is about"
        );
    }
    let message = to_sign(&head.hub.fleet_id, &customer, &id, &operation);
    if args.print {
        say(message.trim_end());
        return Ok(Outcome::Clean);
    }
    let today = day(Timestamp::now());
    let whose = (&customer, &property);
    if !args.json {
        tell(&customer, &operation, desired);
    }
    let case = Case {
        args,
        customer: &customer,
        id: &id,
        path: &path,
        operation: &operation,
    };
    let standing = judge(head, whose, &id, &read, today);
    if case.needs_nobody(&standing)? {
        return Ok(Outcome::Clean);
    }
    let key = key::find(args.key.as_deref())?;
    if !args.yes && !agreed(&id)? {
        bail!("not approved: nothing was changed");
    }
    let signature = key::sign(&key, NAMESPACE, &message)?;
    let approved = Operation {
        approval: Some(signature.clone()),
        ..operation.clone()
    };
    match judge(head, whose, &id, &approved, today) {
        Standing::Approved { by } => {
            tree.write(&path, &file::with_approval(&text, &operation, &signature)?)?;
            let line = format!("approved by {by}, in {path}; commit it");
            case.tell("approved", Some(by.to_string()), &line)?;
            Ok(Outcome::Clean)
        }
        other => bail!(
            "{} does not count: {other}; nothing was changed",
            key.display()
        ),
    }
}

/// An operation that is looked at, and who wants to know.
struct Case<'a> {
    args: &'a Args,
    customer: &'a CustomerId,
    id: &'a OperationId,
    path: &'a str,
    operation: &'a Operation,
}

impl Case<'_> {
    /// Whether nobody has to sign, which is said. An error where nobody can.
    fn needs_nobody(&self, standing: &Standing) -> anyhow::Result<bool> {
        match standing {
            Standing::Ready => {
                let line = "it loses nothing: nobody has to approve it";
                self.tell("loses_nothing", None, line)?;
            }
            Standing::Approved { by } => {
                let line = format!("approved by {by} already");
                self.tell("approved_already", Some(by.to_string()), &line)?;
            }
            Standing::Expired { on } => {
                bail!("it expired: {on} was its last day; write another day under `expires:`")
            }
            Standing::Ambiguous { .. } => bail!("{standing}"),
            Standing::TooLong { .. } => {
                bail!("{standing}: write another day under `expires:`")
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Says how it stands, to programs by a word.
    fn tell(&self, state: &str, by: Option<String>, line: &str) -> anyhow::Result<()> {
        if !self.args.json {
            say(format!("\n{line}"));
            return Ok(());
        }
        json(&serde_json::json!({
            "operation": format!("{}/{}", self.customer, self.id),
            "path": self.path,
            "state": state,
            "by": by,
            "destroys": destroys(self.operation),
        }))
    }
}

/// What stands in the place of the fleet must not be a second operation: each is read and signed by itself.
fn one_alone(fleet: &str) -> anyhow::Result<()> {
    let path = Path::new(fleet);
    if !path.is_dir() && named(fleet).is_ok() {
        bail!(
            "one operation at a time: each is read and signed by itself. Approve `{fleet}` with a command of its own"
        );
    }
    Ok(())
}

/// `acme/2026-11-20-wipe-umami`, or the path of a file.
fn named(text: &str) -> anyhow::Result<(CustomerId, OperationId)> {
    let inside = text.find("fleet/customers/").map_or(text, |at| &text[at..]);
    if let Kind::Operation(customer, id) = classify(inside) {
        return Ok((customer, id));
    }
    let pair = text.split_once('/').and_then(|(customer, id)| {
        Some((
            CustomerId::try_from(customer).ok()?,
            OperationId::try_from(id).ok()?,
        ))
    });
    pair.with_context(|| {
        format!(
            "`{text}` is no operation: write CUSTOMER/NAME, or fleet/customers/CUSTOMER/operations/NAME.yaml"
        )
    })
}

fn found<'o>(
    opened: &'o Opened,
    customer: &CustomerId,
) -> anyhow::Result<(&'o HeadDocuments, Option<&'o CustomerDesired>)> {
    let desired = opened.loaded.desired.as_ref();
    let desired = desired
        .context("fleet/hub.yaml or fleet/staff.yaml has errors; `tenantry check` shows them")?;
    let customer = desired.customers.get(customer).map(AsRef::as_ref);
    Ok((&desired.head, customer))
}

/// Everything that an owner has to know.
fn tell(customer: &CustomerId, operation: &Operation, desired: Option<&CustomerDesired>) {
    say(format!("{} of customer {customer}", act(operation)));
    for lost in destroys(operation) {
        say(format!("  destroys: {lost}"));
    }
    if let Some(order) = &operation.order {
        say(format!("  order: {order}"));
    }
    if let Some(machine) = &operation.machine {
        say(format!("  machine: {machine}"));
    }
    for touched in desired
        .map(|desired| touches(operation, desired))
        .unwrap_or_default()
    {
        say(format!("  on the server: {touched}"));
    }
    say(format!("  because: {}", operation.reason));
    if let Some(expires) = operation.expires {
        say(format!("  may be started until {expires} (UTC)"));
    }
}

/// The tools whose data an operation destroys, as the fleet knows them.
fn touches(operation: &Operation, customer: &CustomerDesired) -> Vec<String> {
    let target = operation.tool_of();
    let server = target
        .map(|target| &target.server)
        .or(operation.reinstall.as_ref());
    let Some(server) = server else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for (id, order) in &customer.orders {
        let other = operation.order.as_ref().is_some_and(|only| only != id);
        if order.server.as_ref() != Some(server) || other {
            continue;
        }
        for (name, tool) in &order.tools {
            if target.is_some_and(|target| target.tool != *name) {
                continue;
            }
            let data = match tool.stack.as_ref().map(|stack| stack.has_data) {
                Some(true) => "with volumes",
                Some(false) => "without volumes",
                None => "its stack is not known",
            };
            found.push(format!("{name} of order {id} ({data})"));
        }
    }
    found
}

fn agreed(id: &OperationId) -> anyhow::Result<bool> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        bail!("nobody can be asked here: add --yes to approve it");
    }
    let mut out = std::io::stderr();
    write!(out, "\nType {id} to approve: ").and_then(|()| out.flush())?;
    let mut line = String::new();
    stdin.lock().read_line(&mut line)?;
    Ok(line.trim() == id.as_str())
}
