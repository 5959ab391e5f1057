//! Fleets at remotes: over HTTP and HTTPS through nginx and `git http-backend`, over SSH through a real sshd; with many who push at once.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod concurrency;
mod https;
mod slow;
mod ssh;

use std::time::Duration;
use tenantry_planner::status::FleetStatus;
use tenantry_tests::rig::{Fleet, Hub};

/// For what happens at once; a machine may be busy.
const SOON: Duration = Duration::from_mins(2);

/// Waits until the hub has read the newest commit and decided all of `orders`.
async fn decided(hub: &Hub, fleet: &Fleet, orders: usize, timeout: Duration) -> FleetStatus {
    let done = |status: &FleetStatus| {
        let head = fleet.head().unwrap_or_default();
        status.source_problem.is_none()
            && status
                .commit
                .as_ref()
                .is_some_and(|commit| commit.id == head)
            && status.orders.len() == orders
            && status.orders.iter().all(|order| {
                order.server.is_some() && order.tools.iter().all(|tool| tool.pin.is_some())
            })
    };
    hub.wait_for(timeout, "the end of deciding", done)
        .await
        .unwrap()
}

/// Waits until the hub says what is wrong with its remote.
async fn complaint(hub: &Hub, what: &str) -> String {
    let said = |status: &FleetStatus| {
        status
            .source_problem
            .as_ref()
            .is_some_and(|problem| problem.contains(what))
    };
    let status = hub.wait_for(SOON, what, said).await.unwrap();
    status.source_problem.unwrap_or_default()
}

fn order(customer: usize, number: usize, title: &str) -> (String, String) {
    let path = format!("fleet/customers/c{customer}/orders/o{number}.yaml");
    let text = format!(
        "plan: pro\ndomain: c{customer}-{number}.test\ntools: {{ html: {{ parameters: {{ TITLE: \"{title}\" }} }} }}\n"
    );
    (path, text)
}
