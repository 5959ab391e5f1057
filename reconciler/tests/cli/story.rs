//! From nothing to a slice on its way, as somebody does it who has never seen the program: once as it is meant, once with a mistake at every step,
//! each of which ends with 1 and says what to do.

use crate::{Desk, Ran};

const ORDER: &str = "fleet/fleet/customers/acme/orders/website.yaml";
const SERVER: &str = "fleet/fleet/customers/acme/servers/acme-1.yaml";
const KEY: [&str; 2] = ["--key", "fleet-keys/hub.agekey"];

/// Runs the program with words that are divided by spaces.
fn run(desk: &Desk, words: &str) -> Ran {
    desk.run(&words.split(' ').collect::<Vec<_>>())
}

/// The same for a mistake: it ends with 1, and says the way out.
#[track_caller]
fn wrong(desk: &Desk, words: &str, way_out: &[&str]) {
    run(desk, words).says(1, way_out);
}

fn activate(desk: &Desk) {
    desk.run(&[&["activate", "fleet"][..], &KEY].concat())
        .says(0, &["may act"]);
}

fn add_a_tool(desk: &Desk, tool: &str) {
    desk.edit(ORDER, |text| {
        text.replace("tools:\n", &format!("tools:\n  {tool}:\n"))
    });
}

/// What the slice of the server holds that the hub published.
fn slice(desk: &Desk) -> String {
    let reference = "refs/servers/acme/acme-1";
    desk.git(
        "data/slices.git",
        &["ls-tree", "-r", "--name-only", reference],
    )
}

#[test]
fn a_fleet_goes_from_nothing_to_a_slice() {
    let desk = Desk::new();
    run(&desk, "init fleet --url https://hub.example").says(
        0,
        &[
            "tenantry new customer ID",
            "tenantry activate fleet",
            "tenantry serve",
        ],
    );
    activate(&desk);
    // A customer, a machine and an order, on a branch.
    desk.git("fleet", &["switch", "-qc", "acme"]);
    run(&desk, "new customer acme --language de --fleet fleet")
        .says(0, &["tenantry new server acme/acme-1"]);
    run(
        &desk,
        "new server acme/acme-1 --address 192.0.2.17 --fleet fleet",
    )
    .says(0, &["tenantry-agent enrol", "add the line that it prints"]);
    let agent = Desk::agent();
    desk.edit(SERVER, |text| format!("{text}{agent}"));
    let order = "new order acme/website --plan pro --domain acme.example --tools html";
    run(&desk, &format!("{order} --fleet fleet")).says(0, &["tenantry plan"]);
    run(&desk, "check fleet").says(0, &["good: 1 customer"]);
    desk.commit("customer acme");
    run(&desk, "plan fleet --to acme --markdown").says(
        2,
        &[
            "### What this changes",
            "**1 server of 1 customer; containers: 1 created; nobody notices**",
            "| `+` | html | web: created from ",
            "answers at https://acme.example",
            "- add acme.example A 192.0.2.17",
            "<summary>The hub will make 3 decisions</summary>",
            "- takes **a manager**: fleet/customers/acme/customer.yaml, ",
        ],
    );
    desk.git("fleet", &["switch", "-q", "main"]);
    desk.git("fleet", &["merge", "-q", "--no-ff", "--no-edit", "acme"]);
    desk.hub_acts(2);
    assert!(slice(&desk).contains("stacks/website-html/compose.yaml"));
    run(&desk, "plan fleet").says(0, &["nothing changes on any server"]);
    // Another tool.
    desk.git("fleet", &["switch", "-qc", "guest-book"]);
    add_a_tool(&desk, "guestbook");
    run(&desk, "check fleet").says(0, &["good: 1 customer"]);
    desk.commit("a guest book");
    let ran = run(&desk, "plan fleet --to guest-book --markdown");
    ran.says(
        2,
        &[
            "**1 server of 1 customer; containers: 2 created; nobody notices**",
            "| `+` | guestbook | db: created from ",
            "new volume website-guestbook",
            "answers at https://guestbook.acme.example",
            "guestbook secrets generated: DB",
            &format!("- takes **a manager**: {}\n", &ORDER["fleet/".len()..]),
        ],
    );
    assert!(!ran.text.contains("html"), "{}", ran.text);
    desk.git("fleet", &["switch", "-q", "main"]);
    desk.git(
        "fleet",
        &["merge", "-q", "--no-ff", "--no-edit", "guest-book"],
    );
    desk.hub_acts(2);
    let slice = slice(&desk);
    for file in ["compose.yaml", "secrets.yaml"] {
        let path = format!("stacks/website-guestbook/{file}");
        assert!(slice.contains(&path), "{slice}");
    }
    // It is done: there is nothing left to plan, nor to do.
    run(&desk, "plan fleet").says(0, &["nothing changes on any server"]);
    desk.hub_acts(0);
}

