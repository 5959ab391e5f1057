//! `tenantry plan`: what a change does, container by container, for people, programs and pull requests.

mod many;

use crate::{Desk, two_customers};

/// Two customers for whom everything is decided, and a branch to come back to.
fn decided(desk: &Desk) {
    two_customers(desk);
    let order = "fleet/fleet/customers/acme/orders/website.yaml";
    desk.edit(order, |text| {
        text.replace("[html]", "{ html: , guestbook: }")
    });
    for (customer, server) in [("acme", "acme-1"), ("globex", "globex-1")] {
        let path = format!("fleet/fleet/customers/{customer}/servers/{server}.yaml");
        let agent = Desk::agent();
        desk.edit(&path, |text| {
            format!("{text}window: Sun 02:00-05:00\n{agent}")
        });
    }
    desk.commit("agents");
    desk.run(&["activate", "fleet", "--key", "fleet-keys/hub.agekey"])
        .says(0, &[]);
    desk.hub_acts(2);
}

#[test]
fn nothing_to_do_says_so() {
    let desk = Desk::new();
    decided(&desk);
    desk.run(&["plan", "fleet"])
        .says(0, &["nothing changes on any server"]);
}

#[test]
fn an_edit_names_the_containers_that_it_replaces() {
    let desk = Desk::new();
    decided(&desk);
    desk.edit("fleet/fleet/customers/acme/orders/website.yaml", |text| {
        text.replace(
            "guestbook: ",
            "guestbook: { parameters: { TITLE: Voices } }",
        )
        .replace("html: ,", "html: { parameters: { TITLE: Hello } },")
    });
    let ran = desk.run(&["plan", "fleet"]);
    ran.says(
        2,
        &[
            "acme/acme-1  (what disrupts waits for Sun 02:00-05:00)",
            "~ website-guestbook",
            "web: replaced (environment TITLE)",
            "~ website-html",
            "web: goes on, sees new files/html/index.html",
            "containers: 1 replaced; visitors notice on 1 server, in the maintenance window",
        ],
    );
    assert!(!ran.text.contains("globex"), "{}", ran.text);
    assert!(!ran.text.contains("db:"), "{}", ran.text);
}

#[test]
fn where_an_agent_only_reports_nothing_is_said_to_happen() {
    let desk = Desk::new();
    decided(&desk);
    let server = "fleet/fleet/customers/acme/servers/acme-1.yaml";
    desk.edit(server, |text| format!("{text}manage: observe\n"));
    desk.commit("acme is only observed");
    desk.edit("fleet/fleet/customers/acme/orders/website.yaml", |text| {
        text.replace("guestbook:", "")
    });
    let words = [
        "manage: observe, so its agent only reports",
        "no longer answers at https://guestbook.acme.example",
        "1 server of 1 customer; no container is touched; nobody notices; 1 server only observed",
    ];
    desk.run(&["plan", "fleet"]).says(2, &words);
    let markdown = desk.run(&["plan", "fleet", "--markdown"]);
    markdown.says(2, &words);
    markdown.says(2, &["| guestbook (manage: observe, so only reported) |"]);
    assert!(!markdown.text.contains("Data that"), "{}", markdown.text);
    // From the day on which it acts it does all that it only reported: nobody says that nothing happens.
    desk.git("fleet", &["checkout", "-q", "."]);
    let act = |text: &str| text.replace("manage: observe\n", "manage: full\n");
    desk.edit(server, act);
    let words = [
        "manage observe → full",
        "its agent begins to act: what it only reported so far happens as well",
        "1 server of 1 customer; which containers are touched is not known; visitors may notice; besides, on 1 server, what agents only reported so far",
    ];
    for options in [&["plan", "fleet"][..], &["plan", "fleet", "--markdown"]] {
        desk.run(options).says(2, &words);
    }
    desk.git("fleet", &["checkout", "-q", "."]);
    desk.edit("fleet/fleet/customers/acme/orders/website.yaml", |text| {
        text.replace("guestbook:", "")
    });
    // Beside it one where it does happen: that alone is counted.
    desk.edit("fleet/fleet/customers/globex/orders/website.yaml", |text| {
        text.replace("[html]", "{ html: { state: stopped } }")
    });
    let summary = "2 servers of 2 customers; containers: 1 stopped; visitors notice on 1 server";
    for options in [&["plan", "fleet"][..], &["plan", "fleet", "--markdown"]] {
        desk.run(options)
            .says(2, &[summary, "; 1 server only observed"]);
    }
}

