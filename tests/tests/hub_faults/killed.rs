//! A hub that is killed at any instant, and one whose data directory is deleted.

use crate::story::{
    CUSTOMERS, LATE, SEED, SOON, agents_at_work, all_fulfilled, commit, commits, content,
    nothing_twice, orders, outline, secrets_are_those_in_git,
};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tenantry_planner::status::FleetStatus;
use tenantry_tests::lab::wait_until;
use tenantry_tests::rig::{Answered, FakeAgent, Hub, HubBox, run};
use tenantry_wire::ledger::Verdict;

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_killed_at_random_instants_ends_where_an_undisturbed_one_does() {
    let mut home = HubBox::new("killed").unwrap();
    let agents = Arc::new(FakeAgent::crew(&home.fleet, CUSTOMERS).unwrap());
    home.fleet.commit("customers and servers").unwrap();
    let mut calm = home.duplicate().unwrap();
    let commits = commits(SEED, 40);
    let orders = orders(&commits);

    // Undisturbed.
    calm.start().await.unwrap();
    for (number, files) in commits.iter().enumerate() {
        commit(&calm.fleet, files, number);
    }
    calm.decided(orders, LATE).await.unwrap();
    for agent in agents.iter() {
        agent.serve(&calm.url(), &calm.fleet, 0).await.unwrap();
    }
    all_fulfilled(&calm, orders).await;
    let expected = outline(&calm.fleet.decisions().unwrap());
    let decisions = calm.fleet.decisions().unwrap();
    let expected_content: Vec<_> = agents
        .iter()
        .map(|agent| content(agent, &decisions))
        .collect();
    nothing_twice(&calm.fleet);
    drop(calm);

    // Killed again and again, while people commit and agents report.
    agents.iter().for_each(FakeAgent::forget);
    let stop = Arc::new(AtomicBool::new(false));
    let fleet = Arc::new(home.fleet.colleague(home.dir()).unwrap());
    let busy = agents_at_work(home.url(), fleet.clone(), &agents, &stop);
    let (person, todo) = (fleet.clone(), commits.clone());
    let people = tokio::task::spawn_blocking(move || {
        for (number, files) in todo.iter().enumerate() {
            commit(&person, files, number);
            std::thread::sleep(Duration::from_millis(250));
        }
    });
    let mut rng = StdRng::seed_from_u64(SEED);
    let mut reached_serving = 0;
    for _ in 0..55 {
        let mut hub = Hub::spawn(&home.fleet, &home.place, &[]).unwrap();
        // From before it has read anything to well after its first decisions.
        tokio::time::sleep(Duration::from_millis(rng.random_range(10..450))).await;
        reached_serving += usize::from(hub.lines().iter().any(|line| line.contains("serving at")));
        hub.kill9();
    }
    assert!(
        reached_serving >= 15,
        "only {reached_serving} of 55 hubs came to anything before they were killed"
    );
    home.start().await.unwrap();
    // The branch may be locked by the last one that was killed: people wait until the hub has seen to it.
    people.await.unwrap();
    home.decided(orders, LATE).await.unwrap();
    all_fulfilled(&home, orders).await;
    stop.store(true, Ordering::Relaxed);
    for task in busy {
        task.await.unwrap();
    }
    for agent in agents.iter() {
        agent.serve(&home.url(), &home.fleet, 0).await.unwrap();
    }
    nothing_twice(&home.fleet);
    let decisions = home.fleet.decisions().unwrap();
    assert_eq!(outline(&decisions), expected);
    for (agent, expected) in agents.iter().zip(&expected_content) {
        assert_eq!(&content(agent, &decisions), expected, "{}", agent.server());
    }
    let compared: usize = agents
        .iter()
        .map(|agent| secrets_are_those_in_git(&home.fleet, agent, &decisions))
        .sum();
    assert!(compared >= 3, "only {compared} secrets were compared");
    run(std::process::Command::new("git")
        .arg("-C")
        .arg(home.fleet.repository())
        .args(["fsck", "--no-dangling", "--no-progress"]))
    .unwrap();
}

