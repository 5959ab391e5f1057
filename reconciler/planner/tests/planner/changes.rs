//! What a change of the fleet does to servers: what is told of it, and when visitors notice.

use crate::support::{Fleet, files};
use std::collections::BTreeMap;
use std::convert::Infallible;
use tenantry_planner::Plan;
use tenantry_planner::change::{ServerChange, ServiceChange, Why, compare};

const ORDER: &str = "fleet/customers/acme/orders/web.yaml";
const SERVER: &str = "fleet/customers/acme/servers/acme-1.yaml";
const PAGE: &str = "fleet/customers/acme/overrides/web.page.yaml";

/// What changes against `before`.
fn changes(fleet: &mut Fleet, before: &Plan) -> Vec<ServerChange> {
    assert_eq!(fleet.findings(), "");
    let after = fleet.plan().plan;
    let marks = |_| Ok::<_, Infallible>(BTreeMap::new());
    let Ok(changes) = compare(before, &after, &marks);
    changes
}

/// Whether visitors notice an edit: at once, and in the window.
fn noticed(fleet: &mut Fleet, edit: impl FnOnce(&mut Fleet)) -> (bool, bool) {
    let before = fleet.plan().plan;
    edit(fleet);
    let changes = changes(fleet, &before);
    assert_eq!(changes.len(), 1, "{changes:#?}");
    let both = (
        changes[0].interrupts_at_once(),
        changes[0].interrupts_in_window(),
    );
    fleet.settle();
    both
}

/// The order with these tools.
fn tools(fleet: &mut Fleet, tools: &str) {
    let order = format!("plan: pro\ndomain: acme.example\ntools: {{ {tools} }}\n");
    fleet.write(ORDER, &order);
}

const AT_ONCE: (bool, bool) = (true, false);
const IN_WINDOW: (bool, bool) = (false, true);
const NEVER: (bool, bool) = (false, false);

#[test]
fn what_is_replaced_waits_for_the_window_and_what_ends_does_not() {
    let mut fleet = Fleet::running();
    let mut edit = |to: &str| noticed(&mut fleet, |fleet| tools(fleet, to));
    let zone = "page: { env: { TZ: Europe/Berlin } }";
    assert_eq!(edit(&format!("{zone}, notes: ")), IN_WINDOW, "a variable");
    let stopped = format!("{zone}, notes: {{ state: stopped }}");
    assert_eq!(edit(&stopped), AT_ONCE, "a tool that stops");
    let both = "page: { env: { TZ: Etc/UTC } }, notes: ";
    assert_eq!(
        edit(both),
        IN_WINDOW,
        "one is replaced, the other starts again"
    );
    let stop = "page: , notes: { state: stopped }";
    assert_eq!(edit(stop), (true, true), "one is replaced, the other stops");
    assert_eq!(edit("page: "), NEVER, "what was stopped goes");
    assert_eq!(edit("page: , notes: "), NEVER, "a tool comes");
    assert_eq!(edit("notes: "), AT_ONCE, "a tool that runs goes");
}

#[test]
fn a_service_that_goes_from_a_tool_which_stays_waits_and_nobody_misses_it_in_a_stopped_one() {
    let mut fleet = Fleet::running();
    let add = |fleet: &mut Fleet| {
        fleet.write(PAGE, "services: { helper: { image: \"busybox:1\" } }\n");
    };
    let drop = |fleet: &mut Fleet| fleet.remove(PAGE);
    assert_eq!(noticed(&mut fleet, add), NEVER);
    assert_eq!(noticed(&mut fleet, drop), IN_WINDOW);
    tools(&mut fleet, "page: { state: stopped }, notes: ");
    fleet.settle();
    assert_eq!(noticed(&mut fleet, add), NEVER);
    assert_eq!(noticed(&mut fleet, drop), NEVER);
}

#[test]
fn a_name_that_goes_does_not_wait() {
    let mut fleet = Fleet::running();
    let rename = |fleet: &mut Fleet| {
        fleet.edit(ORDER, "acme.example", "acme.test");
        // The new name has to be decided first.
        fleet.settle();
    };
    let (at_once, _) = noticed(&mut fleet, rename);
    assert!(at_once);
}

#[test]
fn what_a_stack_says_beside_its_services_reaches_their_containers() {
    let mut fleet = Fleet::running();
    tools(&mut fleet, "page: { revision: main }, notes: ");
    fleet.settle();
    let before = fleet.plan().plan;
    fleet.edit("stacks/page/stack.yaml", "memory: 64M", "memory: 1G");
    fleet.settle();
    let change = changes(&mut fleet, &before).remove(0);
    let page = change.instances.values().next().unwrap();
    let why = Why::Settings(["memory of the stack".to_owned()].into());
    let replaced = ServiceChange::Replaced { why: [why].into() };
    assert_eq!(page.services["web"], replaced);
    assert!(change.interrupts_in_window());
    // A network is made anew under containers that stay.
    let before = fleet.plan().plan;
    let compose = fleet.files["stacks/page/compose.yaml"].clone();
    let network = "networks: { default: { attachable: true } }\n";
    fleet.write("stacks/page/compose.yaml", &format!("{compose}{network}"));
    fleet.settle();
    let change = changes(&mut fleet, &before).remove(0);
    let page = change.instances.values().next().unwrap();
    assert!(page.services.is_empty(), "{page:#?}");
    assert_eq!(page.networks, ["default".to_owned()].into());
    assert!(change.interrupts_in_window() && !change.interrupts_at_once());
}

#[test]
fn nobody_notices_what_no_agent_does() {
    let edit = |fleet: &mut Fleet| tools(fleet, "page: { env: { TZ: Etc/UTC } }");
    let mut watched = Fleet::running();
    let observe = files::server('a', "manage: observe\n");
    watched.write(SERVER, &observe);
    watched.settle();
    assert_eq!(noticed(&mut watched, edit), NEVER);
    // The machine stays as it is, with all that runs on it.
    let mut gone = Fleet::running();
    let leave = |fleet: &mut Fleet| fleet.remove("fleet/customers/acme");
    assert_eq!(noticed(&mut gone, leave), NEVER);
}
