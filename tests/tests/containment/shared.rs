//! Mistakes in what customers share: stacks, templates, settings of the fleet, domains.

use crate::Two;
use std::time::Duration;
use tenantry_planner::status::{FleetStatus, Mode, Phase};
use tenantry_planner::waiting::WaitingOn;

#[tokio::test]
async fn a_broken_stack_or_template_leaves_what_runs_alone_and_new_orders_waiting() {
    let mut two = Two::start().await;
    for (what, path, from, to) in [
        (
            "a syntax error in compose.yaml",
            "stacks/html/compose.yaml",
            "services:",
            "services: [",
        ),
        (
            "an unknown key in stack.yaml",
            "stacks/html/stack.yaml",
            "smoke:",
            "smoek:",
        ),
        (
            "a template that cannot be read",
            "nginx/default.conf",
            "server {",
            "{% if %} server {",
        ),
    ] {
        let before = two.acme_now().await;
        two.home.fleet.edit(path, from, to).unwrap();
        let title = two.touch_globex();
        let late = format!("fleet/customers/acme/orders/late-{}.yaml", two.edits);
        let domain = format!("late{}.test", two.edits);
        two.home
            .fleet
            .write(
                &late,
                &format!("plan: pro\ndomain: {domain}\ntools: [html]\n"),
            )
            .unwrap();
        two.home.fleet.commit(what).unwrap();
        let status = two
            .until(what, |status| {
                status
                    .diagnostics
                    .iter()
                    .any(|found| found.is_error() && found.place.file == path)
            })
            .await;
        assert!(
            status
                .diagnostics
                .iter()
                .all(|found| found.place.file != path || found.place.line > 0),
            "{:#?}",
            status.diagnostics
        );
        assert_eq!(status.mode, Mode::Active);
        // What runs is pinned: edits of parameters go on rolling out.
        two.globex_shows(&title).await;
        assert_eq!(two.acme_now().await, before, "{what}");
        let status = two
            .until("the new order's reason", |status| {
                status.orders.iter().any(|order| {
                    order.domain == domain
                        && order
                            .waiting
                            .iter()
                            .any(|reason| matches!(reason, WaitingOn::StackBroken { .. }))
                })
            })
            .await;
        assert_eq!(status.totals.fulfilled, 2, "{what}");
        two.pull();
        two.home.fleet.edit(path, to, from).unwrap();
        two.home.fleet.commit("mended").unwrap();
        two.until("the new order's version", |status| {
            status.orders.iter().any(|order| {
                order.domain == domain && order.tools.iter().all(|tool| tool.pin.is_some())
            })
        })
        .await;
        two.pull();
        std::fs::remove_file(two.home.fleet.work().join(&late)).unwrap();
        two.home
            .fleet
            .commit("the late order is withdrawn")
            .unwrap();
        two.until("its end", |status| status.orders.len() == 2)
            .await;
        two.serve().await;
        two.pull();
    }
}

