//! `where` and `plan` with a hub: what really runs beside what should. A real hub, fake agents.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use serde_json::json;
use std::process::Command;
use std::time::Duration;
use tenantry_schema::wire::InstancePhase;
use tenantry_tests::rig::{FakeAgent, HubBox, output, program};

const SOON: Duration = Duration::from_secs(30);

/// Runs `tenantry` in the clone. Its exit code and all that it said.
fn run(home: &HubBox, arguments: &[&str]) -> (i32, String) {
    let mut command = Command::new(program("tenantry").unwrap());
    let ran = output(command.args(arguments).current_dir(home.fleet.work())).unwrap();
    let text = [ran.stdout, ran.stderr].concat();
    (ran.status.code().unwrap(), String::from_utf8(text).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_really_runs_is_told_beside_what_should() {
    let mut home = HubBox::new("asked").unwrap();
    let agents = FakeAgent::crew(&home.fleet, 3).unwrap();
    for customer in 0..3 {
        let path = format!("fleet/customers/c{customer}/orders/o.yaml");
        let text = format!("plan: pro\ndomain: c{customer}.test\ntools: [guestbook]\n");
        home.fleet.write(&path, &text).unwrap();
    }
    home.fleet.commit("orders").unwrap();
    home.start().await.unwrap();
    home.decided(3, SOON).await.unwrap();
    home.fleet.pull().unwrap();
    let url = home.url();
    agents[0].serve(&url, &home.fleet, 0).await.unwrap();
    // The second still runs an older version, and not well. The third never reported.
    agents[1].next(&url, &home.fleet, 0).await.unwrap();
    let mut report = agents[1].all_is_well();
    for instance in report.instances.values_mut() {
        instance.phase = InstancePhase::Failed;
        instance.message = Some("it does not start".into());
        instance.containers = vec![
            serde_json::from_value(json!({
                "service": "web", "name": "o-guestbook-web-1", "image": "tenantry/guestbook:0.9",
                "state": "exited", "health": "none", "restarts": 7, "exit_code": 1,
            }))
            .unwrap(),
        ];
    }
    agents[1]
        .deliver(&url, &home.fleet, vec![report])
        .await
        .unwrap();
    home.hub()
        .wait_for(SOON, "both reports", |status| {
            status
                .servers
                .iter()
                .filter(|server| server.last_seen.is_some())
                .count()
                == 2
        })
        .await
        .unwrap();

    let (code, said) = run(&home, &["where", "guestbook<1.0"]);
    assert!(
        code == 0 && said.contains("0 tools of 0 customers"),
        "{said}"
    );
    let (_, said) = run(&home, &["where", "guestbook<1.0", "--hub", &url]);
    assert!(
        said.contains("c1/o  guestbook 1.0  on ") && said.contains("(failed, runs 0.9)"),
        "{said}"
    );
    assert!(said.contains("1 tool of 1 customer"), "{said}");
    for (query, found) in [
        ("health=healthy", "c0/o"),
        ("health=unknown", "c2/o"),
        ("health=failed image=*:0.9", "c1/o"),
        ("guestbook health!=healthy customer=c1", "c1/o"),
    ] {
        let (code, said) = run(&home, &["where", query, "--hub", &url]);
        assert!(
            code == 0 && said.starts_with(found) && said.contains("1 tool of"),
            "{query}: {said}"
        );
    }
    let (code, said) = run(&home, &["where", "health=failed"]);
    assert!(
        code == 1 && said.contains("only a hub knows `health`: give --hub URL"),
        "{said}"
    );
    let (_, said) = run(
        &home,
        &["where", "guestbook customer=c1", "--hub", &url, "--json"],
    );
    let found: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(found[0]["running"]["version"], "0.9");
    assert_eq!(found[0]["running"]["phase"], "failed");

    // A change that touches all three.
    home.fleet
        .edit(
            "stacks/guestbook/compose.yaml",
            "guestbook:1.0",
            "guestbook:1.1",
        )
        .unwrap();
    for customer in 0..3 {
        let path = format!("fleet/customers/c{customer}/orders/o.yaml");
        home.fleet
            .edit(
                &path,
                "[guestbook]",
                "{ guestbook: { parameters: { TITLE: New } } }",
            )
            .unwrap();
    }
    let (code, said) = run(&home, &["plan", "--hub", &url]);
    assert_eq!(code, 2, "{said}");
    let (_, now) = said.split_once("now, as the hub sees it").expect(&said);
    assert!(
        now.contains("o-guestbook is failed: it does not start"),
        "{said}"
    );
    assert!(
        now.contains("its agent never reported") && now.contains("in sync, seen "),
        "{said}"
    );
    let (_, markdown) = run(&home, &["plan", "--hub", &url, "--markdown"]);
    assert!(markdown.contains("Now, as the hub sees it"), "{markdown}");
    let (_, text) = run(&home, &["plan", "--hub", &url, "--json"]);
    let plan: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!(plan["seen"]["commit"].is_string(), "{text}");
    assert_eq!(plan["seen"]["servers"].as_array().unwrap().len(), 3);
    // Asked for nothing, it says nothing of it.
    let (_, said) = run(&home, &["plan"]);
    assert!(!said.contains("as the hub sees it"), "{said}");

    // For programs as well.
    let (_, text) = run(&home, &["explain", "c0/o", "--json", "--hub", &url]);
    let about: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(about["orders"][0]["customer"], "c0", "{text}");
    assert_eq!(about["orders"].as_array().unwrap().len(), 1, "{text}");

    // Out of reach: an error, unless one can do without.
    home.kill();
    for command in [&["plan"][..], &["where", "guestbook"]] {
        let (code, said) = run(&home, &[command, &["--hub", &url]].concat());
        assert!(
            code == 1 && said.contains("no hub answers at") && said.contains("--hub-optional"),
            "{said}"
        );
        let (code, said) = run(
            &home,
            &[command, &["--hub", &url, "--hub-optional"]].concat(),
        );
        assert!(
            code != 1 && said.contains("nothing is known of what really runs"),
            "{said}"
        );
    }
    // A hub of somebody else.
    let mut other = HubBox::new("other").unwrap();
    other.start().await.unwrap();
    other
        .hub()
        .wait_for(SOON, "reading", |status| status.commit.is_some())
        .await
        .unwrap();
    let (code, said) = run(&home, &["plan", "--hub", &other.url(), "--hub-optional"]);
    assert!(
        code == 1 && said.contains("serves the fleet `other`, this is `asked`"),
        "{said}"
    );
}

/// A server for which the hub chooses by what agents report: a plan that asks the hub names the same one.
#[tokio::test(flavor = "multi_thread")]
async fn a_plan_chooses_the_server_that_the_hub_will_choose() {
    const ORDER: &str = "fleet/customers/c0/orders/o.yaml";
    let mut home = HubBox::new("chosen").unwrap();
    home.fleet
        .write("fleet/customers/c0/customer.yaml", "language: en\n")
        .unwrap();
    let agents: Vec<FakeAgent> = ["c0/c0-1", "c0/c0-2", "c0/c0-3"]
        .into_iter()
        .map(|server| FakeAgent::new(server).unwrap())
        .collect();
    for agent in &agents {
        home.fleet
            .write(&agent.path(), &agent.document(""))
            .unwrap();
    }
    home.fleet.commit("servers").unwrap();
    home.start().await.unwrap();
    let url = home.url();
    // The third never reports: of it nothing is known, which is not that it has no memory.
    for (agent, memory) in agents.iter().zip([4_u64 << 30, 8 << 30]) {
        let mut report = agent.all_is_well();
        report.host.memory = memory;
        tenantry_tests::lab::wait_until(SOON, "the hub knowing the agent", async || {
            let sent = agent.deliver(&url, &home.fleet, vec![report.clone()]).await;
            sent.ok()
        })
        .await
        .unwrap();
    }
    let status = home.hub().wait_for(SOON, "both reports", |status| {
        status
            .servers
            .iter()
            .filter_map(|server| server.memory)
            .count()
            == 2
    });
    let memories: Vec<Option<u64>> = status
        .await
        .unwrap()
        .servers
        .iter()
        .map(|server| server.memory)
        .collect();
    assert_eq!(memories, [Some(4 << 30), Some(8 << 30), None]);

    let order = "plan: pro\ndomain: c0.test\ntools: [guestbook]\n";
    home.fleet.write(ORDER, order).unwrap();
    let (code, said) = run(&home, &["plan"]);
    assert!(
        code == 2 && said.contains("c0-1 (no server of the customer reports its memory)"),
        "{said}"
    );
    let (code, foreseen) = run(&home, &["plan", "--hub", &url]);
    assert!(
        code == 2 && foreseen.contains("c0-2 (most memory free (8G))"),
        "{foreseen}"
    );
    // What was said with a hub's help is not taken for the truth without it.
    assert_eq!(run(&home, &["plan"]), (code, said));

    home.fleet.commit("an order").unwrap();
    home.decided(1, SOON).await.unwrap();
    home.fleet.pull().unwrap();
    let decided = home.fleet.read("fleet/decisions/c0/o/server.yaml").unwrap();
    assert!(
        decided.contains("server: c0-2") && decided.contains("most memory free (8G)"),
        "{decided}"
    );
}
