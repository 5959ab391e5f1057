//! `tenantry new`: what is written is good, nothing is overwritten, and what is missing is named or asked for.

mod next;

use crate::{Desk, two_customers};
use std::process::Command;

fn fleet() -> Desk {
    let desk = Desk::new();
    desk.run(&["init", "fleet"]).says(0, &[]);
    desk
}

impl Desk {
    /// `tenantry new … --fleet fleet`, with words divided by spaces.
    fn make(&self, words: &str) -> crate::Ran {
        let arguments: Vec<&str> = ["new"]
            .into_iter()
            .chain(words.split(' '))
            .chain(["--fleet", "fleet"])
            .collect();
        self.run(&arguments)
    }

    fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.path(path)).unwrap()
    }

    /// What Git sees as new or changed.
    fn dirty(&self) -> String {
        self.git("fleet", &["status", "--porcelain", "--untracked-files=all"])
    }
}

#[test]
fn a_customer_with_server_and_order_in_three_commands() {
    let desk = fleet();
    desk.make("customer acme --language de --brand Acme").says(
        0,
        &[
            "wrote fleet/customers/acme/customer.yaml",
            "tenantry new server acme/acme-1",
            "git -C ",
            "commit -m 'customer acme'",
        ],
    );
    desk.make("server acme/acme-1 --address 192.0.2.17").says(
        0,
        &[
            "tenantry-agent enrol --hub-url http",
            "--server acme/acme-1",
        ],
    );
    desk.make("order acme/website --plan pro --domain acme.example --tools html,guestbook")
        .says(0, &["tenantry plan"]);
    desk.run(&["check", "fleet"]).says(0, &["good: 1 customer"]);
    insta::assert_snapshot!(
        [
            "customer.yaml",
            "servers/acme-1.yaml",
            "orders/website.yaml"
        ]
        .map(|file| format!(
            "# {file}\n{}",
            desk.read(&format!("fleet/fleet/customers/acme/{file}"))
        ))
        .join("\n")
    );
    desk.commit("acme");
    desk.run(&["plan", "fleet"]).says(2, &["acme/website"]);
}

#[test]
fn a_customer_and_the_first_order_at_once() {
    let desk = fleet();
    desk.make("customer globex --with-order --order shop --plan starter --domain shop.example --tools html")
        .says(0, &["wrote fleet/customers/globex/orders/shop.yaml", "customer globex with order shop"]);
    desk.run(&["check", "fleet"]).says(0, &["good: 1 customer"]);
    desk.make("customer other --plan starter")
        .says(1, &["add --with-order"]);
}

#[test]
fn the_commit_that_is_proposed_works() {
    let desk = fleet();
    let ran = desk.make("customer acme");
    let line = ran
        .text
        .lines()
        .find(|line| line.contains("git -C"))
        .unwrap();
    let output = Command::new("sh")
        .args(["-c", line])
        .current_dir(desk.path("."))
        .envs([
            ("GIT_AUTHOR_NAME", "Jo"),
            ("GIT_AUTHOR_EMAIL", "jo@example.com"),
        ])
        .envs([
            ("GIT_COMMITTER_NAME", "Jo"),
            ("GIT_COMMITTER_EMAIL", "jo@example.com"),
        ])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(desk.dirty(), "");
    let subject = desk.git("fleet", &["log", "-1", "--format=%s"]);
    assert_eq!(subject.trim(), "customer acme");
    // In the folder itself, `-C` is left out.
    let output = Command::new(env!("CARGO_BIN_EXE_tenantry"))
        .args(["new", "customer", "beta"])
        .current_dir(desk.path("fleet"))
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        said.contains("\n  git add fleet/customers/beta && git commit"),
        "{said}"
    );
}