#[tokio::test]
async fn broken_settings_of_the_fleet_keep_everything_as_it_is() {
    let mut two = Two::start().await;
    for (path, broken, place) in [
        ("fleet/hub.yaml", "fleet_id: [", "fleet/hub.yaml:"),
        (
            "fleet/staff.yaml",
            "nobody knows: this\n",
            "fleet/staff.yaml:1:1",
        ),
    ] {
        let (acme, globex) = (
            two.acme_now().await,
            two.globex.accepted().unwrap().reference(),
        );
        let good = two.home.fleet.read(path).unwrap();
        two.home.fleet.write(path, broken).unwrap();
        let title = two.touch_globex();
        let commit = two.home.fleet.commit("broken settings").unwrap();
        let status = two
            .until("the diagnostic", |status| {
                status.commit.as_ref().is_some_and(|seen| seen.id == commit)
            })
            .await;
        assert!(
            status
                .diagnostics
                .iter()
                .any(|found| found.place.to_string().starts_with(place)),
            "{:#?}",
            status.diagnostics
        );
        assert!(
            matches!(&status.mode, Mode::Observing { .. }),
            "{:?}",
            status.mode
        );
        assert!(
            status.frozen.iter().any(|scope| scope.customer.is_none()),
            "{:?}",
            status.frozen
        );
        assert_eq!(status.orders.len(), 2, "known orders are still shown");
        tokio::time::sleep(Duration::from_millis(300)).await;
        two.serve().await;
        assert_eq!(
            (
                two.acme_now().await,
                two.globex.accepted().unwrap().reference()
            ),
            (acme, globex),
            "{path}"
        );
        assert_eq!(two.home.fleet.head().unwrap(), commit);
        // It also comes up like that: a restart does not make it lose the last good version.
        two.home.start().await.unwrap();
        let status = two
            .until("the frozen state after a restart", |status| {
                status.orders.len() == 2
            })
            .await;
        assert!(
            matches!(&status.mode, Mode::Observing { .. }),
            "{:?}",
            status.mode
        );
        two.serve().await;

        two.home.fleet.write(path, &good).unwrap();
        two.home.fleet.commit("mended").unwrap();
        two.globex_shows(&title).await;
        two.until("acting again", |status| {
            status.mode == Mode::Active && status.diagnostics.is_empty()
        })
        .await;
    }
}

#[tokio::test]
async fn the_first_order_keeps_a_domain_and_the_second_waits_with_the_reason() {
    let two = Two::start().await;
    let thief = "fleet/customers/globex/orders/another.yaml";
    for domain in ["acme.test", "shop.acme.test"] {
        let before = two.acme_now().await;
        two.home
            .fleet
            .write(
                thief,
                &format!("plan: pro\ndomain: {domain}\ntools: [html]\n"),
            )
            .unwrap();
        two.home.fleet.commit("the same domain again").unwrap();
        let taken = |status: &FleetStatus| {
            let order = status
                .orders
                .iter()
                .find(|order| order.order.as_str() == "another");
            order.is_some_and(|order| {
                order.phase != Phase::Fulfilled
                    && order.waiting.iter().any(|reason| matches!(reason, WaitingOn::DomainTaken { holder, .. } if holder.to_string() == "acme/website"))
            })
        };
        let status = two.until("the reason", taken).await;
        let order = status
            .orders
            .iter()
            .find(|order| order.order.as_str() == "another")
            .unwrap();
        assert!(
            order.waiting[0].to_string().contains("acme/website"),
            "{:?}",
            order.waiting
        );
        two.serve().await;
        let globex = two.globex.accepted().unwrap();
        assert!(
            !globex
                .files
                .keys()
                .any(|path| path.as_str().contains("another")),
            "{:?}",
            globex.files.keys()
        );
        assert_eq!(two.acme_now().await, before);
        two.pull();
    }
    // Two that come in one commit: one of them gets it, the other waits; nobody gets both.
    two.home
        .fleet
        .write(thief, "plan: pro\ndomain: fresh.test\ntools: [html]\n")
        .unwrap();
    two.home
        .fleet
        .write(
            "fleet/customers/acme/orders/second.yaml",
            "plan: pro\ndomain: fresh.test\ntools: [html]\n",
        )
        .unwrap();
    two.home.fleet.commit("twins").unwrap();
    let waits = |order: &tenantry_planner::status::OrderStatus| {
        order
            .waiting
            .iter()
            .any(|reason| matches!(reason, WaitingOn::DomainTaken { .. }))
    };
    two.until("one of two", |status| {
        let twins: Vec<_> = status
            .orders
            .iter()
            .filter(|order| order.domain == "fresh.test")
            .collect();
        twins.len() == 2
            && twins.iter().filter(|order| waits(order)).count() == 1
            && twins
                .iter()
                .filter(|order| order.tools.iter().all(|tool| tool.pin.is_some()))
                .count()
                == 1
    })
    .await;
    let claims = two.home.fleet.decisions().unwrap();
    let claims = claims
        .iter()
        .filter(|(path, text)| path.ends_with("/domain.yaml") && text.contains("fresh.test"))
        .count();
    assert_eq!(claims, 1);
}
