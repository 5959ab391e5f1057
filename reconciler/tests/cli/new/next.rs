//! What `tenantry new` says to do next, and what it takes as people write it.

use super::fleet;

#[test]
fn what_to_do_next_can_be_typed_as_it_stands() {
    let desk = fleet();
    desk.make("customer beta").says(
        0,
        &[
            "tenantry new server beta/beta-1 --address ADDRESS --fleet fleet ",
            "tenantry new order beta/website --fleet fleet ",
        ],
    );
    let ran = desk.run(&[
        "new",
        "order",
        "beta/website",
        "--fleet",
        "fleet",
        "--plan",
        "pro",
        "--domain",
        "beta.example",
        "--tools",
        "html, guestbook",
    ]);
    ran.says(
        0,
        &[
            "tenantry plan fleet ",
            "`tenantry new server beta/beta-1 --fleet fleet`",
        ],
    );
    let order = desk.read("fleet/fleet/customers/beta/orders/website.yaml");
    assert!(
        order.contains("  html:") && order.contains("  guestbook:"),
        "{order}"
    );
    desk.run(&["plan", "fleet"]).says(2, &["beta/website"]);
}

#[test]
fn a_stack_is_taken_from_a_folder() {
    let desk = fleet();
    desk.write("app/readme.txt", "nothing to see\n");
    desk.make("stack site --from app")
        .says(1, &["is a folder without a Compose file (compose.yaml, "]);
    desk.write(
        "app/docker-compose.yml",
        "services:\n  web:\n    image: nginx:1.30\n    ports: [\"8080:80\"]\n",
    );
    desk.make("stack site --from app").says(
        0,
        &[
            "wrote stacks/site/compose.yaml",
            "tenantry new order CUSTOMER/ID --tools site --fleet fleet ",
        ],
    );
}
