//! How much a change does, in numbers.

use serde::Serialize;
use std::collections::BTreeSet;
use tenantry_planner::change::{Effect, ServerChange, ServiceChange, SiteChange};
use tenantry_schema::id::{CustomerId, ServerKey};

/// How much happens. Servers count wherever something differs; containers, sites and visitors only where the agent does what is asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Totals {
    pub(crate) customers: usize,
    pub(crate) servers: usize,
    pub(crate) created: usize,
    pub(crate) replaced: usize,
    pub(crate) removed: usize,
    pub(crate) stopped: usize,
    pub(crate) started: usize,
    pub(crate) sites_added: usize,
    pub(crate) sites_removed: usize,
    /// Servers where visitors notice.
    pub(crate) interrupted: usize,
    /// Servers where some of that waits for no maintenance window, or there is none.
    pub(crate) interrupted_at_once: usize,
    /// Servers where some of that waits for a maintenance window.
    pub(crate) waiting_for_window: usize,
    /// Servers whose agents begin to act: whatever they find to do there is counted nowhere.
    pub(crate) begins: usize,
    /// Servers whose agents only report, so that nothing happens there.
    pub(crate) observed: usize,
    /// Servers that are no longer in the fleet, and stay as they are.
    pub(crate) left: usize,
}

/// Counts what happens.
pub(super) fn totals(changes: &[ServerChange]) -> Totals {
    let mut totals = Totals::default();
    let mut customers: BTreeSet<&CustomerId> = BTreeSet::new();
    let mut servers: BTreeSet<&ServerKey> = BTreeSet::new();
    for change in changes {
        customers.insert(&change.server.customer);
        servers.insert(&change.server);
        match change.effect() {
            Effect::Follows => {}
            Effect::Begins => totals.begins += 1,
            Effect::Observed => {
                totals.observed += 1;
                continue;
            }
            Effect::Left => {
                totals.left += 1;
                continue;
            }
        }
        for instance in change.instances.values() {
            for service in instance.services.values() {
                match service {
                    ServiceChange::Created { .. } => totals.created += 1,
                    ServiceChange::Removed => totals.removed += 1,
                    ServiceChange::Replaced { .. } => totals.replaced += 1,
                    ServiceChange::Stopped => totals.stopped += 1,
                    ServiceChange::Started => totals.started += 1,
                    ServiceChange::Files { .. } => {}
                }
            }
            for site in instance.sites.values() {
                match site {
                    SiteChange::Added => totals.sites_added += 1,
                    SiteChange::Removed => totals.sites_removed += 1,
                    SiteChange::Changed => {}
                }
            }
        }
        let later = change.interrupts_in_window();
        let waits = later && change.window.is_some();
        let at_once = change.interrupts_at_once() || later && !waits;
        totals.interrupted += usize::from(at_once || waits);
        totals.interrupted_at_once += usize::from(at_once);
        totals.waiting_for_window += usize::from(waits);
    }
    totals.customers = customers.len();
    totals.servers = servers.len();
    totals
}
