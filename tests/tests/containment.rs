//! Trouble stays where it is (law 11): what a broken document freezes, what moves on, and that mending it is enough. Real hub, fake agents.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::time::Duration;
use tenantry_planner::status::{FleetStatus, Mode, Phase};
use tenantry_planner::waiting::WaitingOn;
use tenantry_schema::wire::SliceRef;
use tenantry_tests::rig::{FakeAgent, HubBox};

const SOON: Duration = Duration::from_secs(20);
const ORDER: &str = "fleet/customers/acme/orders/website.yaml";
const OTHER: &str = "fleet/customers/globex/orders/shop.yaml";
const ACME: &str =
    "plan: pro\ndomain: acme.test\ntools:\n  html:\n    parameters: { TITLE: Acme one }\n";
const GLOBEX: &str =
    "plan: pro\ndomain: globex.test\ntools:\n  html:\n    parameters: { TITLE: Globex one }\n";

/// Two customers with a server and a running order each.
struct Two {
    home: HubBox,
    acme: FakeAgent,
    globex: FakeAgent,
    edits: u32,
}

impl Two {
    async fn start() -> Self {
        let mut home = HubBox::new("containment").unwrap();
        let (acme, globex) = (
            FakeAgent::new("acme/acme-1").unwrap(),
            FakeAgent::new("globex/globex-1").unwrap(),
        );
        for (agent, path, order) in [(&acme, ORDER, ACME), (&globex, OTHER, GLOBEX)] {
            home.fleet
                .write(
                    &format!("fleet/customers/{}/customer.yaml", agent.server().customer),
                    "language: en\n",
                )
                .unwrap();
            home.fleet
                .write(&agent.path(), &agent.document(""))
                .unwrap();
            home.fleet.write(path, order).unwrap();
        }
        home.fleet.commit("two orders").unwrap();
        home.start().await.unwrap();
        let two = Self {
            home,
            acme,
            globex,
            edits: 1,
        };
        two.home.decided(2, SOON).await.unwrap();
        two.serve().await;
        two.home
            .hub()
            .wait_for(SOON, "fulfilment", |status| status.totals.fulfilled == 2)
            .await
            .unwrap();
        two.pull();
        two
    }

    async fn serve(&self) {
        for agent in [&self.acme, &self.globex] {
            agent
                .serve(&self.home.url(), &self.home.fleet, 0)
                .await
                .unwrap();
        }
    }

    fn pull(&self) {
        self.home.fleet.pull().unwrap();
    }

    /// Gives globex another title.
    fn touch_globex(&mut self) -> String {
        let title = |n: u32| format!("Globex number {n}");
        self.edits += 1;
        let text = GLOBEX.replace("Globex one", &title(self.edits));
        self.home.fleet.write(OTHER, &text).unwrap();
        title(self.edits)
    }

    /// Waits until globex has a slice with `title`.
    async fn globex_shows(&self, title: &str) {
        let deadline = tokio::time::Instant::now() + SOON;
        loop {
            self.globex
                .serve(&self.home.url(), &self.home.fleet, 1)
                .await
                .unwrap();
            let page = self
                .globex
                .accepted()
                .unwrap()
                .text("stacks/shop-html/files/html/index.html");
            if page.contains(title) {
                return;
            }
            assert!(
                tokio::time::Instant::now() < deadline,
                "globex still has {page}"
            );
        }
    }

    async fn acme_now(&self) -> SliceRef {
        self.acme
            .serve(&self.home.url(), &self.home.fleet, 0)
            .await
            .unwrap();
        self.acme.accepted().unwrap().reference()
    }

    async fn until(&self, what: &str, condition: impl FnMut(&FleetStatus) -> bool) -> FleetStatus {
        self.home
            .hub()
            .wait_for(SOON, what, condition)
            .await
            .unwrap()
    }
}

/// Whether `status` shows an error at `file:line:col`.
fn shows(status: &FleetStatus, place: &str) -> bool {
    status
        .diagnostics
        .iter()
        .any(|found| found.is_error() && found.place.to_string() == place)
}

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
            "fleet/customers/acme/secrets.yaml:1:1".to_owned(),
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
