//! `tenantry new operation`: a reviewed one-time act, under a name that begins with the day and a random end, so that two never clash.

use super::super::Outcome;
use super::ask::Asker;
use super::customer::yaml;
use super::write::{Proposal, finish};
use super::{Common, Desk};
use anyhow::bail;
use clap::ValueEnum;
use jiff::{Timestamp, ToSpan};
use rand::Rng;
use std::fmt::Write as _;
use tenantry_planner::desired::CustomerDesired;
use tenantry_planner::today;
use tenantry_schema::document::Rotate;
use tenantry_schema::id::{CustomerId, OperationId};
use tenantry_schema::name::VariableName;

/// Arguments of `new operation`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Acts that lose data need an owner's approval inside the file, and end: `expires:` is set a week from now.

Examples:
  tenantry new operation acme restore acme-1/nextcloud --reason 'customer deleted a folder, ticket 812'
  tenantry new operation acme rotate website/umami --secret DB_PASSWORD --reason 'Sam left'
  tenantry new operation acme move website --to acme-2 --reason 'more memory'
  tenantry new operation acme snapshot acme-1 --reason 'before the upgrade'")]
pub(super) struct Args {
    /// The customer.
    customer: CustomerId,
    /// What is done.
    #[arg(value_enum)]
    act: Act,
    /// To what: SERVER/TOOL (restore, wipe), ORDER/TOOL (rotate), SERVER (snapshot, power-cycle, reinstall), ORDER (retry, move).
    target: String,
    /// Why, for those who read it later.
    #[arg(long)]
    reason: Option<String>,
    /// Which backup `restore` takes: `latest`, or `latest before 2026-11-20T03:00`.
    #[arg(long, value_name = "BACKUP", default_value = "latest")]
    from: String,
    /// Which secrets `rotate` replaces. May be given several times.
    #[arg(long = "secret", value_name = "NAME", value_parser = variable)]
    secrets: Vec<VariableName>,
    /// Where `move` brings the order.
    #[arg(long, value_name = "SERVER")]
    to: Option<String>,
    #[command(flatten)]
    common: Common,
}

fn variable(text: &str) -> Result<VariableName, tenantry_schema::name::NameError> {
    VariableName::try_from(text)
}

/// One-time acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Act {
    /// Put a tool's data back to an earlier backup.
    Restore,
    /// Delete a tool's data.
    Wipe,
    /// Set a server up from nothing.
    Reinstall,
    /// Take a snapshot of a server.
    Snapshot,
    /// Switch a server off and on.
    PowerCycle,
    /// Replace generated secrets of a tool.
    Rotate,
    /// Try again what was given up, for an order.
    Retry,
    /// Move an order, with its data.
    Move,
}

impl Act {
    /// As documents write it.
    fn key(self) -> &'static str {
        match self {
            Self::Restore => "restore",
            Self::Wipe => "wipe",
            Self::Reinstall => "reinstall",
            Self::Snapshot => "snapshot",
            Self::PowerCycle => "power_cycle",
            Self::Rotate => "rotate",
            Self::Retry => "retry",
            Self::Move => "move",
        }
    }

    /// What the target must be.
    fn shape(self) -> (bool, bool) {
        // (names a server, names a tool)
        match self {
            Self::Restore | Self::Wipe => (true, true),
            Self::Reinstall | Self::Snapshot | Self::PowerCycle => (true, false),
            Self::Rotate => (false, true),
            Self::Retry | Self::Move => (false, false),
        }
    }

    fn loses_data(self) -> bool {
        matches!(self, Self::Restore | Self::Wipe | Self::Reinstall)
    }
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let desk = Desk::open(&args.common)?;
    check_target(args, desk.customer(&args.customer)?)?;
    let mut asker = Asker::new();
    let read = |text: &str| {
        if text.is_empty() {
            Err("a few words".to_owned())
        } else {
            Ok(text.to_owned())
        }
    };
    let reason = match &args.reason {
        Some(reason) => Some(reason.clone()),
        None => asker.text("--reason", "Why:", "for those who read it later", read)?,
    };
    let name = |text: &str| VariableName::try_from(text).map_err(|error| error.to_string());
    let mut secrets = args.secrets.clone();
    if args.act == Act::Rotate && secrets.is_empty() {
        secrets.extend(asker.text("--secret", "Which secret:", "as stack.yaml names it", name)?);
    }
    let to = match &args.to {
        None if args.act == Act::Move => {
            asker.text("--to", "To which server:", "of the same customer", |text| {
                Ok(text.to_owned())
            })?
        }
        to => to.clone(),
    };
    asker.done()?;
    if args.act == Act::Rotate {
        check_secrets(args, &secrets, desk.customer(&args.customer)?)?;
    }
    let now = Timestamp::now();
    let id = id(args, now)?;
    let path = format!("fleet/customers/{}/operations/{id}.yaml", args.customer);
    let text = text(
        args,
        reason.as_deref().unwrap_or_default(),
        &secrets,
        to.as_deref(),
        now,
    )?;
    let mut proposal = Proposal {
        add: vec![path.clone()],
        message: format!("{} {}", args.act.key().replace('_', " "), args.target),
        ..Proposal::default()
    };
    if args.act.loses_data() {
        proposal.next.push(format!(
            "name in {path} what is lost, then let an owner approve it: tenantry approve {path}{}",
            args.common.as_place()
        ));
    }
    proposal.files.insert(path, text.into_bytes());
    finish(desk, &args.common, &proposal)
}

