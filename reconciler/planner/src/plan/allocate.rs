//! Choosing a server and ports. Deterministic: the same fleet and inventory give the same choice.

use super::customer::Customer;
use super::ports::in_the_way;
use crate::waiting::WaitingOn;
use std::collections::BTreeSet;
use tenantry_schema::SharedMap;
use tenantry_schema::document::ServerAssignment;
use tenantry_schema::id::{OrderId, ServerId, SiteName};
use tenantry_schema::size::ByteSize;

/// How many loopback ports a server has for sites. From the usual first one (20000) all of them are below the range that Linux hands out by
/// itself (32768 and up).
const PORTS: u16 = 10_000;
/// Ports below are the system's.
const LOWEST: u16 = 1024;

/// The server for an order that asks for `needs` bytes of memory, or what it waits for where nothing fits. With the ports that it has already it goes
/// only where these are free.
pub(super) fn choose_server(
    customer: &Customer<'_>,
    order: &OrderId,
    needs: u64,
) -> Result<ServerAssignment, WaitingOn> {
    let desired = customer.desired;
    if let Some(named) = desired
        .orders
        .get(order)
        .and_then(|order| order.document.server.clone())
    {
        return match in_the_way(customer, order, &named) {
            Some(taken) => Err(taken),
            None => Ok(ServerAssignment {
                server: named,
                because: "named by the order".into(),
            }),
        };
    }
    let mut taken = None;
    let mut candidates: Vec<(Option<u64>, &ServerId)> = Vec::new();
    for id in desired.servers.keys() {
        let free = customer
            .memory_of(id)
            .map(|capacity| capacity.saturating_sub(customer.memory_taken(id)));
        if free.is_none_or(|free| free >= needs) {
            match in_the_way(customer, order, id) {
                Some(why) => taken = taken.or(Some(why)),
                None => candidates.push((free, id)),
            }
        }
    }
    // Most free memory first; a server whose memory is not known comes last; ties go to the first by name.
    let best = candidates
        .into_iter()
        .reduce(|best, next| if next.0 > best.0 { next } else { best });
    let Some((free, server)) = best else {
        let nowhere = desired.servers.is_empty();
        let needs = if nowhere { 0 } else { needs };
        return Err(taken.unwrap_or(WaitingOn::Server { needs }));
    };
    let because = match (desired.servers.len(), free) {
        (1, _) => "only server of the customer".to_owned(),
        (_, Some(free)) => format!("most memory free ({})", ByteSize(free >> 20 << 20)),
        (_, None) => "no server of the customer reports its memory".to_owned(),
    };
    Ok(ServerAssignment {
        server: server.clone(),
        because,
    })
}

/// `ports`, and the lowest free one for each of `sites` that has none yet. None where the range is used up.
pub(super) fn add_ports<'s>(
    ports: &SharedMap<SiteName, u16>,
    sites: impl Iterator<Item = &'s SiteName>,
    first: u16,
    taken: &mut BTreeSet<u16>,
) -> Option<SharedMap<SiteName, u16>> {
    let mut added = Vec::new();
    for site in sites.filter(|site| !ports.contains_key(*site)) {
        let port = (first.max(LOWEST)..=first.saturating_add(PORTS - 1))
            .find(|port| !taken.contains(port))?;
        taken.insert(port);
        added.push((site.clone(), port));
    }
    if added.is_empty() {
        return Some(ports.clone());
    }
    let kept = ports.iter().map(|(site, port)| (site.clone(), *port));
    Some(kept.chain(added).collect())
}
