//! What a restore means: whose data goes where. Pure, and never a guess: where two could be meant, neither is.

use super::Target;
use crate::desired::CustomerDesired;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use tenantry_schema::document::{BackupChoice, Operation, ServerTool};
use tenantry_schema::id::{InstanceName, OrderId};
use tenantry_schema::wire::RestoreSpec;

/// A restore whose names are clear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restore {
    /// The order that gets the data.
    pub order: OrderId,
    /// Where it goes.
    pub target: Target,
    /// Where it comes from.
    pub source: Target,
}

/// Works out what `operation` names; none where it is no restore, the reason where that is not clear.
pub fn restore(
    customer: &CustomerDesired,
    operation: &Operation,
) -> Option<Result<Restore, String>> {
    let wanted = operation.restore.as_ref()?;
    Some(resolve(customer, operation, wanted))
}

fn resolve(
    customer: &CustomerDesired,
    operation: &Operation,
    wanted: &ServerTool,
) -> Result<Restore, String> {
    let meant = |(order, _): &(OrderId, InstanceName)| {
        operation.order.as_ref().is_none_or(|only| only == order)
    };
    let mut there = having(customer, wanted);
    there.retain(meant);
    let (order, instance) = match &*there {
        [one] => one.clone(),
        [] => {
            return Err(format!(
                "{} is not on server {}",
                wanted.tool, wanted.server
            ));
        }
        several => {
            let orders: Vec<&str> = several.iter().map(|(order, _)| order.as_str()).collect();
            return Err(format!(
                "{} on server {} is of orders {}: say whose is meant, with `order:`",
                wanted.tool,
                wanted.server,
                orders.join(" and ")
            ));
        }
    };
    let source = match &operation.of {
        None => Target {
            server: wanted.server.clone(),
            instance: instance.clone(),
        },
        Some(of) => Target {
            server: of.server.clone(),
            instance: source(customer, of, &order, &instance)?,
        },
    };
    Ok(Restore {
        order,
        target: Target {
            server: wanted.server.clone(),
            instance,
        },
        source,
    })
}

/// The instance whose backup is meant. It need not run any more, so it is the tool that runs there under this name, else the same order's, else a name as it stands.
fn source(
    customer: &CustomerDesired,
    of: &ServerTool,
    order: &OrderId,
    target: &InstanceName,
) -> Result<InstanceName, String> {
    match &*having(customer, of) {
        [(_, one)] => Ok(one.clone()),
        [] if *target == InstanceName::new(order, &of.tool) => Ok(target.clone()),
        [] => InstanceName::try_from(of.tool.to_string()).map_err(|error| error.to_string()),
        several => {
            let names: Vec<String> = several
                .iter()
                .map(|(_, instance)| format!("{}/{instance}", of.server))
                .collect();
            Err(format!(
                "`of: {}/{}` can be several: write one of {}",
                of.server,
                of.tool,
                names.join(", ")
            ))
        }
    }
}

/// Which orders have a tool on a server, and what runs there of it.
fn having(customer: &CustomerDesired, wanted: &ServerTool) -> Vec<(OrderId, InstanceName)> {
    let on_server = customer.orders.iter().filter(|(_, order)| {
        order.server.as_ref() == Some(&wanted.server) && order.tools.contains_key(&wanted.tool)
    });
    on_server
        .map(|(id, _)| (id.clone(), InstanceName::new(id, &wanted.tool)))
        .collect()
}

/// What the agent is told.
pub fn spec(restore: &Restore, operation: &Operation) -> RestoreSpec {
    RestoreSpec {
        instance: restore.target.instance.clone(),
        server: restore.source.server.clone(),
        of: restore.source.instance.clone(),
        before: operation.from.as_ref().and_then(BackupChoice::before),
        overwrites: operation.overwrites.clone(),
        only: operation.only.clone(),
        until: over(operation),
    }
}

/// The end of the last day on which an operation may be started.
pub fn over(operation: &Operation) -> Option<Timestamp> {
    let day = operation.expires?.tomorrow().ok()?;
    Some(day.to_zoned(TimeZone::UTC).ok()?.timestamp())
}
