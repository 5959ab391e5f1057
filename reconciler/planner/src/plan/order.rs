//! One order: which decisions it needs, what of it is ready to run, how far it is and why not further.
//!
//! - `place`: the server of an order.
//! - `finish`: its status, once it is known what its server is and says.

mod finish;
mod place;

use super::choose::{choose, ready};
use super::customer::{Customer, Placed};
use super::missing::{only_records, waits};
use crate::decision::{Choice, Decision};
use crate::desired::{OrderDesired, ToolDesired};
use crate::domains::Verdict;
use crate::status::Phase;
use crate::waiting::WaitingOn;
use place::place;
use std::collections::BTreeMap;
use tenantry_schema::document::{Automation, DomainClaim};
use tenantry_schema::id::{InstanceName, OrderId, ServerId};

/// An order between its decisions and the state of its server.
pub(super) struct Draft {
    phase: Phase,
    waiting: Vec<WaitingOn>,
    server: Option<ServerId>,
}

/// Works out decisions, and puts what is ready onto its server.
///
/// What was decided runs on as it was decided until the next choice is committed: under the domain that the order holds, on its server, at
/// its pins. So nothing that runs vanishes because something about it is undecided.
pub(super) fn plan_order(
    customer: &Customer<'_>,
    id: &OrderId,
    order: &OrderDesired,
    placed: &mut BTreeMap<ServerId, Placed>,
    decisions: &mut Vec<Decision>,
) -> Draft {
    let mut draft = Draft {
        phase: Phase::PaymentConfirmed,
        waiting: Vec::new(),
        server: order.server.clone(),
    };
    let lost = customer.lost(id);
    if !only_records(lost) {
        draft.phase = Phase::NeedsAttention;
        draft.waiting = waits(&customer.order_key(id), lost);
        customer.hold_for_lost(id, order, placed);
        return draft;
    }
    let mut decide = |choice| {
        decisions.push(Decision {
            order: customer.order_key(id),
            choice,
        });
    };
    draft
        .waiting
        .extend(customer.desired.waiting.iter().cloned());
    let paused = order.document.automation == Automation::Paused;
    if paused {
        draft.waiting.push(WaitingOn::Paused);
    }
    if !draft.has_a_domain(customer, id, order, &mut decide) {
        return draft.hold(order, placed, "the domain belongs to another order");
    }
    if paused && (order.claim.is_none() || order.server.is_none()) {
        return draft.hold(order, placed, "the order is paused");
    }
    let Some(server) = place(customer, id, order, placed, &mut draft, &mut decide) else {
        return draft;
    };
    let claims = order.claim.as_ref() != Some(&order.document.domain)
        && !paused
        && draft.phase != Phase::NeedsAttention;
    let undecided = draft.put_tools(customer, id, order, &server, placed, &mut decide);
    if claims || order.server.is_none() || undecided {
        draft.waiting.push(WaitingOn::Decision {
            what: what_is_decided(customer),
        });
    }
    draft
}

impl Draft {
    /// Claims the domain, or says who has it. Returns whether there is one under which the order runs, or will.
    fn has_a_domain(
        &mut self,
        customer: &Customer<'_>,
        id: &OrderId,
        order: &OrderDesired,
        decide: &mut impl FnMut(Choice),
    ) -> bool {
        let wanted = &order.document.domain;
        match customer.verdict(id, order) {
            Verdict::Holds => true,
            Verdict::Free => {
                if order.document.automation != Automation::Paused {
                    decide(Choice::Domain(DomainClaim {
                        domain: wanted.clone(),
                        generation: customer.fleet.generation,
                    }));
                }
                true
            }
            Verdict::Taken { domain, holder } => {
                self.phase = Phase::NeedsAttention;
                let fleet = customer.fleet;
                let there = fleet.customers.contains_key(&holder.customer)
                    || fleet.broken.contains(&holder.customer);
                self.waiting.push(if there {
                    WaitingOn::DomainTaken { domain, holder }
                } else {
                    WaitingOn::DomainLeftBehind { domain, holder }
                });
                // It may hold another one, under which it goes on. Where its very claim is contested it does not.
                order.claim.as_ref().is_some_and(|claim| claim != wanted)
            }
        }
    }