#[test]
fn a_server_that_leaves_the_fleet_loses_nothing() {
    let desk = Desk::new();
    decided(&desk);
    for path in ["orders/website.yaml", "servers/acme-1.yaml"] {
        std::fs::remove_file(desk.path(&format!("fleet/fleet/customers/acme/{path}"))).unwrap();
    }
    let words = [
        "no longer in the fleet; the machine stays as it is",
        "1 server of 1 customer; no container is touched; nobody notices; 1 server no longer in the fleet, left alone",
    ];
    for options in [&["plan", "fleet"][..], &["plan", "fleet", "--markdown"]] {
        let ran = desk.run(options);
        ran.says(2, &words);
        ran.says(2, &["website-guestbook", "guestbook.acme.example"]);
        for wrong in ["removed", "no longer answers", "without its tool"] {
            assert!(!ran.text.contains(wrong), "{wrong}: {}", ran.text);
        }
    }
    let json = desk.run(&["plan", "fleet", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json.text).unwrap();
    let count = |name: &str| json["totals"][name].as_u64().unwrap();
    let counts = [
        "removed",
        "sites_removed",
        "interrupted",
        "observed",
        "left",
    ]
    .map(count);
    assert_eq!(counts, [0, 0, 0, 0, 1], "{json}");
    assert_eq!(json["groups"][0]["effect"], "left", "{json}");
}

#[test]
fn what_comes_and_what_goes() {
    let desk = Desk::new();
    decided(&desk);
    desk.edit("fleet/fleet/customers/acme/orders/website.yaml", |text| {
        text.replace("guestbook:", "")
    });
    desk.edit("fleet/fleet/customers/globex/orders/website.yaml", |text| {
        text.replace("[html]", "[html, guestbook]")
    });
    desk.run(&["plan", "fleet"]).says(
        2,
        &[
            "- website-guestbook",
            "no longer answers at https://guestbook.acme.example",
            "data: website-guestbook_data stays on the server without its tool",
            "+ website-guestbook",
            "db: created from postgres:15",
            "answers at https://guestbook.globex.example",
            "new volume website-guestbook_data",
            "DNS (to be seen to by hand; the hub writes no records):",
            "- guestbook.acme.example (was A 192.0.2.1)",
            "+ guestbook.globex.example A 192.0.2.2",
            "the hub will decide:",
            "globex/website: guestbook secrets generated: DB_PASSWORD",
        ],
    );
    // Nothing of it happened.
    desk.git("fleet", &["checkout", "-q", "."]);
    desk.run(&["plan", "fleet"]).says(0, &[]);
    assert_eq!(desk.git("fleet", &["status", "--porcelain"]), "");
}

#[test]
fn what_waits_for_the_window_is_told_apart_from_what_does_not() {
    let desk = Desk::new();
    decided(&desk);
    let (acme, globex) = (
        "fleet/fleet/customers/acme/orders/website.yaml",
        "fleet/fleet/customers/globex/orders/website.yaml",
    );
    desk.edit(globex, |text| {
        text.replace("[html]", "{ html: { state: stopped } }")
    });
    desk.run(&["plan", "fleet"]).says(
        2,
        &[
            "globex/globex-1  (tools that stop and names that go do not wait for Sun 02:00-05:00)",
            "visitors notice on 1 server, at once",
        ],
    );
    desk.edit(acme, |text| {
        text.replace(
            "guestbook: ",
            "guestbook: { parameters: { TITLE: Voices } }",
        )
        .replace("html: ,", "html: { state: stopped },")
    });
    let both = "containers are replaced in Sun 02:00-05:00; tools that stop and names that go do not wait for it";
    desk.run(&["plan", "fleet"]).says(
        2,
        &[
            both,
            "visitors notice on 2 servers: on 2 at once, on 1 in the maintenance window",
        ],
    );
    desk.run(&["plan", "fleet", "--markdown"])
        .says(2, &[both, "names that go do not wait for Sun 02:00-05:00"]);
    let json = desk.run(&["plan", "fleet", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json.text).unwrap();
    let totals = &json["totals"];
    assert_eq!(totals["interrupted"], 2, "{totals}");
    assert_eq!(totals["interrupted_at_once"], 2, "{totals}");
    assert_eq!(totals["waiting_for_window"], 1, "{totals}");
}

/// A key to log in with.
const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINWt2/SfQsdKmVq3GbXbP5bIREGHZWiNsJXEYF0x4Q48";

#[test]
fn what_changes_on_a_machine_beside_its_tools_is_no_nothing() {
    let desk = Desk::new();
    decided(&desk);
    let hub = "fleet/fleet/hub.yaml";
    desk.edit(hub, |text| {
        format!("{text}host:\n  users: {{}}\n  firewall: {{ open: [25] }}\n")
    });
    let ran = desk.run(&["plan", "fleet"]);
    ran.says(
        2,
        &[
            "`users` of the machine is looked after",
            "2 servers of 2 customers; no container is touched; nobody notices",
        ],
    );
    desk.commit("machines");
    // A port, for all; a person, for all; a server that only tells.
    desk.edit(hub, |text| text.replace("[25]", "[25, 5432/tcp]"));
    desk.run(&["plan", "fleet"]).says(
        2,
        &[
            "acme/acme-1",
            "~ `firewall` of the machine: 5432/tcp opened",
            "globex/globex-1",
        ],
    );
    desk.commit("a port");
    desk.write(
        "fleet/fleet/staff.yaml",
        &format!(
            "jo: {{ email: jo@example.com, role: admin, server_login: {{ keys: [{KEY}] }} }}\n"
        ),
    );
    desk.run(&["plan", "fleet", "--markdown"])
        .says(2, &["jo may log in to the machine and become root"]);
    desk.commit("a colleague");
    let server = "fleet/fleet/customers/acme/servers/acme-1.yaml";
    desk.edit(server, |text| format!("{text}\ndrift: report\n"));
    let ran = desk.run(&["plan", "fleet"]);
    ran.says(2, &["~ drift repair → report"]);
    assert!(!ran.text.contains("globex"), "{}", ran.text);
    let json = desk.run(&["plan", "fleet", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json.text).unwrap();
    let settings = &json["changes"][0]["settings"];
    assert_eq!(settings[0], "drift repair → report", "{json}");
    desk.commit("hands off");
    desk.run(&["plan", "fleet"])
        .says(0, &["nothing changes on any server"]);
}

#[test]
fn a_branch_is_planned_as_if_it_were_merged() {
    let desk = Desk::new();
    decided(&desk);
    desk.git("fleet", &["checkout", "-qb", "stop-shop"]);
    desk.edit("fleet/fleet/customers/globex/orders/website.yaml", |text| {
        text.replace("[html]", "{ html: { state: stopped } }")
    });
    desk.commit("stop the shop");
    desk.git("fleet", &["checkout", "-q", "main"]);
    desk.edit("fleet/fleet/customers/acme/orders/website.yaml", |text| {
        text.replace(
            "guestbook: ",
            "guestbook: { parameters: { TITLE: Voices } }",
        )
    });
    desk.commit("meanwhile");
    let ran = desk.run(&["plan", "fleet", "--to", "stop-shop"]);
    ran.says(
        2,
        &[
            "stop-shop, merged into main",
            "web: stopped",
            "no longer answers at https://globex.example",
        ],
    );
    assert!(
        !ran.text.contains("acme"),
        "what main has is not undone:\n{}",
        ran.text
    );
    desk.run(&["plan", "fleet", "--from", "stop-shop", "--to", "main"])
        .says(2, &["main, merged into stop-shop", "TITLE"]);
    desk.run(&["plan", "fleet", "--to", "nowhere"]).says(
        1,
        &["`nowhere` is no branch, tag or commit of the fleet in"],
    );

    // Both edited the same line.
    desk.git("fleet", &["checkout", "-q", "stop-shop"]);
    desk.edit("fleet/fleet/customers/acme/orders/website.yaml", |text| {
        text.replace("guestbook: ", "guestbook: { state: stopped }")
    });
    desk.commit("in the way");
    desk.run(&["plan", "fleet", "--to", "stop-shop"])
        .says(1, &["stop-shop conflicts with main"]);
    let json = desk.run(&["plan", "fleet", "--to", "stop-shop", "--json"]);
    assert_eq!(json.code, 1);
    let value: serde_json::Value = serde_json::from_str(&json.text).unwrap();
    assert_eq!(value["conflict"], true);
    // The files of the branch as well: they are what is checked out.
    desk.run(&["plan", "fleet"])
        .says(1, &["1 commit behind main and conflicts with it"]);
}

#[test]
fn files_are_planned_on_top_of_what_the_hub_has_committed_meanwhile() {
    let desk = Desk::new();
    decided(&desk);
    desk.git("fleet", &["checkout", "-qb", "feature", "HEAD~1"]);
    let ran = desk.run(&["plan", "fleet"]);
    ran.says(
        0,
        &[
            "what is checked out is 1 commit behind main",
            "nothing changes on any server",
        ],
    );
    assert!(!ran.text.contains("the hub will decide"), "{}", ran.text);
    assert!(!ran.text.contains("takes an owner"), "{}", ran.text);
    // Edits, committed and not, are all that is planned.
    desk.edit("fleet/fleet/customers/acme/orders/website.yaml", |text| {
        text.replace("html: ,", "html: { parameters: { TITLE: Hello } },")
    });
    desk.commit("a title");
    desk.edit("fleet/fleet/customers/globex/orders/website.yaml", |text| {
        text.replace("[html]", "{ html: { state: stopped } }")
    });
    let ran = desk.run(&["plan", "fleet"]);
    ran.says(
        2,
        &[
            "1 commit behind main: the files are planned as if they were merged into it",
            "web: goes on, sees new files/html/index.html",
            "web: stopped",
        ],
    );
    assert!(!ran.text.contains("the hub will decide"), "{}", ran.text);
}

#[test]
fn a_secret_counts_as_changed_if_its_ciphertext_is() {
    let desk = Desk::new();
    decided(&desk);
    let path = "fleet/fleet/decisions/acme/website/tools/guestbook.secrets.yaml";
    desk.edit(path, |text| {
        let line = text
            .lines()
            .find(|line| line.starts_with("DB_PASSWORD:"))
            .unwrap();
        text.replace(
            line,
            "DB_PASSWORD: ENC[AES256_GCM,data:b3RoZXI=,iv:AA==,tag:AA==,type:str]",
        )
    });
    desk.run(&["plan", "fleet"]).says(
        2,
        &[
            "web: replaced (secret db_password)",
            "db: replaced (secret db_password)",
        ],
    );
}

#[test]
fn a_mistake_is_shown_with_what_stays_as_it_is() {
    let desk = Desk::new();
    decided(&desk);
    desk.edit("fleet/fleet/customers/acme/orders/website.yaml", |text| {
        text.replace("guestbook:", "guestbok:")
    });
    let ran = desk.run(&["plan", "fleet"]);
    ran.says(
        1,
        &[
            "unknown tool `guestbok`",
            "did you mean `guestbook`?",
            "nothing changes on any server",
        ],
    );
    let json = desk.run(&["plan", "fleet", "--json"]);
    assert_eq!(json.code, 1);
    let value: serde_json::Value = serde_json::from_str(&json.text).unwrap();
    assert_eq!(value["frozen"][0]["customer"], "acme");
    desk.run(&["plan", "fleet", "--markdown"])
        .says(1, &["1 error: this must not be merged as it is"]);
}

#[test]
fn a_stack_that_nobody_moves_to_is_named() {
    let desk = Desk::new();
    decided(&desk);
    desk.edit("fleet/stacks/html/compose.yaml", |text| {
        format!("# newer\n{text}")
    });
    let words = [
        "nothing changes on any server",
        "stack html changes: tools that run it stay at the version that was decided for them",
        "`revision: main`",
    ];
    desk.run(&["plan", "fleet"]).says(0, &words);
    desk.run(&["plan", "fleet", "--markdown"])
        .says(0, &["stack html changes"]);
}

#[test]
fn of_two_orders_with_one_name_the_newcomer_is_shown() {
    let desk = Desk::new();
    decided(&desk);
    desk.write(
        "fleet/fleet/customers/acme/orders/shop.yaml",
        "plan: basic\ndomain: acme.example\ntools: [html]\n",
    );
    let ran = desk.run(&["check", "fleet"]);
    ran.says(
        1,
        &[
            "T0121",
            "html and html of order website would both answer at acme.example",
            "orders/shop.yaml:3",
        ],
    );
}

#[test]
fn money_and_the_people_it_takes() {
    let desk = Desk::new();
    decided(&desk);
    desk.edit("fleet/fleet/hub.yaml", |text| {
        text.replace(
            "basic: {}",
            "basic: { price: 9 EUR }\n  pro: { price: 29.50 EUR }",
        )
    });
    desk.commit("prices");
    desk.edit("fleet/fleet/customers/acme/orders/website.yaml", |text| {
        text.replace("plan: basic", "plan: pro")
    });
    desk.run(&["plan", "fleet"]).says(
        0,
        &[
            "customers pay +20.50 EUR a month",
            "takes a manager: fleet/customers/acme/orders/website.yaml",
        ],
    );
}

#[test]
fn a_pull_request_shows_warnings_and_names_the_files_that_take_somebody() {
    let desk = Desk::new();
    decided(&desk);
    let idle = |number: usize| {
        let path = format!("fleet/fleet/customers/acme/servers/spare-{number}.yaml");
        let server = format!("provider: static\naddress: 198.51.100.{number}\nsize: small\n");
        desk.write(&path, &server);
    };
    (100..160).for_each(idle);
    desk.commit("spare servers");
    desk.edit(
        "fleet/fleet/customers/globex/servers/globex-1.yaml",
        |text| format!("{text}manage: adopt\n"),
    );
    (1..5).for_each(idle);
    let ran = desk.run(&["plan", "fleet", "--markdown"]);
    ran.says(
        2,
        &[
            "<details><summary>65 warnings</summary>",
            "warning[T0129]",
            "and 45 more; `tenantry check` shows them all",
            "- takes **a manager**: fleet/customers/acme/servers/spare-1.yaml, fleet/customers/acme/servers/spare-2.yaml, fleet/customers/acme/servers/spare-3.yaml and 2 more\n",
        ],
    );
    // Those of the change come first.
    let at = |words: &str| ran.text.find(words).unwrap();
    let last = at("globex-1.yaml:").max(at("servers/spare-4.yaml:"));
    assert!(last < at("servers/spare-100.yaml:"), "{}", ran.text);
    let folds = |word: &str| ran.text.matches(word).count();
    assert_eq!(folds("<details>"), folds("</details>"), "{}", ran.text);
    desk.run(&["plan", "fleet"]).says(
        2,
        &[
            "takes a manager: fleet/customers/acme/servers/spare-1.yaml, ",
            " and 2 more\n",
        ],
    );
}

#[test]
fn an_override_file_is_marked_wherever_a_change_is_told() {
    let desk = Desk::new();
    decided(&desk);
    desk.write(
        "fleet/fleet/customers/acme/overrides/website.guestbook.yaml",
        "services:\n  web:\n    mem_limit: 1g\n    environment: { LEVEL: debug }\n",
    );
    let ran = desk.run(&["plan", "fleet"]);
    ran.says(
        2,
        &[
            "~ website-guestbook",
            "customised by an override file",
            "web: replaced (environment LEVEL",
        ],
    );
    assert!(!ran.text.contains("db:"), "{}", ran.text);
    assert!(!ran.text.contains("globex"), "{}", ran.text);
    desk.run(&["plan", "fleet", "--markdown"])
        .says(2, &["customised by an override file"]);
    let json = desk.run(&["plan", "fleet", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json.text).unwrap();
    let change = &json["changes"][0]["instances"]["website-guestbook"];
    assert_eq!(change["customised"], true, "{json}");
    desk.run(&["where", "override=yes", "fleet"])
        .says(0, &["guestbook"]);
    // What it gets wrong is told at its line.
    desk.write(
        "fleet/fleet/customers/acme/overrides/website.guestbook.yaml",
        "services:\n  web:\n    mem_limti: 1g\n",
    );
    desk.run(&["plan", "fleet"]).says(
        1,
        &[
            "overrides/website.guestbook.yaml:3:5",
            "read on top of stacks/guestbook/compose.yaml",
            "customer acme stays at commit",
        ],
    );
}
