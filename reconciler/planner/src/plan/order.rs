//! One order: which decisions it needs, what of it is ready to run, how far it is and why not further.

use super::allocate::choose_server;
use super::choose::{choose, ready};
use super::customer::{Customer, Placed, Slice, memory_needed};
use super::health::{ToolView, view_tool};
use super::missing::{only_records, waits};
use crate::decision::{Choice, Decision, What};
use crate::desired::{OrderDesired, ToolDesired};
use crate::domains::Verdict;
use crate::status::{Health, OrderStatus, Phase, ToolStatus};
use crate::waiting::WaitingOn;
use jiff::Timestamp;
use std::collections::BTreeMap;
use tenantry_schema::document::{Automation, DomainClaim, Fulfilled, State};
use tenantry_schema::id::{InstanceName, OrderId, ServerId, ToolName};

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
    let wanted = &order.document.domain;
    match customer.verdict(id, order) {
        Verdict::Holds => {}
        Verdict::Free if paused => {}
        Verdict::Free => decide(Choice::Domain(DomainClaim {
            domain: wanted.clone(),
            generation: customer.fleet.generation,
        })),
        Verdict::Taken { domain, holder } => {
            draft.phase = Phase::NeedsAttention;
            let fleet = customer.fleet;
            let there = fleet.customers.contains_key(&holder.customer)
                || fleet.broken.contains(&holder.customer);
            draft.waiting.push(if there {
                WaitingOn::DomainTaken { domain, holder }
            } else {
                WaitingOn::DomainLeftBehind { domain, holder }
            });
            // It holds another one, under which it goes on. Where its very claim is contested it does not.
            if order.claim.as_ref().is_none_or(|claim| claim == wanted) {
                return draft.hold(order, placed, "the domain belongs to another order");
            }
        }
    }
    if paused && (order.claim.is_none() || order.server.is_none()) {
        return draft.hold(order, placed, "the order is paused");
    }
    let Some(server) = place(customer, id, order, placed, &mut draft, &mut decide) else {
        return draft;
    };
    // Decided in this pass, committed before it counts: nothing of it may run yet.
    let settled = order.claim.is_some() && order.server.is_some();
    let mut incomplete =
        order.claim.as_ref() != Some(wanted) && !paused && draft.phase != Phase::NeedsAttention
            || order.server.is_none();
    for (name, tool) in &order.tools {
        let instance = InstanceName::new(id, name);
        let chosen = if paused {
            Vec::new()
        } else {
            choose(customer, &server, &instance, name, tool, &mut draft.waiting)
        };
        let chosen = sealable(customer, id, tool, chosen, &mut draft.waiting);
        let undecided = !chosen.is_empty();
        chosen.into_iter().for_each(&mut decide);
        incomplete |= undecided;
        let placed = placed.entry(server.clone()).or_default();
        let input = ready(id, name, order, tool).filter(|_| settled && !undecided);
        let there = input.is_some_and(|input| placed.put(instance.clone(), input));
        // What runs stays, also where its decisions are gone.
        if !there && (tool.pin.is_some() || customer.runs(&server, &instance)) {
            placed.hold(|| held_by(&instance, tool, undecided));
        }
    }
    if incomplete {
        let what = match customer.order_with_losses() {
            None => "server, versions, ports and secrets".into(),
            Some(other) => format!(
                "nothing is decided for this customer until the lost decisions of {other} are back, since ports and servers may be among them"
            ),
        };
        draft.waiting.push(WaitingOn::Decision { what });
    }
    draft
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

