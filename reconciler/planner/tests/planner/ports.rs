//! Ports of orders whose decisions went and are made anew: nothing gets a port that something else has.

use crate::support::{Fleet, files};
use std::collections::BTreeSet;
use tenantry_planner::check::check;
use tenantry_planner::decision::Choice;
use tenantry_planner::waiting::WaitingOn;

const ORDERS: &str = "fleet/customers/acme/orders";
const DECIDED: &str = "fleet/decisions/acme";

fn order(fleet: &mut Fleet, name: &str, rest: &str) {
    let text = format!("plan: pro\ndomain: {name}.example\n{rest}\n");
    fleet.write(&format!("{ORDERS}/{name}.yaml"), &text);
}

/// Every port in a slice of the server; none is there twice.
fn ports(fleet: &mut Fleet, server: &str) -> BTreeSet<u16> {
    let pass = fleet.plan();
    let slices = &pass.plan.customers["acme"].desired_slices;
    let slice = slices
        .iter()
        .find(|slice| slice.server.to_string() == server);
    let all = slice.unwrap().instances.values();
    let all: Vec<u16> = all.flat_map(|one| one.ports.values().copied()).collect();
    let each: BTreeSet<u16> = all.iter().copied().collect();
    assert_eq!(all.len(), each.len(), "{all:?}");
    each
}

#[test]
fn a_tool_that_is_decided_anew_gets_no_port_of_its_neighbour() {
    let mut fleet = Fleet::running();
    assert_eq!(ports(&mut fleet, "acme/acme-1").len(), 3);
    fleet.inventory.servers.clear();
    fleet.remove(&format!("{DECIDED}/web/server.yaml"));
    fleet.remove(&format!("{DECIDED}/web/tools/page.yaml"));
    fleet.settle();
    assert_eq!(fleet.findings(), "");
    assert_eq!(ports(&mut fleet, "acme/acme-1").len(), 3);
}

#[test]
fn a_new_order_gets_no_port_of_one_that_may_come_to_any_server() {
    let mut fleet = Fleet::running();
    fleet.inventory.servers.clear();
    fleet.remove(&format!("{DECIDED}/web/server.yaml"));
    // The removed one may be put back, and nobody knows where it was.
    order(&mut fleet, "blog", "tools: [page]");
    fleet.settle();
    fleet.remove(&format!("{DECIDED}/blog/server.yaml"));
    fleet.remove(&format!("{ORDERS}/blog.yaml"));
    order(&mut fleet, "a-new-one", "tools: [page]");
    fleet.settle();
    assert_eq!(ports(&mut fleet, "acme/acme-1").len(), 4);
    order(&mut fleet, "blog", "tools: [page]");
    fleet.settle();
    assert_eq!(fleet.findings(), "");
    assert_eq!(ports(&mut fleet, "acme/acme-1").len(), 5);
}

#[test]
fn an_order_comes_to_no_server_where_its_ports_are_taken() {
    let mut fleet = Fleet::running();
    fleet.write(
        "fleet/customers/acme/servers/acme-2.yaml",
        &files::server('b', ""),
    );
    order(&mut fleet, "blog", "server: acme-2\ntools: [page]");
    fleet.settle();
    assert!(ports(&mut fleet, "acme/acme-2").contains(&20_000));

    // By name it waits, and what runs goes on.
    let running = ports(&mut fleet, "acme/acme-1");
    fleet.remove(&format!("{DECIDED}/web/server.yaml"));
    let text = fleet.files[&format!("{ORDERS}/web.yaml")].clone();
    fleet.write(
        &format!("{ORDERS}/web.yaml"),
        &format!("{text}server: acme-2\n"),
    );
    let pass = fleet.plan();
    assert!(pass.plan.is_empty(), "nothing is decided, nothing goes");
    let orders = &pass.plan.customers["acme"].orders;
    let web = orders.iter().find(|order| order.order.as_str() == "web");
    let waiting = &web.unwrap().waiting;
    let taken = waiting
        .iter()
        .find(|why| matches!(why, WaitingOn::PortTaken { port: 20_000, .. }));
    let said = taken.unwrap().to_string();
    assert!(
        said.contains("which belongs to order blog on acme-2"),
        "{said}"
    );

    // Without a name it goes where they are free.
    fleet.write(&format!("{ORDERS}/web.yaml"), &text);
    fleet.settle();
    assert_eq!(ports(&mut fleet, "acme/acme-1"), running);
}

#[test]
fn a_port_that_was_decided_twice_is_said_where_it_stands() {
    let mut fleet = Fleet::running();
    order(&mut fleet, "blog", "tools: [page]");
    fleet.settle();
    let blog = format!("{DECIDED}/blog/tools/page.yaml");
    fleet.edit(&blog, "20003", "20000");
    let said = fleet.findings();
    assert!(
        said.contains("error[T0139]: port 20000 of acme-1"),
        "{said}"
    );
    assert!(
        said.contains(&blog) && said.contains("such as 20003"),
        "{said}"
    );
    fleet.edit(&blog, "20000", "20003");
    assert_eq!(fleet.findings(), "");
    // One tool, two sites.
    let notes = format!("{DECIDED}/web/tools/notes.yaml");
    fleet.edit(&notes, "20001", "20000");
    assert!(fleet.findings().contains("error[T0139]"));
    // What was removed is in nobody's way until it comes back.
    fleet.edit(&notes, "app: 20000", "app: 20003");
    let order = fleet.files.remove(&format!("{ORDERS}/blog.yaml")).unwrap();
    assert_eq!(fleet.findings(), "");
    fleet.write(&format!("{ORDERS}/blog.yaml"), &order);
    assert!(fleet.findings().contains("port 20003 of acme-1"));
}

#[test]
fn the_checker_lets_no_order_come_to_a_port_of_another() {
    let mut fleet = Fleet::running();
    order(&mut fleet, "blog", "tools: [page]");
    fleet.settle();
    fleet.inventory.servers.clear();
    fleet.remove(&format!("{DECIDED}/blog/server.yaml"));
    let mut pass = fleet.plan();
    let decides = |decision: &tenantry_planner::decision::Decision| {
        matches!(decision.choice, Choice::Server(_))
    };
    assert!(pass.plan.decisions().any(decides));
    // As if the port that it has were the other's.
    let customer = std::sync::Arc::make_mut(pass.desired.customers.get_mut("acme").unwrap());
    let web = customer.orders.get("web").unwrap().tools["page"]
        .ports
        .clone();
    let blog = customer.orders.get_mut("blog").unwrap();
    blog.tools.get_mut("page").unwrap().ports = web;
    let said = check(&pass.plan, &pass.desired, &fleet.inventory);
    let expected = "port 20002 of acme-1 belongs to web/page/site and blog/page/site";
    assert!(said.iter().any(|said| said == expected), "{said:?}");
}