/// A target that does not exist is a slip of the finger, which an operation should not be made of.
fn check_target(args: &Args, customer: Option<&CustomerDesired>) -> anyhow::Result<()> {
    let (server, tool) = args.act.shape();
    let expected = match (server, tool) {
        (true, true) => "SERVER/TOOL",
        (true, false) => "SERVER",
        (false, true) => "ORDER/TOOL",
        (false, false) => "ORDER",
    };
    let (first, rest) = match args.target.split_once('/') {
        Some((first, rest)) => (first, Some(rest)),
        None => (args.target.as_str(), None),
    };
    if rest.is_some() != tool {
        bail!(
            "`{}` takes {expected}, not `{}`",
            args.act.key(),
            args.target
        );
    }
    let Some(customer) = customer else {
        return Ok(());
    };
    let known: Vec<&str> = if server {
        customer
            .servers
            .keys()
            .map(tenantry_schema::id::ServerId::as_str)
            .collect()
    } else {
        customer
            .orders
            .keys()
            .map(tenantry_schema::id::OrderId::as_str)
            .collect()
    };
    if !known.contains(&first) {
        let what = if server { "server" } else { "order" };
        let has = if known.is_empty() {
            "none".to_owned()
        } else {
            known.join(", ")
        };
        bail!("{} has no {what} `{first}`; it has: {has}", customer.id);
    }
    let tools: Vec<&str> = customer
        .orders
        .values()
        .flat_map(|order| order.document.tools.keys())
        .map(tenantry_schema::id::ToolName::as_str)
        .collect();
    if let Some(tool) = rest.filter(|tool| !tools.contains(tool)) {
        bail!(
            "{} has no tool `{tool}`; it has: {}",
            customer.id,
            tools.join(", ")
        );
    }
    Ok(())
}

/// A secret that the tool's stack does not declare, or says is never replaced, cannot be rotated.
fn check_secrets(
    args: &Args,
    secrets: &[VariableName],
    customer: Option<&CustomerDesired>,
) -> anyhow::Result<()> {
    let tool = customer.zip(args.target.split_once('/'));
    let tool =
        tool.and_then(|(customer, (order, tool))| customer.orders.get(order)?.tools.get(tool));
    let Some(stack) = tool.and_then(|tool| tool.stack.as_ref()) else {
        return Ok(());
    };
    let declared = &stack.document.secrets;
    for name in secrets {
        match declared.get(name).map(|spec| spec.rotate) {
            Some(Rotate::Never) => bail!(
                "`{name}` of {} is never replaced: its stack says `rotate: never`, because data is encrypted with it and would be lost",
                args.target
            ),
            Some(_) => {}
            None => bail!(
                "{} has no secret `{name}`; its stack generates: {}",
                args.target,
                declared
                    .keys()
                    .map(VariableName::as_str)
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
        }
    }
    Ok(())
}

/// `2026-11-20-restore-nextcloud-x7k2`.
fn id(args: &Args, now: Timestamp) -> anyhow::Result<OperationId> {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut rng = rand::rng();
    let end: String = (0..4)
        .map(|_| char::from(LETTERS[rng.random_range(0..LETTERS.len())]))
        .collect();
    let day = today::day(now);
    let what = args.target.rsplit('/').next().unwrap_or_default();
    let mut name = format!("{day}-{}-{what}", args.act.key().replace('_', "-"));
    name.truncate(35);
    Ok(OperationId::try_from(format!(
        "{}-{end}",
        name.trim_end_matches('-')
    ))?)
}

fn text(
    args: &Args,
    reason: &str,
    secrets: &[VariableName],
    to: Option<&str>,
    now: Timestamp,
) -> anyhow::Result<String> {
    let mut out = format!("{}: {}\n", args.act.key(), args.target);
    match args.act {
        Act::Restore => {
            let _ = writeln!(out, "from: {}", args.from);
            out.push_str("overwrites: [database, files]   # what of the tool's data is replaced\n");
        }
        Act::Wipe | Act::Reinstall => {
            let what = if args.act == Act::Wipe {
                format!("data of {}", args.target)
            } else {
                format!("everything on {}", args.target)
            };
            let _ = writeln!(
                out,
                "destroys:                       # name one by one what is lost\n  - {}",
                yaml(&what)
            );
        }
        Act::Rotate => {
            let names: Vec<&str> = secrets.iter().map(VariableName::as_str).collect();
            let _ = writeln!(out, "secrets: [{}]", names.join(", "));
        }
        Act::Move => {
            let _ = writeln!(out, "to: {}", to.unwrap_or_default());
        }
        Act::Snapshot | Act::PowerCycle | Act::Retry => {}
    }
    let _ = writeln!(out, "reason: {}", yaml(reason));
    if args.act.loses_data() {
        let last = today::day(now).checked_add(7.days())?;
        let _ = writeln!(
            out,
            "{:<31} # last day on which it may be started\n# approval: an owner's signature; `tenantry approve` writes it",
            format!("expires: {last}")
        );
    }
    Ok(out)
}
