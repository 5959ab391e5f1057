//! Operations of one customer: which of them are to be started now, what agents are told, and what came of those that were started.
//!
//! The record of the start is committed before the slice holds the restore (law 3). From then on it is not started again, whatever is lost: not
//! by a hub that remembers nothing, and not where the agent that was told is gone. The record of its end is committed from the agent's report.

use super::backups::keeps;
use super::customer::{Customer, Placed};
use super::health::waiting_of;
use super::missing::waits;
use crate::decision::{Choice, Decision, What};
use crate::operations::{
    Downtime, OperationStatus, Progress, Property, Restore, Standing, Target, over, restore,
    soon_enough, spec,
};
use crate::today::day;
use crate::waiting::WaitingOn;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::sync::Arc;
use tenantry_schema::document::{
    Manage, Operation, OperationDone, OperationOutcome, OperationRecord,
};
use tenantry_schema::id::{OperationId, OrderId, ServerId};
use tenantry_schema::wire::{
    BackupsReport, InstancePhase, InstanceReport, RestoreBegun, RestoreResult, RolloutState,
};

/// Looks at every operation. What agents are to be told goes into `placed`, what is to be committed into `decisions`.
pub(super) fn plan(
    customer: &Customer<'_>,
    placed: &mut BTreeMap<ServerId, Placed>,
    decisions: &mut Vec<Decision>,
) -> Vec<Arc<OperationStatus>> {
    if customer.desired.operations.is_empty() {
        return Vec::new();
    }
    let today = day(customer.observed.now);
    let property = Property::of(customer.desired);
    let all = customer.desired.operations.iter();
    all.map(|(id, operation)| {
        let head = &customer.fleet.head;
        let whose = (&customer.desired.id, &property);
        let mut status = OperationStatus::new(head, whose, id, operation, today);
        wake(customer, operation, &status.standing);
        if let Some(resolved) = restore(customer.desired, operation) {
            let mut act = Act {
                customer,
                id,
                operation,
                status: &mut status,
                placed,
                decisions,
            };
            act.plan(resolved);
        }
        Arc::new(status)
    })
    .collect()
}

/// Looks again when an operation expires, or ends soon enough to be started.
fn wake(customer: &Customer<'_>, operation: &Operation, standing: &Standing) {
    let soon = match standing {
        Standing::TooLong { on, .. } => soon_enough(*on).to_zoned(TimeZone::UTC).ok(),
        _ => None,
    };
    let soon = soon.map(|begin| begin.timestamp());
    for at in over(operation).into_iter().chain(soon) {
        customer.wake_at(at);
    }
}

struct Act<'a, 'c> {
    customer: &'a Customer<'c>,
    id: &'a OperationId,
    operation: &'a Operation,
    status: &'a mut OperationStatus,
    placed: &'a mut BTreeMap<ServerId, Placed>,
    decisions: &'a mut Vec<Decision>,
}

impl Act<'_, '_> {
    fn plan(&mut self, resolved: Result<Restore, String>) {
        if let Ok(restore) = &resolved {
            let Restore { target, .. } = restore;
            let backups = self.reported(&target.server);
            let backups = backups.and_then(|report| report.instances.get(&target.instance));
            self.status.downtime = Some(Downtime::of(&target.instance, backups));
            self.status.target = Some(target.clone());
        }
        match self.customer.desired.records.get(self.id).cloned() {
            Some(record) => self.follow(&record, resolved.ok().as_ref()),
            None if !self.status.standing.may_start() => {}
            None => match resolved {
                Ok(restore) => match self.obstacles(&restore) {
                    obstacles if obstacles.is_empty() => self.start(&restore),
                    obstacles => self.status.waiting = obstacles,
                },
                Err(because) => self.status.waiting = vec![self.unclear(because)],
            },
        }
    }

    fn unclear(&self, because: String) -> WaitingOn {
        WaitingOn::OperationHeld {
            operation: self.id.clone(),
            because,
        }
    }