#[tokio::test]
async fn a_hub_without_its_data_directory_decides_nothing_again_and_is_accepted() {
    let mut home = HubBox::new("wiped").unwrap();
    let agents = FakeAgent::crew(&home.fleet, CUSTOMERS).unwrap();
    home.fleet.commit("customers and servers").unwrap();
    let commits = commits(SEED + 1, 6);
    let orders = orders(&commits);
    home.start().await.unwrap();
    for (number, files) in commits.iter().enumerate() {
        commit(&home.fleet, files, number);
        if number % 2 == 0 {
            home.wipe().unwrap();
            home.start().await.unwrap();
        }
    }
    home.decided(orders, LATE).await.unwrap();
    for agent in &agents {
        agent.serve(&home.url(), &home.fleet, 0).await.unwrap();
    }
    all_fulfilled(&home, orders).await;
    let head = home.fleet.head().unwrap();
    let before: Vec<_> = agents
        .iter()
        .map(|agent| agent.accepted().map(|slice| slice.manifest))
        .collect();

    home.wipe().unwrap();
    home.start().await.unwrap();
    home.hub()
        .wait_for(SOON, "slices", |status| {
            status.servers.len() == CUSTOMERS
                && status
                    .servers
                    .iter()
                    .all(|server| server.published.is_some())
        })
        .await
        .unwrap();
    for (agent, before) in agents.iter().zip(before) {
        // Same content, so that an agent that has it hears "unchanged"; and one that asks for all of it accepts it.
        assert!(
            matches!(
                agent.next(&home.url(), &home.fleet, 0).await.unwrap(),
                Answered::Unchanged
            ),
            "{}",
            agent.server()
        );
        agent.forget();
        let answer = agent.next(&home.url(), &home.fleet, 0).await.unwrap();
        let Some(before) = before else { continue };
        let Answered::Slice(slice, Verdict::Accept) = answer else {
            panic!("{answer:?}")
        };
        assert_eq!(slice.manifest.content, before.content);
        assert!(slice.manifest.generation >= before.generation);
        agent
            .deliver(&home.url(), &home.fleet, vec![agent.all_is_well()])
            .await
            .unwrap();
    }
    let status = home
        .hub()
        .wait_for(SOON, "agreement", |status| {
            status.servers.len() == CUSTOMERS && status.servers.iter().all(|server| server.in_sync)
        })
        .await
        .unwrap();
    assert_eq!(status.totals.fulfilled, orders);
    assert_eq!(
        home.fleet.head().unwrap(),
        head,
        "something was decided again"
    );
    nothing_twice(&home.fleet);
}

#[tokio::test]
async fn a_hub_whose_data_directory_is_deleted_while_it_runs_starts_anew_by_itself() {
    let mut home = HubBox::new("wiped-running").unwrap();
    let agents = FakeAgent::crew(&home.fleet, CUSTOMERS).unwrap();
    home.fleet.commit("customers and servers").unwrap();
    let commits = commits(SEED + 2, 4);
    let (first, rest) = commits.split_at(2);
    home.start().await.unwrap();
    for (number, files) in first.iter().enumerate() {
        commit(&home.fleet, files, number);
    }
    home.decided(orders(first), LATE).await.unwrap();
    let head = home.fleet.head().unwrap();

    home.wipe_running().unwrap();
    let diary = home.data().join("hub.db");
    wait_until(SOON, "a new diary", async || diary.exists().then_some(()))
        .await
        .unwrap();
    let status = home.decided(orders(first), LATE).await.unwrap();
    assert_eq!(status.servers.len(), CUSTOMERS);
    assert_eq!(
        home.fleet.head().unwrap(),
        head,
        "something was decided again"
    );
    for (number, files) in rest.iter().enumerate() {
        commit(&home.fleet, files, first.len() + number);
    }
    home.decided(orders(&commits), LATE).await.unwrap();
    for agent in &agents {
        agent.serve(&home.url(), &home.fleet, 0).await.unwrap();
    }
    all_fulfilled(&home, orders(&commits)).await;
    nothing_twice(&home.fleet);
}

#[tokio::test]
async fn a_part_of_the_data_directory_that_is_deleted_under_a_running_hub_is_made_anew() {
    let home = HubBox::new("part-gone").unwrap();
    let agents = FakeAgent::crew(&home.fleet, 1).unwrap();
    home.fleet.commit("a customer and a server").unwrap();
    // From elsewhere, so that there is a mirror.
    let url = format!("file://{}", home.fleet.repository().display());
    let key = home.fleet.hub_key();
    let hub = Hub::start_at(Path::new(&url), Some(&key), &home.place, &[])
        .await
        .unwrap();
    for (number, part) in ["fleet.git", "slices.git", "hub.db"].iter().enumerate() {
        let aside = home.dir().join(format!("aside-{number}"));
        std::fs::rename(home.data().join(part), &aside).unwrap();
        home.fleet
            .write(
                &format!("fleet/customers/c0/orders/o{number}.yaml"),
                &format!("plan: pro\ndomain: o{number}.test\ntools: [html]\n"),
            )
            .unwrap();
        home.fleet.commit("an order").unwrap();
        let decided = |status: &FleetStatus| {
            let pinned = |order: &std::sync::Arc<tenantry_planner::status::OrderStatus>| {
                order.tools.iter().all(|tool| tool.pin.is_some())
            };
            status.orders.len() == number + 1
                && status.orders.iter().all(pinned)
                && status.servers[0].published.is_some()
                && status.source_problem.is_none()
        };
        hub.wait_for(LATE, part, decided).await.unwrap();
        wait_until(SOON, part, async || {
            home.data().join(part).exists().then_some(())
        })
        .await
        .unwrap();
        agents[0].serve(hub.url(), &home.fleet, 0).await.unwrap();
        let has = agents[0].accepted().unwrap();
        assert!(
            has.host.instances.len() == number + 1,
            "{part}: {:?}",
            has.host.instances.keys()
        );
    }
    nothing_twice(&home.fleet);
}
