//! What the loop tells: the status, put together from the plans of all customers. Cheap, because those parts are shared, not copied.

use super::Hub;
use crate::RELEASE;
use jiff::Timestamp;
use std::sync::Arc;
use tenantry_planner::status::{FleetStatus, Totals};
use tenantry_schema::Diagnostic;

impl Hub {
    /// Puts the status together and sends it to everyone who watches.
    pub(super) fn tell(&mut self) {
        let found = self.found();
        self.tell_verdicts(found.clone());
        self.tell_upkeep();
        self.status.send_replace(Arc::new(self.make_status(found)));
    }

    /// What keeps the fleet from following the branch, or the branch from getting decisions.
    fn source_problem(&self, now: Timestamp) -> Option<String> {
        let source = self.source.problem.clone();
        source
            .or_else(|| self.pushes.problem(now))
            .or_else(|| self.problem.clone())
    }

    fn make_status(&self, diagnostics: Arc<Vec<Diagnostic>>) -> FleetStatus {
        let now = Timestamp::now();
        let loaded = self.loaded.as_ref();
        let desired = loaded.and_then(|loaded| loaded.desired.as_ref());
        let mut totals = Totals::default();
        let (mut orders, mut servers, mut operations) = (Vec::new(), Vec::new(), Vec::new());
        for plan in self.plan.customers.values() {
            add(&mut totals, plan.totals);
            orders.extend(plan.orders.iter().cloned());
            servers.extend(plan.servers.iter().cloned());
            operations.extend(plan.operations.iter().cloned());
        }
        FleetStatus {
            fleet_id: desired
                .map(|desired| desired.head.hub.fleet_id.to_string())
                .unwrap_or_default(),
            release: RELEASE.to_owned(),
            mode: self.mode(),
            commit: self.source.commit.clone(),
            source_problem: self.source_problem(now),
            forge_problem: self.forge_problem.borrow().clone(),
            upkeep: self.upkeep_shown.borrow().clone(),
            at: now,
            totals,
            orders,
            servers,
            operations,
            frozen: loaded
                .map(|loaded| loaded.frozen.clone())
                .unwrap_or_default(),
            diagnostics,
        }
    }
}

fn add(sum: &mut Totals, part: Totals) {
    sum.customers += part.customers;
    sum.orders += part.orders;
    sum.fulfilled += part.fulfilled;
    sum.servers += part.servers;
    sum.healthy_servers += part.healthy_servers;
    sum.instances += part.instances;
    sum.healthy_instances += part.healthy_instances;
}