    fn reported(&self, server: &ServerId) -> Option<&BackupsReport> {
        self.customer.seen(server)?.report.backups.as_ref()
    }

    /// Why it cannot be started now.
    fn obstacles(&self, restore: &Restore) -> Vec<WaitingOn> {
        let customer = self.customer;
        let (server, instance) = (&restore.target.server, &restore.target.instance);
        let lost: Vec<_> = customer
            .lost(&restore.order)
            .iter()
            .filter(|lost| lost.what == What::Operation(self.id.clone()))
            .cloned()
            .collect();
        if !lost.is_empty() {
            return waits(&customer.order_key(&restore.order), &lost);
        }
        let known = self.reported(server).is_some_and(|report| {
            report.restores.contains_key(self.id) || report.begun.contains_key(self.id)
        });
        if known {
            return vec![self.unclear(format!(
                "the agent on {server} has done it, or begun to, already; it is not done twice under one name"
            ))];
        }
        let mut found = Vec::new();
        let document = customer.desired.servers.get(server);
        if document.is_some_and(|document| document.manage == Manage::Observe) {
            found.push(WaitingOn::ObserveOnly {
                server: server.clone(),
            });
        }
        if document.is_none_or(|document| document.agent.is_none()) {
            found.push(WaitingOn::AgentKeys {
                server: server.clone(),
            });
        }
        let placed = self.placed.get(server);
        if let Some(because) = placed.and_then(|placed| placed.held.clone()) {
            found.push(WaitingOn::SliceHeld {
                server: server.clone(),
                because,
            });
        }
        let there = placed.and_then(|placed| placed.instances.get(instance));
        if there.is_some_and(|there| !keeps(there)) || !super::backups::are_made(customer) {
            found.push(self.unclear(format!("nothing of {instance} is backed up")));
        }
        match customer.seen(server) {
            None => found.push(WaitingOn::FirstContact {
                server: server.clone(),
            }),
            Some(seen) => {
                let silent = customer.silent_since(seen);
                found.extend(silent.map(|since| WaitingOn::AgentSilent {
                    server: server.clone(),
                    since,
                }));
                match seen
                    .report
                    .instances
                    .get(instance)
                    .filter(|_| there.is_some())
                {
                    Some(report) => found.extend(self.not_up(restore, report)),
                    None => found.push(WaitingOn::Convergence {
                        instance: instance.clone(),
                        message: None,
                    }),
                }
            }
        }
        found
    }

    /// What a restore waits for: another version that is being tried, or a tool that does not run because it must not. One that is unhealthy is not
    /// waited for: its data may be what is wrong with it.
    fn not_up(&self, restore: &Restore, report: &InstanceReport) -> Option<WaitingOn> {
        let Target { server, instance } = &restore.target;
        let rollout = report.rollout.as_ref();
        let tried = rollout.is_some_and(|rollout| rollout.state == RolloutState::Trying);
        let waiting = || waiting_of(self.customer, server, instance, report);
        match report.phase {
            InstancePhase::Stopped => Some(self.unclear(format!(
                "{instance} is stopped, and what is there is backed up first, which takes a tool that runs"
            ))),
            InstancePhase::Waiting => waiting(),
            _ if tried => waiting().or_else(|| {
                Some(self.unclear(format!("another version of {instance} is being tried")))
            }),
            InstancePhase::Healthy
            | InstancePhase::Progressing
            | InstancePhase::Degraded
            | InstancePhase::Failed => None,
        }
    }

    fn start(&mut self, restore: &Restore) {
        let document = self.customer.desired.servers.get(&restore.target.server);
        let Some(agent) = document.and_then(|document| document.agent.as_ref()) else {
            return;
        };
        let record = OperationRecord {
            started: self.customer.observed.now,
            server: restore.target.server.clone(),
            instance: restore.target.instance.clone(),
            agent: agent.sign.clone(),
            done: None,
        };
        self.decide(&restore.order, record);
    }