#[test]
fn without_a_terminal_everything_that_is_missing_is_named_at_once() {
    let desk = fleet();
    desk.make("customer acme").says(0, &[]);
    desk.make("order acme/website").says(
        1,
        &[
            "there is no terminal to ask on",
            "--plan (pro, starter)",
            "--domain",
            "--tools (guestbook, html)",
        ],
    );
    desk.make("server acme/acme-1").says(1, &["--address"]);
    desk.make("stack site")
        .says(1, &["--image (or --from FILE)", "--port"]);
    desk.run(&["new", "customer", "--fleet", "fleet"])
        .says(1, &["give these as well:\n  ID"]);
    assert_eq!(desk.dirty(), "?? fleet/customers/acme/customer.yaml\n");
}

#[test]
fn a_tool_with_a_parameter_that_has_no_default_needs_a_value() {
    let desk = fleet();
    desk.edit("fleet/stacks/html/stack.yaml", |text| {
        text.replace("    default: Welcome\n", "")
    });
    desk.make("customer acme").says(0, &[]);
    let order = "order acme/website --plan pro --domain acme.example --tools html";
    desk.make(order).says(1, &["--parameter html.TITLE=..."]);
    desk.make(&format!("{order} --parameter html.TITLE=no"))
        .says(0, &[]);
    let text = desk.read("fleet/fleet/customers/acme/orders/website.yaml");
    assert!(text.contains("TITLE: \"no\"\n"), "{text}");
    desk.run(&["check", "fleet"]).says(0, &["good"]);
    desk.make(&format!(
        "{} --parameter guestbook.TITLE=x",
        order.replace("website", "b")
    ))
    .says(1, &["the order has no tool `guestbook`"]);
}

#[test]
fn nothing_is_overwritten_and_nothing_wrong_is_written() {
    let desk = Desk::new();
    two_customers(&desk);
    let cases = [
        ("customer acme", "the customer `acme` is there already"),
        ("server acme/acme-1 --address 192.0.2.3", "never overwrites"),
        (
            "order acme/website --domain x.example --tools html",
            "never overwrites",
        ),
        (
            "stack html --image nginx:1.30 --port 80",
            "the stack `html` is there already",
        ),
        (
            "order acm/website --domain x.example --tools html",
            "did you mean `acme`?",
        ),
        (
            "order nobody/website --domain x.example --tools html",
            "`tenantry new customer nobody` makes one",
        ),
        (
            "order acme/shop --plan gold --domain x.example --tools html",
            "fleet/hub.yaml has: basic",
        ),
        (
            "order acme/shop --domain x.example --tools htlm",
            "unknown tool `htlm`",
        ),
        (
            "order acme/shop --domain x.example --tools html --server nine",
            "it has: acme-1",
        ),
        // Both would answer at html.acme.example.
        (
            "order acme/shop --domain acme.example --tools html",
            "nothing was written",
        ),
        (
            "stack site --image nginx --port 80",
            "write a version, such as `nginx:1.2`",
        ),
        ("server acme/two --address 192.0.2.300", "invalid"),
        (
            "server acme/two --address 192.0.2.3 --window sometimes",
            "--window",
        ),
        ("customer Acme", "lower-case letters"),
        ("order acme --domain x.example", "CUSTOMER/ID"),
        (
            "order acme/shop --domain x..example --tools html",
            "--domain",
        ),
    ];
    for (words, why) in cases {
        let ran = desk.make(words);
        assert_ne!(ran.code, 0, "{words}: {}", ran.text);
        assert!(ran.text.contains(why), "{words}: {}", ran.text);
        assert_eq!(desk.dirty(), "", "{words}");
    }
}

#[test]
fn a_mistake_that_was_there_before_is_no_hindrance() {
    let desk = Desk::new();
    two_customers(&desk);
    desk.edit("fleet/fleet/customers/acme/orders/website.yaml", |text| {
        text.replace("html", "htlm")
    });
    desk.make("customer initech").says(0, &["wrote"]);
    desk.make("order acme/second --domain second.example --tools html")
        .says(0, &["wrote"]);
}

#[test]
fn a_domain_that_somebody_has_is_a_warning() {
    let desk = Desk::new();
    two_customers(&desk);
    desk.make("order acme/shop --domain globex.example --tools html")
        .says(0, &["waits for its domain `globex.example`", "wrote"]);
}

