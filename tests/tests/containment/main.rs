//! Trouble stays where it is (law 11): what a broken document freezes, what moves on, and that mending it is enough. Real hub, fake agents.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod customers;
mod lost;
mod shared;

use std::time::Duration;
use tenantry_planner::status::FleetStatus;
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
