//! Hubs and people who commit at the same time, in one repository and through a remote.

use crate::story::{LATE, SEED, SOON, commit, commits, nothing_twice, orders};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::path::Path;
use std::time::Duration;
use tenantry_planner::status::FleetStatus;
use tenantry_tests::lab::Port;
use tenantry_tests::rig::{Answered, FakeAgent, Hub, HubBox, Place};
use tenantry_wire::ledger::Verdict;

#[tokio::test(flavor = "multi_thread")]
async fn two_hubs_and_two_people_lose_nothing_and_decide_nothing_twice() {
    let mut home = HubBox::new("company").unwrap();
    let agents = FakeAgent::crew(&home.fleet, crate::story::CUSTOMERS).unwrap();
    home.fleet.commit("customers and servers").unwrap();
    home.start().await.unwrap();
    let port = Port::reserve().unwrap();
    let place = Place {
        data: home.dir().join("hub-2"),
        port: port.number(),
        log: home.dir().join("hub-2.log"),
    };
    let second = Hub::start(&home.fleet, &place, &[]).await.unwrap();

    let commits = commits(SEED + 2, 25);
    let orders = orders(&commits);
    let colleague = home.fleet.colleague(home.dir()).unwrap();
    let notes = tokio::task::spawn_blocking(move || {
        for number in 0..25 {
            colleague
                .write("notes.md", &format!("note {number}\n"))
                .unwrap();
            colleague.commit(&format!("note {number}")).unwrap();
        }
    });
    for (number, files) in commits.iter().enumerate() {
        commit(&home.fleet, files, number);
        for agent in &agents {
            // Each hub is asked in turn, as behind a balancer.
            let url = if number % 2 == 0 {
                home.url()
            } else {
                second.url().to_owned()
            };
            let answer = agent.next(&url, &home.fleet, 0).await.unwrap();
            if let Answered::Slice(slice, Verdict::Refuse(kind)) = &answer {
                // A hub that is behind the other by a pass; it catches up.
                assert_eq!(
                    *kind,
                    tenantry_schema::wire::RefusalKind::OldGeneration,
                    "{:?}",
                    slice.manifest
                );
            }
        }
    }
    notes.await.unwrap();
    home.decided(orders, LATE).await.unwrap();
    let head = home.fleet.head().unwrap();
    let read = |status: &FleetStatus| {
        status
            .commit
            .as_ref()
            .is_some_and(|commit| commit.id == head)
    };
    second
        .wait_for(SOON, "the second hub's reading", read)
        .await
        .unwrap();
    nothing_twice(&home.fleet);
    let log = home.fleet.log(10_000).unwrap();
    for number in 0..25 {
        for what in ["change", "note"] {
            let line = format!("Jo Operator: {what} {number}");
            assert_eq!(
                log.lines().filter(|found| found.ends_with(&line)).count(),
                1,
                "{line}"
            );
        }
    }
    // Both made the same slices of the same commits.
    for agent in &agents {
        agent.forget();
        let Answered::Slice(one, _) = agent.next(&home.url(), &home.fleet, 0).await.unwrap() else {
            continue;
        };
        agent.forget();
        let Answered::Slice(two, _) = agent.next(second.url(), &home.fleet, 0).await.unwrap()
        else {
            panic!("the second hub has no slice")
        };
        assert_eq!(
            one.manifest.content,
            two.manifest.content,
            "{}",
            agent.server()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remote_fleet_works_and_pushes_that_lose_are_made_again() {
    let home = HubBox::new("remote").unwrap();
    let agents = FakeAgent::crew(&home.fleet, crate::story::CUSTOMERS).unwrap();
    home.fleet.commit("customers and servers").unwrap();
    let url = format!("file://{}", home.fleet.repository().display());
    let hub = Hub::start_at(
        Path::new(&url),
        Some(&home.fleet.hub_key()),
        &home.place,
        &[],
    )
    .await
    .unwrap();
    let commits = commits(SEED + 3, 15);
    let orders = orders(&commits);
    let colleague = home.fleet.colleague(home.dir()).unwrap();
    let notes = tokio::task::spawn_blocking(move || {
        for number in 0..30 {
            colleague
                .write("notes.md", &format!("note {number}\n"))
                .unwrap();
            colleague.commit(&format!("note {number}")).unwrap();
        }
    });
    for (number, files) in commits.iter().enumerate() {
        commit(&home.fleet, files, number);
    }
    notes.await.unwrap();
    let decided = |status: &FleetStatus| {
        status.orders.len() == orders
            && status.source_problem.is_none()
            && status
                .orders
                .iter()
                .all(|order| order.tools.iter().all(|tool| tool.pin.is_some()))
            && status
                .servers
                .iter()
                .all(|server| server.published.is_some())
    };
    hub.wait_for(LATE, "decisions in the remote", decided)
        .await
        .unwrap();
    for agent in &agents {
        agent.serve(hub.url(), &home.fleet, 0).await.unwrap();
    }
    hub.wait_for(LATE, "fulfilment", |status| {
        status.totals.fulfilled == orders
    })
    .await
    .unwrap();
    nothing_twice(&home.fleet);
    let log = home.fleet.log(10_000).unwrap();
    assert_eq!(
        log.lines()
            .filter(|line| line.contains("Jo Operator: note "))
            .count(),
        30
    );
    assert_eq!(
        log.lines()
            .filter(|line| line.contains("Jo Operator: change "))
            .count(),
        15
    );

    // Killed while it fetches and pushes: what it leaves in its mirror and at the far end stops nobody.
    drop(hub);
    let mut rng = StdRng::seed_from_u64(SEED + 3);
    for number in 0..12 {
        home.fleet.pull().unwrap();
        let path = format!("fleet/customers/c1/orders/again-{number}.yaml");
        home.fleet
            .write(
                &path,
                &format!("plan: pro\ndomain: again{number}.test\ntools: [html]\n"),
            )
            .unwrap();
        home.fleet.commit("one more order").unwrap();
        let mut hub = Hub::spawn_at(
            Path::new(&url),
            Some(&home.fleet.hub_key()),
            &home.place,
            &[],
        )
        .unwrap();
        tokio::time::sleep(Duration::from_millis(rng.random_range(50..500))).await;
        hub.kill9();
    }
    let orders = orders + 12;
    let hub = Hub::start_at(
        Path::new(&url),
        Some(&home.fleet.hub_key()),
        &home.place,
        &[],
    )
    .await
    .unwrap();
    let all = |status: &FleetStatus| {
        status.source_problem.is_none() && status.orders.len() == orders && decided_all(status)
    };
    hub.wait_for(LATE, "decisions after twelve kills", all)
        .await
        .unwrap();
    nothing_twice(&home.fleet);
    agents[0].serve(hub.url(), &home.fleet, 0).await.unwrap();

    // Out of reach for a while: said, nothing lost, and it goes on when the remote is back.
    let away = home.dir().join("away.git");
    std::fs::rename(home.fleet.repository(), &away).unwrap();
    hub.wait_for(SOON, "the complaint", |status| {
        status.source_problem.is_some()
    })
    .await
    .unwrap();
    let status = hub.status().await.unwrap();
    assert_eq!(status.orders.len(), orders, "unknown is not empty");
    assert!(matches!(
        agents[0].next(hub.url(), &home.fleet, 0).await.unwrap(),
        Answered::Unchanged
    ));
    std::fs::rename(&away, home.fleet.repository()).unwrap();
    home.fleet.pull().unwrap();
    home.fleet
        .write(
            "fleet/customers/c0/orders/late.yaml",
            "plan: pro\ndomain: late.test\ntools: [html]\n",
        )
        .unwrap();
    home.fleet.commit("a late order").unwrap();
    let late = |status: &FleetStatus| {
        status.source_problem.is_none() && status.orders.len() == orders + 1 && decided_all(status)
    };
    hub.wait_for(LATE, "the late order", late).await.unwrap();
}

fn decided_all(status: &FleetStatus) -> bool {
    status
        .orders
        .iter()
        .all(|order| order.tools.iter().all(|tool| tool.pin.is_some()))
}
