//! The server of an order.

use super::Draft;
use crate::decision::Choice;
use crate::desired::OrderDesired;
use crate::plan::allocate::choose_server;
use crate::plan::customer::{Customer, Placed, memory_needed};
use crate::status::Phase;
use crate::waiting::WaitingOn;
use std::collections::BTreeMap;
use tenantry_schema::id::{InstanceName, OrderId, ServerId};

/// As assigned, else chosen now. None: it waits for one.
pub(super) fn place(
    customer: &Customer<'_>,
    id: &OrderId,
    order: &OrderDesired,
    placed: &mut BTreeMap<ServerId, Placed>,
    draft: &mut Draft,
    decide: &mut impl FnMut(Choice),
) -> Option<ServerId> {
    if let Some(server) = &order.server {
        if !customer.desired.servers.contains_key(server) {
            draft.phase = Phase::NeedsAttention;
            draft.waiting.push(WaitingOn::ServerGone {
                server: server.clone(),
            });
            // Where it runs is not known then: nowhere may it vanish.
            for placed in placed.values_mut() {
                placed.hold(|| format!("{id}: server {server} is not there"));
            }
            return None;
        }
        if let Some(to) = order.document.server.clone().filter(|to| to != server) {
            draft.waiting.push(WaitingOn::Move {
                from: server.clone(),
                to,
            });
        }
        return Some(server.clone());
    }
    let needs = memory_needed(order);
    let assignment = match choose_server(customer, id, needs) {
        Ok(assignment) => assignment,
        Err(waiting) => {
            if draft.phase == Phase::PaymentConfirmed {
                draft.phase = Phase::AwaitingServer;
            }
            draft.waiting.push(waiting);
            // What runs stays where it is until a place for it is found.
            for (server, placed) in placed {
                let runs = |tool| customer.runs(server, &InstanceName::new(id, tool));
                if order.tools.keys().any(runs) {
                    placed.hold(|| format!("{id}: its server is not decided"));
                }
            }
            return None;
        }
    };
    let server = assignment.server.clone();
    customer.assign(id, &server, needs);
    decide(Choice::Server(assignment));
    draft.server = Some(server.clone());
    Some(server)
}
