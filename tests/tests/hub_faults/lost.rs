//! Merges that undo what the hub decided, in a served repository: a hub that remembers nothing finds it, and decides nothing anew until people say so.

use crate::story::{LATE, SOON, nothing_twice};
use tenantry_planner::WaitingOn;
use tenantry_planner::lost::TakenAway;
use tenantry_planner::status::FleetStatus;
use tenantry_tests::rig::{FakeAgent, HubBox};

const ORDER: &str = "fleet/customers/c0/orders/web.yaml";
const SERVER: &str = "fleet/decisions/c0/web/server.yaml";

fn taken(status: &FleetStatus) -> Option<TakenAway> {
    let reasons = status.orders.iter().flat_map(|order| &order.waiting);
    let mut taken = reasons.filter_map(|reason| match reason {
        WaitingOn::DecisionsLost(taken) => Some(taken.clone()),
        _ => None,
    });
    taken.next()
}

fn git(home: &HubBox, arguments: &[&str]) -> String {
    home.fleet.git(arguments).unwrap()
}

async fn told(home: &HubBox) -> TakenAway {
    let status = home
        .hub()
        .wait_for(SOON, "the loss", |status| taken(status).is_some())
        .await
        .unwrap();
    taken(&status).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_that_drops_decisions_is_found_by_a_hub_that_remembers_nothing() {
    let mut home = HubBox::new("dropped").unwrap();
    let _agents = FakeAgent::crew(&home.fleet, 1).unwrap();
    home.fleet.commit("a customer and a server").unwrap();
    // Somebody's branch from before the order.
    git(&home, &["branch", "mine"]);
    let order = "plan: pro\ndomain: c0.test\ntools: [html]\n";
    home.fleet.write(ORDER, order).unwrap();
    home.fleet.commit("an order").unwrap();
    home.start().await.unwrap();
    home.decided(1, LATE).await.unwrap();
    home.fleet.pull().unwrap();
    let before = home.fleet.read(SERVER).unwrap();

    // Their own version of everything wins, but for the order, and their line comes first.
    git(&home, &["checkout", "--quiet", "mine"]);
    home.fleet.write(ORDER, order).unwrap();
    git(&home, &["add", "--all"]);
    git(&home, &["commit", "--quiet", "--message", "mine"]);
    git(
        &home,
        &[
            "merge",
            "--quiet",
            "-s",
            "ours",
            "-m",
            "mine, please",
            "main",
        ],
    );
    let merge = git(&home, &["rev-parse", "HEAD"]).trim().to_owned();
    home.kill();
    git(&home, &["push", "--quiet", "origin", "HEAD:main"]);
    git(&home, &["checkout", "--quiet", "main"]);
    home.fleet.pull().unwrap();
    for fresh in [true, false] {
        if fresh {
            std::fs::remove_dir_all(home.data()).unwrap();
        }
        home.start().await.unwrap();
        let found = told(&home).await;
        assert_eq!(found.commit.as_deref(), Some(merge.as_str()));
        assert_eq!(found.parent, 2, "main was the second parent");
        assert!(found.paths.contains(&SERVER.to_owned()), "{found:?}");
        assert_eq!(home.fleet.head().unwrap(), merge, "nothing was decided");
        home.kill();
    }
    // The command that is told puts everything back.
    home.start().await.unwrap();
    let command = told(&home).await.put_back();
    let words: Vec<&str> = command.split(' ').skip(1).collect();
    home.fleet.git(&words).unwrap();
    home.fleet.commit("back").unwrap();
    home.decided(1, LATE).await.unwrap();
    home.fleet.pull().unwrap();
    assert_eq!(home.fleet.read(SERVER).unwrap(), before);
    nothing_twice(&home.fleet);

    // Taken away on purpose, and given up.
    home.fleet
        .git(&["rm", "-rq", "fleet/decisions/c0"])
        .unwrap();
    let removed = home.fleet.commit("begin anew").unwrap();
    let found = told(&home).await;
    assert_eq!(found.commit.as_deref(), Some(removed.as_str()));
    let entry = format!(
        "anew:\n  anew: {}\n  since: {removed}\n  reason: a trial\n",
        found.anew
    );
    home.fleet.write("fleet/acknowledged.yaml", &entry).unwrap();
    home.fleet.commit("meant").unwrap();
    home.decided(1, LATE).await.unwrap();
    home.fleet.pull().unwrap();
    assert!(home.fleet.read(SERVER).is_ok(), "decided anew");
}
