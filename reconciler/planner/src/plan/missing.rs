//! Which of an order's decisions are not there, and what an order does whose decisions were taken away.

use super::customer::{Customer, Placed};
use crate::decision::{Choice, Decision, What};
use crate::desired::{CustomerDesired, OrderDesired, ToolDesired};
use crate::lost::{Lost, Missing};
use crate::waiting::WaitingOn;
use std::collections::{BTreeMap, BTreeSet};
use tenantry_schema::id::{InstanceName, OrderId, OrderKey, ServerId, ToolName};

/// Decisions that an order will need and does not have.
pub(super) fn missing(
    customer: &Customer<'_>,
    id: &OrderId,
    order: &OrderDesired,
    out: &mut Vec<Missing>,
) {
    let runs = |tool: &ToolName| {
        let server = order.server.as_ref();
        server.is_some_and(|server| customer.runs(server, &InstanceName::new(id, tool)))
    };
    let pinned = order.tools.values().any(|tool| tool.pin.is_some());
    let mut add = |what, parts, suspicious| {
        out.push(Missing {
            order: customer.order_key(id),
            what,
            parts,
            suspicious,
        });
    };
    if order.server.is_none() {
        add(What::Server, BTreeSet::new(), pinned);
    }
    if order.claim.is_none() {
        let suspicious = pinned || order.server.is_some();
        add(What::Domain, BTreeSet::new(), suspicious);
    }
    for (name, tool) in &order.tools {
        if tool.pin.is_none() {
            add(What::Tool(name.clone()), BTreeSet::new(), runs(name));
        } else {
            let sites = sites_without_port(tool);
            if !sites.is_empty() {
                add(What::Tool(name.clone()), sites, false);
            }
        }
        if let Some(parts) = secrets_missing(tool) {
            add(What::Secrets(name.clone()), parts, runs(name));
        }
    }
}

fn sites_without_port(tool: &ToolDesired) -> BTreeSet<String> {
    let sites = tool.stack.iter().flat_map(|stack| stack.sites.keys());
    sites
        .filter(|site| !tool.ports.contains_key(*site))
        .map(ToString::to_string)
        .collect()
}

/// None where nothing is missing, an empty set where the whole file is.
fn secrets_missing(tool: &ToolDesired) -> Option<BTreeSet<String>> {
    let asked = &tool.stack.as_ref()?.document.secrets;
    let names = match &tool.secrets {
        None => return (!asked.is_empty()).then(BTreeSet::new),
        Some(file) => &file.names,
    };
    let missing: BTreeSet<String> = asked
        .keys()
        .filter(|name| !names.contains(name.as_str()))
        .map(ToString::to_string)
        .collect();
    (!missing.is_empty()).then_some(missing)
}

/// What a record of fulfilment, or secrets of backups, that are to be written add to what is there.
pub(super) fn missing_records(
    customer: &CustomerDesired,
    decisions: &[Decision],
    out: &mut Vec<Missing>,
) {
    for decision in decisions {
        let record = match &decision.choice {
            Choice::Fulfilled(record) => record,
            Choice::BackupSecrets(names) => {
                let there = customer.backup_secrets.is_some();
                let names = names.keys().filter(|_| there).map(ToString::to_string);
                out.push(Missing {
                    order: decision.order.clone(),
                    what: What::BackupSecrets,
                    parts: names.collect(),
                    suspicious: false,
                });
                continue;
            }
            Choice::Operation(id, _) if !customer.records.contains_key(id) => {
                out.push(Missing {
                    order: decision.order.clone(),
                    what: What::Operation(id.clone()),
                    parts: BTreeSet::new(),
                    suspicious: false,
                });
                continue;
            }
            _ => continue,
        };
        let before = customer
            .orders
            .get(&decision.order.order)
            .and_then(|order| order.fulfilled.as_deref());
        let mut parts = BTreeSet::new();
        if let Some(before) = before {
            let new = |tool: &&ToolName| !before.tools.contains_key(*tool);
            parts.extend(record.tools.keys().filter(new).map(ToString::to_string));
            if record.order != before.order {
                parts.insert(ORDER.to_owned());
            }
        }
        out.push(Missing {
            order: decision.order.clone(),
            what: What::Fulfilled,
            parts,
            suspicious: false,
        });
    }
}

/// The part of a record that stands for the order as a whole; no tool has such a name.
pub const ORDER: &str = "(order)";

impl<'a> Customer<'a> {
    /// What an order lost of its decisions.
    pub(super) fn lost(&self, order: &OrderId) -> &'a [Lost] {
        self.fleet.lost.of_order(&self.desired.id, order)
    }

    /// Whether an order lost this decision.
    pub(super) fn has_lost(&self, order: &OrderId, what: &What) -> bool {
        self.lost(order).iter().any(|lost| lost.what == *what)
    }

    /// An order of the customer that lost more than records. What is decided for another one meanwhile could be what was lost.
    pub(super) fn order_with_losses(&self) -> Option<&'a OrderId> {
        let orders = self.fleet.lost.of(&self.desired.id)?;
        let mut orders = orders.iter().filter(|(_, lost)| !only_records(lost));
        orders.next().map(|(id, _)| id)
    }

    /// Keeps everything as it is that may belong to an order whose decisions are lost: where it ran may be among them.
    pub(super) fn hold_for_lost(
        &self,
        id: &OrderId,
        order: &OrderDesired,
        placed: &mut BTreeMap<ServerId, Placed>,
    ) {
        let because = || format!("{id}: decisions about it were taken away");
        match order.server.as_ref().and_then(|at| placed.get_mut(at)) {
            Some(placed) => placed.hold(because),
            None => placed.values_mut().for_each(|placed| placed.hold(because)),
        }
    }
}

/// Whether an order can go on as it is: all it lost is the record that it was fulfilled, that of an operation, or
/// the secrets of backups.
pub(super) fn only_records(lost: &[Lost]) -> bool {
    let goes_on = |lost: &Lost| {
        matches!(
            lost.what,
            What::Fulfilled | What::BackupSecrets | What::Operation(_)
        )
    };
    lost.iter().all(goes_on)
}

/// One reason for each commit that took decisions of an order away.
pub(super) fn waits(order: &OrderKey, lost: &[Lost]) -> Vec<WaitingOn> {
    let told = crate::lost::by_commit(order, lost).into_iter();
    told.map(WaitingOn::DecisionsLost).collect()
}