#[test]
fn a_mistake_at_every_step_is_met_with_the_way_out() {
    let desk = Desk::new();
    a_fleet(&desk);
    a_customer_and_a_server(&desk);
    an_order_and_a_tool(&desk);
    a_branch_that_is_planned_and_merged(&desk);
    a_hub_that_runs(&desk);
}

fn a_fleet(desk: &Desk) {
    desk.write("busy/notes.txt", "mine");
    wrong(desk, "init busy", &["name one that is not there yet"]);
    wrong(
        desk,
        "init fleet --url hub.example",
        &["expected `https://hub.example.com`"],
    );
    run(desk, "init fleet --url https://hub.example").says(0, &[]);
}

fn a_customer_and_a_server(desk: &Desk) {
    wrong(
        desk,
        "new customer acme",
        &["name the folder of a fleet", "`tenantry init DIR`"],
    );
    wrong(
        desk,
        "new customer Acme_Inc --fleet fleet",
        &["use lower-case letters, digits and single hyphens"],
    );
    run(desk, "new customer acme --fleet fleet").says(0, &[]);

    let server = |name: &str, more: &str| format!("new server {name} {more} --fleet fleet");
    wrong(
        desk,
        &server("acm/acme-1", "--address 192.0.2.17"),
        &["did you mean `acme`?"],
    );
    wrong(
        desk,
        &server("acme/acme-1", "--address 192.0.2.300"),
        &["write one like `192.0.2.17`"],
    );
    wrong(
        desk,
        &server("acme/acme-1", "--address 192.0.2.17 --window Sunday"),
        &["write `Sun 02:00-05:00`"],
    );
    run(desk, &server("acme/acme-1", "--address 192.0.2.17")).says(0, &[]);

    // Half of the agent's line was copied.
    let good = std::fs::read_to_string(desk.path(SERVER)).unwrap();
    desk.write(
        SERVER,
        &format!("{good}agent: {{ sign: ssh-ed25519 AAAAC3, age: age1xyz }}\n"),
    );
    wrong(
        desk,
        "check fleet",
        &[
            "servers/acme-1.yaml:",
            "expected `ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI` and 43 more characters",
            "expected `age1` and 58 more characters",
        ],
    );
    desk.write(SERVER, &format!("{good}{}", Desk::agent()));
}

fn an_order_and_a_tool(desk: &Desk) {
    let order = |plan: &str, domain: &str, tools: &str| {
        format!(
            "new order acme/website --plan {plan} --domain {domain} --tools {tools} --fleet fleet"
        )
    };
    wrong(
        desk,
        &order("prro", "acme.example", "html"),
        &["unknown plan `prro`", "fleet/hub.yaml has: pro, starter"],
    );
    wrong(
        desk,
        &order("pro", "https://ACME.example/", "html"),
        &["did you mean `acme.example`?"],
    );
    wrong(
        desk,
        &order("pro", "acme.example", "htlm"),
        &["did you mean `html`?", "nothing was written"],
    );
    run(desk, &order("pro", "acme.example", "html")).says(0, &[]);
    desk.commit("customer acme");

    desk.git("fleet", &["switch", "-qc", "guest-book"]);
    add_a_tool(desk, "guestbok");
    for command in ["check fleet", "plan fleet"] {
        wrong(
            desk,
            command,
            &[
                "orders/website.yaml:",
                "unknown tool `guestbok`",
                "did you mean `guestbook`?",
            ],
        );
    }
    desk.commit("a guest book");
}