/// The server of an order: as assigned, else chosen now.
fn place(
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

impl Draft {
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

    /// Adds what its server says, and the record of first fulfilment where that is due.
    pub(super) fn finish(
        mut self,
        customer: &Customer<'_>,
        id: &OrderId,
        order: &OrderDesired,
        slices: &BTreeMap<ServerId, Slice>,
        decisions: &mut Vec<Decision>,
    ) -> OrderStatus {
        let slice = self.server.as_ref().and_then(|server| slices.get(server));
        let views: BTreeMap<&ToolName, ToolView> = order
            .tools
            .iter()
            .map(|(name, tool)| {
                (
                    name,
                    view_tool(
                        customer,
                        self.server.as_ref(),
                        &InstanceName::new(id, name),
                        tool,
                        slice,
                    ),
                )
            })
            .collect();
        let lost = customer.lost(id);
        let unfulfilled = customer.has_lost(id, &What::Fulfilled);
        if only_records(lost) {
            self.waiting.extend(waits(&customer.order_key(id), lost));
            if unfulfilled {
                self.phase = Phase::NeedsAttention;
            }
        }
        // What was fulfilled once is not fulfilled again.
        let record = record(order, &views).filter(|_| !unfulfilled);
        if let Some(record) = &record {
            decisions.push(Decision {
                order: customer.order_key(id),
                choice: Choice::Fulfilled(record.clone()),
            });
        }
        let fulfilled = order.fulfilled.as_ref();
        self.settle_phase(customer, order, &views);
        let health = views
            .values()
            .map(|view| view.health)
            .max_by_key(|health| severity(*health))
            .unwrap_or(Health::Unknown);
        let server = self.server.clone();
        let unsaved = order.tools.iter().filter_map(|(name, tool)| {
            let instance = InstanceName::new(id, name);
            let state = tool.document.wanted_state();
            super::backups::missing(customer, server.as_ref()?, &instance, state)
        });
        self.waiting.extend(unsaved);
        for view in views.values() {
            for reason in &view.waiting {
                if !self.waiting.contains(reason) {
                    self.waiting.push(reason.clone());
                }
            }
        }
        let web = self
            .server
            .as_ref()
            .and_then(|server| customer.desired.servers.get(server))
            .map(|server| server.web);
        let suffix = web
            .filter(|web| web.https != 443)
            .map_or(String::new(), |web| format!(":{}", web.https));
        OrderStatus {
            customer: customer.desired.id.clone(),
            order: id.clone(),
            plan: order.document.plan.clone(),
            domain: order.document.domain.to_string(),
            phase: self.phase,
            health,
            server: self.server,
            waiting: self.waiting,
            tools: order
                .tools
                .iter()
                .map(|(name, tool)| ToolStatus {
                    tool: name.clone(),
                    title: tool
                        .stack
                        .as_ref()
                        .map_or_else(|| name.to_string(), |stack| stack.document.title.clone()),
                    wanted: tool.document.wanted_state(),
                    health: views.get(name).map_or(Health::Unknown, |view| view.health),
                    urls: tool
                        .hosts
                        .values()
                        .map(|host| format!("https://{host}{suffix}"))
                        .collect(),
                    pin: tool
                        .stack
                        .as_ref()
                        .filter(|_| tool.pin.is_some())
                        .map(|stack| stack.tree.short()),
                    newer_available: tool.newer_available,
                    fulfilled_at: fulfilled.and_then(|record| record.tools.get(name).copied()),
                })
                .collect(),
            fulfilled_at: fulfilled.and_then(|record| record.order),
        }
    }

    fn settle_phase(
        &mut self,
        customer: &Customer<'_>,
        order: &OrderDesired,
        views: &BTreeMap<&ToolName, ToolView>,
    ) {
        if order
            .fulfilled
            .as_ref()
            .is_some_and(|record| record.order.is_some())
        {
            self.phase = Phase::Fulfilled;
            return;
        }
        if self.phase != Phase::PaymentConfirmed {
            return;
        }
        let Some(server) = self.server.as_ref().filter(|_| order.server.is_some()) else {
            return;
        };
        let begun = customer.seen(server).is_some() || views.values().any(|view| view.delivered);
        let mut reasons = views.values().flat_map(|view| &view.waiting);
        let held = reasons.any(|reason| matches!(reason, WaitingOn::RolloutHeld { .. }));
        self.phase = if held {
            Phase::NeedsAttention
        } else if begun {
            Phase::Provisioning
        } else {
            Phase::ServerReady
        };
    }
}

/// The record of first fulfilment, if it has something new to say. Its times are those of the reports that prove it, so that the same
/// observations give the same record at any time.
fn record(order: &OrderDesired, views: &BTreeMap<&ToolName, ToolView>) -> Option<Fulfilled> {
    let before = order.fulfilled.as_deref();
    let mut record = before.cloned().unwrap_or(Fulfilled {
        order: None,
        tools: BTreeMap::new(),
    });
    for (name, view) in views {
        if let Some(at) = view.proven.filter(|_| !record.tools.contains_key(*name)) {
            record.tools.insert((*name).clone(), at);
        }
    }
    if record.order.is_none() {
        let wanted = order
            .tools
            .iter()
            .filter(|(_, tool)| tool.document.wanted_state() == State::Running);
        let times: Option<Vec<Timestamp>> = wanted
            .map(|(name, _)| record.tools.get(name).copied())
            .collect();
        record.order = times.and_then(|times| times.into_iter().max());
    }
    let begun = record.order.is_some() || !record.tools.is_empty();
    (before.is_some_and(|before| *before != record) || before.is_none() && begun).then_some(record)
}

fn severity(health: Health) -> u8 {
    match health {
        Health::Healthy => 0,
        Health::Progressing => 1,
        Health::Unknown => 2,
        Health::Degraded => 3,
        Health::Failed => 4,
    }
}