    /// Puts what is ready of its tools onto `server`. Returns whether something about them is to be decided.
    fn put_tools(
        &mut self,
        customer: &Customer<'_>,
        id: &OrderId,
        order: &OrderDesired,
        server: &ServerId,
        placed: &mut BTreeMap<ServerId, Placed>,
        decide: &mut impl FnMut(Choice),
    ) -> bool {
        let paused = order.document.automation == Automation::Paused;
        // Decided in this pass, committed before it counts: nothing of it may run yet.
        let settled = order.claim.is_some() && order.server.is_some();
        let mut any_undecided = false;
        for (name, tool) in &order.tools {
            self.waiting.extend(tool.stays.clone());
            let instance = InstanceName::new(id, name);
            let chosen = if paused {
                Vec::new()
            } else {
                choose(customer, server, &instance, name, tool, &mut self.waiting)
            };
            let chosen = sealable(customer, id, tool, chosen, &mut self.waiting);
            let undecided = !chosen.is_empty();
            chosen.into_iter().for_each(&mut *decide);
            any_undecided |= undecided;
            let placed = placed.entry(server.clone()).or_default();
            let input = ready(id, name, order, tool).filter(|_| settled && !undecided);
            let there = input.is_some_and(|input| placed.put(instance.clone(), input));
            // What runs stays, also where its decisions are gone.
            if !there && (tool.pin.is_some() || customer.runs(server, &instance)) {
                placed.hold(|| held_by(&instance, tool, undecided));
            }
        }
        any_undecided
    }

    /// Ends here. What runs of it already must not vanish from its server's slice because of that.
    fn hold(
        self,
        order: &OrderDesired,
        placed: &mut BTreeMap<ServerId, Placed>,
        because: &str,
    ) -> Self {
        let runs = order.tools.values().any(|tool| tool.pin.is_some());
        if let Some(placed) = self
            .server
            .as_ref()
            .filter(|_| runs)
            .and_then(|server| placed.get_mut(server))
        {
            placed.hold(|| format!("{}: {because}", order.document.domain));
        }
        self
    }
}

/// What an order waits for while something about it is being decided.
fn what_is_decided(customer: &Customer<'_>) -> String {
    match customer.order_with_losses() {
        None => "server, versions, ports and secrets".into(),
        Some(other) => format!(
            "nothing is decided for this customer until the lost decisions of {other} are back, since ports and servers may be among them"
        ),
    }
}

/// The choices that can be written down: a new file of secrets only where the rules say for whom. Into one that is there more is put by who can
/// open it already.
fn sealable(
    customer: &Customer<'_>,
    order: &OrderId,
    tool: &ToolDesired,
    mut chosen: Vec<Choice>,
    waiting: &mut Vec<WaitingOn>,
) -> Vec<Choice> {
    let order = customer.order_key(order);
    chosen.retain(|choice| {
        if !matches!(choice, Choice::Secrets(..)) || tool.secrets.is_some() {
            return true;
        }
        let problem = customer.fleet.rules.problem(&choice.what().path(&order));
        let Some(problem) = problem else { return true };
        let wait = WaitingOn::SealingRules { problem };
        if !waiting.contains(&wait) {
            waiting.push(wait);
        }
        false
    });
    chosen
}

/// Why an instance that may run cannot be rendered.
fn held_by(instance: &InstanceName, tool: &ToolDesired, undecided: bool) -> String {
    let why = match (undecided, &tool.stack) {
        (true, _) => "its next version is being decided",
        (_, None) => "its stack cannot be used",
        (_, Some(_)) if tool.templates.is_none() => "its web server templates cannot be used",
        (_, Some(_)) => "it is not complete, or another one answers at its name",
    };
    format!("{instance}: {why}")
}
