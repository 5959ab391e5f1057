//! Which commits a hub follows and acts on: forward only, of its own fleet, at once. Real hubs, fake agents.

use std::path::Path;
use std::time::Duration;
use tenantry_planner::status::{FleetStatus, Mode};
use tenantry_tests::rig::{Answered, FakeAgent, Hub, HubBox, output};
use tenantry_wire::ledger::Verdict;

const SOON: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_rewound_branch_is_not_followed_and_is_said_loudly() {
    let mut home = HubBox::new("rewound").unwrap();
    let agents = FakeAgent::crew(&home.fleet, 3).unwrap();
    let good = home.fleet.commit("customers and servers").unwrap();
    home.start().await.unwrap();
    home.fleet
        .write(
            "fleet/customers/c0/orders/o0.yaml",
            "plan: pro\ndomain: c0.test\ntools: [html]\n",
        )
        .unwrap();
    home.fleet.commit("an order").unwrap();
    home.decided(1, SOON).await.unwrap();
    agents[0].serve(&home.url(), &home.fleet, 0).await.unwrap();
    home.hub()
        .wait_for(SOON, "fulfilment", |status| status.totals.fulfilled == 1)
        .await
        .unwrap();
    let head = home.fleet.head().unwrap();
    let slice = agents[0].accepted().unwrap();

    // Rewound, and something else on top.
    home.fleet.force_branch(&good).unwrap();
    let other = home.fleet.colleague(home.dir()).unwrap();
    other
        .write(
            "fleet/customers/c1/orders/o1.yaml",
            "plan: pro\ndomain: c1.test\ntools: [html]\n",
        )
        .unwrap();
    let forked = other.commit("history that was never accepted").unwrap();
    for restart in [false, true] {
        if restart {
            home.start().await.unwrap();
        }
        let loud = |status: &FleetStatus| {
            status
                .source_problem
                .as_ref()
                .is_some_and(|problem| problem.contains("rewound"))
        };
        let status = home
            .hub()
            .wait_for(SOON, "the complaint", loud)
            .await
            .unwrap();
        assert!(
            matches!(status.mode, Mode::Observing { .. }),
            "{:?}",
            status.mode
        );
        assert_eq!(
            status.commit.as_ref().unwrap().id,
            head,
            "the last good commit stays"
        );
        assert_eq!(status.orders.len(), 1);
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(
            home.fleet.head().unwrap(),
            forked,
            "something was committed on top of a rewound branch"
        );
        assert!(matches!(
            agents[0].next(&home.url(), &home.fleet, 0).await.unwrap(),
            Answered::Unchanged
        ));
        agents[0].forget();
        let Answered::Slice(again, _) = agents[0].next(&home.url(), &home.fleet, 0).await.unwrap()
        else {
            panic!("no slice")
        };
        assert_eq!(again.manifest, slice.manifest);
    }
    // Put back: it goes on.
    home.fleet.force_branch(&head).unwrap();
    home.fleet.pull().unwrap();
    home.fleet
        .write(
            "fleet/customers/c2/orders/o2.yaml",
            "plan: pro\ndomain: c2.test\ntools: [html]\n",
        )
        .unwrap();
    home.fleet.commit("an order on the right branch").unwrap();
    let status = home.decided(2, SOON).await.unwrap();
    assert_eq!((status.mode, status.source_problem), (Mode::Active, None));
}

#[tokio::test]
async fn a_clone_of_the_fleet_served_elsewhere_acts_on_nothing() {
    let mut home = HubBox::new("original").unwrap();
    let agents = FakeAgent::crew(&home.fleet, 3).unwrap();
    home.fleet.commit("customers and servers").unwrap();
    home.start().await.unwrap();
    home.fleet
        .write(
            "fleet/customers/c0/orders/o0.yaml",
            "plan: pro\ndomain: c0.test\ntools: [html]\n",
        )
        .unwrap();
    home.fleet.commit("an order").unwrap();
    home.decided(1, SOON).await.unwrap();

    let stranger = HubBox::new("stranger").unwrap();
    let clone = home.duplicate().unwrap();
    clone
        .fleet
        .write(
            "fleet/customers/c1/orders/o1.yaml",
            "plan: pro\ndomain: c1.test\ntools: [html]\n",
        )
        .unwrap();
    let head = clone.fleet.commit("an order in the clone").unwrap();
    let (own, foreign) = (home.fleet.hub_key(), stranger.fleet.hub_key());
    let cases: [(&str, Option<&Path>, &[&str], &str); 3] = [
        ("without a key", None, &[], "without a key"),
        (
            "with another key",
            Some(&foreign),
            &[],
            "another hub is activated",
        ),
        ("told to observe", Some(&own), &["--observe"], "--observe"),
    ];
    for (what, key, more, because) in cases {
        let _ = std::fs::remove_dir_all(&clone.place.data);
        let mut hub = Hub::start_at(clone.fleet.repository(), key, &clone.place, more)
            .await
            .unwrap();
        let read = |status: &FleetStatus| {
            status
                .commit
                .as_ref()
                .is_some_and(|commit| commit.id == head)
        };
        let status = hub.wait_for(SOON, what, read).await.unwrap();
        let Mode::Observing { reason } = &status.mode else {
            panic!("{what}: acts")
        };
        assert!(reason.contains(because), "{what}: {reason}");
        assert_eq!(status.orders.len(), 2, "{what}: it looks");
        tokio::time::sleep(Duration::from_millis(700)).await;
        for agent in &agents[..2] {
            let answer = agent.next(&clone.url(), &clone.fleet, 0).await.unwrap();
            assert!(
                matches!(answer, Answered::Unchanged | Answered::Refused(503)),
                "{what}: {answer:?}"
            );
        }
        assert_eq!(
            clone.fleet.head().unwrap(),
            head,
            "{what}: something was committed"
        );
        let slices = clone.place.data.join("slices.git");
        let published = output(
            std::process::Command::new("git")
                .arg("-C")
                .arg(&slices)
                .args(["for-each-ref"]),
        )
        .unwrap();
        assert_eq!(
            String::from_utf8_lossy(&published.stdout),
            "",
            "{what}: something was published"
        );
        hub.process().kill9();
    }
    // The original never noticed.
    let status = home.hub().status().await.unwrap();
    assert_eq!((status.mode, status.orders.len()), (Mode::Active, 1));
}

