//! Stories of versions: pins that hold, orders that follow the branch, revisions by hand, stacks that ask for more.

use crate::scenarios::story;
use crate::support::compile::tree_of;
use crate::support::{Fleet, show};
use insta::assert_snapshot;
use tenantry_planner::decision::Choice;
use tenantry_schema::name::VariableName;

const ORDER: &str = "fleet/customers/acme/orders/web.yaml";

#[test]
fn a_pin_holds_when_the_stack_changes() {
    let mut fleet = Fleet::running();
    fleet.edit("stacks/page/compose.yaml", "nginx:1.30", "nginx:1.31");
    assert_snapshot!(story(&mut fleet));
}

#[test]
fn an_order_that_follows_the_branch_moves_its_pin_and_never_falls_back_further() {
    let mut fleet = Fleet::running();
    fleet.edit(
        ORDER,
        "[page, notes]",
        "{ page: { revision: main }, notes: }",
    );
    assert!(
        fleet.plan().plan.is_empty(),
        "it runs the branch's version already"
    );
    fleet.edit("stacks/page/compose.yaml", "nginx:1.30", "nginx:1.31");
    let newest = tree_of(&fleet.files, "page").to_string();
    let out = story(&mut fleet);
    let decision = "fleet/decisions/acme/web/tools/page.yaml";
    assert!(fleet.files[decision].contains(&newest));
    fleet.edit("stacks/page/compose.yaml", "image:", "imaeg:");
    let plan = fleet.plan().plan;
    assert!(
        plan.is_empty(),
        "a broken stack changes nothing for those who follow it: {}",
        show::both(&plan)
    );
    fleet.edit(ORDER, "{ revision: main }", "{}");
    let plan = fleet.plan().plan;
    assert!(
        plan.customers
            .values()
            .all(|part| part.orders[0].tools[1].pin.as_ref().unwrap() == &newest[..12])
    );
    assert_snapshot!(out);
}

#[test]
fn a_pin_by_hand() {
    let mut fleet = Fleet::running();
    let old = tree_of(&fleet.files, "page").to_string();
    fleet.edit("stacks/page/compose.yaml", "nginx:1.30", "nginx:1.31");
    let new = tree_of(&fleet.files, "page").to_string();
    fleet.edit(
        ORDER,
        "[page, notes]",
        &format!("{{ page: {{ revision: {new} }}, notes: }}"),
    );
    fleet.settle();
    assert!(
        fleet.files["fleet/decisions/acme/web/tools/page.yaml"].contains(&new),
        "the pin says what runs"
    );
    fleet.edit(ORDER, &format!("{{ revision: {new} }}"), "");
    assert!(
        fleet.plan().plan.is_empty(),
        "without the pin by hand the decision holds"
    );
    fleet.edit(ORDER, "page: ", &format!("page: {{ revision: {old} }}"));
    let rounds = fleet.settle();
    assert_eq!(rounds.len(), 2);
    assert!(fleet.files["fleet/decisions/acme/web/tools/page.yaml"].contains(&old));
}

#[test]
fn a_newer_stack_with_a_new_secret_and_a_new_site() {
    let mut fleet = Fleet::running();
    fleet.edit(
        ORDER,
        "[page, notes]",
        "{ page: , notes: { revision: main } }",
    );
    fleet.edit(
        "stacks/notes/stack.yaml",
        "  DB_PASSWORD: {}",
        "  DB_PASSWORD: {}\n  APP_SECRET: { length: 64 }",
    );
    fleet.edit("stacks/notes/stack.yaml", "backup:", "  \nbackup:");
    fleet.edit(
        "stacks/notes/stack.yaml",
        "  admin:",
        "  api: { service: app, port: 7070, host: api }\n  admin:",
    );
    fleet.edit(
        "stacks/notes/compose.yaml",
        "\"127.0.0.1:${SITE_ADMIN_PORT}:9090\"",
        "\"127.0.0.1:${SITE_ADMIN_PORT}:9090\", \"127.0.0.1:${SITE_API_PORT}:7070\"",
    );
    fleet.edit(
        "stacks/notes/compose.yaml",
        "DB_PASSWORD_FILE:",
        "APP_SECRET: \"${APP_SECRET}\", DB_PASSWORD_FILE:",
    );
    let before = fleet.files["fleet/decisions/acme/web/tools/notes.secrets.yaml"].clone();
    let out = story(&mut fleet);
    let rendered = fleet.render("acme/acme-1");
    let secrets = &rendered.secrets[&"web-notes".to_owned().try_into().unwrap()];
    assert_eq!(secrets.len(), 2);
    let old = before
        .lines()
        .find(|line| line.starts_with("DB_PASSWORD"))
        .unwrap();
    assert!(
        fleet.files["fleet/decisions/acme/web/tools/notes.secrets.yaml"].contains(old),
        "what was drawn stays, to the letter"
    );
    assert_snapshot!(out);
}

#[test]
fn a_secret_that_is_drawn_later_differs_from_one_that_says_so() {
    let mut fleet = Fleet::running();
    fleet.edit(
        ORDER,
        "[page, notes]",
        "{ page: , notes: { revision: main } }",
    );
    fleet.edit(
        "stacks/notes/stack.yaml",
        "  DB_PASSWORD: {}",
        "  DB_PASSWORD: { must_differ: [PIN] }\n  PIN: { length: 8, alphabet: digits }",
    );
    fleet.edit(
        "stacks/notes/compose.yaml",
        "DB_PASSWORD_FILE:",
        "PIN: \"${PIN}\", DB_PASSWORD_FILE:",
    );
    let plan = fleet.plan().plan;
    let drawn = plan
        .decisions()
        .find_map(|decision| match &decision.choice {
            Choice::Secrets(_, names) => Some(names),
            _ => None,
        });
    let pin = &drawn.unwrap()["PIN"];
    let others: Vec<&str> = pin.must_differ.iter().map(VariableName::as_str).collect();
    assert_eq!(others, ["DB_PASSWORD"]);
}

#[test]
fn a_newer_stack_that_asks_for_more_than_the_order_says_leaves_its_followers_where_they_are() {
    let mut fleet = Fleet::running();
    fleet.edit(
        ORDER,
        "[page, notes]",
        "{ page: { revision: main }, notes: }",
    );
    fleet.edit(
        "stacks/page/stack.yaml",
        "parameters:",
        "parameters:\n  OWNER: { description: Who it belongs to }",
    );
    let plan = fleet.plan().plan;
    assert!(plan.is_empty(), "{}", show::both(&plan));
    assert_snapshot!(show::diagnostics(&fleet.diagnostics));
}
