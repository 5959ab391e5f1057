//! A `.sops.yaml` that is broken: said by every command and on the page, in the way of new secrets alone.

use crate::secrets::run_with;
use crate::{Desk, two_customers};

const KEY: [&str; 2] = ["--key", "fleet-keys/hub.agekey"];

fn order(desk: &Desk, name: &str, tool: &str) {
    desk.write(
        &format!("fleet/fleet/customers/acme/orders/{name}.yaml"),
        &format!("plan: basic\ndomain: {name}.example.org\ntools: [{tool}]\n"),
    );
}

fn there(desk: &Desk, path: &str) -> bool {
    desk.path(&format!("fleet/fleet/decisions/acme/{path}"))
        .exists()
}

#[test]
fn one_broken_line_stops_nobody_and_is_said_everywhere() {
    let desk = Desk::new();
    two_customers(&desk);
    desk.run(&[&["activate", "fleet"][..], &KEY].concat())
        .says(0, &[]);
    desk.hub_acts(2);
    let rules = std::fs::read_to_string(desk.path("fleet/.sops.yaml")).unwrap();
    desk.write("fleet/.sops.yaml", "creation_rules: [\n");
    order(&desk, "plain", "html");
    order(&desk, "book", "guestbook");
    desk.run(&["check", "fleet"])
        .says(1, &["T0140", ".sops.yaml:", "orders that need new secrets"]);
    desk.git("fleet", &["add", "-A"]);
    desk.run(&["check", "fleet", "--staged"])
        .says(1, &["T0140"]);
    desk.run(&["plan", "fleet"]).says(1, &["T0140"]);
    desk.commit("a slip of the finger");
    desk.hub_acts(2);
    assert!(there(&desk, "plain/tools/html.yaml"));
    assert!(there(&desk, "book/server.yaml"));
    assert!(!there(&desk, "book/tools/guestbook.secrets.yaml"));
    desk.write("fleet/.sops.yaml", &rules);
    desk.commit("mended");
    desk.hub_acts(2);
    assert!(there(&desk, "book/tools/guestbook.secrets.yaml"));
    desk.run(&["check", "fleet"]).says(0, &["good"]);
}

#[test]
fn a_recipient_that_is_none_is_found_before_it_is_needed() {
    let desk = Desk::new();
    two_customers(&desk);
    desk.edit("fleet/.sops.yaml", |text| {
        let at = text.rfind("age: ").unwrap();
        format!("{}age: age1nope,{}", &text[..at], &text[at + 5..])
    });
    desk.run(&["check", "fleet"]).says(
        1,
        &["T0140", "`age1nope` is not an age recipient", "^^^^^^^^"],
    );
    run_with(&desk, "fleet", &["secrets", "set", "acme", "a"], "x", &[])
        .says(1, &[".sops.yaml", "age1nope"]);
}
