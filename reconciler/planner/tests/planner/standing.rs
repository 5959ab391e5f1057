//! What the standing of a customer means for their orders.

use crate::support::Fleet;
use tenantry_schema::document::State;

const CUSTOMER: &str = "fleet/customers/acme/customer.yaml";

#[test]
fn a_suspended_customer_has_every_tool_stopped_and_keeps_what_was_decided() {
    let mut fleet = Fleet::running();
    let before = fleet.compile();
    fleet.write(CUSTOMER, "status: suspended\n");
    let pass = fleet.plan();
    assert_eq!(fleet.findings(), "");
    let order = &pass.desired.customers["acme"].orders["web"];
    let states = order
        .tools
        .values()
        .map(|tool| tool.document.wanted_state());
    assert!(states.into_iter().all(|state| state == State::Stopped));
    let old = &before.customers["acme"].orders["web"];
    assert_eq!(order.server, old.server);
    assert_eq!(order.claim, old.claim);
    for (name, tool) in &order.tools {
        assert_eq!(tool.pin, old.tools[name].pin);
        assert_eq!(tool.ports, old.tools[name].ports);
    }
    // The server is told to stop them, and back again.
    let stopped = fleet.render("acme/acme-1");
    fleet.write(CUSTOMER, "status: active\n");
    let running = fleet.render("acme/acme-1");
    assert_ne!(format!("{stopped:?}"), format!("{running:?}"));
}

#[test]
fn nothing_is_decided_for_a_pending_customer() {
    let mut fleet = Fleet::with_acme();
    fleet.write(CUSTOMER, "status: pending\n");
    fleet.write(
        "fleet/customers/acme/orders/web.yaml",
        "plan: pro\ndomain: acme.example\ntools: [page]\n",
    );
    fleet.settle();
    assert!(
        !fleet
            .files
            .keys()
            .any(|path| path.starts_with("fleet/decisions/"))
    );
    fleet.write(CUSTOMER, "{}\n");
    fleet.settle();
    assert!(
        fleet
            .files
            .keys()
            .any(|path| path.starts_with("fleet/decisions/acme/web/"))
    );
}
