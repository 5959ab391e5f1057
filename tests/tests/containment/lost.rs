//! Decisions that somebody deletes by hand: they are held, by a hub that remembers nothing and hears from nobody as well, until they are put back.

use crate::{ORDER, SOON, Two};
use std::time::Duration;
use tenantry_planner::WaitingOn;
use tenantry_planner::status::{FleetStatus, OrderStatus, Phase};
use tenantry_tests::rig::Decisions;

fn acme(status: &FleetStatus) -> Option<&OrderStatus> {
    status
        .orders
        .iter()
        .find(|order| order.customer.as_str() == "acme")
        .map(AsRef::as_ref)
}

/// What the order of acme lost, and to which commit.
fn lost(status: &FleetStatus) -> Option<(String, Vec<String>)> {
    acme(status)?
        .waiting
        .iter()
        .find_map(|reason| match reason {
            WaitingOn::DecisionsLost(taken) => Some((taken.commit.clone()?, taken.paths.clone())),
            _ => None,
        })
}

/// Decisions but the hub's own activation.
fn decisions(two: &Two) -> Decisions {
    two.home.fleet.decisions().unwrap()
}

/// Both agents report that all is well, as they do every minute.
async fn report(two: &Two) {
    two.serve().await;
    for agent in [&two.acme, &two.globex] {
        let reports = vec![agent.all_is_well()];
        agent
            .deliver(&two.home.url(), &two.home.fleet, reports)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn decisions_that_were_deleted_are_not_made_anew_by_a_hub_that_remembers_nothing() {
    let mut two = Two::start().await;
    let before = decisions(&two);
    two.home
        .fleet
        .git(&["rm", "-rq", "fleet/decisions/acme"])
        .unwrap();
    let removed = two.home.fleet.commit("tidy up").unwrap();
    // The hub that runs, and one without data directory and without a report of any agent.
    for fresh in [false, true] {
        if fresh {
            two.home.kill();
            two.home.wipe().unwrap();
            two.home.start().await.unwrap();
        }
        let status = two
            .until("the loss is told", |status| lost(status).is_some())
            .await;
        let (commit, paths) = lost(&status).unwrap();
        assert_eq!(commit, removed);
        let expected: Vec<&String> = before
            .keys()
            .filter(|path| path.contains("/acme/"))
            .collect();
        // The record of fulfilment is missed when it would be written again.
        let told: Vec<&String> = paths.iter().collect();
        assert_eq!(
            told,
            expected
                .into_iter()
                .filter(|path| !path.ends_with("fulfilled.yaml"))
                .collect::<Vec<_>>()
        );
        assert_eq!(acme(&status).unwrap().phase, Phase::NeedsAttention);
        let title = two.touch_globex();
        let head = two.home.fleet.commit("globex goes on").unwrap();
        two.globex_shows(&title).await;
        // Another order of the customer waits: what is decided for it could be what was lost.
        assert_eq!(two.home.fleet.head().unwrap(), head, "nothing was decided");
    }
    // The way out is the one that the page tells.
    let reason = acme(&two.until("the loss", |status| lost(status).is_some()).await)
        .unwrap()
        .waiting[0]
        .to_string();
    let command = reason.split('`').nth(1).unwrap();
    let words: Vec<&str> = command.split(' ').skip(1).collect();
    two.home.fleet.git(&words).unwrap();
    two.home.fleet.commit("decisions are back").unwrap();
    two.until("the order goes on", |status| lost(status).is_none())
        .await;
    let now = decisions(&two);
    for (path, text) in before
        .iter()
        .filter(|(path, _)| !path.ends_with("fulfilled.yaml"))
    {
        assert_eq!(now.get(path), Some(text), "{path}");
    }
    // What is left to be put back is the record.
    report(&two).await;
    two.until("the record is missed", |status| {
        lost(status)
            .is_some_and(|(_, paths)| paths == ["fleet/decisions/acme/website/fulfilled.yaml"])
    })
    .await;
    assert_eq!(decisions(&two), now);
}

#[tokio::test]
async fn an_order_is_never_fulfilled_twice() {
    let mut two = Two::start().await;
    let record = "fleet/decisions/acme/website/fulfilled.yaml";
    let text = two.home.fleet.read(record).unwrap();
    two.home.fleet.git(&["rm", "-q", record]).unwrap();
    let removed = two.home.fleet.commit("again, please").unwrap();
    for fresh in [false, true] {
        if fresh {
            two.home.kill();
            two.home.wipe().unwrap();
            two.home.start().await.unwrap();
        }
        report(&two).await;
        let status = two
            .until("the record is missed", |status| lost(status).is_some())
            .await;
        assert_eq!(
            lost(&status).unwrap(),
            (removed.clone(), vec![record.to_owned()])
        );
        assert!(!decisions(&two).contains_key(record));
    }
    // Everything else about the order goes on.
    two.home.fleet.edit(ORDER, "Acme one", "Acme two").unwrap();
    two.home.fleet.commit("another title").unwrap();
    let deadline = tokio::time::Instant::now() + SOON;
    loop {
        two.acme
            .serve(&two.home.url(), &two.home.fleet, 1)
            .await
            .unwrap();
        let accepted = two.acme.accepted().unwrap();
        if accepted
            .text("stacks/website-html/files/html/index.html")
            .contains("Acme two")
        {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline);
    }
    two.pull();
    two.home.fleet.write(record, &text).unwrap();
    two.home.fleet.commit("the record is back").unwrap();
    two.until("fulfilled, as it was", |status| {
        acme(status)
            .is_some_and(|order| order.phase == Phase::Fulfilled && order.waiting.is_empty())
    })
    .await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    two.pull();
    assert_eq!(two.home.fleet.read(record).unwrap(), text);
}

#[tokio::test]
async fn a_customer_whose_folder_is_replaced_stays_as_it_was() {
    let mut two = Two::start().await;
    let before = two.acme_now().await;
    let folder = two.home.fleet.work().join("fleet/customers/acme");
    std::fs::remove_dir_all(&folder).unwrap();
    std::os::unix::fs::symlink("globex", &folder).unwrap();
    let title = two.touch_globex();
    two.home.fleet.commit("a link").unwrap();
    two.globex_shows(&title).await;
    let status = two
        .until("the mistake is told", |status| {
            !status.diagnostics.is_empty()
        })
        .await;
    assert_eq!(status.diagnostics[0].place.file, "fleet/customers/acme");
    assert_eq!(status.frozen.len(), 1);
    // Its agent is known, and its domain is nobody else's.
    assert_eq!(two.acme_now().await, before);
    let thief = "plan: pro\ndomain: acme.test\ntools: [html]\n";
    two.home
        .fleet
        .write("fleet/customers/globex/orders/thief.yaml", thief)
        .unwrap();
    two.home.fleet.commit("a thief").unwrap();
    two.until("the thief waits", |status| {
        status.orders.iter().any(|order| {
            order.order.as_str() == "thief"
                && order
                    .waiting
                    .iter()
                    .any(|reason| matches!(reason, WaitingOn::DomainTaken { .. }))
        })
    })
    .await;
    assert_eq!(two.acme_now().await, before);
}
