//! `tenantry backups list`: the good backups of a customer or an order, as the repositories say.

use super::{Common, Opened, Outcome, with_fleet};
use crate::backups::{RepositoryError, UpkeepError};
use crate::cli::output::say;
use anyhow::bail;
use serde::Serialize;
use std::path::PathBuf;
use tenantry_schema::id::{CustomerId, OrderId, ServerId};
use tenantry_schema::wire::{GoodSnapshot, good_snapshots};

/// Arguments of `backups list`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Whose: CUSTOMER, or CUSTOMER/ORDER.
    whose: String,
    #[command(flatten)]
    common: Common,
    /// Only those of this server. It may have left the fleet.
    #[arg(long, value_name = "SERVER")]
    server: Option<String>,
    /// The program restic.
    #[arg(long, default_value = "restic")]
    restic: PathBuf,
}

#[derive(Serialize)]
struct Listed {
    server: String,
    instance: String,
    at: String,
    snapshot: String,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let (customer, order) = match args.whose.split_once('/') {
        Some((customer, order)) => (customer, Some(OrderId::try_from(order)?)),
        None => (args.whose.as_str(), None),
    };
    let customer = CustomerId::try_from(customer)?;
    with_fleet(&args.common, &args.restic, |opened| {
        list(args, opened, &customer, order.as_ref())
    })
}

fn list(
    args: &Args,
    opened: &Opened<'_>,
    id: &CustomerId,
    order: Option<&OrderId>,
) -> anyhow::Result<Outcome> {
    let customers = &opened.upkeep.customers;
    let Some(customer) = customers.iter().find(|customer| customer.id == *id) else {
        bail!("there is no customer `{id}` with backups in the fleet");
    };
    let servers = match &args.server {
        Some(server) => vec![ServerId::try_from(server.as_str())?],
        None => customer.servers.keys().cloned().collect(),
    };
    let (mut all, mut failed) = (Vec::new(), 0);
    for server in &servers {
        let looked = opened
            .upkeep
            .repository(&opened.keys, customer, server)
            .and_then(|repository| Ok(repository.snapshots()?));
        match looked {
            Ok(snapshots) => all.extend(listed(server, &good_snapshots(&snapshots), order)),
            Err(UpkeepError::Repository(RepositoryError::Missing)) => {
                if !args.common.json {
                    say(format!("{id}/{server}: no backups yet"));
                }
            }
            Err(error) => {
                failed += 1;
                say(format!("{id}/{server}: {:#}", anyhow::Error::from(error)));
            }
        }
    }
    if args.common.json {
        say(serde_json::to_string_pretty(&all)?);
    } else {
        for one in &all {
            say(format!(
                "{}  {}/{}  {}",
                one.at, one.server, one.instance, one.snapshot
            ));
        }
    }
    Ok(if failed == 0 {
        Outcome::Clean
    } else {
        Outcome::Errors
    })
}

/// Those of one server, newest first, of an order where one is named.
fn listed(server: &ServerId, good: &[GoodSnapshot], order: Option<&OrderId>) -> Vec<Listed> {
    let wanted = |one: &&GoodSnapshot| {
        order.is_none_or(|order| {
            let rest = one.instance.as_str().strip_prefix(order.as_str());
            rest.is_some_and(|rest| rest.starts_with('-'))
        })
    };
    let shown = good.iter().filter(wanted).map(|one| Listed {
        server: server.to_string(),
        instance: one.instance.to_string(),
        at: format!("{:.0}", one.at),
        snapshot: one.data.get(..8).unwrap_or(&one.data).to_owned(),
    });
    shown.collect()
}