#[tokio::test]
async fn pushes_by_people_reach_agents_within_a_moment() {
    let mut home = HubBox::new("prompt").unwrap();
    let agents = FakeAgent::crew(&home.fleet, 3).unwrap();
    home.fleet
        .write(
            "fleet/customers/c0/orders/o0.yaml",
            "plan: pro\ndomain: c0.test\ntools: [html]\n",
        )
        .unwrap();
    home.fleet.commit("an order").unwrap();
    home.start().await.unwrap();
    home.decided(1, SOON).await.unwrap();
    agents[0].serve(&home.url(), &home.fleet, 0).await.unwrap();
    home.hub()
        .wait_for(SOON, "fulfilment", |status| status.totals.fulfilled == 1)
        .await
        .unwrap();
    home.fleet.pull().unwrap();
    home.fleet
        .write(
            "fleet/customers/c0/orders/o0.yaml",
            "plan: pro\ndomain: c0.test\ntools: { html: { parameters: { TITLE: Now } } }\n",
        )
        .unwrap();
    let url = home.url();
    let (asked, committed) = tokio::join!(agents[0].next(&url, &home.fleet, 20), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        home.fleet.commit("a title")
    });
    committed.unwrap();
    let Answered::Slice(slice, Verdict::Accept) = asked.unwrap() else {
        panic!("the long poll was not woken")
    };
    assert!(
        slice
            .text("stacks/o0-html/files/html/index.html")
            .contains("Now")
    );
}

#[tokio::test]
async fn decisions_of_what_runs_are_not_made_anew_when_they_are_gone() {
    let mut home = HubBox::new("gone").unwrap();
    let agents = FakeAgent::crew(&home.fleet, 1).unwrap();
    home.fleet.commit("a customer and a server").unwrap();
    home.start().await.unwrap();
    home.fleet
        .write(
            "fleet/customers/c0/orders/o0.yaml",
            "plan: pro\ndomain: c0.test\ntools: [html, guestbook]\n",
        )
        .unwrap();
    home.fleet.commit("an order").unwrap();
    home.decided(1, SOON).await.unwrap();
    agents[0].serve(&home.url(), &home.fleet, 0).await.unwrap();
    home.hub()
        .wait_for(SOON, "fulfilment", |status| status.totals.fulfilled == 1)
        .await
        .unwrap();
    let slice = agents[0].accepted().unwrap().manifest.content;
    home.fleet.pull().unwrap();
    let whole = home.fleet.head().unwrap();
    let secrets = "fleet/decisions/c0/o0/tools/guestbook.secrets.yaml";
    for gone in [secrets, "fleet/decisions/c0"] {
        home.fleet.git(&["rm", "-rq", gone]).unwrap();
        home.fleet.commit("decisions removed by hand").unwrap();
        let said = |status: &FleetStatus| {
            let mut waiting = status.orders.iter().flat_map(|order| &order.waiting);
            waiting.any(|reason| reason.to_string().contains("not made anew"))
        };
        home.hub().wait_for(SOON, "the reason", said).await.unwrap();
        tokio::time::sleep(Duration::from_millis(500)).await;
        home.fleet.pull().unwrap();
        assert!(
            home.fleet.read(secrets).is_err(),
            "a password was made anew"
        );
        assert!(matches!(
            agents[0].next(&home.url(), &home.fleet, 0).await.unwrap(),
            Answered::Unchanged
        ));
        // Taken back, nothing has changed for the server.
        home.fleet
            .git(&["checkout", "-q", &whole, "--", "fleet/decisions"])
            .unwrap();
        home.fleet.commit("taken back").unwrap();
        home.decided(1, SOON).await.unwrap();
        let good = |status: &FleetStatus| status.totals.fulfilled == 1;
        home.hub()
            .wait_for(SOON, "all as before", good)
            .await
            .unwrap();
        assert!(matches!(
            agents[0].next(&home.url(), &home.fleet, 0).await.unwrap(),
            Answered::Unchanged
        ));
    }
    assert_eq!(agents[0].accepted().unwrap().manifest.content, slice);
}