#[test]
fn a_dry_run_and_programs() {
    let desk = fleet();
    desk.make("customer acme --dry-run").says(
        0,
        &[
            "--- fleet/customers/acme/customer.yaml",
            "language: en",
            "nothing was written",
        ],
    );
    assert_eq!(desk.dirty(), "");
    let ran = desk.make("customer acme --json");
    let value: serde_json::Value = serde_json::from_str(&ran.text).unwrap();
    assert_eq!(value["written"], true);
    let text = value["files"]["fleet/customers/acme/customer.yaml"]
        .as_str()
        .unwrap();
    assert!(text.contains("language: en"));
    assert!(value["commit"].as_str().unwrap().contains("git"));
    let ran = desk.make("server acme/a --address 192.0.2.1 --json --dry-run");
    let value: serde_json::Value = serde_json::from_str(&ran.text).unwrap();
    assert_eq!(value["written"], false);
    assert_eq!(desk.dirty(), "?? fleet/customers/acme/customer.yaml\n");
}

#[test]
fn a_stack_from_an_image_can_be_ordered() {
    let desk = fleet();
    desk.make("stack my-site --image nginx:1.30 --port 80")
        .says(
            0,
            &[
                "wrote stacks/my-site/compose.yaml",
                "read stacks/my-site/stack.yaml",
            ],
        );
    desk.make("customer acme --with-order --plan pro --domain acme.example --tools my-site")
        .says(0, &[]);
    desk.run(&["check", "fleet"])
        .says(0, &["good: 1 customer, 3 stacks"]);
    let stack = desk.read("fleet/stacks/my-site/stack.yaml");
    assert!(stack.contains("title: \"My site\"\n"), "{stack}");
}

#[test]
fn files_are_needed_to_write_to() {
    let desk = Desk::new();
    desk.run(&["init", "fleet", "--bare"]).says(0, &[]);
    desk.make("customer acme")
        .says(1, &["`new` works where the fleet is checked out"]);
    desk.run(&["new", "customer", "acme", "--fleet", "nowhere"])
        .says(1, &[]);
}

#[test]
fn pools_and_operations() {
    let desk = Desk::new();
    two_customers(&desk);
    desk.edit("fleet/fleet/customers/acme/orders/website.yaml", |text| {
        text.replace("[html]", "[html, guestbook]")
    });
    desk.make("pool standard").says(1, &["--spares"]);
    desk.make("pool standard --spares 2 --size cx22 --plans basic --warm html")
        .says(0, &["wrote fleet/pools/standard.yaml"]);
    desk.make("pool other --spares 2 --plans nothing")
        .says(1, &["nothing was written"]);
    let good = [
        "restore acme-1/html",
        "wipe acme-1/html",
        "reinstall acme-1",
        "snapshot acme-1",
        "power-cycle acme-1",
        "rotate website/guestbook --secret DB_PASSWORD",
        "retry website",
    ];
    for words in good {
        let ran = desk.make(&format!("operation acme {words} --reason ticket-812"));
        assert_eq!(ran.code, 0, "{words}: {}", ran.text);
        assert!(
            ran.text
                .contains("wrote fleet/customers/acme/operations/20"),
            "{}",
            ran.text
        );
    }
    desk.run(&["check", "fleet"])
        .says(0, &["good: 2 customers"]);
    let bad = [
        ("restore html", "takes SERVER/TOOL"),
        ("restore acme-2/html", "it has: acme-1"),
        ("restore acme-1/nextcloud", "no tool `nextcloud`"),
        (
            "restore acme-1/html --from yesterday",
            "a choice of backups",
        ),
        ("move website", "--to"),
        ("rotate website/html", "--secret"),
        ("burn acme-1", "possible values"),
    ];
    for (words, why) in bad {
        let ran = desk.make(&format!("operation acme {words} --reason x"));
        assert!(
            ran.code != 0 && ran.text.contains(why),
            "{words}: {}",
            ran.text
        );
    }
    desk.make("operation acme snapshot acme-1")
        .says(1, &["--reason"]);
}
