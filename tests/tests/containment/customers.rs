//! Mistakes in the documents of a customer.

use crate::{ORDER, SOON, Two, shows};
use std::time::Duration;
use tenantry_planner::status::Mode;
use tenantry_tests::rig::FakeAgent;

#[tokio::test]
async fn a_customers_mistake_freezes_that_customer_until_it_is_mended() {
    let mut two = Two::start().await;
    let unencrypted = "smtp_password: in-clear-by-mistake\n";
    let mistakes = [
        (
            "a syntax error",
            ORDER,
            "plan: pro\ndomain: acme.test\ntools: [html\n",
            format!("{ORDER}:3:12"),
        ),
        (
            "an unknown key",
            ORDER,
            "plan: pro\ndomain: acme.test\ntoolz: [html]\n",
            format!("{ORDER}:3:1"),
        ),
        (
            "a key twice",
            ORDER,
            "plan: pro\ndomain: acme.test\nplan: pro\ntools: [html]\n",
            format!("{ORDER}:3:1"),
        ),
        (
            "a tool that is not in the catalogue",
            ORDER,
            "plan: pro\ndomain: acme.test\ntools:\n  htlm:\n",
            format!("{ORDER}:4:3"),
        ),
        (
            "a server that is not there",
            ORDER,
            "plan: pro\ndomain: acme.test\nserver: acme-2\ntools: [html]\n",
            format!("{ORDER}:3:9"),
        ),
        (
            "a plan that is not sold",
            ORDER,
            "plan: gold\ndomain: acme.test\ntools: [html]\n",
            format!("{ORDER}:1:7"),
        ),
        (
            "secrets in clear",
            "fleet/customers/acme/secrets.yaml",
            unencrypted,
            // The line would show the secret.
            "fleet/customers/acme/secrets.yaml".to_owned(),
        ),
        (
            "a broken server document",
            "fleet/customers/acme/servers/acme-1.yaml",
            "provider: static\naddress: nowhere\n",
            "fleet/customers/acme/servers/acme-1.yaml:2:10".to_owned(),
        ),
    ];
    let mut misplaced = Vec::new();
    for (what, path, broken, place) in mistakes {
        let before = two.acme_now().await;
        let good = two.home.fleet.read(path).ok();
        two.home.fleet.write(path, broken).unwrap();
        let title = two.touch_globex();
        let commit = two.home.fleet.commit(what).unwrap();

        let status = two
            .until(what, |status| {
                status.commit.as_ref().is_some_and(|seen| seen.id == commit)
            })
            .await;
        if !shows(&status, &place) {
            misplaced.push(format!(
                "{what}: no error at {place}: {:?}",
                status.diagnostics
            ));
        }
        let frozen: Vec<_> = status
            .frozen
            .iter()
            .map(|scope| scope.customer.as_ref().map(ToString::to_string))
            .collect();
        assert_eq!(frozen, [Some("acme".to_owned())], "{what}");
        assert!(
            !format!("{:?}", status.diagnostics).contains("in-clear-by-mistake"),
            "a secret in clear is shown"
        );
        assert_eq!(status.mode, Mode::Active);
        two.globex_shows(&title).await;
        assert_eq!(two.acme_now().await, before, "{what}: acme's slice moved");

        // Mended, and a change on top: acme moves on.
        match good {
            Some(good) => two.home.fleet.write(path, &good).unwrap(),
            None => std::fs::remove_file(two.home.fleet.work().join(path)).unwrap(),
        }
        let better = two
            .home
            .fleet
            .read(ORDER)
            .unwrap()
            .replace("Acme ", "Acme mended ");
        two.home.fleet.write(ORDER, &better).unwrap();
        two.home.fleet.commit("mended").unwrap();
        two.until("the end of the diagnostic", |status| {
            status.diagnostics.is_empty() && status.frozen.is_empty()
        })
        .await;
        let deadline = tokio::time::Instant::now() + SOON;
        while two.acme_now().await == before {
            assert!(
                tokio::time::Instant::now() < deadline,
                "{what}: acme does not move on"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        two.pull();
    }
    assert_eq!(misplaced, Vec::<String>::new());
    assert_eq!(
        two.home.fleet.rewritten_decisions().unwrap(),
        Vec::<String>::new()
    );
}

#[tokio::test]
async fn a_mistake_in_a_new_customer_harms_nobody_and_its_first_good_version_runs() {
    let mut two = Two::start().await;
    let initech = FakeAgent::new("initech/initech-1").unwrap();
    two.home
        .fleet
        .write(&initech.path(), &initech.document(""))
        .unwrap();
    two.home
        .fleet
        .write(
            "fleet/customers/initech/orders/app.yaml",
            "plan: pro\ndomain: [initech.test]\ntools: [html]\n",
        )
        .unwrap();
    let title = two.touch_globex();
    two.home.fleet.commit("a newcomer with a mistake").unwrap();
    let status = two
        .until("the diagnostic", |status| !status.frozen.is_empty())
        .await;
    assert!(
        shows(&status, "fleet/customers/initech/orders/app.yaml:2:1"),
        "{:#?}",
        status.diagnostics
    );
    assert_eq!(status.frozen[0].stays_at, None);
    two.globex_shows(&title).await;
    two.home
        .fleet
        .edit(
            "fleet/customers/initech/orders/app.yaml",
            "[initech.test]",
            "initech.test",
        )
        .unwrap();
    two.home.fleet.commit("mended").unwrap();
    two.home.decided(3, SOON).await.unwrap();
    initech
        .serve(&two.home.url(), &two.home.fleet, 1)
        .await
        .unwrap();
    assert!(
        initech
            .accepted()
            .unwrap()
            .text("stacks/app-html/compose.yaml")
            .contains("nginx")
    );
}
