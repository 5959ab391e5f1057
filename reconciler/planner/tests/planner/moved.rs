//! Files that are renamed with `moved_from:` stay what they were: nothing is decided, made or stopped because of the name.

use crate::support::Fleet;
use crate::support::show::everything;

const ORDERS: &str = "fleet/customers/acme/orders";
const SERVERS: &str = "fleet/customers/acme/servers";

/// The order `web` under another file name.
fn renamed() -> Fleet {
    let mut fleet = Fleet::running();
    rename_order(&mut fleet);
    fleet
}

fn rename_order(fleet: &mut Fleet) {
    let text = fleet.files[&format!("{ORDERS}/web.yaml")].clone();
    fleet.remove(&format!("{ORDERS}/web.yaml"));
    fleet.write(
        &format!("{ORDERS}/site.yaml"),
        &format!("{text}moved_from: web\n"),
    );
}

/// The server `acme-1` under another file name.
fn rename_server(fleet: &mut Fleet) {
    let text = fleet.files[&format!("{SERVERS}/acme-1.yaml")].clone();
    fleet.remove(&format!("{SERVERS}/acme-1.yaml"));
    fleet.write(
        &format!("{SERVERS}/big.yaml"),
        &format!("{text}moved_from: acme-1\n"),
    );
}

#[test]
fn an_order_under_another_file_name_is_the_same_order() {
    let mut fleet = Fleet::running();
    let before = everything(&fleet.plan().plan);
    rename_order(&mut fleet);
    let pass = fleet.plan();
    assert_eq!(fleet.findings(), "");
    assert_eq!(everything(&pass.plan), before);
    let acme = &pass.desired.customers["acme"];
    assert_eq!(
        acme.orders
            .keys()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        ["web"]
    );
}

#[test]
fn without_it_the_order_is_another_one() {
    let mut fleet = renamed();
    fleet.edit(&format!("{ORDERS}/site.yaml"), "moved_from: web\n", "");
    let pass = fleet.plan();
    assert!(pass.desired.customers["acme"].orders.contains_key("site"));
}

#[test]
fn a_server_under_another_file_name_is_the_same_server() {
    let mut fleet = Fleet::running();
    let before = everything(&fleet.plan().plan);
    rename_server(&mut fleet);
    assert_eq!(everything(&fleet.plan().plan), before);
    // An order may name it by either name.
    for name in ["acme-1", "big"] {
        let mut fleet = Fleet::running();
        rename_server(&mut fleet);
        let server = format!("plan: pro\nserver: {name}\n");
        fleet.edit(&format!("{ORDERS}/web.yaml"), "plan: pro\n", &server);
        assert_eq!(fleet.findings(), "", "{name}");
        let desired = fleet.compile();
        let order = &desired.customers["acme"].orders["web"];
        let named = order.document.server.as_ref().map(ToString::to_string);
        assert_eq!(named.as_deref(), Some("acme-1"));
    }
}

#[test]
fn a_mistake_is_shown_in_the_file_that_is_there() {
    let mut fleet = renamed();
    fleet.edit(&format!("{ORDERS}/site.yaml"), "page", "pgae");
    let said = fleet.findings();
    assert!(said.contains("orders/site.yaml:3:"), "{said}");
    assert!(!said.contains("orders/web.yaml"), "{said}");
}

#[test]
fn names_that_cannot_be_leave_everything_as_it_was() {
    let mut fleet = renamed();
    fleet.write(
        &format!("{ORDERS}/other.yaml"),
        "plan: pro\ndomain: other.example\nmoved_from: web\n",
    );
    let said = fleet.findings();
    assert!(said.contains("error[T0128]"), "{said}");
}

/// The stack `page` is called `landing` now, and the order says so.
fn rename_stack(fleet: &mut Fleet) {
    let stack: Vec<(String, String)> = fleet
        .files
        .iter()
        .filter(|(path, _)| path.starts_with("stacks/page/"))
        .map(|(path, text)| {
            (
                path.replace("stacks/page/", "stacks/landing/"),
                text.clone(),
            )
        })
        .collect();
    fleet.remove("stacks/page/");
    fleet.files.extend(stack);
    fleet.edit(
        &format!("{ORDERS}/web.yaml"),
        "[page, notes]",
        "{ landing: { moved_from: page }, notes: }",
    );
}

#[test]
fn a_tool_whose_stack_was_renamed_is_the_same_tool() {
    let mut fleet = Fleet::running();
    let before = everything(&fleet.plan().plan);
    rename_stack(&mut fleet);
    assert_eq!(fleet.findings(), "");
    // The tree's id of these tests depends on the folder's name, so there is a newer one.
    let after = everything(&fleet.plan().plan).replace(", newer available", "");
    let after = after.replace("newer_available: true", "newer_available: false");
    assert_eq!(after, before, "pin, ports, names: nothing is new");
    // It follows its stack under the new name.
    let path = format!("{ORDERS}/web.yaml");
    fleet.edit(
        &path,
        "moved_from: page",
        "moved_from: page, revision: main",
    );
    fleet.edit(
        "stacks/landing/stack.yaml",
        "title: Page",
        "title: Landing page",
    );
    assert_eq!(fleet.findings(), "");
    fleet.settle();
    let desired = fleet.compile();
    let tool = &desired.customers["acme"].orders["web"].tools["page"];
    assert_eq!(tool.stack.as_ref().unwrap().document.title, "Landing page");
    assert_eq!(tool.pin.unwrap().stack, tool.stack.as_ref().unwrap().tree);
}

#[test]
fn a_mistake_of_a_renamed_tool_is_shown_where_it_stands() {
    let mut fleet = Fleet::running();
    rename_stack(&mut fleet);
    let path = format!("{ORDERS}/web.yaml");
    fleet.edit(
        &path,
        "moved_from: page",
        "moved_from: page, parameters: { TITEL: x }",
    );
    let said = fleet.findings();
    assert!(said.contains("TITEL"), "{said}");
    assert!(said.contains("orders/web.yaml:3:"), "{said}");
}

#[test]
fn names_of_tools_that_cannot_be_are_said() {
    for (tools, wrong) in [
        (
            "{ page: { moved_from: page }, notes: }",
            "was moved from itself",
        ),
        (
            "{ page: { moved_from: notes }, notes: }",
            "tool `notes` is still there",
        ),
        (
            "{ notes: { moved_from: page } }",
            "has decisions of its own",
        ),
    ] {
        let mut fleet = Fleet::running();
        fleet.edit(&format!("{ORDERS}/web.yaml"), "[page, notes]", tools);
        let said = fleet.findings();
        assert!(
            said.contains("error[T0128]") && said.contains(wrong),
            "{tools}: {said}"
        );
    }
}
