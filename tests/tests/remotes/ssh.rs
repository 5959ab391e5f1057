//! A fleet over SSH.

use super::{SOON, complaint, decided, order};
use std::time::{Duration, Instant};
use tenantry_tests::rig::{FakeAgent, GitSsh, Hub, HubBox};

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_follows_and_decides_over_ssh_and_says_what_is_in_the_way() {
    let home = HubBox::new("ssh").unwrap();
    let agents = FakeAgent::crew(&home.fleet, 2).unwrap();
    let (path, text) = order(0, 0, "hello");
    home.fleet.write(&path, &text).unwrap();
    home.fleet.commit("an order").unwrap();
    let mut server = GitSsh::start(&home.dir().join("ssh"), home.fleet.repository())
        .await
        .unwrap();
    let url = server.url().unwrap();
    let key = home.fleet.hub_key();
    let hub = Hub::start_in(
        url.as_ref(),
        Some(&key),
        &home.place,
        &[],
        &server.environment(),
    )
    .await
    .unwrap();
    decided(&hub, &home.fleet, 1, SOON).await;
    agents[0].serve(hub.url(), &home.fleet, 0).await.unwrap();

    // Another host key: somebody in the middle, perhaps.
    server.start_again("other").await.unwrap();
    let said = complaint(&hub, "known_hosts").await;
    assert!(said.contains("Host key verification failed"), "{said}");
    home.fleet.pull().unwrap();
    let (path, text) = order(1, 0, "while it cannot be read");
    home.fleet.write(&path, &text).unwrap();
    home.fleet.commit("one more order").unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(
        hub.status().await.unwrap().orders.len(),
        1,
        "it went on with somebody else's repository"
    );
    server.start_again("host").await.unwrap();
    decided(&hub, &home.fleet, 2, SOON).await;

    // A key that is not let in any more.
    server.let_in("other").unwrap();
    let said = complaint(&hub, "Permission denied").await;
    assert!(said.contains("public half"), "{said}");
    server.let_in("user").unwrap();
    decided(&hub, &home.fleet, 2, SOON).await;

    // Nothing listens; agents are served, and reports planned, all the same.
    server.stop();
    complaint(&hub, "nothing listens there").await;
    agents[1].serve(hub.url(), &home.fleet, 0).await.unwrap();
    hub.wait_for(SOON, "a report", |status| {
        status
            .servers
            .iter()
            .filter(|server| server.last_seen.is_some())
            .count()
            == 2
    })
    .await
    .unwrap();
    server.start_again("host").await.unwrap();
    decided(&hub, &home.fleet, 2, SOON).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remote_that_says_nothing_holds_up_nothing() {
    let home = HubBox::new("silent").unwrap();
    let agents = FakeAgent::crew(&home.fleet, 1).unwrap();
    let (path, text) = order(0, 0, "hello");
    home.fleet.write(&path, &text).unwrap();
    home.fleet.commit("an order").unwrap();
    let server = GitSsh::start(&home.dir().join("ssh"), home.fleet.repository())
        .await
        .unwrap();
    let url = server.url().unwrap();
    let key = home.fleet.hub_key();
    let hub = Hub::start_in(
        url.as_ref(),
        Some(&key),
        &home.place,
        &[],
        &server.environment(),
    )
    .await
    .unwrap();
    decided(&hub, &home.fleet, 1, SOON).await;
    drop(hub);

    // The same address for the hub, a silent one behind it: it starts with what it accepted, in a while that a person waits.
    let environment: Vec<(String, String)> = server
        .environment()
        .into_iter()
        .map(|(name, value)| {
            (
                name,
                value.replace("-oConnectTimeout=5", "-oProxyCommand=\"sleep 600\""),
            )
        })
        .collect();
    let begun = Instant::now();
    let mut hub = Hub::start_in(url.as_ref(), Some(&key), &home.place, &[], &environment)
        .await
        .unwrap();
    assert!(
        begun.elapsed() < Duration::from_mins(1),
        "{:?}",
        begun.elapsed()
    );
    let status = hub
        .wait_for(SOON, "the last good commit", |status| {
            status.orders.len() == 1
        })
        .await
        .unwrap();
    assert!(
        status
            .source_problem
            .unwrap()
            .contains("has not answered yet")
    );
    agents[0].serve(hub.url(), &home.fleet, 0).await.unwrap();
    hub.wait_for(Duration::from_mins(1), "a report", |status| {
        status.servers[0].last_seen.is_some()
    })
    .await
    .unwrap();
    // And it ends when it is told to.
    let begun = Instant::now();
    hub.process().terminate();
    hub.process().wait(Duration::from_mins(1)).unwrap();
    assert!(begun.elapsed() < Duration::from_mins(1));
}