fn a_branch_that_is_planned_and_merged(desk: &Desk) {
    wrong(
        desk,
        "plan fleet --to guestbook --markdown",
        &["its branches: guest-book, main", "`git fetch`"],
    );
    wrong(
        desk,
        "plan fleet --to guest-book --markdown",
        &[
            "1 error: this must not be merged as it is",
            "did you mean `guestbook`?",
        ],
    );
    desk.edit(ORDER, |text| text.replace("guestbok", "guestbook"));
    desk.commit("its name");
    run(desk, "plan fleet --to guest-book --markdown").says(2, &[]);

    // Somebody else was at the same line meanwhile.
    desk.git("fleet", &["switch", "-q", "main"]);
    desk.edit(ORDER, |text| text.replace("tools:\n", "tools: # one\n"));
    desk.commit("a remark");
    wrong(
        desk,
        "plan fleet --to guest-book --markdown",
        &["Merge main into it and plan again"],
    );
    desk.git("fleet", &["switch", "-q", "guest-book"]);
    desk.git("fleet", &["merge", "-q", "-X", "ours", "--no-edit", "main"]);
    run(desk, "plan fleet --to guest-book --markdown").says(2, &[]);
    desk.git("fleet", &["switch", "-q", "main"]);
    desk.git(
        "fleet",
        &["merge", "-q", "--no-ff", "--no-edit", "guest-book"],
    );
}

fn a_hub_that_runs(desk: &Desk) {
    // It is let work where people do, and in what nobody let it act.
    let apply = |fleet: &str, more: &str| format!("apply {fleet} --once --data data{more}");
    let key = format!(" {}", KEY.join(" "));
    wrong(
        desk,
        &apply("fleet", &key),
        &["serve a bare repository", "git clone --bare"],
    );
    desk.git(".", &["clone", "-q", "--bare", "fleet", "early.git"]);
    wrong(
        desk,
        &apply("early.git", &key),
        &["no hub is activated; `tenantry activate` names one"],
    );
    wrong(desk, "activate fleet", &["--key <FILE>"]);
    wrong(
        desk,
        "activate fleet --key fleet-keys/hub.key",
        &["give the `hub.agekey` that `tenantry init` wrote"],
    );
    run(desk, "init other").says(0, &[]);
    wrong(
        desk,
        "activate fleet --key other-keys/hub.agekey",
        &["Is it the key of another fleet?", "Nothing was changed"],
    );
    activate(desk);
    desk.git(".", &["clone", "-q", "--bare", "fleet", "ready.git"]);
    std::fs::remove_dir_all(desk.path("data")).unwrap();
    wrong(desk, &apply("ready.git", ""), &["without a key (--key)"]);
    wrong(
        desk,
        &apply("ready.git", " --key other-keys/hub.agekey"),
        &["another hub is activated", "give the key of that one"],
    );
    std::fs::remove_dir_all(desk.path("data")).unwrap();
    desk.hub_acts(2);
    assert!(slice(desk).contains("stacks/website-guestbook/compose.yaml"));

    // A mistake comes to the branch all the same: nobody but the customer is held up, and the hub says what to do.
    desk.edit(ORDER, |text| text.replace("guestbook", "guestbok"));
    desk.commit("too fast");
    desk.git("fleet", &["push", "-q"]);
    run(desk, &apply("fleet.git", &key)).says(
        0,
        &[
            "did you mean `guestbook`?",
            "customer acme stays at commit",
            "nothing to do",
        ],
    );
    assert!(slice(desk).contains("stacks/website-guestbook/compose.yaml"));

    // Somebody looks for it where nothing runs: at a port that was just given back.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let hub = format!("--hub http://{}", free.local_addr().unwrap());
    drop(free);
    for command in ["status", "explain acme/website"] {
        wrong(
            desk,
            &format!("{command} {hub}"),
            &["is `tenantry serve` running there?", "--hub"],
        );
    }
}
