//! Plans of many servers: what they have in common is told once, nothing of value is hidden, and a comment has an end.

use super::decided;
use crate::Desk;

#[test]
fn a_new_image_of_a_stack_is_one_line_however_many_run_it() {
    let desk = Desk::new();
    decided(&desk);
    for number in 0..30 {
        let folder = format!("fleet/fleet/customers/many-{number}");
        desk.write(&format!("{folder}/customer.yaml"), "");
        let agent = Desk::agent();
        desk.write(
            &format!("{folder}/servers/one.yaml"),
            &format!(
                "provider: static\naddress: 192.0.2.{}\n{agent}",
                100 + number
            ),
        );
        desk.write(
            &format!("{folder}/orders/web.yaml"),
            &format!("plan: basic\ndomain: many-{number}.example\ntools: [guestbook]\n"),
        );
    }
    desk.commit("thirty more");
    desk.hub_acts(2);
    desk.edit("fleet/stacks/guestbook/compose.yaml", |text| {
        text.replace("tenantry/guestbook:1.0", "tenantry/guestbook:1.1")
            .replace("postgres:15", "postgres:16")
    });
    for number in 0..30 {
        let order = format!("fleet/fleet/customers/many-{number}/orders/web.yaml");
        desk.edit(&order, |text| {
            text.replace("[guestbook]", "{ guestbook: { revision: main } }")
        });
    }
    let ran = desk.run(&["plan", "fleet"]);
    ran.says(
        2,
        &[
            "~ guestbook on 30 servers of 30 customers",
            "web: replaced (image tenantry/guestbook:1.0 → tenantry/guestbook:1.1)",
            "a new image opens the data of the old one (the stack declares a backup): many-0/one web-guestbook, ",
        ],
    );
    assert!(!ran.text.contains("many-7/one"), "{}", ran.text);
    desk.run(&["plan", "fleet", "--all"])
        .says(2, &["many-7/one"]);
    let markdown = desk.run(&["plan", "fleet", "--markdown"]);
    markdown.says(2, &[
        "| `~` | guestbook | db: replaced (image postgres:15 → postgres:16); web: replaced (image tenantry/guestbook:1.0 → tenantry/guestbook:1.1) | 30 |",
        "<summary>many-7 (1 server)</summary>",
        "a new image opens the data of the old one (the stack declares a backup)",
    ]);
    assert!(markdown.text.len() < 65_536);
    the_rest_is_not_hidden(&desk);
}

/// Windows on 21 of the servers, one that is only observed, and a tool that stops.
fn the_rest_is_not_hidden(desk: &Desk) {
    let server = |number: usize| format!("fleet/fleet/customers/many-{number}/servers/one.yaml");
    for number in 0..21 {
        desk.edit(&server(number), |text| {
            format!("{text}window: Sun 02:00-05:00\n")
        });
    }
    desk.edit(&server(28), |text| format!("{text}manage: observe\n"));
    desk.edit("fleet/fleet/customers/many-29/orders/web.yaml", |text| {
        text.replace("revision: main", "revision: main, state: stopped")
    });
    let ran = desk.run(&["plan", "fleet"]);
    ran.says(2, &[]);
    let (_, terminal) = ran.text.split_once("as they are now\n").unwrap();
    insta::assert_snapshot!("terminal", without_pins(terminal));
    let ran = desk.run(&["plan", "fleet", "--markdown"]);
    ran.says(2, &[]);
    let (_, comment) = ran.text.split_once("as they are now\n").unwrap();
    let (before_customers, _) = comment.split_once("<details><summary>many-").unwrap();
    insta::assert_snapshot!("comment", without_pins(before_customers));
}

/// Without decisions, which name the tree of the stack: it is another one whenever somebody edits the stack.
fn without_pins(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.contains("guestbook at "));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_comment_is_never_longer_than_a_forge_takes() {
    let desk = Desk::new();
    decided(&desk);
    for number in 0..500 {
        let folder = format!("fleet/fleet/customers/a-customer-with-a-long-name-{number}");
        desk.write(&format!("{folder}/customer.yaml"), "");
        desk.write(
            &format!("{folder}/servers/s.yaml"),
            &format!(
                "provider: static\naddress: 198.51.{}.{}\n",
                number / 250,
                number % 250 + 1
            ),
        );
        for order in ["one", "two"] {
            desk.write(
                &format!("{folder}/orders/{order}.yaml"),
                &format!(
                    "plan: basic\ndomain: {order}-{number}.example\nserver: s\ntools: {{ guestbook: {{ parameters: {{ TITLE: Title {number} }} }} }}\n"
                ),
            );
        }
    }
    let markdown = desk.run(&["plan", "fleet", "--markdown"]);
    assert!(markdown.text.len() < 65_536, "{}", markdown.text.len());
    let folds = |word: &str| markdown.text.matches(word).count();
    assert_eq!(
        folds("<details>"),
        folds("</details>"),
        "nothing stays open"
    );
    let alike = "a-customer-with-a-long-name-1/one and 997 more wait: server s has no agent keys";
    markdown.says(2, &["- and 3960 more", alike]);
    let ran = desk.run(&["plan", "fleet"]);
    assert!(ran.text.lines().count() < 100, "{}", ran.text);
    let ran = desk.run(&["plan", "fleet", "--all"]);
    ran.says(2, &["a-customer-with-a-long-name-499/two"]);
}