    fn decide(&mut self, order: &OrderId, record: OperationRecord) {
        self.decisions.push(Decision {
            order: self.customer.order_key(order),
            choice: Choice::Operation(self.id.clone(), record),
        });
    }

    /// Whose record it is: the order that the file names, as long as it names the same as when it was started, else the one whose instance it was.
    fn order_of(&self, record: &OperationRecord, same: Option<&Restore>) -> Option<OrderId> {
        let named = same.map(|restore| &restore.order);
        let instance = record.instance.as_str();
        let has = |order: &&OrderId| {
            let tool = instance.strip_prefix(order.as_str());
            tool.is_some_and(|tool| tool.starts_with('-'))
        };
        // Of `shop` and `shop-de` the longer one: both may have had `shop-de-notes`, and both are the same customer's.
        let orders = self.customer.desired.orders.keys().filter(has);
        named
            .or_else(|| orders.max_by_key(|order| order.as_str().len()))
            .cloned()
    }

    /// It was started: what came of it, and what its agent is to be told.
    fn follow(&mut self, record: &OperationRecord, restore: Option<&Restore>) {
        let since = record.started;
        let result = self
            .reported(&record.server)
            .and_then(|report| report.restores.get(self.id))
            .cloned();
        if let Some(done) = &record.done {
            self.status.progress = Progress::Ended {
                done: done.clone(),
                problem: result.and_then(|result| result.problem),
            };
            return;
        }
        let server = self.customer.desired.servers.get(&record.server);
        let told = server.and_then(|server| server.agent.as_ref());
        let same_agent = told.is_some_and(|agent| agent.sign == record.agent);
        let begun = self
            .reported(&record.server)
            .and_then(|report| report.begun.get(self.id))
            .copied();
        let unknown = |why: &str| Progress::OutcomeUnknown {
            since,
            why: why.to_owned(),
        };
        let same = restore.filter(|restore| {
            restore.target.server == record.server && restore.target.instance == record.instance
        });
        let order = self.order_of(record, same);
        self.status.progress = match (result, begun, same) {
            _ if !same_agent => unknown("the agent that was told is gone, or has another key"),
            // The agent knows what it was told, whatever was ordered or written since.
            (Some(result), _, _) => match order {
                Some(order) => {
                    let done = Some(done(&result));
                    let record = record.clone();
                    self.decide(&order, OperationRecord { done, ..record });
                    Progress::Running { since }
                }
                None => unknown("its agent told that it ended, and the order is gone"),
            },
            (_, Some(RestoreBegun::OutcomeUnknown), _) => {
                unknown("the agent was broken off while it was at work")
            }
            (_, Some(RestoreBegun::Running), _) => Progress::Running { since },
            (_, None, None) => unknown("its file names something else than when it was started"),
            (_, None, Some(_)) if !self.status.standing.may_start() => {
                let why = match &self.status.standing {
                    Standing::Expired { .. } => "its last day was over before the agent told",
                    _ => "its approval was changed before the agent told",
                };
                unknown(why)
            }
            (_, None, Some(_)) => Progress::Told { at: since },
        };
        // As long as it is to be done the slice says so; an agent does not begin it a second time.
        let wanted = same.filter(|_| same_agent && self.status.standing.may_start());
        if let Some(restore) = wanted
            && let Some(placed) = self.placed.get_mut(&record.server)
        {
            let spec = spec(restore, self.operation);
            placed.restores.insert(self.id.clone(), spec);
        }
    }
}

/// What is kept for good of what the agent tells.
fn done(result: &RestoreResult) -> OperationDone {
    OperationDone {
        at: result.at,
        outcome: match result.problem {
            None => OperationOutcome::Done,
            Some(_) => OperationOutcome::Failed,
        },
        snapshot: Some(result.snapshot.clone()).filter(|snapshot| !snapshot.is_empty()),
        before: result.before.clone(),
        downtime: result.downtime,
        evidence: result.evidence.clone(),
    }
}
