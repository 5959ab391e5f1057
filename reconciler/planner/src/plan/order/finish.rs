//! The status of an order, once it is known what its server is and says; and the record that it was fulfilled.

use super::Draft;
use crate::decision::{Choice, Decision, What};
use crate::desired::{OrderDesired, ToolDesired};
use crate::plan::backups;
use crate::plan::customer::{Customer, Slice};
use crate::plan::health::{ToolView, view_tool};
use crate::plan::missing::{only_records, waits};
use crate::status::{Health, OrderStatus, Phase, ToolStatus};
use crate::waiting::WaitingOn;
use jiff::Timestamp;
use std::collections::BTreeMap;
use tenantry_schema::document::{Fulfilled, State};
use tenantry_schema::id::{InstanceName, OrderId, ServerId, ToolName};

/// What is seen of each tool.
type Views<'a> = BTreeMap<&'a ToolName, ToolView>;

impl Draft {
    /// Adds what its server says, and the record of first fulfilment where that is due.
    pub(in crate::plan) fn finish(
        mut self,
        customer: &Customer<'_>,
        id: &OrderId,
        order: &OrderDesired,
        slices: &BTreeMap<ServerId, Slice>,
        decisions: &mut Vec<Decision>,
    ) -> OrderStatus {
        let views = self.views(customer, id, order, slices);
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
        if let Some(record) = record {
            decisions.push(Decision {
                order: customer.order_key(id),
                choice: Choice::Fulfilled(record),
            });
        }
        self.settle_phase(customer, order, &views);
        self.say_why(customer, id, order, &views);
        let fulfilled = order.fulfilled.as_ref();
        OrderStatus {
            customer: customer.desired.id.clone(),
            order: id.clone(),
            plan: order.document.plan.clone(),
            domain: order.document.domain.to_string(),
            phase: self.phase,
            health: worst(&views),
            tools: tools(order, &views, &self.https_suffix(customer)),
            server: self.server,
            waiting: self.waiting,
            fulfilled_at: fulfilled.and_then(|record| record.order),
        }
    }

    /// What its server says of its tools.
    fn views<'o>(
        &self,
        customer: &Customer<'_>,
        id: &OrderId,
        order: &'o OrderDesired,
        slices: &BTreeMap<ServerId, Slice>,
    ) -> Views<'o> {
        let server = self.server.as_ref();
        let slice = server.and_then(|server| slices.get(server));
        let view = |name: &ToolName, tool: &ToolDesired| {
            view_tool(customer, server, &InstanceName::new(id, name), tool, slice)
        };
        let tools = order.tools.iter();
        tools.map(|(name, tool)| (name, view(name, tool))).collect()
    }

    /// Adds what its tools and their backups wait for.
    fn say_why(
        &mut self,
        customer: &Customer<'_>,
        id: &OrderId,
        order: &OrderDesired,
        views: &Views<'_>,
    ) {
        let server = self.server.as_ref();
        let unsaved = order.tools.iter().filter_map(|(name, tool)| {
            let instance = InstanceName::new(id, name);
            let state = tool.document.wanted_state();
            backups::missing(customer, server?, &instance, state)
        });
        self.waiting.extend(unsaved);
        for reason in views.values().flat_map(|view| &view.waiting) {
            if !self.waiting.contains(reason) {
                self.waiting.push(reason.clone());
            }
        }
    }

    /// What addresses of its sites end with, where its server has HTTPS at another port than others.
    fn https_suffix(&self, customer: &Customer<'_>) -> String {
        let server = self.server.as_ref();
        server
            .and_then(|server| customer.desired.servers.get(server))
            .filter(|server| server.web.https != 443)
            .map_or(String::new(), |server| format!(":{}", server.web.https))
    }

    fn settle_phase(&mut self, customer: &Customer<'_>, order: &OrderDesired, views: &Views<'_>) {
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

/// The state of each tool.
fn tools(order: &OrderDesired, views: &Views<'_>, suffix: &str) -> Vec<ToolStatus> {
    let fulfilled = order.fulfilled.as_ref();
    let status = |(name, tool): (&ToolName, &ToolDesired)| ToolStatus {
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
        customised: tool.is_customised(),
        fulfilled_at: fulfilled.and_then(|record| record.tools.get(name).copied()),
    };
    order.tools.iter().map(status).collect()
}

/// The record of first fulfilment, if it has something new to say. Its times are those of the reports that prove it, so that the same
/// observations give the same record at any time.
fn record(order: &OrderDesired, views: &Views<'_>) -> Option<Fulfilled> {
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

/// The health of an order: that of the tool that is worst.
fn worst(views: &Views<'_>) -> Health {
    views
        .values()
        .map(|view| view.health)
        .max_by_key(|health| severity(*health))
        .unwrap_or(Health::Unknown)
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
